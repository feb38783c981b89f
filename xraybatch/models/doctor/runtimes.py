"""onnxruntime's distributions and CUDA: what clashes, and the line to type on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xraybatch.models.doctor.nvidia import Driver
from xraybatch.models.doctor.packages import (
    onnxruntimes,
    tensorflow,
    training_wants_cuda_12,
)
from xraybatch.models.doctor.report import Finding, Verdict, plural
from xraybatch.models.doctor.trial import Trial

CUDA_12 = "pip install 'onnxruntime-gpu[cuda,cudnn]>=1.26,<1.27'"
CUDA_13 = "pip install 'onnxruntime-gpu[cuda,cudnn]>=1.27'"
_FIRST_FOR_CUDA_13 = (1, 27)
_DRIVER = {12: "525", 13: "580"}  # the first branch that runs that CUDA
_TURING = (7, 5)  # CUDA 13 has no code for GPUs before it


def check_distributions(
    found: Mapping[str, str], cpu: Trial, driver: Driver | None
) -> Iterator[Finding]:
    """Whether exactly one distribution owns the folder ``onnxruntime``, and is what is imported."""
    names = onnxruntimes(found)
    listed = " and ".join(f"{name} {found[name]}" for name in names)
    if not names:
        yield Finding(
            "onnxruntime",
            Verdict.PROBLEM,
            "No onnxruntime is installed.",
            "xraybatch asks for it.",
            ("pip install onnxruntime-gpu",),
        )
    elif len(names) > 1:
        yield Finding(
            "onnxruntime",
            Verdict.PROBLEM,
            f"{listed} are installed side by side. They share one folder, so what runs is a "
            "mixture, and run records may name the wrong version.",
            "Remove all of them and install one.",
            (f"pip uninstall -y {' '.join(names)}", _one(found, names, driver)),
        )
    elif cpu.runtime and cpu.runtime != found[names[0]]:
        yield Finding(
            "onnxruntime",
            Verdict.PROBLEM,
            f"{listed} is installed, but {cpu.runtime} is what Python imports.",
            "Remove what is left of the other one.",
            (f"pip uninstall -y {names[0]}", _one(found, names, driver)),
        )
    else:
        built = f", built for CUDA {cpu.cuda}" if cpu.cuda else ""
        yield Finding("onnxruntime", Verdict.OK, f"{listed}{built}; the only one installed.")


def check_driver(driver: Driver | None) -> Iterator[Finding]:
    """The NVIDIA driver and its GPUs."""
    if driver is None:
        yield Finding("driver", Verdict.OK, "No NVIDIA driver: prediction runs on the CPU.")
        return
    name = f"NVIDIA driver {driver.version or '(version not known)'}"
    text = f"{name}, for CUDA up to {driver.cuda[0]}.{driver.cuda[1]}"
    if driver.error:
        yield Finding(
            "driver",
            Verdict.NOTE,
            f"{text}, gives no GPU: {driver.error}.",
            "Restart the machine, or install the driver again; `nvidia-smi` must list the GPU.",
        )
    elif not driver.gpus:
        yield Finding(
            "driver",
            Verdict.NOTE,
            f"{text}, shows no GPU to this process.",
            "Look at CUDA_VISIBLE_DEVICES, and start a container with --gpus all.",
        )
    else:
        gpus = "; ".join(f"{gpu.name}, {gpu.memory / 2**30:.0f} GB" for gpu in driver.gpus)
        yield Finding("driver", Verdict.OK, f"{text}; {plural(len(driver.gpus), 'GPU')}: {gpus}.")


def check_cuda(found: Mapping[str, str], cpu: Trial, driver: Driver | None) -> Iterator[Finding]:
    """Whether this onnxruntime's CUDA, TensorFlow's and the driver's go together."""
    built = built_for(found, cpu)
    training = training_wants_cuda_12(found)
    if driver is None or not driver.gpus:
        if training and built and built != 12:
            yield _two_majors(found, built)
        return
    line = install_line(driver, found)
    name = _name(found)
    if not line:
        yield Finding(
            "cuda",
            Verdict.NOTE,
            f"The driver runs CUDA up to {_dotted(driver)}, and onnxruntime needs CUDA 12.",
            f"Install driver {_DRIVER[12]} or newer, then:",
            (CUDA_12,),
        )
    elif built is None:
        yield Finding(
            "cuda",
            Verdict.NOTE,
            f"There is a GPU, but {name} is built without CUDA, so the CPU is used.",
            "Install the build for this driver:",
            (*_uninstall(found), line),
        )
    elif built > driver.cuda[0]:
        newer = _DRIVER.get(built, "")
        yield Finding(
            "cuda",
            Verdict.NOTE,
            f"{name} is built for CUDA {built}, but the driver {driver.version} runs CUDA up to "
            f"{_dotted(driver)}, so the CPU is used.",
            "Install the build for this driver"
            + (f" (or driver {newer} or newer):" if newer else ":"),
            (line,),
        )
    elif built >= 13 and (old := [g.name for g in driver.gpus if g.capability < _TURING]):
        yield Finding(
            "cuda",
            Verdict.NOTE,
            f"{name} is built for CUDA {built}, which no longer knows GPUs as old as "
            f"{' and '.join(dict.fromkeys(old))}.",
            "Install the build for CUDA 12:",
            (CUDA_12,),
        )
    elif training and built != 12:
        yield _two_majors(found, built)
    elif missing := _missing(found, built):
        yield Finding(
            "cuda",
            Verdict.NOTE,
            f"{name} needs libraries of CUDA {built} that pip has not installed: "
            f"{', '.join(missing)}. They may come from the system; the device below tells.",
            "Should it not work:",
            (line,),
        )
    else:
        yield Finding(
            "cuda", Verdict.OK, f"{name}, its libraries and the driver go together: CUDA {built}."
        )


def install_line(driver: Driver, found: Mapping[str, str]) -> str:
    """The one line for this driver, its GPUs and this TensorFlow; empty for a driver too old."""
    if driver.cuda[0] < 12:
        return ""
    old = any(gpu.capability < _TURING for gpu in driver.gpus)
    if driver.cuda[0] == 12 or old or training_wants_cuda_12(found):
        return CUDA_12
    return CUDA_13


def built_for(found: Mapping[str, str], cpu: Trial) -> int | None:
    """The CUDA major of this onnxruntime: as it says, else by its version; None without CUDA."""
    if cpu.cuda:
        return int(cpu.cuda.split(".")[0])
    if cpu.runtime and "CUDAExecutionProvider" not in cpu.providers:
        return None
    version = found.get("onnxruntime-gpu", "")
    parts = version.split(".")
    if len(parts) < 2 or not (parts[0].isdigit() and parts[1].isdigit()):
        return None
    return 13 if (int(parts[0]), int(parts[1])) >= _FIRST_FOR_CUDA_13 else 12


def _two_majors(found: Mapping[str, str], built: int) -> Finding:
    return Finding(
        "cuda",
        Verdict.NOTE,
        f"{tensorflow(found)} came with libraries of CUDA 12, {_name(found)} is built for "
        f"CUDA {built}: a GPU cannot serve both in one environment.",
        "Install the last onnxruntime-gpu for CUDA 12:",
        (CUDA_12,),
    )


def _missing(found: Mapping[str, str], built: int) -> list[str]:
    # from CUDA 13 on the names have no suffix, but for cuDNN's
    suffix = "" if built >= 13 else f"-cu{built}"
    wanted = [f"nvidia-{part}{suffix}" for part in ("cuda-runtime", "cublas", "cufft")]
    return [name for name in (*wanted, f"nvidia-cudnn-cu{built}") if name not in found]


def _one(found: Mapping[str, str], names: list[str], driver: Driver | None) -> str:
    if driver is not None and driver.gpus and (line := install_line(driver, found)):
        return line
    keep = "onnxruntime-gpu" if "onnxruntime-gpu" in names else names[0]
    return f"pip install {keep}=={found[keep]}"


def _uninstall(found: Mapping[str, str]) -> tuple[str, ...]:
    others = [name for name in onnxruntimes(found) if name != "onnxruntime-gpu"]
    return (f"pip uninstall -y {' '.join(others)}",) if others else ()


def _name(found: Mapping[str, str]) -> str:
    return " and ".join(f"{name} {found[name]}" for name in onnxruntimes(found)) or "onnxruntime"


def _dotted(driver: Driver) -> str:
    return f"{driver.cuda[0]}.{driver.cuda[1]}"
