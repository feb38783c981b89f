"""Which distributions are installed, by their metadata: nothing is imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import distribution, distributions

from xraybatch.models.doctor.report import Package

# they all unpack into one import folder, ``onnxruntime``: the one installed last wins, file by file
ONNXRUNTIMES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-rocm",
    "onnxruntime-migraphx",
    "onnxruntime-cann",
    "onnxruntime-vitisai",
    "onnxruntime-training",
    "ort-nightly",
    "ort-nightly-gpu",
)
TRAINING = ("tensorflow", "keras", "tf2onnx", "onnx")
_TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tf-nightly")
_PREDICTION = "prediction"


def read_distributions() -> dict[str, str]:
    """Version by name, lower case with ``-``; the first on the path where there are two."""
    found: dict[str, str] = {}
    for one in distributions():
        name = one.metadata["Name"]
        if name:
            found.setdefault(canonical(name), one.version)
    return found


def read_requirements() -> tuple[str, ...]:
    """What the installed xraybatch asks for, extras included, as its metadata says."""
    return tuple(distribution("xraybatch").requires or ())


def canonical(name: str) -> str:
    """A distribution's name as indexes write it."""
    return name.lower().replace("_", "-").replace(".", "-")


def onnxruntimes(found: Mapping[str, str]) -> list[str]:
    """Those distributions that own the folder ``onnxruntime``."""
    return [name for name in ONNXRUNTIMES if name in found]


def tensorflow(found: Mapping[str, str]) -> str:
    """``tensorflow 2.21.0``, or nothing."""
    return next((f"{name} {found[name]}" for name in _TENSORFLOWS if name in found), "")


def training_wants_cuda_12(found: Mapping[str, str]) -> bool:
    """Whether ``tensorflow[and-cuda]`` is installed, which brings libraries of CUDA 12."""
    return bool(tensorflow(found)) and "nvidia-cudnn-cu12" in found


def deciding(found: Mapping[str, str], requirements: Iterable[str]) -> tuple[Package, ...]:
    """Our own version, and that of everything that prediction or training asks for."""
    needed = {"xraybatch": _PREDICTION}
    for name, _ in base_requirements(requirements):
        needed.setdefault(name, _PREDICTION)
    for name in onnxruntimes(found):
        needed.setdefault(name, _PREDICTION)
    for name in TRAINING:
        needed.setdefault(name, "training")
    libraries = (name for name in found if name.startswith("nvidia-"))
    needed.update((name, "GPU") for name in sorted(libraries))
    return tuple(Package(name, found.get(name, ""), why) for name, why in needed.items())


def base_requirements(requirements: Iterable[str]) -> list[tuple[str, str]]:
    """Name and specifier of each requirement that holds here without any extra."""
    from packaging.requirements import Requirement

    parsed = [Requirement(line) for line in requirements]
    return [
        (canonical(one.name), str(one.specifier))
        for one in parsed
        if one.marker is None or one.marker.evaluate({"extra": ""})
    ]


def unmet(found: Mapping[str, str], requirements: Iterable[str]) -> list[str]:
    """Requirement lines of the base installation that this environment does not meet."""
    from packaging.specifiers import SpecifierSet

    return [
        f"{name}{specifier}"
        for name, specifier in base_requirements(requirements)
        if name not in found or not SpecifierSet(specifier).contains(found[name], prereleases=True)
    ]
