"""What a leak would have claimed: the same network, judged on films of patients that it knows.

Where parts as distributed share patients or pixels, so that films were left out of training, they
are put back, and the same test films are judged. Else films are dealt at random, so many as stand
in each part and of the same labels; films of one patient then stand on both sides. How much better
that looks is what splitting by patient is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xraybatch.core.errors import UsageError
from xraybatch.core.log import log_error
from xraybatch.core.progress import SILENT
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.ranking import Part, macro_auc
from xraybatch.evaluation.report import Report
from xraybatch.reports.cross_validation import main_figure
from xraybatch.training.claims import Claim
from xraybatch.training.heads import UNLABELLED
from xraybatch.training.learn import Workshop, learn
from xraybatch.training.part_names import TEST, TRAIN
from xraybatch.training.patients import UNITS, clusters_of, patients_known
from xraybatch.training.prepare import Prepared
from xraybatch.training.settings import Settings
from xraybatch.training.split import Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COMPARED = ("auc", "macro_auc")
_BATCH = 32


def leak_claims(
    shop: Workshop,
    prepared: Prepared,
    settings: Settings,
    report: Report,
    state: Path,
    *,
    frozen: bool,
) -> list[Claim]:
    """Train once more on a split that leaks, where that is wanted and means anything.

    Parameters
    ----------
    shop : Workshop
    prepared : Prepared
    settings : Settings
    report : Report
        Of the held-back part, by patient.
    state : Path
        Folder of where training stands.
    frozen : bool
        Whether the backbone was, which makes this cheap.
    """
    try:
        return _claims(shop, prepared, settings, report, state, frozen=frozen)
    except Exception as error:  # the run is finished: a check that fails must not cost it
        log_error(error)
        # other sentences may name a film, and what is warned of is logged
        told = error.message if isinstance(error, UsageError) else f"{type(error).__name__}."
        shop.progress.warn("No leak check", f"It failed, the run is kept without it: {told}")
        return []


def _claims(
    shop: Workshop,
    prepared: Prepared,
    settings: Settings,
    report: Report,
    state: Path,
    *,
    frozen: bool,
) -> list[Claim]:
    asked = shop.options.leak_check
    if asked is False or (asked is None and (not frozen or settings.fine_tune)):
        return []
    distributed = prepared.overlapping is not None
    dealt = prepared.overlapping or at_random(prepared, shop.options.seed)
    reason = _reason(prepared, dealt)
    if reason:
        if asked:
            shop.progress.note(f"No leak check: {reason}.")
        return []
    quiet = replace(shop, progress=SILENT)
    with shop.progress.stage("leak check", None, unit="steps"):
        learned = learn(quiet, dealt, settings, state / "leak")
        films = dealt.split.where(TEST)
        parts = [
            learned.assembly.inference.predict_on_batch(dealt.films[films[i : i + _BATCH]])
            for i in range(0, len(films), _BATCH)
        ]
    clusters = clusters_of(dealt.table)
    patients = _numbered([clusters[film] for film in films])
    confidence = report.settings.confidence
    found = []
    for task, scored in zip(prepared.tasks, report.tasks, strict=True):
        name = main_figure(scored)
        honest = scored.estimates[name]
        given = np.concatenate([np.asarray(part[task.name]) for part in parts])
        claimed = auc_of(task, dealt.codes[task.name][films], given, patients, confidence)
        if claimed.value is not None and honest.value is not None and name in _COMPARED:
            claim = Claim(
                task.name,
                name,
                *(honest.value, honest.low, honest.high),
                *(claimed.value, claimed.low, claimed.high),
                *(shared_films(dealt), len(films)),
                distributed=distributed,
                whole=prepared.whole,
            )
            found.append(claim)
    return found


def auc_of(
    task: Task,
    codes: NDArray[np.int64],
    given: NDArray[np.float32],
    patients: NDArray[np.int64],
    confidence: float,
) -> Estimate:
    """A task's AUC as ``score`` has it: of two classes the positive one's, else the mean of all.

    Parameters
    ----------
    task : Task
    codes : ndarray of int64
        ``(n,)``, or for multilabel ``(n, K)`` of 0, 1 and −1; −1: not labelled.
    given : ndarray of float32, shape (n, K)
        Probabilities.
    patients : ndarray of int64, shape (n,)
        Equal for films of one patient, from 0.
    confidence : float
        Of the interval.
    """
    parts = []
    for k, name in enumerate(task.classes):
        if task.kind is TaskKind.BINARY and k != task.positive_index:
            continue
        several = task.kind is TaskKind.MULTILABEL
        truth, of_class = (codes[:, k], 1) if several else (codes, k)
        known = truth != UNLABELLED
        parts.append(Part(truth[known] == of_class, given[known, k], patients[known], name))
    return macro_auc(parts, confidence)


def _numbered(names: Sequence[str]) -> NDArray[np.int64]:
    """Numbers for names; each film its own where the name is empty."""
    first: dict[object, int] = {}
    keys = (name or film for film, name in enumerate(names))
    return np.array([first.setdefault(key, len(first)) for key in keys], np.int64)


def at_random(prepared: Prepared, seed: int) -> Prepared:
    """The same films, dealt to parts of the same sizes and labels without regard to patients."""
    codes = [values.reshape(len(values), -1) for values in prepared.codes.values()]
    _, stratum = np.unique(np.concatenate(codes, axis=1), axis=0, return_inverse=True)
    stratum = stratum.reshape(-1)
    random = np.random.default_rng([seed, 1])
    part: NDArray[np.str_] = prepared.split.part.copy()
    for one in np.unique(stratum):
        films = np.flatnonzero(stratum == one)
        part[films] = random.permutation(part[films])
    return replace(prepared, split=Split(part, "films dealt at random", ""))


def shared_films(dealt: Prepared) -> int:
    """Test films whose own patient (or study) or pixels are trained on, too."""
    known: set[object] = set()
    for film in dealt.split.where(TRAIN):
        known |= {dealt.names[film], dealt.digests[film]} - {"", b""}
    test = dealt.split.where(TEST)
    return sum(not known.isdisjoint({dealt.names[film], dealt.digests[film]}) for film in test)


def _reason(prepared: Prepared, dealt: Prepared) -> str:
    if not len(prepared.split.where(TEST)):
        return "no film was held back"
    if prepared.overlapping is None and prepared.whole != "patient":
        known = patients_known(prepared.table)
        return (
            f"the split is by {UNITS[prepared.whole]}, not by patient"
            if known
            else "patients are not known"
        )
    names = [name for name in prepared.names if name]
    if prepared.overlapping is None and len(names) == len(set(names)):
        return "every patient has one film"
    if not shared_films(dealt):
        if prepared.overlapping is not None:
            return f"no {prepared.whole} or film of test is trained on as distributed either"
        return "no patient stands on both sides of a random split either"
    return ""
