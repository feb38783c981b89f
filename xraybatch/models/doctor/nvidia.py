"""The NVIDIA driver and its GPUs, asked through the driver's own library.

Not through ``nvidia-smi``, which lists GPUs that CUDA_VISIBLE_DEVICES hides and is missing in many
containers; only the driver's version comes from it where the kernel does not tell.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…
_NO_DEVICE = 100


@dataclass(frozen=True)
class Gpu:
    """One GPU: its name, bytes of memory, and compute capability as ``(major, minor)``."""

    name: str
    memory: int
    capability: tuple[int, int]


@dataclass(frozen=True)
class Driver:
    """The installed driver.

    Attributes
    ----------
    version : str
        Such as ``550.54.15``; empty where it cannot be read.
    cuda : (int, int)
        The newest CUDA that it can run.
    gpus : tuple of Gpu
        In the order of ``cuda:N``.
    error : str
        Why the driver gives no GPU; else empty.
    """

    version: str
    cuda: tuple[int, int]
    gpus: tuple[Gpu, ...]
    error: str = ""


def read_driver() -> Driver | None:
    """Ask the driver; None where there is none."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    number = ctypes.c_int(0)
    library.cuDriverGetVersion(ctypes.byref(number))
    cuda = (number.value // 1000, number.value % 1000 // 10)
    code = library.cuInit(0)
    count = ctypes.c_int(0)
    if code == 0:
        code = library.cuDeviceGetCount(ctypes.byref(count))
    if code not in (0, _NO_DEVICE):
        return Driver(_version(), cuda, (), _error(library, code))
    return Driver(_version(), cuda, tuple(_gpu(library, i) for i in range(count.value)))


def _gpu(library: Any, index: int) -> Gpu:
    device = ctypes.c_int(0)
    name = ctypes.create_string_buffer(256)
    memory = ctypes.c_size_t(0)
    library.cuDeviceGet(ctypes.byref(device), index)
    library.cuDeviceGetName(name, len(name), device)
    library.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    capability = []
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int(0)
        library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        capability.append(value.value)
    text = name.value.decode(errors="replace")
    return Gpu(text, memory.value, (capability[0], capability[1]))


def _error(library: Any, code: int) -> str:
    text = ctypes.c_char_p()
    library.cuGetErrorString(code, ctypes.byref(text))
    return f"{(text.value or b'unknown error').decode(errors='replace')} (CUDA error {code})"


def _version() -> str:
    try:
        line = Path("/proc/driver/nvidia/version").read_text()
        if found := re.search(r"\s(\d{3,}\.\d+(?:\.\d+)?)\s", line):
            return found[1]
    except OSError:
        pass
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603
            [program, "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.match(r"\d{3,}[\d.]*", done.stdout)
    return found[0] if found else ""
