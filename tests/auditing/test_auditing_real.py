"""Real films under numbers: the traps that their READMEs describe are found without their names."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xraybatch.auditing.run import AuditOptions
from xraybatch.training.audited import LabelsAsked, audit_folders

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def numbered(
    shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Path, dict[str, str]]]:
    """Copies a set under numbers; the folder, and what each film was called."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from numbered_films import copy_numbered

    def copy(name: str) -> tuple[Path, dict[str, str]]:
        folder = tmp_path_factory.mktemp(name) / "films"
        copy_numbered(shared_data / name, folder)
        with folder.with_name("films.truth.csv").open(newline="") as file:
            return folder, {row["path"]: row["was"] for row in csv.DictReader(file)}

    return copy


def audited(folder: Path, permutations: int = 100):
    options = AuditOptions(near=False, permutations=permutations)
    return audit_folders([folder], LabelsAsked(), options).audit


def groups(audit, names: dict[str, str]) -> set[frozenset[str]]:
    return {frozenset(names[film.path] for film in group.films) for group in audit.copies}


def test_knees_have_the_same_bytes_under_two_labels(numbered) -> None:
    folder, names = numbered("knee_osteoporosis")
    audit = audited(folder, permutations=0)
    assert audit.conflicts == 5
    found = {
        frozenset(names[film.path] for film in group.films)
        for group in audit.copies
        if group.conflict
    }
    assert found == {
        frozenset(("test/normal/N1.JPEG", "test/osteopenia/OP13.JPEG")),
        frozenset(("test/normal/N23.jpg", "testcases/OP107.jpg")),
        frozenset(("test/osteoporosis/OS32.jpg", "testcases/OP144.jpg")),
        frozenset(("testcases/OP102.jpg", "testcases/OS40.jpg")),
        frozenset(("train/normal/N1_aug1.jpg", "train/osteopenia/OP13_aug4.jpg")),
    }
    exact = [g for g in audit.copies if g.kinds == ("identical bytes",)]
    assert (len(exact), sum(len(g.films) for g in exact)) == (12, 24)
    assert audit.leak.patients == 9


def test_fractures_are_in_both_parts_and_their_compression_says_it(numbered) -> None:
    folder, _ = numbered("fracture")
    audit = audited(folder)
    assert [(u.status, u.films) for u in audit.unreadable] == [("unsupported", 30)]
    assert "Git LFS" in audit.unreadable[0].sentence
    assert len(audit.suffix_lies) == 1
    exact = [g for g in audit.copies if g.kinds == ("identical bytes",)]
    assert (len(exact), sum(len(g.films) for g in exact)) == (25, 52)
    assert audit.leak.exact_groups == 24
    assert audit.conflicts == 0
    assert audit.shortcut.found
    assert audit.shortcut.culprits[0] == "JPEG tables"
    assert audit.shortcut.alone[0].balanced_accuracy.value > 0.97


def test_the_size_of_chest_films_says_much(numbered) -> None:
    folder, names = numbered("chest_pneumonia")
    audit = audited(folder)
    exact = {g for g in groups(audit, names) if len(g) == 2}
    assert len(audit.copies) == len(exact) == 13
    assert audit.shortcut.found
    assert set(audit.shortcut.culprits) == {"bytes", "bytes a pixel"}
    assert 0.7 < audit.shortcut.balanced_accuracy.value < 0.85  # the README's forest has 0.760
    assert audit.leak.groups == audit.leak.patients == 0


def test_grades_of_knees_are_not_given_away(numbered) -> None:
    folder, names = numbered("knee_kl")
    audit = audited(folder)
    assert audit.copies == ()
    assert not audit.shortcut.found
    assert audit.leak.patients == 0
    negatives = {names[one.path].split("/")[-1][:7] for one in audit.inverted}
    assert negatives == {"9732525", "9602703", "9558684", "9790812"}  # looked at: both knees each


def test_equalised_copies_are_found_by_their_pixels_alone(numbered) -> None:
    folder, names = numbered("knee_kl")
    options = AuditOptions(permutations=0)
    audit = audit_folders([folder], LabelsAsked(), options).audit
    found = groups(audit, names)
    copies = {
        frozenset((path, path.replace("clahe/", "test/")))
        for path in names.values()
        if path.startswith("clahe/")
    }
    assert len(copies) == 50
    assert len(found & copies) >= 40
    assert len(found - copies) <= 5  # two a hundred films
