"""Devices: what a person asks for, and what onnxruntime is told."""

from __future__ import annotations

import ctypes
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from xraybatch.core.errors import ModelError, UsageError

# onnxruntime's builds write a device number into ~/.cache and queue events about machine and
# program for Microsoft; it reads this once, when it is imported. The package sets it to 1 unless
# somebody has set it.
TELEMETRY_VARIABLE = "ORT_DISABLE_TELEMETRY"

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

_REQUEST = re.compile(r"(auto|cpu|cuda(?::(\d+))?)\Z")
_SEVERAL = re.compile(r"cuda:(\d+(?:,\d+)+)\Z")

INSTALL_GPU = "pip install 'xraybatch[gpu]'"


class DeviceFellBack(ModelError):
    """A device that was asked for by name, and a session that runs on another."""


@dataclass(frozen=True)
class DeviceRequest:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N`` as asked for, and the providers to try for it.

    Attributes
    ----------
    text : str
    providers : tuple of (str, dict)
        For ``onnxruntime.InferenceSession``.
    wanted : str
        The provider that the session must really have.
    note : str
        A fallback that a person should hear of; empty where there was none.
    """

    text: str
    providers: tuple[tuple[str, dict[str, Any]], ...]
    wanted: str
    note: str = ""


def each_device(text: str) -> list[str]:
    """Every device that a person asked for: ``cuda:0,1`` are ``cuda:0`` and ``cuda:1``.

    Raises
    ------
    UsageError
        If one is named twice.
    """
    match = _SEVERAL.match(text)
    if not match:
        return [text]
    numbers = [int(number) for number in match[1].split(",")]
    twice = [number for number in numbers if numbers.count(number) > 1]
    if twice:
        raise UsageError(f"--device {text} names cuda:{twice[0]} twice.", "Leave one out.")
    return [f"cuda:{number}" for number in numbers]


def resolve_device(text: str) -> DeviceRequest:
    """Turn what a person asked for into providers.

    Raises
    ------
    UsageError
        If `text` is none of ``auto``, ``cpu``, ``cuda``, ``cuda:N``.
    ModelError
        If a GPU was asked for by name and this machine or installation has none, or not that many.
    """
    match = _REQUEST.match(text)
    if not match:
        raise UsageError(
            f"'{text}' is no device.", "Use auto, cpu, cuda, cuda:N or, for predict, cuda:N,M."
        )
    if text == "cpu":
        return DeviceRequest(text, ((CPU, {}),), CPU)
    driver, built = has_nvidia_driver(), CUDA in _available()
    if text == "auto" and not driver:
        return DeviceRequest(text, ((CPU, {}),), CPU)
    if text == "auto" and not built:
        note = f"There is an NVIDIA GPU, but this onnxruntime cannot use it: {INSTALL_GPU}."
        return DeviceRequest(text, ((CPU, {}),), CPU, note)
    if not driver:
        raise ModelError(
            f"--device {text} was asked for, but no NVIDIA driver was found.",
            "Install the driver, or use --device cpu.",
        )
    if not built:
        raise ModelError(
            f"--device {text} was asked for, but this onnxruntime was built without CUDA.",
            f"Install it with {INSTALL_GPU}, or use --device cpu.",
        )
    number = int(match[2] or 0)
    if number >= (count := count_gpus()):
        there = "one GPU, cuda:0" if count == 1 else f"{count} GPUs, cuda:0 to cuda:{count - 1}"
        raise ModelError(
            f"--device {text} was asked for, but this machine shows {there}.",
            "Use one of these; CUDA_VISIBLE_DEVICES may hide others.",
        )
    return DeviceRequest(text, ((CUDA, _cuda_options(number)), (CPU, {})), CUDA)


def check_provider(request: DeviceRequest, real: str) -> str:
    """Compare the provider that a session really has with the request.

    Returns
    -------
    str
        A sentence where ``auto`` fell back to the CPU; empty otherwise.

    Raises
    ------
    DeviceFellBack
        If a device was asked for by name and the session runs elsewhere.
    """
    if real == request.wanted:
        return request.note
    if request.text == "auto":
        return (
            "There is an NVIDIA GPU, but its libraries could not be loaded, so the CPU is used: "
            f"{INSTALL_GPU}."
        )
    raise DeviceFellBack(
        f"--device {request.text} was asked for, but onnxruntime fell back to {real}.",
        f"Install CUDA and cuDNN for it with {INSTALL_GPU}, or use --device cpu.",
    )


def has_nvidia_driver() -> bool:
    """Whether the NVIDIA driver's library loads and counts at least one device."""
    return count_gpus() > 0


@lru_cache(maxsize=1)
def count_gpus() -> int:
    """GPUs that the NVIDIA driver shows to this process; 0 where there is no driver."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
        count = ctypes.c_int(0)
        if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
            return 0
    except (OSError, AttributeError):
        return 0
    return count.value


def _cuda_options(number: int) -> dict[str, Any]:
    return {
        "device_id": number,
        "use_tf32": "0",  # TF32 keeps 10 bits of the mantissa
        "cudnn_conv_algo_search": "HEURISTIC",  # EXHAUSTIVE picks by timing
        "arena_extend_strategy": "kSameAsRequested",
    }


def _available() -> list[str]:
    import onnxruntime

    return list(onnxruntime.get_available_providers())
