"""What a leak would have claimed: the same network, judged on films of patients that it knows.

Where parts as distributed share patients or pixels, so that films were left out of training, they
are put back, and the same test films are judged. Else films are dealt at random, so many as stand
in each part and of the same labels; films of one patient then stand on both sides. How much better
that looks is what splitting by patient is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.errors import UsageError
from xraybatch.core.files import write_text
from xraybatch.core.log import log_error
from xraybatch.core.progress import SILENT
from xraybatch.core.tables import read_table
from xraybatch.evaluation.report import Report
from xraybatch.reports.cross_validation import main_figure
from xraybatch.reports.words import title
from xraybatch.training.learn import Workshop, learn
from xraybatch.training.monitor import figure
from xraybatch.training.part_names import TEST, TRAIN, VALIDATION
from xraybatch.training.prepare import Prepared
from xraybatch.training.settings import Settings
from xraybatch.training.split import Split, groups_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAK = "leak.csv"
_COMPARED = ("auc", "macro_auc")
_BATCH = 32


@dataclass(frozen=True)
class Claim:
    """One task's figure by patient, and what a split that leaks would have claimed.

    Attributes
    ----------
    task : str
    figure : str
    value : float
    low, high : float or None
    claimed : float
    shared, films : int
        Of the test films behind `claimed`, those whose patient or pixels were trained on; and all.
    splits : int
        Of how many splits `claimed` is the mean.
    distributed : bool
        Whether the split that leaks is the one as distributed; else it was dealt at random.
    whole : str
        What does not stand in two parts behind `value`: ``patient``, ``study`` or ``film``.
    """

    task: str
    figure: str
    value: float
    low: float | None
    high: float | None
    claimed: float
    shared: int
    films: int
    splits: int = 1
    distributed: bool = False
    whole: str = "patient"

    def __str__(self) -> str:
        known = self.low is not None and self.high is not None
        ends = f" [{self.low:.2f}–{self.high:.2f}]" if known else ""
        honest = "without the overlap" if self.distributed else "by patient"
        split = "a random split" if self.splits == 1 else f"{self.splits} random splits"
        parts = "split" if self.splits == 1 else "folds"
        split = f"the {parts} as distributed" if self.distributed else f"{split} of films"
        mean = "" if self.splits == 1 else " on average"
        return (
            f"{title(self.figure)} of '{self.task}': {honest} {self.value:.2f}{ends}; {split} "
            f"would have claimed {self.claimed:.2f}{mean}, having trained on {self._of_whom()} of "
            f"{self.shared:,} of its {self.films:,} test films{self._verdict()}."
        )

    def _of_whom(self) -> str:
        return {"patient": "the patients", "study": "the studies"}.get(self.whole, "the pixels")

    def _verdict(self) -> str:
        if self.low is None or self.high is None:
            return ""
        if self.claimed > self.high:
            return ": too good to be true of new patients"
        if self.claimed >= self.low:
            return ". That is within the interval: these films are too few to tell"
        return ". That is less, so no leak shows here"


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
    found = []
    for task, scored in zip(prepared.tasks, report.tasks, strict=True):
        name = main_figure(scored)
        given = np.concatenate([np.asarray(part[task.name]) for part in parts])
        claimed = figure("macro-auc", task, dealt.codes[task.name][films], given)
        estimate = scored.estimates[name]
        if claimed is not None and estimate.value is not None and name in _COMPARED:
            claim = Claim(
                task.name,
                name,
                *(estimate.value, estimate.low, estimate.high, claimed),
                *(shared_films(dealt), len(films)),
                distributed=distributed,
                whole=prepared.whole,
            )
            found.append(claim)
    return found


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
    """Test films whose patient (or study) or pixels stand in a part that is learned from, too."""
    groups = groups_of(dealt.names, dealt.digests)
    learned, test = dealt.split.where(TRAIN, VALIDATION), dealt.split.where(TEST)
    return int(np.count_nonzero(np.isin(groups[test], groups[learned])))


def with_claims(report: Report, claims: Sequence[Claim]) -> Report:
    """A report that says them."""
    said = {claim.task: str(claim) for claim in claims}
    tasks = [
        replace(task, sentences=(*task.sentences, said[task.task])) if task.task in said else task
        for task in report.tasks
    ]
    return replace(report, tasks=tuple(tasks))


def for_card(scores: Mapping[str, Any], claims: Sequence[Claim]) -> dict[str, Any]:
    """A card's scores, with them."""
    found = dict(scores)
    for claim in claims:
        found[claim.task] = {**found[claim.task], "random_split": str(claim)}
    return found


def write_claims(folder: Path, claims: Sequence[Claim]) -> None:
    """``leak.csv``, where there is any."""
    import pandas as pd

    if claims:
        table = pd.DataFrame([asdict(claim) for claim in claims])
        write_text(folder / LEAK, table.to_csv(index=False, lineterminator="\n"))


def pooled_claims(report: Report, folders: Sequence[Path]) -> list[Claim]:
    """The pooled figure beside the mean of what the folds' random splits would have claimed."""
    tables = [read_table(folder / LEAK) for folder in folders if (folder / LEAK).exists()]
    rows = [row for table in tables for row in table.to_dict("records")]
    found = []
    for scored in report.tasks:
        name = main_figure(scored)
        lines = [row for row in rows if row["task"] == scored.task]
        estimate = scored.estimates[name]
        alike = len({(row["distributed"], row["whole"]) for row in lines}) == 1
        if (
            len(lines) == len(folders)
            and alike
            and estimate.value is not None
            and name in _COMPARED
        ):
            mean = float(np.mean([float(row["claimed"]) for row in lines]))
            shared, films = (sum(int(row[of]) for row in lines) for of in ("shared", "films"))
            claim = Claim(
                scored.task,
                name,
                *(estimate.value, estimate.low, estimate.high, mean),
                *(shared, films, len(lines)),
                distributed=lines[0]["distributed"] == str(True),
                whole=lines[0]["whole"],
            )
            found.append(claim)
    return found


def _reason(prepared: Prepared, dealt: Prepared) -> str:
    if not len(prepared.split.where(TEST)):
        return "no film was held back"
    if prepared.overlapping is None and prepared.whole != "patient":
        return "patients are not known"
    known = [name for name in prepared.names if name]
    if prepared.overlapping is None and len(known) == len(set(known)):
        return "every patient has one film"
    if not shared_films(dealt):
        return "no patient stands on both sides of a random split either"
    return ""
