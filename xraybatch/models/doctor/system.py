"""Judging what the operating system says, and the packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from xraybatch.core.memory import Memory
from xraybatch.models.devices import TELEMETRY_VARIABLE
from xraybatch.models.doctor.machine import SHARED_MEMORY, Cores, Place, System, Text
from xraybatch.models.doctor.packages import tensorflow
from xraybatch.models.doctor.report import Finding, Package, Verdict, plural

GIGABYTE = 10**9
_TESTED = ("Linux", "x86_64", "3.11.")
_ROOM = GIGABYTE  # below that, a night's results may not fit
_MEMORY, _MEMORY_A_WORKER = GIGABYTE, GIGABYTE // 4


def check_system(system: System) -> Iterator[Finding]:
    """Python and the platform, and whether xraybatch was tested on the like."""
    kind = f"{system.implementation} {system.python}, {system.bits} bits"
    where = " ".join(part for part in (system.system, system.machine, system.libc) if part)
    text = f"{kind}, on {where}"
    name, machine, python = _TESTED
    if system.bits < 64:
        yield Finding(
            "python",
            Verdict.PROBLEM,
            f"{text}: onnxruntime needs 64 bits.",
            "Install a Python of 64 bits.",
        )
    elif (
        system.system.split()[0] == name
        and system.machine == machine
        and system.python.startswith(python)
    ):
        yield Finding("python", Verdict.OK, f"{text}.")
    else:
        tested = f"{name} {machine} with Python {python.rstrip('.')}"
        yield Finding(
            "python",
            Verdict.NOTE,
            f"{text}. xraybatch was tested on {tested} only.",
            "If something does not work, report it with this page.",
        )


def check_packages(packages: Sequence[Package], unmet: Sequence[str]) -> Iterator[Finding]:
    """What prediction asks for is there, new enough."""
    if unmet:
        names = " ".join(f"'{line}'" for line in unmet)
        yield Finding(
            "packages",
            Verdict.PROBLEM,
            f"Missing or too old: {', '.join(unmet)}.",
            "Install them:",
            (f"pip install {names}",),
        )
    else:
        ours = next((one.version for one in packages if one.name == "xraybatch"), "")
        yield Finding("packages", Verdict.OK, f"xraybatch {ours} and all that prediction asks for.")


def check_training(found: Mapping[str, str]) -> Iterator[Finding]:
    """Whether training is installed; TensorFlow is not loaded for that."""
    if missing := training_missing(found):
        some = len(missing) < 4
        yield Finding(
            "training",
            Verdict.NOTE if some else Verdict.OK,
            f"Training lacks {', '.join(missing)}." if some else "Training is not installed.",
            "Needed for xraybatch train and export only:",
            ("pip install 'xraybatch[train]'",),
        )
    else:
        yield Finding(
            "training", Verdict.OK, f"Training is installed: {tensorflow(found)}. Not tried here."
        )


def training_missing(found: Mapping[str, str]) -> list[str]:
    """Which of training's four packages are not there."""
    missing = [] if tensorflow(found) else ["tensorflow"]
    return missing + [name for name in ("keras", "tf2onnx", "onnx") if name not in found]


def check_cores(cores: Cores) -> Iterator[Finding]:
    """What xraybatch uses, beside what the machine has and the container allows."""
    quota = "none" if cores.quota is None else f"{cores.quota:g}"
    text = (
        f"xraybatch uses {plural(cores.used, 'core')} "
        f"(machine {cores.machine}, affinity {cores.affinity}, quota {quota})"
    )
    yield Finding("cores", Verdict.OK, f"{text}.")


def check_memory(memory: Memory | None, workers: int) -> Iterator[Finding]:
    """Main memory that is free, within the container's limit."""
    if memory is None:
        yield Finding("memory", Verdict.OK, "This system does not say how much memory is free.")
        return
    text = f"{size(memory.free)} of memory free, of {size(memory.total)}"
    if memory.limit is not None:
        text += f"; the container may use {size(memory.limit)}"
    if memory.free < _MEMORY + workers * _MEMORY_A_WORKER:
        yield Finding(
            "memory",
            Verdict.NOTE,
            f"{text}: little for {workers} decoding at once.",
            "Give predict --workers 1, or close other programs.",
        )
    else:
        yield Finding("memory", Verdict.OK, f"{text}.")


def check_shared_memory(place: Place | None) -> Iterator[Finding]:
    """Where the system keeps the locks of the decoding processes."""
    if place is None:
        return
    if place.writable and place.free > 1 << 20:
        yield Finding("shared memory", Verdict.OK, f"{size(place.free)} free in {SHARED_MEMORY}.")
    else:
        yield Finding(
            "shared memory",
            Verdict.PROBLEM,
            f"{SHARED_MEMORY} is full or cannot be written: decoding processes cannot start.",
            "Start the container with --shm-size 1g, or remove files there.",
        )


def check_place(topic: str, words: str, place: Place) -> Iterator[Finding]:
    """Room in a folder."""
    text = f"{size(place.free)} free in {words}"
    if not place.writable:
        yield Finding(
            topic,
            Verdict.NOTE,
            f"{words[0].upper()}{words[1:]} cannot be written.",
            "Write results elsewhere with --out, the cache with XRAYBATCH_CACHE.",
        )
    elif place.free < _ROOM:
        yield Finding(topic, Verdict.NOTE, f"Only {text}.", "Make room.")
    else:
        yield Finding(topic, Verdict.OK, f"{text}.")


def check_text(text: Text) -> Iterator[Finding]:
    """UTF-8 or not."""
    names = {
        "file names": text.file_names,
        "files": text.files,
        "output": text.output,
    }
    others = [f"{what} {name}" for what, name in names.items() if name and not _is_utf8(name)]
    if others:
        yield Finding(
            "encoding",
            Verdict.NOTE,
            f"Not UTF-8: {', '.join(others)}.",
            "Names with accents may look odd. Tables are written in UTF-8 all the same. For UTF-8:",
            ("export LC_ALL=C.UTF-8 PYTHONUTF8=1",),
        )
    else:
        yield Finding("encoding", Verdict.OK, "UTF-8.")


def check_environment(variables: Mapping[str, str]) -> Iterator[Finding]:
    """Our own variables, which change what the commands do."""
    text = ", ".join(f"{name}={value}" for name, value in variables.items())
    yield Finding("environment", Verdict.OK, f"{text}." if text else "No XRAYBATCH_… is set.")


def check_telemetry(value: str) -> Iterator[Finding]:
    """Whether onnxruntime is kept from reporting to its maker."""
    if value == "1":
        yield Finding("telemetry", Verdict.OK, "onnxruntime reports nothing to its maker.")
    else:
        yield Finding(
            "telemetry",
            Verdict.NOTE,
            f"{TELEMETRY_VARIABLE} is '{value}': onnxruntime may report to its maker about this "
            "machine.",
            "xraybatch turns that off where nobody has set it:",
            (f"unset {TELEMETRY_VARIABLE}",),
        )


def size(count: int) -> str:
    """``64 GB``, ``1.5 GB``, ``300 MB``."""
    if count >= 10 * GIGABYTE:
        return f"{count / GIGABYTE:.0f} GB"
    if count >= GIGABYTE:
        return f"{count / GIGABYTE:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 10**6 or count == 0 else f"{count / 1e3:.0f} kB"


def _is_utf8(name: str) -> bool:
    return name.lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig")
