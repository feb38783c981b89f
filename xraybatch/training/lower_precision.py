"""A model file in another precision: which layers stay in float so that the gate is passed.

All layers first. Where that changes too many films, the first and the last layer stay in float;
then the harm of each two neighbours is measured by leaving them alone in float (what flows between
two layers is in float only if both are), and the most harmful stay in float, as few as will do and
never more than half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from xraybatch.core.errors import BarMissed
from xraybatch.core.files import remove
from xraybatch.core.progress import Progress
from xraybatch.extension.records import Exporter, ExportJob
from xraybatch.models.card import TaskCard
from xraybatch.reports.precision_text import short
from xraybatch.training.artefacts import Gate
from xraybatch.training.gate import Predict
from xraybatch.training.precision_gate import PrecisionGate, answers_of, judge, shift_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xraybatch.training.precision_gate import Answers

_MEASURED_ON = 64  # films
_STEPS = 64  # in which a deep network is gone through: the time stays bounded
_NAMED = 5


@dataclass(frozen=True)
class Harm:
    """What neighbouring layers do to the answers.

    Attributes
    ----------
    layers : tuple of str
        Two, or more in a deep network.
    mean_shift : float
        By how much less probabilities move on average with these layers in float.
    """

    layers: tuple[str, ...]
    mean_shift: float


@dataclass(frozen=True)
class Lowered:
    """A file that passed its gate.

    Attributes
    ----------
    gate : PrecisionGate
    layers : int
        That could be computed otherwise.
    in_float : tuple of str
        Those that stayed in float32.
    harms : tuple of Harm
        The most harmful first; empty where none had to be measured.
    """

    gate: PrecisionGate
    layers: int
    in_float: tuple[str, ...]
    harms: tuple[Harm, ...]

    def to_dict(self) -> dict[str, Any]:
        """As the card holds it."""
        return {
            "layers": self.layers,
            "in_float": list(self.in_float),
            "harm": [
                {"layers": list(h.layers), "mean_shift": h.mean_shift} for h in self.harms[:_NAMED]
            ],
            "gate": self.gate.to_dict(),
        }


def lower(
    exporter: Exporter,
    job: ExportJob,
    before: Answers,
    gate: Gate,
    tasks: Sequence[TaskCard],
    opened: Callable[[], Predict],
    *,
    limit: int,
    part: str,
    progress: Progress,
) -> Lowered:
    """Write `job.target` so that it passes the gate.

    Parameters
    ----------
    exporter : Exporter
    job : ExportJob
        With films to calibrate on and a folder to work in.
    before : mapping of str to ndarray of float32
        What the fp32 file answers to the gate's films, by task.
    gate : Gate
    tasks : sequence of TaskCard
    opened : callable
        Opens what was written at the target.
    limit : int
        Films that may get another class.
    part : str
        Where the gate's films are from.
    progress : Progress

    Raises
    ------
    BarMissed
        If it cannot be passed; the target may lie there, and is no model.
    """

    def answered(in_float: tuple[str, ...], films: NDArray[np.uint8]) -> Answers:
        remove(job.target)
        exporter.write(replace(job, in_float=in_float))
        return answers_of(opened(), films, tasks)

    def tried(in_float: tuple[str, ...]) -> PrecisionGate:
        return judge(before, answered(in_float, gate.films), gate, tasks, limit, part)

    with progress.stage(f"computing in {exporter.precision}", None, unit="steps"):
        found = tried(())
    layers = tuple(exporter.layers(job)) if exporter.layers else ()
    if found.passed:
        return Lowered(found, len(layers), (), ())
    progress.note(f"In {exporter.precision} throughout: {found.sentence()}")
    if len(layers) < 2:
        raise _missed(exporter, found, ())
    ends = tuple(dict.fromkeys((layers[0], layers[-1])))
    if 2 * len(ends) <= len(layers):
        progress.note(f"The first and the last layer stay in float: {', '.join(ends)}.")
        second = tried(ends)
        if second.passed:
            return Lowered(second, len(layers), ends, ())

    def harm_of(some: tuple[str, ...]) -> float:
        return shift_of(first, answered(some, films), tasks).mean

    films = gate.films[:_MEASURED_ON]
    first = {name: values[:_MEASURED_ON] for name, values in before.items()}
    harms = _harms(layers, harm_of, progress)
    best = _fewest(harms, len(layers) // 2, tried, progress)
    if best is None:
        raise _missed(exporter, found, harms)
    final = tried(best)  # what lies at the target is the file of these
    return Lowered(final, len(layers), best, harms)


def _harms(
    layers: tuple[str, ...], shift: Callable[[tuple[str, ...]], float], progress: Progress
) -> tuple[Harm, ...]:
    """How much neighbours do, the most harmful first; equal ones in the network's order."""
    step = -(-len(layers) // _STEPS)
    groups = [layers[i : i + 2 * step] for i in range(0, len(layers) - step, step)]
    throughout = shift(())
    found = []
    with progress.stage("measuring the layers' harm", len(groups), unit="steps") as stage:
        for part in groups:
            found.append(Harm(part, throughout - shift(part)))
            stage.advance(1, short(part[0]))
    return tuple(sorted(found, key=lambda harm: -harm.mean_shift))


def _fewest(
    harms: tuple[Harm, ...],
    most: int,
    tried: Callable[[tuple[str, ...]], PrecisionGate],
    progress: Progress,
) -> tuple[str, ...] | None:
    """The fewest of the most harmful layers with which the gate is passed; by halving."""

    def first(count: int) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for harm in harms[:count] for name in harm.layers))

    possible = [count for count in range(1, len(harms) + 1) if len(first(count)) <= most]
    failed, passed, count = 0, None, 1
    while count in possible and passed is None:
        found = tried(first(count))
        progress.note(f"With {len(first(count))} layers in float: {found.sentence()}")
        if found.passed:
            passed = count
        elif count == possible[-1]:
            return None
        else:
            failed, count = count, min(2 * count, possible[-1])
    if passed is None:
        return None
    while passed - failed > 1:
        count = (passed + failed) // 2
        if tried(first(count)).passed:
            passed = count
        else:
            failed = count
    return first(passed)


def _missed(exporter: Exporter, found: PrecisionGate, harms: Sequence[Harm]) -> BarMissed:
    worst = [
        f"{', '.join(map(short, harm.layers))} ({harm.mean_shift:.1g})"
        for harm in harms[:_NAMED]
        if harm.mean_shift > 0
    ]
    named = (
        f" Layers that hurt most, and by how much less probabilities move with them in float: "
        f"{'; '.join(worst)}. With up to half of the layers in float it is still missed."
        if worst
        else ""
    )
    return BarMissed(
        f"The model does not stand {exporter.precision}. {found.sentence()}{named}",
        "No model was written. Use the fp32 model; --max-changed allows more films to change.",
    )
