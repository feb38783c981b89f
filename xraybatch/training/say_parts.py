"""What a person is told of the parts before anything learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xraybatch.core.counting import counted
from xraybatch.core.progress import Progress
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.sources.archives.names import quoted
from xraybatch.training.heads import UNLABELLED
from xraybatch.training.part_names import PARTS, TEST, TRAIN, VALIDATION
from xraybatch.training.prepare import OVERLAP, Prepared

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PURPOSE = {
    TRAIN: "to train on: the network cannot learn what is not shown to it",
    VALIDATION: "to choose the best epoch by: it is chosen without them",
    TEST: "held back: part of the score is undefined",
}


def say_parts(prepared: Prepared, progress: Progress) -> None:
    """How many films each part has, how they were dealt, and what a part lacks.

    Parameters
    ----------
    prepared : Prepared
    progress : Progress
        Is warned of classes, or whole tasks, of which a part that has films has none.
    """
    left_out = int((prepared.left_out["reason"] == OVERLAP).sum())
    if left_out:
        progress.note(
            f"Left out of training, because the same {prepared.whole} or the same pixels stand in "
            f"a part that judges: {counted(left_out, 'film')}."
        )
    counts = [f"{part} {len(prepared.split.where(part)):,}" for part in PARTS]
    progress.note(f"Films: {', '.join(counts)} ({prepared.split.how}; {prepared.split.overlap}).")
    for part in PARTS:
        films = prepared.split.where(part)
        lacking = [_lacking(task, prepared.codes[task.name][films]) for task in prepared.tasks]
        if len(films) and any(lacking):
            what = "; ".join(filter(None, lacking))
            progress.warn(f"Labels that {part} has not", f"{what}, {_PURPOSE[part]}.")


def _lacking(task: Task, codes: NDArray[np.int64]) -> str:
    """Which of a task's classes none of these films has; empty: none is lacking."""
    if (codes == UNLABELLED).all():
        return f"no film has a label of '{task.name}'"
    if task.kind is TaskKind.MULTILABEL:
        shown = [(codes[:, k] == 1).any() for k in range(len(task.classes))]
    else:
        shown = [(codes == k).any() for k in range(len(task.classes))]
    missing = [name for name, seen in zip(task.classes, shown, strict=True) if not seen]
    if not missing:
        return ""
    return f"no film of '{task.name}' is {' or '.join(map(quoted, missing))}"
