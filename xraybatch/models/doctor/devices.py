"""Which devices really work: answers compared, not providers listed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from xraybatch.models.devices import CPU, CUDA
from xraybatch.models.doctor.nvidia import Driver
from xraybatch.models.doctor.report import DeviceRow, DeviceState, Finding, Verdict
from xraybatch.models.doctor.trial import Trial
from xraybatch.models.selftest import TOLERANCE

_Rows = Mapping[str, Sequence[Sequence[float]]]


def cpu_row(trial: Trial, name: str) -> DeviceRow:
    """The CPU, compared with what the model's card says."""
    return _row(trial, name, trial.expected, "the model's card")


def gpu_rows(driver: Driver, try_device: Callable[[str], Trial], cpu: Trial) -> Iterator[DeviceRow]:
    """Each GPU, compared with the CPU."""
    for number, gpu in enumerate(driver.gpus):
        yield _row(try_device(f"cuda:{number}"), gpu.name, cpu.answers, "the CPU")


def check_devices(rows: Sequence[DeviceRow]) -> Iterator[Finding]:
    """A finding a device; only the CPU decides whether prediction works."""
    for row in rows:
        if row.state is DeviceState.WORKS:
            yield Finding(row.device, Verdict.OK, f"{_speed(row)}; {_difference(row)}.")
        elif row.device == "cpu":
            hint = (
                "Install the tested versions again."
                if row.state is DeviceState.FAILS
                else "This onnxruntime computes otherwise than the one the model was made with."
            )
            yield Finding(
                "cpu",
                Verdict.PROBLEM,
                f"The demonstration model does not run on the CPU: {row.sentence}",
                hint,
                ("pip install --force-reinstall --constraint constraints.txt xraybatch",),
            )
        elif row.state is DeviceState.DIFFERS:
            yield Finding(
                row.device,
                Verdict.NOTE,
                f"{row.name} computes otherwise: {row.sentence}",
                "Models that find this out in their self-test refuse to run on it. "
                "Use --device cpu, and report this.",
            )
        else:
            yield Finding(
                row.device,
                Verdict.NOTE,
                f"{row.name} is not used: {row.sentence}",
                "See 'cuda' for what to install; until then --device auto takes the CPU.",
            )


def check_providers(providers: Sequence[str]) -> Iterator[Finding]:
    """What onnxruntime lists beside what xraybatch uses."""
    if not providers:
        return
    used = [name for name in providers if name in (CPU, CUDA)]
    others = [name.removesuffix("ExecutionProvider") for name in providers if name not in used]
    text = f"onnxruntime lists {', '.join(name.removesuffix('ExecutionProvider') for name in used)}"
    if others:
        text += f"; {', '.join(others)} too, not used by xraybatch"
    yield Finding("providers", Verdict.OK, f"{text}. Listed does not mean working: see below.")


def largest_difference(ours: _Rows, theirs: _Rows) -> float:
    """Largest difference of a probability; infinite where there is none to be had."""
    if ours.keys() != theirs.keys() or not ours:
        return math.inf
    worst = 0.0
    for task, rows in ours.items():
        others = theirs[task]
        if [len(row) for row in rows] != [len(row) for row in others]:
            return math.inf
        for row, other in zip(rows, others, strict=True):
            for a, b in zip(row, other, strict=True):
                gap = abs(a - b)
                worst = max(worst, gap if math.isfinite(gap) else math.inf)
    return worst


def _row(trial: Trial, name: str, expected: _Rows, whose: str) -> DeviceRow:
    if trial.error:
        state = DeviceState.FALLS_BACK if trial.fell_back else DeviceState.FAILS
        return DeviceRow(trial.device, name, state, sentence=trial.error.rstrip(".") + ".")
    difference = largest_difference(trial.answers, expected)
    works = difference <= TOLERANCE
    sentence = (
        ""
        if works
        else f"its probabilities are {difference:.2g} off {whose}'s (allowed: {TOLERANCE:g})."
        if math.isfinite(difference)
        else f"its answers cannot be compared with {whose}'s."
    )
    return DeviceRow(
        trial.device,
        name,
        DeviceState.WORKS if works else DeviceState.DIFFERS,
        trial.seconds,
        trial.batch_size,
        difference if math.isfinite(difference) else None,
        sentence,
    )


def _speed(row: DeviceRow) -> str:
    if row.seconds is None:
        return f"{row.name} works"
    return f"{row.name} works: {row.seconds:.3f} s for a batch of {row.batch_size}"


def _difference(row: DeviceRow) -> str:
    whose = "the model's card" if row.device == "cpu" else "the CPU"
    return f"probabilities within {row.difference or 0.0:.1g} of {whose}"
