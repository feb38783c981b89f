"""What a table, or the folders, say of the films of an audit."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from xraybatch.core.errors import InputError, UsageError
from xraybatch.sources.films import find_films
from xraybatch.training.audited import LabelsAsked, read_known


def films(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(folder / name)
    return folder


def known(folder: Path, table: str | None = None, **asked):
    if table is not None:
        (folder / "labels.csv").write_text(table)
    return read_known(find_films([folder]).items, [folder], LabelsAsked(**asked))


def test_folders_are_classes_and_parts(tmp_path: Path) -> None:
    films(tmp_path, "train/a/1.png", "train/b/2.png", "test/a/3.png", "test/b/4.png")
    found = known(tmp_path)
    assert found.labels == ("a", "b", "a", "b")
    assert found.parts == ("test", "test", "train", "train")
    assert found.source == "class folders"


def test_one_folder_is_no_class(tmp_path: Path) -> None:
    films(tmp_path, "films/1.png", "films/2.png")
    assert known(tmp_path).labels == ("", "")


def test_a_table_says_it_all(tmp_path: Path) -> None:
    films(tmp_path, "1.png", "2.png", "3.png")
    found = known(
        tmp_path, "path,label,patient,split\n1.png,a,p,Training\n3.png,b,,valid\n9.png,a,,\n"
    )
    assert found.labels == ("a", "", "b")
    assert found.patients == ("p", "", "")
    assert found.parts == ("train", "", "val")
    assert found.not_there == 1


def test_columns_and_values_can_be_named(tmp_path: Path) -> None:
    films(tmp_path, "1.png", "2.png")
    found = known(
        tmp_path,
        "file;finding;mrn;label\n1.png;0;7;x\n2.png;1;8;x\n",
        path_column="file",
        label_column="finding",
        patient_column="mrn",
        label_map="0=normal,1=abnormal",
    )
    assert (found.labels, found.patients) == (("normal", "abnormal"), ("7", "8"))


def test_without_a_split_the_folders_say_it(tmp_path: Path) -> None:
    films(tmp_path, "train/1.png", "test/2.png")
    found = known(tmp_path, "path,label\ntrain/1.png,a\ntest/2.png,b\n")
    assert found.parts == ("test", "train")
    assert "folders' names" in found.notes[0]


def test_a_film_that_stands_twice_differently_is_told(tmp_path: Path) -> None:
    films(tmp_path, "1.png", "2.png")
    found = known(tmp_path, "path,label\n1.png,a\n./1.png,b\n2.png,a\n2.png,a\n")
    assert found.labelled_twice == (0,)
    assert found.labels == ("a", "a")


def test_a_table_without_labels_says_which_columns_it_has(tmp_path: Path) -> None:
    films(tmp_path, "1.png")
    found = known(tmp_path, "path,diagnosis\n1.png,a\n")
    assert found.labels == ("",)
    assert "path, diagnosis" in found.notes[0]


@pytest.mark.parametrize("column", ["label_column", "patient_column", "split_column"])
def test_a_column_that_is_not_there_is_an_error(tmp_path: Path, column: str) -> None:
    films(tmp_path, "1.png")
    with pytest.raises(InputError, match="no column 'nope'"):
        known(tmp_path, "path,label\n1.png,a\n", **{column: "nope"})


def test_options_of_a_table_want_a_table(tmp_path: Path) -> None:
    films(tmp_path, "a/1.png", "b/2.png")
    with pytest.raises(UsageError, match="--label-column is about a table"):
        known(tmp_path, label_column="x")
