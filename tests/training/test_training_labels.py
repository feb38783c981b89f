from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.tasks import TaskKind, TaskRequest, parse_task_request
from xraybatch.training.labels import FILE, FOLD, columns_of, read_films
from xraybatch.training.options import TrainOptions
from xraybatch.training.truth import check_positive, codes_of, find_task

LABEL = [TaskRequest("label")]


def films(folder: Path, *paths: str) -> Path:
    for path in paths:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(target)
    return folder


def table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(text.encode("utf-8-sig"))
    return path


def test_class_folders_are_the_labels(tmp_path: Path, said: Any) -> None:
    folder = films(tmp_path, "ill/a.png", "ill/deep/b.png", "well/c.png", "alone.png")
    found = read_films(folder, TrainOptions("a", data=folder), LABEL, said)
    assert dict(zip(found.table["path"], found.table["label"], strict=True)) == {
        "ill/a.png": "ill",
        "ill/deep/b.png": "ill",
        "well/c.png": "well",
    }
    assert set(found.table["split"]) == {""}
    assert "Left out (film in no class folder): 1" in said.text


def test_train_and_test_folders_are_taken_as_distributed(tmp_path: Path, said: Any) -> None:
    folder = films(
        tmp_path,
        "one/train/ill/a.png",
        "one/TEST/ill/b.png",
        "one/valid/well/c.png",
        "x/well/d.png",
    )
    found = read_films(folder, TrainOptions("a", data=folder), LABEL, said).table
    by_path = found.set_index("path")
    assert by_path["split"].to_dict() == {
        "one/TEST/ill/b.png": "test",
        "one/train/ill/a.png": "train",
        "one/valid/well/c.png": "val",
    }
    assert by_path["label"]["one/TEST/ill/b.png"] == "ill"
    assert "Left out (film in no train, val or test folder): 1" in said.text
    assert "taken as the split" in said.text


def test_folders_that_wrap_the_classes_are_seen_through(tmp_path: Path, said: Any) -> None:
    folder = films(tmp_path, "Data/Set/Ill/a.png", "Data/Set/well/p1/b.png", "Data/Set/well/c.png")
    found = read_films(folder, TrainOptions("a", data=folder), LABEL, said).table
    assert list(found["label"]) == ["Ill", "well", "well"]
    asked = [parse_task_request("label:multiclass=ill,well")]
    found = read_films(folder, TrainOptions("a", data=folder), asked, said).table
    assert list(found["label"]) == ["ill", "well", "well"]
    for names, missing in (("ill,well,odd", "'odd'"), ("ill,odd", "'odd'")):
        asked = [parse_task_request(f"label:multiclass={names}")]
        with pytest.raises(InputError, match=f"no class folder {missing}"):
            read_films(folder, TrainOptions("a", data=folder), asked, said)


def test_folders_of_parts_may_lie_in_the_classes(tmp_path: Path, said: Any) -> None:
    folder = films(tmp_path, "ill/train/a.png", "ill/test/b.png", "well/train/c.png", "=x/d.png")
    found = read_films(folder, TrainOptions("a", data=folder), LABEL, said).table
    assert list(found["label"]) == ["ill", "ill", "well"]
    assert list(found["split"]) == ["test", "train", "train"]
    assert "Left out (film in no train, val or test folder): 1" in said.text


def test_a_name_that_is_not_utf8_makes_no_class(tmp_path: Path, said: Any) -> None:
    folder = films(tmp_path, "ill/a.png", "ill/deep/b.png", "well/c.png")
    for name in (b"well/x\xff.png", b"ill/\xe4/y.png", b"well/-\xc3\xa4/z.png"):
        path = os.fsencode(folder) + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(folder / "ill" / "a.png", path)
    found = read_films(folder, TrainOptions("a", data=folder), LABEL, said).table
    assert dict(zip(found["path"], found["label"], strict=True)) == {
        "file:ill/%E4/y.png": "ill",
        "file:well/x%FF.png": "well",
        "ill/a.png": "ill",
        "ill/deep/b.png": "ill",
        "well/-ä/z.png": "well",
        "well/c.png": "well",
    }


def test_a_table_in_the_folder_is_used_and_named(tmp_path: Path, said: Any) -> None:
    folder = films(tmp_path, "a.png", "b.png")
    table(folder, "path;label;patient\na.png;0;007\nb.png;1;007\n\n")
    found = read_films(folder, TrainOptions("a", data=folder), LABEL, said)
    assert list(found.table["patient"]) == ["007", "007"]
    assert list(found.table["label"]) == ["0", "1"]
    assert "labels.csv" in said.text


def test_columns_of_a_hospital(tmp_path: Path, said: Any) -> None:
    films(tmp_path / "f", "a.png", "b.png", "c.png")
    labels = table(
        tmp_path, "file,finding,mrn,split\na.png,0,x,train\nb.png,1,y,Test\nc.png,9,z,\n", "h.csv"
    )
    options = TrainOptions(
        "a",
        data=tmp_path / "f",
        labels=labels,
        path_column="file",
        label_column="finding",
        patient_column="mrn",
        label_map="0=normal,1=abnormal,9=",
    )
    found = read_films(tmp_path / "f", options, LABEL, said).table
    assert list(found["label"]) == ["normal", "abnormal"]
    assert list(found["patient"]) == ["x", "y"]
    assert list(found["split"]) == ["train", "test"]
    assert "Without any label, left out: 1" in said.text


def test_paths_are_relative_to_the_table_too_and_missing_films_are_told(
    tmp_path: Path, said: Any
) -> None:
    films(tmp_path / "t", "a.png")
    labels = table(tmp_path / "t", "path,label\na.png,x\nb.png,y\n")
    found = read_films(None, TrainOptions("a", labels=labels), LABEL, said)
    assert list(found.table[FILE]) == [str(tmp_path / "t" / "a.png")]
    assert found.missing == ("b.png",)
    assert "not there, left out: 1 of 2 films" in said.warnings[0][1]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("path,class\na.png,x\n", "no column 'label'"),
        ("file,label\na.png,x\n", "no column 'path'"),
        ("path,label\na.png,x\na.png,y\n", "twice"),
        ("path,label,split\na.png,x,fold3\n", "fold3"),
        ("path,label\nz.png,x\n", "None of the 1 film"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, said: Any, text: str, error: str) -> None:
    folder = films(tmp_path, "a.png")
    table(folder, text)
    with pytest.raises(InputError, match=error):
        read_films(folder, TrainOptions("a", data=folder), LABEL, said)


def test_stems_of_a_hospitals_table_find_their_films(tmp_path: Path, said: Any) -> None:
    folder = films(tmp_path / "f", "w1/XR_1.png", "w2/XR_2.png", "w2/XR_3.png", "w2/other.png")
    labels = table(tmp_path, "path;label;patient\r\nXR_1;0;007\r\nXR_2;1;7\r\nXR_9;1;8\r\n")
    options = TrainOptions(
        "a", data=folder, labels=labels, label_map="0=normal,1=abnormal", positive="abnormal"
    )
    found = read_films(folder, options, LABEL, said)
    assert list(found.table["path"]) == ["w1/XR_1.png", "w2/XR_2.png"]
    assert list(found.table["label"]) == ["normal", "abnormal"]
    assert list(found.table["patient"]) == ["007", "7"]
    assert list(found.table[FILE]) == [str(folder / "w1/XR_1.png"), str(folder / "w2/XR_2.png")]
    assert "matched by file name, without the files' suffix" in said.text
    assert found.missing == ("XR_9",)
    films(folder, "w3/XR_1.png")  # which of the two is meant?
    with pytest.raises(InputError, match="None of the 3 films"):
        read_films(folder, options, LABEL, said)


@pytest.mark.parametrize(
    ("values", "label_map", "error"),
    [
        ("012", "0=normal,1=abnormal", "says '2' of 1 film"),
        ("012", "0=normal,1=abnormal,2=", ""),
        ("012", "2=", ""),
        ("01n", "0=n,1=abnormal", ""),
        ("012", "00=normal,01=abnormal", "No value of --label-map .* '0', '1', '2'"),
    ],
)
def test_a_value_that_the_map_does_not_know_is_refused(
    tmp_path: Path, said: Any, values: str, label_map: str, error: str
) -> None:
    folder = films(tmp_path, *(f"{i}.png" for i in range(3)))
    table(folder, "path,label\n" + "".join(f"{i}.png,{v}\n" for i, v in enumerate(values)))
    options = TrainOptions("a", data=folder, label_map=label_map)
    if error:
        with pytest.raises(InputError, match=error):
            read_films(folder, options, LABEL, said)
    else:
        assert len(read_films(folder, options, LABEL, said).table) >= 2


def test_nothing_is_left_out_or_taken_apart_in_silence(tmp_path: Path, said: Any) -> None:
    folder = films(tmp_path, "a.png", "b.png", "c.png", "d/e.png")
    (folder / "f").mkdir()  # a folder is no film, whatever the table calls it
    table(folder, "path,label\na.png,Normal\nb.png,normal \nf,ill\n")
    found = read_films(folder, TrainOptions("a", data=folder), LABEL, said)
    assert list(found.table["path"]) == ["a.png", "b.png"]
    warned = " ".join(sentence for _, sentence in said.warnings)
    assert "left out: 1 of 3 films" in warned
    assert "'Normal' and 'normal' of 'label' are taken as two classes" in warned
    assert "In the folder but not labelled in labels.csv, left out: 2 films" in said.text


def test_rows_that_repeat_word_for_word_count_once(tmp_path: Path, said: Any) -> None:
    folder = films(tmp_path, "a.png")
    table(folder, "path,label\na.png,x\na.png,x\n")
    found = read_films(folder, TrainOptions("a", data=folder), LABEL, said)
    assert len(found.table) == 1
    assert "stand twice: 1" in said.text


@pytest.mark.parametrize("again", ["./a.png", "d/../a.png", "b/../a.png", "e\u0301.png"])
def test_a_film_that_two_rows_spell_in_two_ways_is_one(
    tmp_path: Path, said: Any, again: str
) -> None:
    folder = films(tmp_path / "f", "a.png", "\u00e9.png", "x/c/c.png")
    (folder / "d").mkdir()
    (folder / "b").symlink_to(folder / "d")
    first = "\u00e9.png" if "e" in again else "a.png"
    table(folder, f"path,label\n{first},x\n{again},x\nx/c/c.png,y\n")
    found = read_films(folder, TrainOptions("a", data=folder), LABEL, said)
    assert found.table["path"].tolist() == [first, "x/c/c.png"]
    assert found.rows == (0, 2)
    assert "stand twice: 1" in said.text
    table(folder, f"path,label\n{first},x\n{again},y\n")
    with pytest.raises(InputError, match=r"twice, also as .*, and not alike"):
        read_films(folder, TrainOptions("a", data=folder), LABEL, said)


def test_links_to_one_file_stay_films_of_their_own(tmp_path: Path, said: Any) -> None:
    folder = films(tmp_path, "store.png")
    for name in ("a.png", "b.png"):
        (folder / name).symlink_to(folder / "store.png")
    table(folder, "path,label\na.png,x\nb.png,y\n")
    found = read_films(folder, TrainOptions("a", data=folder), LABEL, said)
    assert found.table["path"].tolist() == ["a.png", "b.png"]


def test_a_folder_without_classes_or_table(tmp_path: Path, said: Any) -> None:
    folder = films(tmp_path, "a.png")
    with pytest.raises(InputError, match="no class folders"):
        read_films(folder, TrainOptions("a", data=folder), LABEL, said)
    with pytest.raises(InputError, match="not a folder"):
        read_films(tmp_path / "none", TrainOptions("a"), LABEL, said)


def test_several_tasks_need_a_table(tmp_path: Path, said: Any) -> None:
    folder = films(tmp_path, "ill/a.png")
    both = [TaskRequest("label"), TaskRequest("view")]
    with pytest.raises(UsageError, match="one label"):
        read_films(folder, TrainOptions("a", data=folder), both, said)


def labels(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns, dtype=str)


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (["normal", "abnormal"], "abnormal"),
        (["NORMAL", "PNEUMONIA"], "PNEUMONIA"),
        (["0", "1"], "1"),
        (["not fractured", "fractured"], "fractured"),
        (["non-fractured", "fractured"], "fractured"),
        (["No", "Yes"], "Yes"),
    ],
)
def test_the_positive_class_is_the_one_beside_nothing_found(
    values: list[str], positive: str
) -> None:
    task, sentence = find_task(TaskRequest("label"), ["label"], labels(label=values), None)
    assert (task.kind, task.positive) == (TaskKind.BINARY, positive)
    assert positive in sentence
    named, silent = find_task(TaskRequest("label"), ["label"], labels(label=values), values[0])
    assert (named.positive, silent) == (values[0], "")


def test_an_undecidable_positive_class_asks_for_the_option() -> None:
    with pytest.raises(UsageError, match="positive one") as caught:
        find_task(
            TaskRequest("label"), ["label"], labels(label=["covid19", "other_pneumonia"]), None
        )
    assert "--positive" in caught.value.hint


def test_kinds_and_orders_of_classes() -> None:
    three = labels(label=["10", "9", "", "2"])
    assert find_task(TaskRequest("label"), ["label"], three, None)[0].classes == ("2", "9", "10")
    grades = parse_task_request("label:ordinal")
    assert find_task(grades, ["label"], three, None)[0].kind is TaskKind.ORDINAL
    words = labels(label=["mild", "severe", "moderate"])
    with pytest.raises(UsageError, match="order"):
        find_task(grades, ["label"], words, None)
    told = parse_task_request("label:ordinal=mild,moderate,severe")
    task, _ = find_task(told, ["label"], words, None)
    assert codes_of(task, ["label"], words).tolist() == [0, 2, 1]
    with pytest.raises(InputError, match="have the class 'severe'"):
        find_task(parse_task_request("label:ordinal=mild,moderate"), ["label"], words, None)


@pytest.mark.parametrize("values", [["x", "x"], ["", ""]])
def test_one_class_is_no_task(values: list[str]) -> None:
    with pytest.raises(InputError, match="label"):
        find_task(TaskRequest("label"), ["label"], labels(label=values), None)


def test_findings_are_columns_and_empty_cells_are_masked() -> None:
    request = parse_task_request("finding:multilabel=mass,fluid")
    assert columns_of(request) == ("mass", "fluid")
    frame = labels(mass=["1", "0", ""], fluid=["", "1", "0"])
    task, _ = find_task(request, columns_of(request), frame, None)
    assert codes_of(task, ["mass", "fluid"], frame).tolist() == [[1, -1], [0, 1], [-1, 0]]
    with pytest.raises(InputError, match="'maybe'"):
        find_task(request, ["mass"], labels(mass=["maybe"]), None)
    with pytest.raises(UsageError, match="no findings"):
        columns_of(parse_task_request("finding:multilabel"))


def test_a_positive_class_that_no_task_has(write_films: Callable[..., Path]) -> None:
    task, _ = find_task(TaskRequest("label"), ["label"], labels(label=["normal", "ill"]), None)
    with pytest.raises(UsageError, match="--positive il"):
        check_positive("il", [task])


def test_patients_and_films_are_one_however_a_spreadsheet_spells_them(
    tmp_path: Path, said: Any
) -> None:
    folder = films(tmp_path, "Bj\u00f6rn.png", "Ma\u0308rz.png", "c.png")
    table(
        folder,
        "path,label,patient,study\n"
        "Bjo\u0308rn.png,x,p\u00e9 , 1\nM\u00e4rz.png,y,\tpe\u0301,1\nc.png,y, ,\n",
    )
    found = read_films(folder, TrainOptions("a", data=folder), LABEL, said)
    assert found.table["patient"].tolist() == ["p\u00e9", "p\u00e9", ""]
    assert found.table["study"].tolist() == ["1", "1", ""]
    assert found.missing == ()


@pytest.mark.parametrize("column", ["patient", "study", "split", "fold"])
def test_the_column_of_the_labels_is_nothing_else(tmp_path: Path, said: Any, column: str) -> None:
    folder = films(tmp_path, "a.png", "b.png")
    table(folder, f"path,{column}\na.png,x\nb.png,y\n")
    options = TrainOptions("a", data=folder, label_column=column)
    found = read_films(folder, options, LABEL, said).table
    assert found["label"].tolist() == ["x", "y"]
    assert not found[["patient", "study", "split", FOLD]].to_numpy().any()


@pytest.mark.parametrize("option", ["path_column", "patient_column"])
def test_a_column_cannot_be_named_for_two_things(tmp_path: Path, said: Any, option: str) -> None:
    folder = films(tmp_path, "a.png")
    table(folder, "path,label\na.png,x\n")
    options = TrainOptions("a", data=folder, **{option: "label"})
    with pytest.raises(UsageError, match=f"--{option.replace('_', '-')} label"):
        read_films(folder, options, LABEL, said)


@pytest.mark.parametrize("name", ["_file", "_fold", "_film"])
def test_a_finding_is_not_called_as_a_column_of_ours(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        columns_of(parse_task_request(f"chest:multilabel=mass,{name}"))


def test_the_order_of_numbers_that_are_equal_is_that_of_their_text() -> None:
    names = ["1.0", "01", "0", "1", "+1", "1.00", "001"]
    expected = ("0", "+1", "001", "01", "1", "1.0", "1.00")
    task, _ = find_task(TaskRequest("label"), ["label"], labels(label=names), None)
    assert task.classes == expected
    with pytest.raises(UsageError, match=r"'\+1' and '001' of task 'kl' are the same number"):
        find_task(parse_task_request("kl:ordinal"), ["kl"], labels(kl=names), None)


def test_words_in_place_of_numbers_make_words() -> None:
    found = labels(label=["10", "9", "nan", "inf"])
    task, _ = find_task(TaskRequest("label"), ["label"], found, None)
    assert task.classes == ("10", "9", "inf", "nan")


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("Bru\u0308che", "br\u00fcche", "taken as two classes; --label-map"),
        ("Bru\u0308che", "Br\u00fcche", "accents are not written with the same characters"),
        ("1", "1.0", "'1' and '1.0' of 'label' are taken as two classes"),
        ("1", "2", ""),
    ],
)
def test_classes_that_look_like_one_are_told(
    tmp_path: Path, said: Any, one: str, other: str, told: str
) -> None:
    folder = films(tmp_path, "a.png", "b.png")
    table(folder, f"path,label\na.png,{one}\nb.png,{other}\n")
    read_films(folder, TrainOptions("a", data=folder), LABEL, said)
    assert [told in sentence for _, sentence in said.warnings] == ([True] if told else [])
