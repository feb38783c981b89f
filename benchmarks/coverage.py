"""How often 95 % intervals hold the truth, and how often those do that take films for independent.

    python benchmarks/coverage.py OUT [--replicates 2000] [--resamples 500] [--only auc share …]

Simulates tables of films whose truth is known and counts how often the intervals of `score` hold
it. OUT keeps one JSON file a cell, so that the same command goes on where it stopped; the tables
are printed as Markdown. One process a core, about 20 processor minutes. Every cell has its seeds,
so that nothing depends on which process works on it.

Films: a patient has 1 to 5. Scores are normal with a total variance of 1, of which 0.3 is the
patient's; 0.3 of the patients (or, in mixed cells, of the films) are positive. Shares are beta
binomial, with an intra-cluster correlation of 0.3. Truths are integrals, not simulated.
"""

from __future__ import annotations

import argparse
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # processes are enough

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr, ndtri, softmax

from xraybatch.evaluation import classification, ranking
from xraybatch.evaluation.bootstrap import Sampling, count_samples, patterns
from xraybatch.evaluation.calibration import calibration
from xraybatch.evaluation.conformal import fit_levels
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.operating_point import likelihood_ratios
from xraybatch.evaluation.proportions import normal_quantile, proportion
from xraybatch.evaluation.rank_bootstrap import rank_estimates
from xraybatch.evaluation.utility import net_benefit
from xraybatch.models.calibration import nonconformity, within

PATIENTS = (40, 100, 300)
SIZES, SHARES = np.arange(1, 6), (0.2, 0.25, 0.25, 0.2, 0.1)
CORRELATION, PREVALENCE = 0.3, 0.3
ACT_AT = 0.2  # the threshold of net benefit
TOO_SURE, TOO_HIGH = 1.25, 0.2  # log odds of the model: 1.25 times the true ones, plus 0.2
GRADES, STEP = np.array([0.5, 0.3, 0.2]), 1.5
COUNTED = {
    name: classification.OVERALL[name] for name in ("kappa", "mcc", "macro_f1", "balanced_accuracy")
}
CONFORMAL = "conformal"
COVERAGE = 0.9  # of conformal sets
NEW_PATIENTS = 200  # in a replicate, that sets are tried on
LOWEST, HIGHEST, LEVEL = 0.935, 0.975, 0.95  # the band of the coverage, and what is stated
FROM = 100  # patients, where the band is to be held

Found = Mapping[str, Estimate]


@dataclass(frozen=True)
class Cell:
    """One world: what is estimated, how many patients, how good the model, labels mixed or not."""

    kind: str
    patients: int
    level: float = 0.0
    mixed: bool = False

    @property
    def name(self) -> str:
        """Of its file."""
        return f"{self.kind}-{self.level:g}-{self.patients}{'-mixed' * self.mixed}"


CELLS = (
    *(Cell("auc", g, a, m) for m in (False, True) for a in (0.75, 0.9, 0.97) for g in PATIENTS),
    *(Cell("share", g, p) for p in (0.8, 0.97) for g in PATIENTS),
    *(Cell(CONFORMAL, g, COVERAGE) for g in PATIENTS),
    *(Cell("grades", g) for g in PATIENTS),
    *(Cell("binary", g, a) for a in (0.9, 0.75, 0.97) for g in PATIENTS),
    *(Cell("binary", g, 0.9, True) for g in PATIENTS),
)


class Tally(NamedTuple):
    """One number in one cell: replicates by where the truth was, and the mean width.

    `held`, `above` and `below` count intervals that held the truth, or lay above or below it;
    `none` replicates without an interval.
    """

    held: int
    above: int
    below: int
    none: int
    width: float

    @property
    def coverage(self) -> float:
        """Share of the intervals that held the truth."""
        return self.held / max(1, self.held + self.above + self.below)

    @property
    def error(self) -> float:
        """Its standard error by simulation, were it `LOWEST`."""
        made = max(1, self.held + self.above + self.below)
        return float((LOWEST * (1 - LOWEST) / made) ** 0.5)

    @property
    def keeps(self) -> bool:
        """Whether it lies in the band: not below by more than two standard errors, nor above."""
        return LOWEST - 2 * self.error <= self.coverage <= HIGHEST


def main() -> None:
    """Work on the cells that OUT lacks, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=500)
    kinds = [*WORLDS, CONFORMAL]
    parser.add_argument("--only", nargs="+", choices=kinds, default=kinds)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    wanted = [cell for cell in CELLS if cell.kind in given.only]
    settings = {"replicates": given.replicates, "resamples": given.resamples}
    missing = [cell for cell in wanted if _read(given.out, cell, settings) is None]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        running = {
            pool.submit(simulate, cell, given.replicates, given.resamples): cell for cell in missing
        }
        for done in as_completed(running):
            _write(given.out, running[done], settings, done.result())
    found = {cell: _read(given.out, cell, settings) or {} for cell in wanted}
    print(*tables(found), sep="\n")


class Kept(NamedTuple):
    """Coverage of conformal sets in one cell: the mean over the replicates, and its error."""

    coverage: float
    error: float


Numbers = Mapping[str, Tally] | Mapping[str, Kept]


def simulate(cell: Cell, replicates: int, resamples: int) -> Numbers:
    """How often the intervals of every number of one world held its truth."""
    if cell.kind == CONFORMAL:
        return conformal(cell, replicates)
    truth, make = WORLDS[cell.kind](cell)
    ends: dict[str, list[tuple[float, float]]] = {name: [] for name in truth}
    none = dict.fromkeys(truth, 0)
    for r in range(replicates):
        rng = np.random.default_rng([_number(cell), r])
        found = make(rng, Sampling(LEVEL, resamples, r))
        for name in truth:
            low, high = found[name].low, found[name].high
            if low is None or high is None:
                none[name] += 1
            else:
                ends[name].append((low, high))
    return {name: _tally(truth[name], ends[name], none[name]) for name in truth}


def _tally(truth: float, ends: Sequence[tuple[float, float]], none: int) -> Tally:
    low, high = np.array(ends).reshape(-1, 2).T
    above, below = int((low > truth).sum()), int((high < truth).sum())
    width = float((high - low).mean()) if len(low) else 0.0
    return Tally(len(low) - above - below, above, below, none, width)


def _number(cell: Cell) -> int:
    return zlib.crc32(cell.name.encode())


# ── worlds: the truth by name, and estimates of one simulated table ────────────────────────────

Make = Callable[[np.random.Generator, Sampling], Found]
World = tuple[dict[str, float], Make]


def owners(rng: np.random.Generator, patients: int) -> np.ndarray:
    """Patient of each film."""
    return np.repeat(np.arange(patients), rng.choice(SIZES, patients, p=SHARES))


def scores_of(
    rng: np.random.Generator, patients: int, apart: float, *, mixed: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, normal scores and patient of each film; positives lie `apart` higher."""
    owner = owners(rng, patients)
    n = len(owner)
    drawn = rng.random(n if mixed else patients) < PREVALENCE
    positive = drawn if mixed else drawn[owner]
    return positive, noise(rng, patients, owner) + apart * positive, owner


def noise(rng: np.random.Generator, patients: int, owner: np.ndarray) -> np.ndarray:
    """Of variance 1, `CORRELATION` between films of a patient."""
    of_patient, of_film = rng.normal(size=patients)[owner], rng.normal(size=len(owner))
    return CORRELATION**0.5 * of_patient + (1 - CORRELATION) ** 0.5 * of_film


def auc_world(cell: Cell) -> World:
    """AUC between films of different patients; beside it DeLong's interval by row."""
    apart = _apart(cell.level)

    def make(rng: np.random.Generator, sampling: Sampling) -> Found:
        positive, scores, owner = scores_of(rng, cell.patients, apart, mixed=cell.mixed)
        alone = np.arange(len(owner))
        return {
            "auc": ranking.auc(positive, scores, owner, "x", sampling.confidence),
            "by row, logit": ranking.auc(positive, scores, alone, "x", sampling.confidence),
            "by row": _delong(positive, scores, sampling.confidence),
        }

    return dict.fromkeys(("auc", "by row, logit", "by row"), cell.level), make


def _delong(positive: np.ndarray, scores: np.ndarray, confidence: float) -> Estimate:
    # as it is mostly printed: value and 1.96 standard errors
    found = ranking.Ranking(positive, scores)
    value, alone = found.auc(), np.arange(len(scores))
    if min(positive.sum(), (~positive).sum()) < 2:
        return Estimate(value, interval_reason="too few films")
    half = normal_quantile(confidence) * ranking.clustered_variance([(found, alone)]) ** 0.5
    return Estimate(value, low=value - half, high=value + half)


def share_world(cell: Cell) -> World:
    """A sensitivity; beside it Wilson's interval by row."""
    spread = 1 / CORRELATION - 1
    a, b = cell.level * spread, (1 - cell.level) * spread

    def make(rng: np.random.Generator, sampling: Sampling) -> Found:
        owner = owners(rng, cell.patients)
        right = rng.random(len(owner)) < rng.beta(a, b, cell.patients)[owner]
        alone = np.arange(len(owner))
        return {
            "sensitivity": proportion(right, owner, "", sampling.confidence),
            "by row": proportion(right, alone, "", sampling.confidence),
        }

    return dict.fromkeys(("sensitivity", "by row"), cell.level), make


def binary_world(cell: Cell) -> World:
    """What is made of answers and probabilities of a model that is somewhat too sure."""
    apart = _apart(cell.level)

    def probabilities(scores: np.ndarray) -> np.ndarray:
        exact = apart * scores - apart**2 / 2 + logit(PREVALENCE)
        return expit(TOO_SURE * exact + TOO_HIGH)

    def make(rng: np.random.Generator, sampling: Sampling) -> Found:
        positive, scores, owner = scores_of(rng, cell.patients, apart, mixed=cell.mixed)
        p = probabilities(scores)
        called = p >= 0.5
        found = dict(_counted(positive.astype(np.int64), called.astype(np.int64), owner, sampling))
        found |= likelihood_ratios(positive, called, owner, "x", sampling)
        found |= calibration(positive, p, owner, "x", sampling)
        found["net_benefit"] = net_benefit(positive, p >= ACT_AT, owner, ACT_AT, sampling)
        part = ranking.Part(positive, p, owner, "x")
        return found | dict(rank_estimates([part], sampling).parts[0])

    return _binary_truth(apart, probabilities), make


def _binary_truth(
    apart: float, probabilities: Callable[[np.ndarray], np.ndarray]
) -> dict[str, float]:
    x = np.linspace(-9, 9 + apart, 400_001)
    p, step = probabilities(x), x[1] - x[0]
    ill = PREVALENCE * np.exp(-((x - apart) ** 2) / 2) / (2 * np.pi) ** 0.5 * step
    well = (1 - PREVALENCE) * np.exp(-(x**2) / 2) / (2 * np.pi) ** 0.5 * step
    log_odds = logit(p)
    brier = float(ill @ (1 - p) ** 2 + well @ p**2)

    def rates(threshold: float) -> tuple[float, float]:  # sensitivity, specificity
        cut = float(np.interp(logit(threshold), log_odds, x))
        return float(ndtr(apart - cut)), float(ndtr(cut))

    sens, spec = rates(0.5)
    acting_sens, acting_spec = rates(ACT_AT)
    odds = ACT_AT / (1 - ACT_AT)
    called = PREVALENCE * ndtr(apart - x) + (1 - PREVALENCE) * ndtr(-x)
    precision = PREVALENCE * ndtr(apart - x) / called
    counts = np.array([[spec, 1 - spec], [1 - sens, sens]])
    counts *= np.array([1 - PREVALENCE, PREVALENCE])[:, None]
    return {
        **{name: float(of(counts)) for name, of in COUNTED.items()},
        "lr_positive": sens / (1 - spec),
        "lr_negative": (1 - sens) / spec,
        "brier": brier,
        "brier_skill": 1 - brier / (PREVALENCE * (1 - PREVALENCE)),
        "log_loss": float(-(ill @ np.log(p) + well @ np.log1p(-p))),
        "observed_expected": PREVALENCE / float((ill + well) @ p),
        "calibration_slope": 1 / TOO_SURE,
        "calibration_intercept": float(
            brentq(lambda a: (ill + well) @ expit(a + log_odds) - PREVALENCE, -5, 5)
        ),
        "net_benefit": PREVALENCE * acting_sens - (1 - PREVALENCE) * (1 - acting_spec) * odds,
        "average_precision": float(ill @ precision) / PREVALENCE,
        "sensitivity_at_specificity_90": float(ndtr(apart - ndtri(0.9))),
        "specificity_at_sensitivity_90": float(ndtr(apart + ndtri(0.1))),
    }


def grades_world(cell: Cell) -> World:
    """What is made of a confusion matrix of three ordered grades."""
    cuts = STEP * (np.arange(len(GRADES) - 1) + 0.5)
    edges = np.r_[-np.inf, cuts, np.inf]
    means = STEP * np.arange(len(GRADES))
    counts = GRADES[:, None] * np.diff(ndtr(edges[None] - means[:, None]), axis=1)
    statistics = {**COUNTED, **classification.ORDINAL_ONLY}

    def make(rng: np.random.Generator, sampling: Sampling) -> Found:
        owner = owners(rng, cell.patients)
        grade = rng.choice(len(GRADES), cell.patients, p=GRADES)[owner]
        given = np.searchsorted(cuts, means[grade] + noise(rng, cell.patients, owner))
        found = _counted(grade, given, owner, sampling, statistics, len(GRADES))
        away = np.abs(grade - given)
        share = proportion(away <= 1, owner, "", sampling.confidence)
        return {**found, "within_one_grade": share}

    truth = {name: float(of(counts)) for name, of in statistics.items()}
    grades = np.arange(len(GRADES))
    near = np.abs(grades[:, None] - grades) <= 1
    return {**truth, "within_one_grade": float(counts[near].sum())}, make


def _counted(
    truth: np.ndarray,
    given: np.ndarray,
    owner: np.ndarray,
    sampling: Sampling,
    statistics: Mapping[str, Callable[[Any], Any]] = COUNTED,
    size: int = 2,
) -> Found:
    def of_cells(cells: np.ndarray) -> np.ndarray:
        counts = cells.reshape(*cells.shape[:-1], size, size)
        return np.stack([of(counts) for of in statistics.values()], axis=-1)

    grouped = patterns(truth * size + given, owner, size * size)
    samples = count_samples(grouped, of_cells, sampling.resamples, sampling.seed)
    estimates = [s.estimate("undefined", len(truth), sampling.confidence) for s in samples]
    return dict(zip(statistics, estimates, strict=True))


def _apart(auc: float) -> float:
    return 2**0.5 * float(ndtri(auc))


# ── conformal sets: no intervals, but a promise ────────────────────────────────────────────────

CLASSES, SCORES = ("a", "b", "c"), ("lac", "aps")


def hospital(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, probabilities, patients: harder patients have fewer films, those of one are alike."""
    hardness = rng.normal(size=count)
    films = np.clip(np.rint(3 - 1.3 * hardness + rng.normal(size=count)), 1, 8).astype(int)
    patient = np.repeat(np.arange(count), films)
    n = len(patient)
    truth = rng.integers(0, len(CLASSES), count)[patient]
    logits = rng.normal(size=(n, 3)) * 0.8 + rng.normal(size=(count, 3))[patient] * 0.6
    logits[np.arange(n), truth] += 1.6 - 1.2 * hardness[patient]
    return truth, softmax(1.8 * logits, axis=1).astype(np.float32), patient


def sets_hold(
    rng: np.random.Generator, patients: int, score: str, coverage: float = COVERAGE
) -> tuple[float, float]:
    """Coverage of one film of a new patient: as `calibrate` fits levels, and with rows pooled."""
    y, p, patient = hospital(rng, patients)
    y_new, p_new, patient_new = hospital(rng, NEW_PATIENTS)
    weight = 1 / np.bincount(patient_new)[patient_new]
    levels = fit_levels(y, p, patient, CLASSES, coverage=coverage, score=score)
    rows = np.arange(len(y_new))
    hit = within(p_new, score, [level.level for level in levels])[rows, y_new]
    own = np.sort(nonconformity(p, score)[np.arange(len(y)), y])
    at = min(int(np.ceil(coverage * (len(y) + 1))) - 1, len(own) - 1)
    strange = nonconformity(p_new, score)[rows, y_new]
    pooled = np.average(strange <= own[at], weights=weight)
    return float(np.average(hit, weights=weight)), float(pooled)


def conformal(cell: Cell, replicates: int) -> dict[str, Kept]:
    """Mean coverage over many tables, by score and by what is counted."""
    found: dict[str, Kept] = {}
    for k, score in enumerate(SCORES):
        drawn = [
            sets_hold(np.random.default_rng([_number(cell), k, r]), cell.patients, score)
            for r in range(replicates)
        ]
        for name, shares in zip((score, f"{score} by row"), np.array(drawn).T, strict=True):
            error = shares.std(ddof=1) / replicates**0.5
            found[name] = Kept(float(shares.mean()), float(error))
    return found


WORLDS: dict[str, Callable[[Cell], World]] = {
    "auc": auc_world,
    "share": share_world,
    "binary": binary_world,
    "grades": grades_world,
}


# ── files and tables ───────────────────────────────────────────────────────────────────────────


def _read(folder: Path, cell: Cell, settings: Mapping[str, int]) -> Numbers | None:
    file = folder / f"{cell.name}.json"
    if not file.is_file():
        return None
    told = json.loads(file.read_text(encoding="utf-8"))
    if told["settings"] != settings:
        return None
    if cell.kind == CONFORMAL:
        return {name: Kept(**kept) for name, kept in told["numbers"].items()}
    return {name: Tally(**tally) for name, tally in told["numbers"].items()}


def _write(folder: Path, cell: Cell, settings: Mapping[str, int], found: Numbers) -> None:
    numbers = {name: tally._asdict() for name, tally in found.items()}
    told = {"cell": asdict(cell), "settings": dict(settings), "numbers": numbers}
    partly = folder / f"{cell.name}.partly"
    partly.write_text(json.dumps(told, indent=1), encoding="utf-8")
    partly.replace(folder / f"{cell.name}.json")


def tables(found: Mapping[Cell, Numbers]) -> Iterator[str]:
    """Markdown, coverage in per cent; bold is outside the band, in brackets: without interval."""
    for kind, heads in DOWN.items():
        cells = [cell for cell in found if cell.kind == kind]
        if cells:
            yield from _table(heads, (_down(cell, found[cell]) for cell in cells))
    for kind in ACROSS:
        cells = [cell for cell in found if cell.kind == kind]
        if cells:
            names = found[cells[0]]
            yield from _table(
                [kind, *(_head(cell) for cell in cells)],
                ([f"`{n}`", *(_percent(found[cell][n]) for cell in cells)] for n in names),
            )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _down(cell: Cell, numbers: Numbers) -> Iterator[str]:
    if cell.kind != CONFORMAL:
        yield f"{cell.level:g}"
    if cell.kind == "auc":
        yield "films" if cell.mixed else "patients"
    yield str(cell.patients)
    yield from map(_percent, numbers.values())
    first = next(iter(numbers.values()))
    if isinstance(first, Tally):
        yield f"{first.width:.3f}"


def _head(cell: Cell) -> str:
    if not cell.level:
        return str(cell.patients)
    return f"{cell.level:g}{', films' * cell.mixed}: {cell.patients}"


def _percent(tally: Tally | Kept) -> str:
    told = f"{100 * tally.coverage:.1f}"
    if isinstance(tally, Kept):
        return told
    if not tally.keeps:
        told = f"**{told}**"
    return f"{told} ({tally.none})" if tally.none else told


DOWN = {
    "auc": ["AUC", "labels of", "patients", "`score`", "by row, logit", "by row", "width"],
    "share": ["sensitivity", "patients", "`score`", "by row", "width"],
    CONFORMAL: [
        "patients",
        *(f"{score}, {way}" for score in SCORES for way in ("by patient", "by row")),
    ],
}
ACROSS = ("binary", "grades")


if __name__ == "__main__":
    main()
