"""Copies a folder of labelled films with numbers as names, so that no name gives anything away.

    python benchmarks/numbered_films.py FOLDER TARGET

FOLDER holds labels.csv (path, label, patient, split). TARGET gets the films in random order as
00001.jpg …, a labels.csv in which patients are numbers too, and beside it, as TARGET.truth.csv,
what each film was called: for whoever measures what was found.
"""

from __future__ import annotations

import csv
import random
import shutil
import sys
from pathlib import Path


def copy_numbered(folder: Path, target: Path, *, seed: int = 20261122) -> int:
    """Copy the films that a folder's labels.csv names; how many."""
    with (folder / "labels.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    random.Random(seed).shuffle(rows)
    target.mkdir(parents=True)
    patients: dict[str, str] = {}
    labels, truth = [], []
    for number, row in enumerate(rows, 1):
        name = f"{number:05}{Path(row['path']).suffix}"
        shutil.copyfile(folder / row["path"], target / name)
        patient = row.get("patient", "")
        if patient:
            patient = patients.setdefault(patient, str(len(patients) + 1))
        labels.append([name, row["label"], patient, row.get("split", "") or _part(row["path"])])
        truth.append([name, row["path"]])
    _write(target / "labels.csv", ["path", "label", "patient", "split"], labels)
    _write(target.with_name(target.name + ".truth.csv"), ["path", "was"], truth)
    return len(rows)


def _part(path: str) -> str:
    """The split of a data set whose table has none: its outermost folder, if that is a part."""
    first = path.split("/")[0]
    return first if first in ("train", "val", "test") else ""


def _write(path: Path, head: list[str], rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(f"{copy_numbered(Path(sys.argv[1]), Path(sys.argv[2])):,} films in {sys.argv[2]}")
