"""The columns ``set`` and ``abstain`` of a results table as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.errors import InputError
from xraybatch.core.tasks import Task
from xraybatch.models.calibration_checks import BETWEEN_CLASSES

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def read_sets(
    results: pd.DataFrame, task: Task, several: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None] | None:
    """A task's sets, and which films were sent to a person.

    Parameters
    ----------
    results : pandas.DataFrame
        All cells `str`.
    task : Task
    several : bool
        Whether the model has several tasks, so that columns carry the task's name.

    Returns
    -------
    sets : ndarray of bool, shape (n, K)
        Empty where the cell is, as in rows without an answer.
    abstain : ndarray of bool, shape (n,), or None
        None: the results do not say.

    None where the results have no sets of the task.

    Raises
    ------
    InputError
        If a set names a class that the task has not, or `abstain` is neither 0 nor 1.
    """
    prefix = f"{task.name}." if several else ""
    if f"{prefix}set" not in results:
        return None
    number = {name: k for k, name in enumerate(task.classes)}
    sets = np.zeros((len(results), len(task.classes)), bool)
    for row, cell in enumerate(results[f"{prefix}set"].tolist()):
        for name in cell.split(BETWEEN_CLASSES) if cell else ():
            if name not in number:
                raise InputError(
                    f"The set '{cell}' of task '{task.name}' names a class that is none of: "
                    f"{', '.join(task.classes)}.",
                    "Was the results table edited, or are its tasks others than those named?",
                )
            sets[row, number[name]] = True
    if f"{prefix}abstain" not in results:
        return sets, None
    said = results[f"{prefix}abstain"].str.strip().str.lower()
    known = {"1": True, "0": False, "true": True, "false": False, "": False}
    if odd := sorted(set(said) - set(known)):
        raise InputError(
            f"Column '{prefix}abstain' has '{odd[0]}'; it is 0 or 1.", "Was the table edited?"
        )
    return sets, said.map(known).to_numpy(dtype=bool)
