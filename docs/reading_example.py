"""The report that ``reading-a-report.md`` explains: two tables from a random generator, scored.

No film and no model stands behind them. The numbers are drawn so that one report shows what a
report can show: films that failed, patients with several films, a small site, two readers, films
that were seen in training, thresholds chosen on other films, probabilities that are too high.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from xraybatch.core.files import sha256_of
from xraybatch.evaluation.report import Report
from xraybatch.prediction.record import record_path
from xraybatch.reports.given import read_labels, read_results
from xraybatch.reports.markdown import escape
from xraybatch.reports.methods import methods_paragraph
from xraybatch.reports.scoring import score_options, score_tables
from xraybatch.reports.sections import Table, sections

COMMAND = (
    "xraybatch score results.csv labels.csv --slice site --reader senior --reader junior",
    "--threshold-from val.csv --threshold-labels val-labels.csv --threshold 'sensitivity>=0.95'",
    "--prevalence 0.05 --report score.html --report score.md --plots plots",
)
CLASSES = ("normal", "fractured")
_SITES = ("north", "south", "island")
_SEED = 10
_FAILED = {"truncated": 3, "corrupt": 2, "unsupported": 2}


@dataclass(frozen=True)
class Films:
    """Films of a hospital that does not exist: truth, answer, patient, site of each."""

    paths: list[str]
    patients: list[str]
    sites: list[str]
    fractured: np.ndarray
    probability: np.ndarray


def command() -> str:
    """What a person would type, as a block of code."""
    return "```console\n$ " + " \\\n      ".join(COMMAND) + "\n```"


def table(*names: str, columns: Sequence[int] = (), under: str = "") -> str:
    """Rows of a table of the report as Markdown, in the order in which they are named.

    Parameters
    ----------
    *names : str
        First cells; of the first table that has all of them.
    columns : sequence of int
        Which of the columns; all by default.
    under : str
        A column that the table must have.
    """
    blocks = [block for part in sections(report()) for block in part.blocks]
    for found in (block for block in blocks if isinstance(block, Table)):
        rows = {row[0]: row for row in found.rows}
        if set(names) <= set(rows) and (not under or under in found.head):
            kept = columns or range(len(found.head))
            shown = [[row[i] for i in kept] for row in (found.head, *map(rows.__getitem__, names))]
            lines = ["| " + " | ".join(map(escape, cells)) + " |" for cells in shown]
            return "\n".join([lines[0], "|---" * len(shown[0]) + "|", *lines[1:]])
    raise ValueError(f"no table of the report has {names}")


def methods() -> str:
    """The paragraph to paste; versions are left out, they are those of the day."""
    return "> " + escape(methods_paragraph(report()).partition(" Software:")[0])


@cache
def report() -> Report:
    """The report."""
    with tempfile.TemporaryDirectory() as folder:
        return scored(Path(folder))


def scored(folder: Path) -> Report:
    """Write the tables into a folder and score them, as `COMMAND` does."""
    rng = np.random.default_rng(_SEED)
    films = _films(rng, patients=210, prefix="P")
    results = _results(films)
    for status, count in _FAILED.items():
        rows = rng.choice(np.flatnonzero(results["status"] == "ok"), count, replace=False)
        results.loc[rows, "status"] = status
        results.loc[rows, ["label", *(f"prob.{name}" for name in CLASSES), "seen_in_training"]] = ""
    seen = rng.choice(np.flatnonzero(results["status"] == "ok"), 12, replace=False)
    results.loc[seen, "seen_in_training"] = "1"
    labels = _labels(films, rng)
    _write(results.iloc[:-3], folder / "results.csv")  # three labelled films were not predicted
    labels = labels.drop(index=range(5))  # and five that were have no label
    pd.concat([labels, labels.iloc[:2]]).to_csv(folder / "labels.csv", index=False)
    val = _films(rng, patients=150, prefix="V")
    _write(_results(val), folder / "val.csv")
    _labels(val, rng).to_csv(folder / "val-labels.csv", index=False)
    return score_tables(
        read_results(folder / "results.csv"),
        read_labels(folder / "labels.csv"),
        options=score_options(
            slices=("site",),
            readers=("senior", "junior"),
            thresholds=("sensitivity>=0.95",),
            prevalence=0.05,
        ),
        chosen_on=(read_results(folder / "val.csv"), read_labels(folder / "val-labels.csv")),
    )


def _films(rng: np.random.Generator, *, patients: int, prefix: str) -> Films:
    site = rng.choice(len(_SITES), patients, p=(0.56, 0.34, 0.10))
    count = rng.integers(1, 5, patients)
    ill = rng.random(patients) < np.array([0.34, 0.38, 0.4])[site]
    person = np.repeat(np.arange(patients), count)
    # a fracture is not on every film of its patient
    fractured = ill[person] & (rng.random(person.size) < 0.85)
    # half of what moves an answer is the patient's; portable films of the south are harder to read
    own = rng.normal(0, 1, patients)[person] + rng.normal(0, 1, person.size)
    gap = np.array([3.6, 1.7, 3.4])[site[person]]
    # too sure (the log odds are gap / 2 times the score), and moved up as class weights do
    logit = 2.1 * (gap * (fractured - 0.5) + own) - 0.9 + 1.3
    return Films(
        [
            f"{prefix}{p:03}/{prefix}{p:03}_{i}.png"
            for p in range(patients)
            for i in range(count[p])
        ],
        [f"{prefix}{p:03}" for p in person],
        [_SITES[s] for s in site[person]],
        fractured,
        (1 / (1 + np.exp(-logit))).astype(np.float32),
    )


def _results(films: Films) -> pd.DataFrame:
    p = films.probability
    return pd.DataFrame(
        {
            "path": films.paths,
            "status": "ok",
            "label": [CLASSES[int(x >= 0.5)] for x in p],
            "prob.normal": [str(x) for x in np.float32(1) - p],
            "prob.fractured": [str(x) for x in p],
            "seen_in_training": "0",
        }
    )


def _labels(films: Films, rng: np.random.Generator) -> pd.DataFrame:
    table = {
        "path": films.paths,
        "label": [CLASSES[int(x)] for x in films.fractured],
        "patient": films.patients,
        "site": films.sites,
    }
    for reader, right in (("senior", 0.94), ("junior", 0.86)):
        said = films.fractured ^ (rng.random(films.fractured.size) > right)
        table[reader] = [CLASSES[int(x)] for x in said]
    return pd.DataFrame(table)


def _write(results: pd.DataFrame, path: Path) -> None:
    results.to_csv(path, index=False)
    task = {"name": "label", "kind": "binary", "classes": CLASSES, "positive": CLASSES[1]}
    card = {
        "name": "wrist",
        "created": "2026-11-02T08:00:00+00:00",
        "data": {
            "films": 1904,
            "patients": 811,
            "split": "test 0.2 and val 0.1 drawn by whole patients and stratified by class, seed 0",
            "overlap": "no patient and no identical decoded film stands in two parts (tested)",
        },
        "tasks": [{**task, "threshold_origin": "default: 0.5, or the most probable class"}],
        "probabilities": {"class_weights": True},
    }
    record = {
        "results_sha256": sha256_of(path),
        "tasks": [{**task, "thresholds": None}],
        "model": {"name": "wrist", "seal": "4d1c0f6a9b7e" + 52 * "0"},
        "card": card,
    }
    record_path(path).write_text(json.dumps(record), encoding="utf-8")
