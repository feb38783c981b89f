"""The tree of MURA: parts, regions, patients, studies, and whether a study is abnormal."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from xraybatch.core.counting import counted, verb
from xraybatch.core.errors import InputError
from xraybatch.sources.mura import MuraPlace, mura_place
from xraybatch.training.datasets.films import Arrangement, FilmFile, Row
from xraybatch.training.datasets.options import MURA
from xraybatch.training.part_names import TEST, TRAIN

TASKS = ("abnormality", "region")
NOT_MURA = "film outside MURA's tree"

_PARTS = {"train": TRAIN, "valid": TEST}
_ANSWERS = {"1": "positive", "0": "negative"}


def is_mura(films: Sequence[FilmFile]) -> bool:
    """Whether most films lie where MURA has them."""
    return sum(_place(film) is not None for film in films) * 2 > len(films)


def arrange_mura(films: Sequence[FilmFile], tables: Sequence[Path]) -> Arrangement:
    """Take abnormality, region, patient, study and part from MURA's tree.

    Parameters
    ----------
    films : sequence of FilmFile
    tables : sequence of Path
        Those named as MURA's own are compared with the tree.

    Returns
    -------
    Arrangement
        MURA's ``valid``, on which its authors report, is the test part.

    Raises
    ------
    InputError
        If no film lies in such a tree.
    """
    rows = []
    trees: dict[str, str] = {}
    for film in films:
        place = _place(film)
        if place is None:
            continue
        labels = (place.answer, place.region)
        rows.append(Row(film, labels, _PARTS[place.part], place.patient, place.study))
        trees[place.tree] = place.answer
    if not rows:
        raise InputError(
            "There is no film where MURA has them.",
            "MURA's are called train/XR_ELBOW/patient00011/study1_positive/image1.png.",
        )
    regions = sorted({row.labels[1] for row in rows})
    parts = ", ".join(part for part in ("train", "valid") if _has(rows, _PARTS[part]))
    return Arrangement(
        MURA,
        f"The tree of MURA ({parts}) with {len({r.patient for r in rows}):,} patients, "
        f"{len({r.study for r in rows}):,} studies and {len(regions)} regions: "
        f"{', '.join(regions)}.",
        TASKS,
        tuple(rows),
        dict(+Counter({NOT_MURA: len(films) - len(rows)})),
        tuple(
            ["MURA's valid, on which its authors report, is the test part."] * _has(rows, TEST)
            + [said for table in tables if (said := _compared(table, trees))]
        ),
    )


def _place(film: FilmFile) -> MuraPlace | None:
    found = mura_place(film.inner)
    return found if found and found.part else None


def _has(rows: Sequence[Row], part: str) -> bool:
    return any(row.split == part for row in rows)


def _compared(table: Path, trees: dict[str, str]) -> str:
    """What one of MURA's own tables says that the tree does not, as a sentence."""
    part, _, kind = table.stem.lower().partition("_")
    if part not in _PARTS or kind not in ("image_paths", "labeled_studies"):
        return ""
    here = {tree: answer for tree, answer in trees.items() if tree.startswith(part + "/")}
    if kind == "image_paths":
        listed = {_tree_of(line[0]) for line in _lines(table)}
        missing, more = len(listed - set(here)), len(set(here) - listed)
        if not missing and not more:
            return f"'{table.name}' lists the films that are there ({len(listed):,})."
        absent = f"{counted(missing, 'film')} that {verb('is', missing)} not there"
        return f"'{table.name}' lists {absent}, and not {more:,} that are."
    studies = {tree.rpartition("/")[0]: answer for tree, answer in here.items()}
    said = {
        _tree_of(line[0]): _ANSWERS.get(line[1].strip(), "") for line in _lines(table) if line[1:]
    }
    missing, more = len(set(said) - set(studies)), len(set(studies) - set(said))
    other = sum(1 for study in set(said) & set(studies) if said[study] != studies[study])
    if not (missing or more or other):
        return f"'{table.name}' agrees with the folders' names ({counted(len(said), 'study')})."
    return (
        f"'{table.name}' says something else of {counted(other, 'study')} than their folders' "
        f"names, which count; it has {missing:,} that {verb('is', missing)} not there, and not "
        f"{more:,} that are."
    )


def _lines(table: Path) -> list[list[str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            return [line for line in csv.reader(file) if line and line[0].strip()]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def _tree_of(path: str) -> str:
    """A path of MURA's tables as the trees are compared: below what wraps them."""
    slashed = path.strip().replace("\\", "/").rstrip("/").lower()
    at = [slashed.find(f"/{part}/xr_") for part in _PARTS]
    return slashed[max(at) + 1 :] if max(at) >= 0 else slashed
