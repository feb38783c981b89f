"""Cross-validation: every film answered by a network that did not learn from its patient."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.files import write_text
from xraybatch.core.progress import Progress
from xraybatch.core.tables import read_table
from xraybatch.evaluation.report import Report
from xraybatch.models.card import Card
from xraybatch.models.runs import FILE_HASH, FOLDS
from xraybatch.prediction.record import record_path
from xraybatch.reports.cross_validation import FoldLine, folds_html, folds_markdown, lines_of
from xraybatch.reports.recorded import DEMONSTRATION
from xraybatch.sources.keys import order_key
from xraybatch.training import artefacts
from xraybatch.training.card_of_run import scores_for_card
from xraybatch.training.claims import for_card, mean_claims, with_claims
from xraybatch.training.conflicts import check_folds
from xraybatch.training.data_source import is_distributed
from xraybatch.training.folder import STATE
from xraybatch.training.gather import Gathered
from xraybatch.training.held_back import score_answers, truth_of
from xraybatch.training.labels import FOLD
from xraybatch.training.learn import Workshop
from xraybatch.training.one_run import check_validation, make_run, recard
from xraybatch.training.options import TrainOptions
from xraybatch.training.part_names import TEST
from xraybatch.training.patients import (
    UNITS,
    cluster_column,
    clusters_of,
    patients_known,
    said_of_clusters,
)
from xraybatch.training.prepare import Prepared, divide, is_demonstration
from xraybatch.training.settings import Settings
from xraybatch.training.split import deal_folds, make_split

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

PREDICTIONS = "predictions.csv"
_ANSWERS = "predictions-test.csv"


@dataclass(frozen=True)
class Dealt:
    """The fold of each film, how that was found, and whether folds came with the data."""

    fold: NDArray[np.int64]
    how: str
    distributed: bool = False


def cross_validate(
    shop: Workshop, given: Gathered, settings: Settings
) -> tuple[Card | None, Report, tuple[FoldLine, ...]]:
    """Train a network for each fold, and pool what they say to the films that they did not see.

    Returns
    -------
    Card or None
        Of the model of all films, where that was asked for.
    Report
        Of the pooled answers.
    tuple of FoldLine
    """
    options, progress = shop.options, shop.progress
    dealt = deal(given, options, progress)
    for k in range(_count(options)):  # before any of them trains
        check_validation(divide_fold(given, settings, dealt, k, options), settings)
    if options.refit:
        check_validation(_divide_all(given, settings, options), settings)
    for k in range(_count(options)):
        _make_fold(shop, given, settings, dealt, k)
    card = _refit(shop, given, settings) if options.refit else None
    pooled = _pool(shop.building, given, dealt, shop.name)
    report = score_answers(
        pooled,
        truth_of(given, np.arange(len(given.table))),
        given.tasks,
        _sentences(given, _count(options)),
    )
    claims = mean_claims([shop.building / FOLDS / str(k) for k in range(_count(options))])
    report = with_claims(report, claims)
    lines = _lines(shop.building, given, dealt, pooled)
    _write_above(shop, given, dealt, report, lines)
    if card is not None:
        part = (
            f"out-of-fold films of {options.folds} folds; this model learned from all films, and "
            "the score is that of the folds' models"
        )
        card = replace(card, scores=for_card(scores_for_card(report, part), claims))
        recard(shop.building, card)
        artefacts.write_card_texts(shop.building, card)
    return card, report, lines


def deal(given: Gathered, options: TrainOptions, progress: Progress) -> Dealt:
    """The fold of each film: as the labels have it, else dealt.

    Raises
    ------
    UsageError, InputError
        If the labels' folds are not those that were asked for, or there are too few films.
    """
    count = _count(options)
    if (given.table["split"] != "").any():
        progress.note(
            "The parts of the labels or folders are not used: --folds deals all films anew."
        )
    told = given.table[FOLD]
    if (told != "").any():
        fold, how = _as_told(list(told), count), "folds as the labels have them"
        check_folds(fold, given.groups, options.on_leak, given.whole)
        return Dealt(fold, how, is_distributed(options))
    fold = deal_folds(given.strata, given.groups, folds=count, seed=options.seed)
    how = f"dealt by {UNITS[given.whole]} and stratified by class, seed {options.seed}"
    return Dealt(fold, how)


def _as_told(told: Sequence[str], count: int) -> NDArray[np.int64]:
    known = {str(k) for k in range(count)}
    if not set(told) <= known or len(set(told)) < count:
        strange = next((value for value in told if value not in known), None)
        said = "fewer folds" if strange is None else f"'{strange}'" if strange else "empty cells"
        raise UsageError(
            f"The column 'fold' of the labels has {said}, and --folds is {count}.",
            f"It must number the folds 0 to {count - 1}, each film having one.",
        )
    return np.array([int(value) for value in told], np.int64)


def _make_fold(shop: Workshop, given: Gathered, settings: Settings, dealt: Dealt, k: int) -> None:
    count = _count(shop.options)
    folder = shop.building / FOLDS / str(k)
    if folder.is_dir():
        shop.progress.note(f"Fold {k} of {count} is done already.")
        return
    shop.progress.note(f"Fold {k} of {count}.")
    building = folder.with_name(f".{k}.partial")
    building.mkdir(parents=True)
    prepared = divide_fold(given, settings, dealt, k, shop.options)
    state = shop.building / STATE / f"fold-{k}"
    make_run(shop, prepared, settings, building, f"{shop.name}-fold-{k}", state)
    building.rename(folder)


def divide_fold(
    given: Gathered, settings: Settings, dealt: Dealt, k: int, options: TrainOptions
) -> Prepared:
    """A fold's films: its own are the test part, validation is carved from the others."""
    parts = [TEST if fold == k else "" for fold in dealt.fold]
    split = make_split(
        given.strata,
        given.groups,
        given=parts,
        val_split=settings.val_split,
        test_split=0.0,
        seed=options.seed,
        whole=given.whole,
        patients_known=patients_known(given.table),
        told=f"test is fold {k} of {_count(options)}, {dealt.how}",
        distributed=dealt.distributed,
    )
    return divide(given, split, parts)


def _divide_all(given: Gathered, settings: Settings, options: TrainOptions) -> Prepared:
    """All films, of which validation alone is held back."""
    parts = [""] * len(given.table)
    split = make_split(
        given.strata,
        given.groups,
        given=parts,
        val_split=settings.val_split,
        test_split=0.0,
        seed=options.seed,
        whole=given.whole,
        patients_known=patients_known(given.table),
    )
    return divide(given, split, parts)


def _refit(shop: Workshop, given: Gathered, settings: Settings) -> Card:
    shop.progress.note("All films, for the model.")
    made = make_run(
        shop,
        _divide_all(given, settings, shop.options),
        settings,
        shop.building,
        shop.name,
        shop.building / STATE / "refit",
        judged=False,
    )
    return made.card


def _pool(building: Path, given: Gathered, dealt: Dealt, name: str) -> pd.DataFrame:
    """``predictions.csv`` and its run record."""
    import pandas as pd

    folders = [building / FOLDS / str(k) for k in range(int(dealt.fold.max()) + 1)]
    tables = [read_table(folder / _ANSWERS).assign(fold=str(k)) for k, folder in enumerate(folders)]
    pooled = pd.concat(tables, ignore_index=True)
    if len(pooled) != len(given.table) or set(pooled["path"]) != set(given.table["path"]):
        raise InputError(
            "The folds' predictions are not those of the films.", "Train again from the beginning."
        )
    if any(clusters := clusters_of(given.table)):
        names = dict(zip(given.table["path"], clusters, strict=True))
        pooled[cluster_column(given.table)] = pooled["path"].map(names)
    last = [column for column in ("fold", "patient", "study", "error") if column in pooled]
    pooled = pooled[[column for column in pooled if column not in last] + last]
    order = sorted(range(len(pooled)), key=lambda i: order_key(pooled["path"].iloc[i]))
    pooled = pooled.iloc[order].reset_index(drop=True)
    out = building / PREDICTIONS
    write_text(out, pooled.to_csv(index=False, lineterminator="\n"))
    records = [
        json.loads(record_path(folder / _ANSWERS).read_text(encoding="utf-8")) for folder in folders
    ]
    _write_record(records, out, name)
    return pooled


def _write_record(records: list[dict[str, Any]], out: Path, name: str) -> None:
    """One run record for all folds: what is counted is added up, the rest is the first fold's."""

    def added(counts: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            key: added([entry.get(key, {}) for entry in counts])
            if any(isinstance(entry.get(key), dict) for entry in counts)
            else sum(entry.get(key, 0) for entry in counts)
            for key in dict.fromkeys(key for entry in counts for key in entry)
        }

    models = [record["model"] for record in records]
    record = records[0] | {
        "out": out.name,
        "results_sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "model": models[0] | {"name": name, "seal": "", "folds": models},
        "films": sum(entry["films"] for entry in records),
        "films_per_second": 0.0,
        "finished": records[-1]["finished"],
    }
    for key in ("by_status", "classes", "skipped", "film_notes", "seconds"):
        record[key] = added([entry[key] for entry in records])
    text = json.dumps(record, indent=2, sort_keys=True, allow_nan=False)
    write_text(record_path(out), text + "\n")


def _sentences(given: Gathered, count: int) -> list[str]:
    said = [DEMONSTRATION] if is_demonstration(given.films) else []
    alone = "the film itself" if given.whole == "film" else f"a film of its {given.whole}"
    said.append(
        f"Pooled over {count} folds: each film was answered by a network that learned from neither "
        f"{alone} nor the same pixels. The intervals are of the films; how much training again "
        "would change the answers is not in them."
    )
    return said + said_of_clusters(given.table, given.whole)


def _lines(
    building: Path, given: Gathered, dealt: Dealt, pooled: pd.DataFrame
) -> tuple[FoldLine, ...]:
    found: list[FoldLine] = []
    for k in range(int(dealt.fold.max()) + 1):
        history = read_table(building / FOLDS / str(k) / "history.csv")
        labels = truth_of(given, np.flatnonzero(dealt.fold == k))
        some = pooled[pooled["fold"] == str(k)].reset_index(drop=True)
        report = score_answers(some, labels, given.tasks, ())
        found += lines_of(report, k, epochs=len(history))
    return tuple(found)


def _write_above(
    shop: Workshop, given: Gathered, dealt: Dealt, report: Report, lines: Sequence[FoldLine]
) -> None:
    import pandas as pd

    building = shop.building
    (building / "plots").mkdir(exist_ok=True)
    artefacts.write_scores(building, report)
    table = truth_of(given, np.arange(len(given.table)))
    table = table.rename(columns={"patient": cluster_column(given.table)})
    table["fold"] = dealt.fold
    table[FILE_HASH] = artefacts.short_hashes(given.films)
    write_text(building / "folds.csv", table.to_csv(index=False, lineterminator="\n"))
    figures = pd.DataFrame([line.to_dict() for line in lines])
    text = figures.to_csv(index=False, lineterminator="\n")
    write_text(building / "scores-by-fold.csv", text)
    write_text(building / "folds.md", folds_markdown(shop.name, report, lines))
    write_text(building / "folds.html", folds_html(shop.name, report, lines))


def _count(options: TrainOptions) -> int:
    assert options.folds is not None
    return options.folds
