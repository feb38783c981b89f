"""What `prepare` writes: labels.csv, dataset.json, and the figures that it shows."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xraybatch.core.files import atomic_path, write_text
from xraybatch.core.versions import versions_of
from xraybatch.training.datasets.films import Arrangement
from xraybatch.training.datasets.options import PrepareOptions
from xraybatch.training.datasets.parts import Copies, Dealt
from xraybatch.training.labels import DATASET, TABLE
from xraybatch.training.part_names import PARTS
from xraybatch.training.split import LEFT_OUT

NOT_STATED = "not stated"
OVERLAP = "film of a patient, or copy of a film, of a part that judges"
_SCHEMA = 1


@dataclass(frozen=True)
class Origin:
    """Where a data set comes from.

    Attributes
    ----------
    given : str
        As a person wrote it; of an address, without what gives access.
    kind : str
        ``url``, ``archive``, ``folder`` or ``table``.
    sha256 : str
        Of the archive; empty where there is none.
    size : int
        Its bytes; 0 where there is none.
    """

    given: str
    kind: str
    sha256: str = ""
    size: int = 0


@dataclass(frozen=True)
class PreparedData:
    """A data set that ``xraybatch train --data`` takes.

    Attributes
    ----------
    folder, labels, dataset : Path
        The folder, its table and its record.
    origin : Origin
    form : str
        One of `options.FORMS`.
    sentence : str
        What was recognised.
    tasks : tuple of str
    columns : tuple of str
        Further columns of the table, as the source has them.
    counts : mapping of str to mapping of str to mapping of str to int
        Films by task, class, and part or fold.
    sides : tuple of str
        The parts or folds, in order.
    films, patients : int
        In the table; 0 patients: not known.
    how, overlap : str
        How it was split and what was looked for on two sides.
    copies, copied_films, contradictions : int
        Contents that stand more than once, films that have them, and of those contents the ones
        with different labels.
    skipped : mapping of str to int
        Files and films that are not in the table, by reason.
    source_name, licence, citation : str
        Empty: not stated.
    """

    folder: Path
    labels: Path
    dataset: Path
    origin: Origin
    form: str
    sentence: str
    tasks: tuple[str, ...]
    columns: tuple[str, ...]
    counts: Mapping[str, Mapping[str, Mapping[str, int]]]
    sides: tuple[str, ...]
    films: int
    patients: int
    how: str
    overlap: str
    copies: int
    copied_films: int
    contradictions: int
    skipped: Mapping[str, int]
    source_name: str
    licence: str
    citation: str


def write_labels(folder: Path, arranged: Arrangement, side: Sequence[str], column: str) -> None:
    """Write the table; paths are relative to `folder` wherever the films lie on its drive.

    Parameters
    ----------
    folder : Path
    arranged : Arrangement
    side : sequence of str
        Part or fold of each row.
    column : str
        ``split`` or ``fold``; empty: neither is written.
    """
    home = os.path.realpath(folder)
    with (
        atomic_path(folder / TABLE) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file, lineterminator="\n")
        sides = [column] if column else []
        table.writerow(["path", *arranged.tasks, "patient", "study", *sides, *arranged.columns])
        for row, part in zip(arranged.rows, side, strict=True):
            if part != LEFT_OUT:
                path = _relative(row.film.file, home)
                side = [part] if column else []
                table.writerow([path, *row.labels, row.patient, row.study, *side, *row.more])


def summarise(
    folder: Path,
    origin: Origin,
    arranged: Arrangement,
    copies: Copies,
    dealt: Dealt,
    skipped: Mapping[str, int],
    options: PrepareOptions,
) -> PreparedData:
    """All figures of a data set that is about to be written."""
    kept = [(r, s) for r, s in zip(arranged.rows, dealt.side, strict=True) if s != LEFT_OUT]
    counts: dict[str, dict[str, dict[str, int]]] = {}
    sides = _in_order({side for _, side in kept})
    for number, task in enumerate(arranged.tasks):
        seen = Counter((row.labels[number], side) for row, side in kept)
        classes = sorted({name for name, _ in seen})
        counts[task] = {name: {s: seen[name, s] for s in sides} for name in classes}
    left_out = len(dealt.side) - len(kept)
    return PreparedData(
        folder=folder,
        labels=folder / TABLE,
        dataset=folder / DATASET,
        origin=origin,
        form=arranged.form,
        sentence=arranged.sentence,
        tasks=arranged.tasks,
        columns=arranged.columns,
        counts=counts,
        sides=sides,
        films=len(kept),
        patients=len({row.patient for row, _ in kept} - {""}),
        how=dealt.how,
        overlap=dealt.overlap,
        copies=copies.groups,
        copied_films=copies.films,
        contradictions=copies.contradicting_groups,
        skipped=dict(sorted((+Counter({**skipped, OVERLAP: left_out})).items())),
        source_name=options.source_name,
        licence=options.licence,
        citation=options.citation,
    )


def write_dataset(folder: Path, prepared: PreparedData, options: PrepareOptions) -> None:
    """Write the record beside the table."""
    said: dict[str, Any] = {
        "schema": _SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": {
            "given": prepared.origin.given,
            "kind": prepared.origin.kind,
            "sha256": prepared.origin.sha256 or None,
            "bytes": prepared.origin.size or None,
            "name": prepared.source_name or NOT_STATED,
            "licence": prepared.licence or NOT_STATED,
            "citation": prepared.citation or NOT_STATED,
        },
        "form": prepared.form,
        "recognised": prepared.sentence,
        "tasks": list(prepared.tasks),
        "columns": list(prepared.columns),
        "counts": prepared.counts,
        "films": prepared.films,
        "patients": prepared.patients or None,
        "patient_from": options.patient_from,
        "split": {
            "how": prepared.how,
            "overlap": prepared.overlap,
            "seed": options.seed,
            "folds": options.folds,
        },
        "copies": {
            "contents": prepared.copies,
            "films": prepared.copied_films,
            "contents_with_different_labels": prepared.contradictions,
        },
        "skipped": prepared.skipped,
        "versions": versions_of(["xraybatch", "numpy", "pandas", "scikit-learn"]),
    }
    write_text(folder / DATASET, json.dumps(said, indent=2, ensure_ascii=False) + "\n")


def _in_order(sides: set[str]) -> tuple[str, ...]:
    parts = [part for part in PARTS if part in sides]
    return tuple(parts or sorted(sides, key=int))


def _relative(file: str, home: str) -> str:
    folder, name = os.path.split(file)
    # links to folders are followed, so that `..` in the path leads back; a film that is a link
    # keeps its own name
    place = os.path.join(os.path.realpath(folder), name)  # noqa: PTH118
    try:
        return os.path.relpath(place, home).replace(os.sep, "/")
    except ValueError:  # on another drive of Windows
        return place
