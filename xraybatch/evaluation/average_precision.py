"""Average precision without one patient, for every patient, exactly and in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TOO_MANY = 300_000_000  # steps of the sums below: about two seconds


def without_each_patient(
    positive_patients: NDArray[np.int64],
    negative_patients: NDArray[np.int64],
    last: NDArray[np.int64],
    false: NDArray[np.int64],
    patients: int,
) -> NDArray[np.float64] | None:
    """Leave-one-patient-out average precision.

    Between two films of a patient its absence changes the precision by taking the same ``a`` true
    and ``b`` false positives from every threshold, and few pairs ``(a, b)`` occur: for each a
    running sum over the thresholds serves all patients.

    Parameters
    ----------
    positive_patients : ndarray of int64, shape (P,)
        Patients of the positive films, highest score first.
    negative_patients : ndarray of int64, shape (Q,)
        Likewise of the negative films.
    last : ndarray of int64, shape (R,)
        Index of the last positive film at each distinct score of a positive film.
    false : ndarray of int64, shape (R,)
        Negative films at or above that score.
    patients : int
        Patients are numbered below it.

    Returns
    -------
    ndarray of float64, shape (patients,), or None
        NaN where no positive film would be left. None: films of a patient are so many that it
        would take too long.
    """
    runs, true = len(last), last + 1
    risen = np.diff(true, prepend=0)
    # the first threshold at which each film counts
    run = np.r_[
        np.repeat(np.arange(runs), risen),
        np.searchsorted(false, np.arange(len(negative_patients)), side="right"),
    ]
    owner = np.r_[positive_patients, negative_patients]
    is_positive = np.arange(len(run)) < len(positive_patients)
    order = np.argsort(owner * (runs + 1) + run)
    order = order[run[order] < runs]
    owner, run, is_positive = owner[order], run[order], is_positive[order]
    begins = np.r_[True, owner[1:] != owner[:-1]]
    a, b = _since(is_positive, begins), _since(~is_positive, begins)
    until = np.where(np.r_[begins[1:], True], runs, np.r_[run[1:], runs])
    # of a patient's films at one threshold, the last one knows them all
    settled = np.r_[(run[1:] != run[:-1]) | begins[1:], True]
    own = np.diff(np.where(settled, np.cumsum(is_positive), 0)[settled], prepend=0)

    state = a * (b.max() + 1) + b
    by_state = np.argsort(state, kind="stable")
    pieces = np.split(by_state, np.flatnonzero(np.diff(state[by_state])) + 1)
    if (len(pieces) + 1) * runs > _TOO_MANY:
        return None
    change = np.empty(len(run))
    for films in pieces:
        sums = _precision_sums(true - a[films[0]], true + false - (a + b)[films[0]], risen)
        change[films] = sums[until[films]] - sums[run[films]]
    at, a, b = run[settled], a[settled], b[settled]
    left = true[at] + false[at] - a - b
    change[settled] -= own * (true[at] - a) / np.maximum(left, 1)
    before = np.full(patients, runs)
    before[owner[begins]] = run[begins]
    total = _precision_sums(true, true + false, risen)[before]
    total += np.bincount(owner, change, patients)
    remaining = len(positive_patients) - np.bincount(positive_patients, minlength=patients)
    found = np.full(patients, np.nan)
    np.divide(total, remaining, out=found, where=remaining > 0)
    return found


def _since(flag: NDArray[np.bool_], begins: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many flags there were since the patient's films began, this one included."""
    running = np.cumsum(flag)
    base: NDArray[np.int64] = (running - flag)[begins]
    since: NDArray[np.int64] = running - base[np.cumsum(begins) - 1]
    return since


def _precision_sums(
    true: NDArray[np.int64], called: NDArray[np.int64], risen: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sums of precision times rise over the thresholds before each, shape (R + 1,)."""
    found = np.zeros(len(true) + 1)
    np.divide(risen * true, called, out=found[1:], where=called > 0)
    return np.cumsum(found, out=found)
