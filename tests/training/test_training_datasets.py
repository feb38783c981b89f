"""Data as they are distributed, to a table that training takes: each form, and what is refused."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.tasks import TaskRequest
from xraybatch.sources.archives.budget import ArchiveLimits
from xraybatch.training.datasets.options import PrepareOptions
from xraybatch.training.datasets.prepare import prepare_data
from xraybatch.training.datasets.record import OVERLAP, PreparedData
from xraybatch.training.labels import read_films
from xraybatch.training.options import TrainOptions


def png(seed: object) -> bytes:
    """A small film; equal seeds give equal bytes."""
    number = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:4], "big")
    pixels = np.random.default_rng(number).integers(0, 255, (9, 8), np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "png")
    return target.getvalue()


def put(folder: Path, paths: Iterable[str], same: Callable[[str], object] = str) -> Path:
    for path in paths:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(png(same(path)))
    return folder


def zipped(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return archive


def table_of(out: Path) -> list[dict[str, str]]:
    with (out / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def splits(out: Path) -> dict[str, str]:
    return {Path(row["path"]).name: row["split"] for row in table_of(out)}


def labels(out: Path, column: str = "label") -> Counter[str]:
    return Counter(row[column] for row in table_of(out))


def prepare(source: Path, said: Any, ask: Any = None, **options: Any) -> tuple[PreparedData, Path]:
    out = source.parent / "out"
    found = prepare_data(source, out, PrepareOptions(**options), progress=said, ask=ask)
    check_trainable(out, found)
    return found, out


def check_trainable(out: Path, found: PreparedData) -> None:
    """`train --data` reads the same films and parts; no patient, no content stands on two sides."""
    rows = table_of(out)
    side = "split" if "split" in rows[0] else "fold"
    said = read_films(
        out,
        TrainOptions("cnn", data=out),
        [TaskRequest(task) for task in found.tasks],
        _Silent(),
    )
    assert len(said.table) == len(rows) == found.films
    assert said.missing == ()
    assert len({row["path"] for row in rows}) == len(rows)
    sides: dict[str, set[str]] = {}
    for row in rows:
        content = hashlib.sha256((out / row["path"]).read_bytes()).hexdigest()
        for key in (content, row["patient"]):
            if key:
                sides.setdefault(key, set()).add(row[side])
    assert [key for key, where in sides.items() if len(where) > 1] == []
    for task, classes in found.counts.items():
        counted = Counter((row[task], row[side]) for row in rows)
        assert {
            (name, part): count
            for name, parts in classes.items()
            for part, count in parts.items()
            if count
        } == counted
    assert json.loads((out / "dataset.json").read_text())["films"] == len(rows)


class _Silent:
    def stage(self, *_: object) -> Any:
        raise AssertionError

    def note(self, sentence: str) -> None:
        pass

    warn = note


CLASSES = ("normal", "osteopenia", "osteoporosis")
FLAT = [f"{name}/{name[:7]}_{i}.png" for name in CLASSES for i in range(20)]


@pytest.mark.parametrize("wrapped", ["", "a/", "a/Knee X-ray/b/"])
def test_class_folders_however_they_are_wrapped(tmp_path: Path, said: Any, wrapped: str) -> None:
    source = put(tmp_path / "src", [wrapped + path for path in FLAT])
    (source / "readme.txt").write_text("about")
    put(source, ["preview.png"] if wrapped else [])
    before = sorted(source.rglob("*"))
    found, out = prepare(source, said, classes=("Normal", "OSTEOPENIA", "osteoporosis"))
    assert labels(out) == {"Normal": 20, "OSTEOPENIA": 20, "osteoporosis": 20}
    assert found.form == "class-folders"
    parts = Counter(splits(out).values())
    assert parts["test"] == 12
    assert parts["val"] in (9, 10)  # 15 % of 60
    assert found.skipped == {"not a film": 1} | ({"film in no class folder": 1} if wrapped else {})
    assert sorted(source.rglob("*")) == before
    assert sorted(p.name for p in out.iterdir()) == ["dataset.json", "labels.csv"]
    assert all(row["path"].startswith("../src/") for row in table_of(out))
    assert "class-folders" in said.text


def test_an_archive_with_archives_inside(tmp_path: Path, said: Any) -> None:
    inner = put(tmp_path / "inner", FLAT)
    middle = tmp_path / "middle"
    middle.mkdir()
    write_table(inner / "normal" / "ages.csv", ["name,age", "Miller,81"])
    zipped(inner, middle / "images.zip")
    (middle / "about.txt").write_text("x")
    archive = zipped(middle, tmp_path / "knee.zip")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    found, out = prepare(
        archive, said, classes=CLASSES, sha256=digest, licence="CC BY 4.0", citation="Wani 2023"
    )
    assert labels(out) == dict.fromkeys(CLASSES, 20)
    assert {row["path"].split("/")[0] for row in table_of(out)} == {"films"}
    assert sorted(p.name for p in out.iterdir()) == ["dataset.json", "films", "labels.csv"]
    record = json.loads((out / "dataset.json").read_text())
    assert record["source"] == {
        "given": str(archive),
        "kind": "archive",
        "sha256": digest,
        "bytes": archive.stat().st_size,
        "name": "not stated",
        "licence": "CC BY 4.0",
        "citation": "Wani 2023",
    }
    assert record["skipped"] == {"not a film": 2}
    assert found.skipped == {"not a film": 2}
    assert {p.suffix for p in (out / "films").rglob("*") if p.is_file()} == {".png"}


@pytest.mark.parametrize(
    ("train", "test", "val"),
    [("train", "test", None), ("Training", "Testing", "Validation"), ("train_set", "TEST", "val")],
)
@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("wrapped", ["", "data/"])
def test_parts_as_distributed_are_kept(
    tmp_path: Path, said: Any, train: str, test: str, val: str | None, above: bool, wrapped: str
) -> None:
    paths = []
    for part, count in ((train, 30), (test, 10), (val, 6)):
        for name in ("ill", "well"):
            folders = f"{name}/{part}" if above else f"{part}/{name}"
            paths += [f"{wrapped}{folders}/{part}{name}{i}.png" for i in range(count) if part]
    found, out = prepare(put(tmp_path / "src", paths), said)
    assert found.form == ("split-in-class-folders" if above else "split-folders")
    there = splits(out)
    assert {there[f"{test}{name}{i}.png"] for name in ("ill", "well") for i in range(10)} == {
        "test"
    }
    counts = Counter(there.values())
    if val:
        assert counts == {"train": 60, "val": 12, "test": 20}
        assert {part for name, part in there.items() if name.startswith(val)} == {"val"}
    else:
        assert counts["train"] + counts["val"] == 60
        assert 8 <= counts["val"] <= 16  # 15 % of 80
    assert labels(out)["ill"] == len(paths) // 2


def test_two_sets_side_by_side_and_films_in_no_part(tmp_path: Path, said: Any) -> None:
    paths = [
        f"{place}/{part}/{name}/{i}{part[0]}.png"
        for place in ("one", "two")
        for part in ("train", "test")
        for name in ("ill", "well")
        for i in range(8)
    ]
    source = put(tmp_path / "src", [*paths, "clahe/ill/0.png", "loose.png"])
    found, out = prepare(source, said)
    assert found.form == "split-folders"
    assert labels(out) == {"ill": 32, "well": 32}
    assert found.skipped == {"film in no train, val or test folder": 2}


def test_folders_of_patients_below_the_parts_of_a_class(tmp_path: Path, said: Any) -> None:
    paths = [
        f"{name}/{part}/{name[0]}{part[0]}{i}/film.png"
        for name in ("ill", "well")
        for part in ("train", "test")
        for i in range(9)
    ]
    found, out = prepare(put(tmp_path / "src", paths), said)
    assert found.form == "split-in-class-folders"
    assert labels(out) == {"ill": 18, "well": 18}


def test_a_larger_part_without_labels_does_not_decide(tmp_path: Path, said: Any) -> None:
    paths = [f"train/{name}/{name}{i}.png" for name in ("ill", "well") for i in range(10)]
    put(tmp_path / "src", [*paths, *(f"test/{i}.png" for i in range(30))])
    found, out = prepare(tmp_path / "src", said)
    assert found.form == "split-folders"
    assert labels(out) == {"ill": 10, "well": 10}
    assert found.skipped == {"film in no class folder": 30}
    films = read_films(
        tmp_path / "src", TrainOptions("cnn", data=tmp_path / "src"), [TaskRequest("label")], said
    )
    assert Counter(films.table["label"]) == {"ill": 10, "well": 10}
    assert "Left out (film in no class folder): 30." in said.text


def test_a_patient_below_two_classes_is_no_class(tmp_path: Path, said: Any) -> None:
    paths = [
        f"{name}/{part}/{part[1]}{i}/{name[0]}.png"
        for name, shift in (("ill", 0), ("well", 5))
        for part in ("train", "test")
        for i in range(shift, shift + 9)
    ]
    found, out = prepare(put(tmp_path / "src", paths), said)
    assert found.form == "split-in-class-folders"
    assert labels(out) == {"ill": 18, "well": 18}


def test_what_could_be_classes_or_patients_is_asked(tmp_path: Path, said: Any) -> None:
    paths = [
        f"{name}/{part}/p{i}/{part}.png"
        for name in ("ill", "well")
        for part in ("train", "test")
        for i in range(8)
    ]
    source = put(tmp_path / "src", paths)
    with pytest.raises(InputError, match="classes are 'ill', 'well', or the 8 folders") as told:
        prepare(source, said)
    assert "--task" in told.value.hint
    found, out = prepare(source, said, classes=("ill", "well"))
    assert found.form == "split-in-class-folders"
    assert labels(out) == {"ill": 16, "well": 16}


def test_a_forced_form_draws_a_split_of_its_own(tmp_path: Path, said: Any) -> None:
    paths = [f"{p}/{c}/{p}{c}{i}.png" for p in ("train", "test") for c in "ab" for i in range(20)]
    found, out = prepare(put(tmp_path / "src", paths), said, form="class-folders")
    assert labels(out) == {"a": 40, "b": 40}
    assert {splits(out)[f"test{c}{i}.png"] for c in "ab" for i in range(20)} > {"test"}
    assert "as distributed" not in found.how


def test_demanded_classes_are_there_and_no_others(tmp_path: Path, said: Any) -> None:
    source = put(tmp_path / "src", FLAT)
    with pytest.raises(InputError, match="no class folder 'fracture'"):
        prepare(source, said, classes=("fracture", *CLASSES))
    with pytest.raises(InputError, match=r"Beside the class folders .* is 'osteopenia'"):
        prepare(source, said, classes=("normal", "osteoporosis"))
    assert [p.name for p in tmp_path.iterdir()] == ["src"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_beside_goes_before_folders_where_classes_are_demanded(
    tmp_path: Path, said: Any, packed: bool
) -> None:
    source = put(tmp_path / "src", FLAT)
    rows = [f"{path},{path.split('/')[0]},p{i // 5}" for i, path in enumerate(FLAT)]
    write_table(source / "labels.csv", ["path,label,patient", *rows])
    source = zipped(source, tmp_path / "a.zip") if packed else source
    found, out = prepare(source, said, classes=("NORMAL", "osteopenia", "osteoporosis"))
    assert (found.form, found.patients) == ("table", 12)
    assert labels(out) == {"NORMAL": 20, "osteopenia": 20, "osteoporosis": 20}
    with pytest.raises(InputError, match="Beside the classes asked for there is 'osteopenia'"):
        prepare_data(source, tmp_path / "no", PrepareOptions(classes=("normal", "osteoporosis")))


def test_a_table_of_something_else_is_told_where_folders_have_the_classes(
    tmp_path: Path, said: Any
) -> None:
    source = put(tmp_path / "src", FLAT)
    write_table(source / "view.csv", ["path,label", *(f"{path},lateral" for path in FLAT)])
    found, _ = prepare(source, said, classes=CLASSES)
    assert found.form == "class-folders"
    assert [title for title, _ in said.warnings] == ["Table not used"]
    assert "'view.csv' cannot be used: There is no class 'normal'" in said.warnings[0][1]


def test_several_usable_tables_are_told(tmp_path: Path, said: Any) -> None:
    source = put(tmp_path / "src", FLAT)
    for name in ("one.csv", "two.csv"):
        write_table(source / name, ["path,label", *(f"{path},x" for path in FLAT)])
    found, _ = prepare(source, said, classes=CLASSES)
    assert found.form == "class-folders"
    assert "'one.csv', 'two.csv'" in said.warnings[0][1]
    assert "labels.csv" in said.warnings[0][1]


REGIONS = ("ELBOW", "FINGER", "FOREARM", "HAND", "HUMERUS", "SHOULDER", "WRIST")


@pytest.fixture
def mura(tmp_path: Path) -> Path:
    """A tree of MURA with its tables, in which one film and one label disagree."""
    root = tmp_path / "MURA-v1.1"
    listed: dict[str, list[str]] = {"train": [], "valid": []}
    studies: dict[str, set[str]] = {"train": set(), "valid": set()}
    for number in range(70):
        part = "valid" if number % 5 == 4 else "train"
        answer = "positive" if number % 2 else "negative"
        study = f"{part}/XR_{REGIONS[number % 7]}/patient{number:05}/study1_{answer}"
        films = [f"{study}/image{i}.png" for i in (1, 2)]
        put(root, films)
        listed[part] += films
        studies[part].add(f"MURA-v1.1/{study}/,{number % 2}")
        (root / study / "._image1.png").write_bytes(b"junk of a Mac")
    listed["train"].append("train/XR_HAND/patient99999/study1_positive/image1.png")
    wrong = sorted(studies["train"])[0]
    studies["train"] = (studies["train"] - {wrong}) | {wrong[:-1] + str(1 - int(wrong[-1]))}
    for part in listed:
        text = "".join(f"MURA-v1.1/{film}\n" for film in listed[part])
        (root / f"{part}_image_paths.csv").write_text(text)
        (root / f"{part}_labeled_studies.csv").write_text("\n".join(sorted(studies[part])))
    return root


@pytest.mark.parametrize("packed", [False, True])
def test_the_tree_of_mura(tmp_path: Path, mura: Path, said: Any, packed: bool) -> None:
    source = mura
    if packed:
        above = tmp_path / "above"
        above.mkdir()
        mura.rename(above / "MURA-v1.1")
        source = zipped(above, tmp_path / "MURA.zip")
    found, out = prepare(source, said)
    rows = table_of(out)
    assert list(rows[0]) == ["path", "abnormality", "region", "patient", "study", "split"]
    assert labels(out, "abnormality") == {"negative": 70, "positive": 70}
    assert labels(out, "region") == {name.lower(): 20 for name in REGIONS}
    assert found.patients == 70
    assert len({row["study"] for row in rows}) == 70
    for row in rows:
        given = "/valid/" in row["path"]
        assert row["split"] == "test" if given else row["split"] in ("train", "val")
        assert row["patient"] in row["path"]
        assert f"_{row['abnormality']}/" in row["path"]
    assert Counter(row["split"] for row in rows)["val"] > 10
    assert "'train_image_paths.csv' lists 1 film that is not there, and not 0" in said.text
    assert "something else of 1 study" in said.text
    assert "'valid_labeled_studies.csv' agrees with the folders' names (14 studies)" in said.text
    assert found.skipped["hidden"] == 70
    assert not list(out.rglob("*.csv"))[1:]


def write_table(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_table_beside_a_folder_its_columns_guessed(tmp_path: Path, said: Any) -> None:
    source = put(tmp_path / "src", [f"films/{i:02}.png" for i in range(40)])
    lines = [f"007{i // 2};{i % 4 // 2};films/{i:02}.png" for i in range(38)]
    write_table(source / "cases.csv", ["Patient ID;Diagnosis;File Name", *lines, "9;;films/38.png"])
    found, out = prepare(source, said, label_map="0=normal,1=abnormal")
    assert found.form == "table"
    assert "path from 'File Name', label from 'Diagnosis', patient from 'Patient ID'" in said.text
    assert labels(out) == {"normal": 20, "abnormal": 18}
    assert {row["patient"] for row in table_of(out)} == {f"007{i}" for i in range(19)}
    assert found.skipped == {
        "film that the table does not label": 2,
        "row of the table without a label, or twice": 1,
    }


def test_a_table_with_its_films_elsewhere_and_columns_named(tmp_path: Path, said: Any) -> None:
    put(tmp_path / "films", [f"{i}.png" for i in range(20)])
    (tmp_path / "films" / "3.png").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    table = write_table(
        tmp_path / "t.csv",
        ["what,who,where,split", *(f"c{i % 2},p{i},{i},{'test' * (i > 15)}" for i in range(21))],
    )
    found, out = prepare(
        table,
        said,
        data=tmp_path / "films",
        path_column="where",
        label_column="what",
        patient_column="who",
        test_split=0.0,
    )
    assert len(table_of(out)) == 19
    assert {splits(out)[f"{i}.png"] for i in range(16, 20)} == {"test"}
    assert found.skipped == {
        "Git LFS pointer in place of a film": 1,
        "row of the table without its film": 1,
    }
    with pytest.raises(InputError, match="--path-column"):
        prepare_data(table, tmp_path / "x", PrepareOptions(data=tmp_path / "films"))


def test_further_columns_of_a_table_are_kept(tmp_path: Path, said: Any) -> None:
    source = put(tmp_path / "src", [f"{i}.png" for i in range(40)])
    head = "image;Diagnosis;label;Split;PatientID;age;sex;view;site code;comment"
    lines = [
        f"{i}.png;{'ab'[i % 2]};old;x;00{i // 2};{20 + i};{'mf'[i // 2 % 2]};"
        f'{"" if i == 3 else "AP"};0{i % 3};"says ""=1+1"", twice"'
        for i in range(40)
    ]
    table = write_table(tmp_path / "hospital.csv", [head, *reversed(lines)])
    found, out = prepare(table, said, data=source, label_column="Diagnosis")
    rows = {Path(row["path"]).stem: row for row in table_of(out)}
    assert list(rows["0"]) == [
        *("path", "label", "patient", "study", "split"),
        *("age", "sex", "view", "site code", "comment"),
    ]
    for i in range(40):
        row = rows[str(i)]
        assert (row["label"], row["patient"]) == ("ab"[i % 2], f"00{i // 2}")
        assert (row["age"], row["site code"]) == (str(20 + i), f"0{i % 3}")
        assert row["sex"] == "mf"[i // 2 % 2]
        assert row["comment"] == 'says "=1+1", twice'
    assert rows["3"]["view"] == ""
    assert {row["split"] for row in rows.values()} == {"train", "val", "test"}
    assert "kept as they are: age, sex, view, site code, comment." in said.text
    assert "for something else: label, Split." in said.text
    assert found.columns == ("age", "sex", "view", "site code", "comment")
    assert json.loads((out / "dataset.json").read_text())["columns"] == list(found.columns)
    more = read_films(
        out, TrainOptions("cnn", data=out), [TaskRequest("sex"), TaskRequest("label")], said
    )
    assert set(more.table["sex"]) == {"m", "f"}


def test_a_table_without_split_whose_paths_go_through_train_and_test(
    tmp_path: Path, said: Any
) -> None:
    paths = [f"{p}/{i}{p}.png" for p in ("train", "test") for i in range(20)]
    source = put(tmp_path / "src", paths)
    write_table(
        source / "labels.csv", ["path,label", *(f"{p},{i % 2}" for i, p in enumerate(paths))]
    )
    _, out = prepare(source, said)
    assert {name for name, part in splits(out).items() if part == "test"} == {
        f"{i}test.png" for i in range(20)
    }
    assert "the folders' names (train, val, test) are taken" in said.text


def test_a_table_about_something_else_gives_way_to_class_folders(tmp_path: Path, said: Any) -> None:
    source = put(tmp_path / "src", FLAT)
    write_table(source / "scanners.csv", ["name,class", "siemens,a"])
    found, _ = prepare(source, said)
    assert found.form == "class-folders"
    assert "cannot be used" in said.warnings[0][1]


@pytest.mark.parametrize("path", ["../../secret.png", "{absolute}"])
def test_a_table_in_an_archive_names_no_film_outside_it(
    tmp_path: Path, said: Any, path: str
) -> None:
    secret = put(tmp_path, ["secret.png"]) / "secret.png"
    folder = put(tmp_path / "x", ["a.png", "b.png"])
    where = path.format(absolute=secret)
    write_table(folder / "labels.csv", ["path,label", "a.png,0", "b.png,1", f"{where},1"])
    with pytest.raises(InputError, match="outside the archive"):
        prepare(zipped(folder, tmp_path / "a.zip"), said)
    assert not (tmp_path / "out").exists()


def test_two_spellings_of_a_class_are_asked_about(tmp_path: Path, said: Any) -> None:
    spelled = ("non-fractured", "Not Fractured", "fractured", "Fractures")
    paths = [f"{name}/{name}{i}.png" for n, name in enumerate(spelled) for i in range(10 + n)]
    source = put(tmp_path / "src", paths)
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return True

    with pytest.raises(UsageError, match="one class") as error:
        prepare(source, said)
    assert "--merge-classes" in error.value.hint
    _, out = prepare(source, said, ask)
    assert asked == ["Are 'Not Fractured' (11 films) and 'non-fractured' (10 films) one class?"]
    assert labels(out) == {"Not Fractured": 21, "fractured": 12, "Fractures": 13}


@pytest.mark.parametrize(("spellings", "classes"), [("merge", 2), ("keep", 3)])
def test_two_spellings_without_a_question(
    tmp_path: Path, said: Any, spellings: str, classes: int
) -> None:
    paths = [f"{n}/{n}{i}.png" for n in ("Normal", "normals", "ill") for i in range(10)]
    _, out = prepare(put(tmp_path / "src", paths), said, spellings=spellings)
    assert len(labels(out)) == classes
    assert "as one class" in said.text if classes == 2 else "of their own" in said.text


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("normal", "NORMAL", True),
        ("non-fractured", "not fractured", True),
        ("bone loss", "bone_loss", True),
        ("fracture", "fractures", True),
        ("normal", "abnormal", False),
        ("0", "1", False),
        ("br\u00fcche", "Bru\u0308che", True),
        ("1.0", "01", True),
        ("10", "1", False),
        ("fractured", "non-fractured", False),
        ("osteopenia", "osteoporosis", False),
    ],
)
def test_what_counts_as_two_spellings(one: str, other: str, alike: bool) -> None:
    from xraybatch.training.datasets.spellings import _same

    assert (_same(one) == _same(other)) == alike


def test_copies_stay_together_and_contradictions_are_told(tmp_path: Path, said: Any) -> None:
    paths = [f"{c}/{c}{i}.png" for c in "ab" for i in range(30)]

    def same(path: str) -> object:  # a3 = b3; a5 = a6 = a7
        return {
            "a/a3.png": "x",
            "b/b3.png": "x",
            "a/a6.png": "a/a5.png",
            "a/a7.png": "a/a5.png",
        }.get(path, path)

    found, out = prepare(put(tmp_path / "src", paths, same), said)
    assert (found.copies, found.copied_films, found.contradictions) == (2, 5, 1)
    assert len({splits(out)[f"a{i}.png"] for i in (5, 6, 7)}) == 1
    assert "1 file stands more than once with different labels, 2 films" in said.warnings[0][1]
    assert json.loads((out / "dataset.json").read_text())["copies"] == {
        "contents": 2,
        "films": 5,
        "contents_with_different_labels": 1,
    }


def test_a_distributed_split_that_leaks_loses_the_train_side(tmp_path: Path, said: Any) -> None:
    paths = [f"{p}/{c}/{c}{i}_{p}.png" for p in ("train", "test") for c in "ab" for i in range(20)]

    source = put(tmp_path / "src", paths)
    put(source, [f"train/a/new{i}_train.png" for i in range(8)])
    put(source, ["train/b/new_train.png", "test/b/newer_test.png"], lambda _: "copy")
    with pytest.raises(InputError, match="every patient or film of train"):
        prepare(put(tmp_path / "leak", paths), said, patient_from=r"/([ab]\d+)_")
    found, out = prepare(source, said, patient_from=r"/([ab]\d+)_")
    assert found.skipped[OVERLAP] == 41  # every patient of train but eight, and the copy
    counts = Counter(splits(out).values())
    assert counts["test"] == 41
    assert counts["train"] + counts["val"] == 8
    assert counts["train"] >= 4
    assert "Left out of train" in said.text


def test_patients_from_names_are_shown_before_they_are_used(tmp_path: Path, said: Any) -> None:
    names = [f"{c}/{who}_{k}.png" for c in "ab" for who in range(20) for k in range(3)]
    paths = [n.replace("/", f"/SMITH{c}") for c, n in zip("ab" * 60, names, strict=True)]
    source = put(tmp_path / "src", [*paths, "a/other.png"])
    found, out = prepare(source, said, patient_from=r"SMITH(?P<patient>[ab]\d+)(_)")
    assert found.patients == len({row["patient"] for row in table_of(out)} - {""})
    assert "matches 120 of 121 paths" in said.text
    assert "each a patient of its own: 1" in said.text
    assert "'a0'" in said.text or "'x0'" in said.text
    for secret in ("SMITHa1", "17"):
        assert secret not in said.text
    record = json.loads((out / "dataset.json").read_text())
    assert record["patient_from"] == r"SMITH(?P<patient>[ab]\d+)(_)"


def test_the_example_shows_no_name(tmp_path: Path, said: Any) -> None:
    people = ["MILLER_ANNA", "SMITH_JOHN", "OKOYE_ADA", "NGUYEN_LAN", "ROSSI_PAOLO", "KIM_MIN"]
    paths = [f"{c}/{who}_knee_{c}{k}.png" for who in people for c in "ab" for k in range(4)]
    prepare(put(tmp_path / "src", paths), said, patient_from=r"/([A-Z]+_[A-Z]+)_")
    assert "knee" in said.text
    for name in {part for who in people for part in who.split("_")}:
        assert name not in said.text


@pytest.mark.parametrize(
    ("pattern", "error"),
    [("(", "no regular expression"), ("a", "0 groups"), ("(a)(b)", "2 groups"), ("(zzz)", "none")],
)
def test_patterns_that_cannot_be_used(tmp_path: Path, said: Any, pattern: str, error: str) -> None:
    source = put(tmp_path / "src", FLAT)
    with pytest.raises(UsageError, match=error):
        prepare(source, said, patient_from=pattern)
    assert not (tmp_path / "out").exists()


def test_names_that_may_hold_patients_are_hinted_at_and_not_used(tmp_path: Path, said: Any) -> None:
    paths = [f"{c}/p{who:03}_{k}.png" for c in "ab" for who in range(15) for k in range(3)]
    found, _ = prepare(put(tmp_path / "src", paths), said)
    assert found.patients == 0
    assert "--patient-from" in said.text
    assert "patients are not known" in found.overlap


def test_a_hint_for_names_of_which_some_are_the_patient_alone_keeps_these_too(
    tmp_path: Path, said: Any
) -> None:
    paths = [
        f"{c}/{c}{who:03}{more}.png"
        for c in "ab"
        for who in range(15)
        for more in ("", "_aug1", "_aug2")
    ]
    source = put(tmp_path / "src", paths)
    prepare(source, said)
    hint = re.search(r"30 of them in 90 of 90 films.*--patient-from '([^']+)'", said.text)
    assert hint
    shutil.rmtree(tmp_path / "out")
    found, _ = prepare(source, said, patient_from=hint[1])
    assert found.patients == 30


@pytest.mark.parametrize("folds", [2, 5])
def test_folds_in_place_of_parts(tmp_path: Path, said: Any, folds: int) -> None:
    paths = [f"train/{c}/p{who:03}_{c}{k}.png" for c in "ab" for who in range(15) for k in (1, 2)]
    source = put(tmp_path / "src", [*paths, *(f"test/{c}/q{c}_9.png" for c in "ab")])
    found, out = prepare(source, said, folds=folds, patient_from="([pq][0-9ab]+)_")
    rows = table_of(out)
    assert "split" not in rows[0]
    sizes = Counter(row["fold"] for row in rows)
    assert set(sizes) == {str(k) for k in range(folds)}
    assert max(sizes.values()) - min(sizes.values()) <= 8
    assert found.films == 62
    assert "--folds deals all films anew" in said.text
    with pytest.raises(InputError, match="500 folds need"):
        prepare_data(source, tmp_path / "x", PrepareOptions(folds=500))


def test_the_same_seed_gives_the_same_table(tmp_path: Path, said: Any) -> None:
    source = put(tmp_path / "src", FLAT)
    tables = [
        prepare_data(source, tmp_path / name, PrepareOptions(seed=seed)).labels.read_bytes()
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    assert tables[0] == tables[1] != tables[2]


def test_files_that_only_look_like_films_are_counted(tmp_path: Path, said: Any) -> None:
    source = put(tmp_path / "src", FLAT)
    (source / "normal" / "lfs.png").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (source / "normal" / "empty.png").touch()
    (source / "normal" / "page.jpg").write_bytes(b"<html>")
    (source / "normal" / "gone.png").symlink_to("nowhere")
    found, out = prepare(source, said)
    assert len(table_of(out)) == 60
    assert found.skipped == {
        "Git LFS pointer in place of a film": 1,
        "empty file": 1,
        "suffix of a film, but not its content": 1,
        "file that cannot be read": 1,
    }


def test_small_classes_are_said_and_one_class_is_refused(tmp_path: Path, said: Any) -> None:
    source = put(tmp_path / "src", [*FLAT, "rare/1.png"])
    prepare(source, said)
    assert "'rare' of 'label' has one film" in said.warnings[0][1]
    lone = put(tmp_path / "lone", FLAT[:20])
    (lone / "normal" / "empty.png").touch()
    with pytest.raises(
        InputError, match=r"All films \(20\) have the label 'normal' \(left out: empty"
    ):
        prepare_data(lone, tmp_path / "x", PrepareOptions())


def test_odd_names_come_back_as_they_are(tmp_path: Path, said: Any) -> None:
    names = ["a,b.png", 'say "x".png', "Öd é.png", "=1+1.png", "two\nlines.png", " .png"]
    source = put(tmp_path / "src", [f"{c}/{i}{n}" for c in "ab" for i in range(4) for n in names])
    put(source, ["a/=cmd.png"])
    _, out = prepare(source, said)
    assert len(table_of(out)) == 49
    assert not any(row["path"].startswith(("=", "+", "-", "@")) for row in table_of(out))


def test_the_source_is_never_written_into(tmp_path: Path, said: Any) -> None:
    source = put(tmp_path / "src", FLAT)
    (tmp_path / "link").symlink_to(source)
    for out in (source / "out", source, tmp_path / "link" / "deep" / "out"):
        with pytest.raises(UsageError, match="never written to"):
            prepare_data(source, out, PrepareOptions())
    assert sorted(p.name for p in source.iterdir()) == list(CLASSES)


def test_a_folder_that_holds_something_is_refused(tmp_path: Path, said: Any) -> None:
    source = put(tmp_path / "src", FLAT)
    (tmp_path / "out").mkdir()
    prepare(source, said)  # empty: taken
    with pytest.raises(InputError, match="not overwritten"):
        prepare(source, said)


def test_a_source_behind_a_link_is_found_from_the_table(tmp_path: Path, said: Any) -> None:
    put(tmp_path / "far" / "films", FLAT)
    (tmp_path / "far" / "homes" / "me").mkdir(parents=True)
    (tmp_path / "home").symlink_to(tmp_path / "far" / "homes" / "me")
    (tmp_path / "films").symlink_to(tmp_path / "far" / "films")
    out = tmp_path / "home" / "data" / "set"
    found = prepare_data(tmp_path / "films", out, PrepareOptions(), progress=said)
    check_trainable(out, found)


def test_films_that_are_links_keep_their_names(tmp_path: Path, said: Any) -> None:
    store = put(tmp_path / "store", [f"{i}.png" for i in range(20)])
    for i in range(40):
        link = tmp_path / "src" / "ab"[i % 2] / f"film{i}.png"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(store / f"{i // 2}.png")
    found, out = prepare(tmp_path / "src", said)
    assert sorted(splits(out)) == sorted(f"film{i}.png" for i in range(40))
    assert (found.copies, found.contradictions) == (20, 20)


@pytest.mark.parametrize(
    ("source", "options", "error"),
    [
        ("nowhere", {}, "There is no"),
        ("a.txt", {}, "neither an archive nor a folder"),
        ("a.xlsx", {}, "spreadsheet"),
        ("pipe.csv", {}, "neither an archive nor a folder"),
        ("pipe.zip", {}, "neither an archive nor a folder"),
        ("src", {"data": Path()}, "--data goes with a table"),
        ("src", {"sha256": "0" * 64}, "--sha256 goes with"),
        ("src", {"form": "split-folders"}, "no folder called train"),
        ("src", {"form": "mura"}, "where MURA has them"),
        ("src", {"form": "table"}, "There is no table"),
        ("flat", {}, "no class folders"),
        (
            "src",
            {"label_map": "0=a"},
            "--label-map does nothing for data of the form",
        ),
        ("src", {"patient_column": "who"}, "--patient-column does nothing"),
        ("src/t.csv", {"classes": ("a", "b")}, "There is no class 'a', 'b'; there is 'normal'"),
        ("empty", {}, "no film"),
        ("empty.zip", {}, "no film"),
        ("a.zip", {"sha256": "0" * 64}, "another SHA-256"),
    ],
)
def test_sources_that_cannot_be_used(
    tmp_path: Path, said: Any, source: str, options: dict[str, Any], error: str
) -> None:
    put(tmp_path / "src", FLAT)
    put(tmp_path / "flat", ["1.png", "2.png"])
    if source == "src/t.csv":
        rows = [f"{path},{path.split('/')[0]}" for path in FLAT]
        write_table(tmp_path / "src" / "t.csv", ["path,label", *rows])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.txt").write_text("x")
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.xlsx").write_text("x")
    for pipe in ("pipe.csv", "pipe.zip"):
        os.mkfifo(tmp_path / pipe)
    zipped(tmp_path / "empty", tmp_path / "empty.zip")
    zipped(tmp_path / "src", tmp_path / "a.zip")
    before = sorted(tmp_path.iterdir())
    with pytest.raises((InputError, UsageError), match=error):
        prepare_data(tmp_path / source, tmp_path / "deep" / "out", PrepareOptions(**options))
    assert sorted(tmp_path.iterdir()) == before


def class_archives(folder: Path, below: str = "") -> Path:
    """A ZIP or TAR for each class, as they were downloaded."""
    (folder / below).mkdir(parents=True)
    films = put(folder.parent / "films", FLAT)
    for name in CLASSES[1:]:
        zipped(films / name, folder / below / f"{name}.zip")
    with tarfile.open(folder / below / f"{CLASSES[0]}.tar.gz", "w:gz") as archive:
        archive.add(films / CLASSES[0], CLASSES[0])
    return folder


@pytest.mark.parametrize("below", ["", "Knee X-ray/archives"])
def test_a_folder_of_archives_is_opened(tmp_path: Path, said: Any, below: str) -> None:
    source = class_archives(tmp_path / "half", below)
    (source / below / "readme.txt").write_text("from a web page")
    before = {path: path.stat().st_mtime_ns for path in source.rglob("*")}
    found, out = prepare(source, said)
    assert found.form == "class-folders"
    assert labels(out) == dict.fromkeys(CLASSES, 20)
    assert found.skipped == {"not a film": 1}
    assert found.origin.kind == "folder"
    assert "its 3 archives are opened" in said.text
    assert all(row["path"].startswith("films/") for row in table_of(out))
    assert {path: path.stat().st_mtime_ns for path in source.rglob("*")} == before


def test_a_folder_with_one_archive_and_a_table_beside_it(tmp_path: Path, said: Any) -> None:
    source = tmp_path / "src"
    zipped(put(tmp_path / "films", [f"x/{i}.png" for i in range(20)]), tmp_path / "data.zip")
    lines = ["image,diagnosis,patient", *(f"{i}.png,{'ab'[i % 2]},{i:03}" for i in range(20))]
    source.mkdir()
    write_table(source / "metadata.csv", lines)
    (tmp_path / "data.zip").rename(source / "data.zip")
    found, out = prepare(source, said)
    assert found.form == "table"
    assert found.films == found.patients == 20
    assert labels(out) == {"a": 10, "b": 10}
    assert "'data.zip' is opened" in said.text
    assert sorted(path.name for path in out.iterdir()) == ["dataset.json", "films", "labels.csv"]
    assert not list(out.rglob("metadata.csv")), "it may hold names"


def test_archives_beside_films_stay_closed_and_are_told(tmp_path: Path, said: Any) -> None:
    source = put(tmp_path / "src", FLAT)
    zipped(source, tmp_path / "again.zip").rename(source / "again.zip")
    found, _ = prepare(source, said)
    assert found.films == 60
    ((title, sentence),) = said.warnings
    assert title == "Archives not opened"
    assert "1 archive beside films" in sentence


def test_archives_that_are_not_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "films.7z").write_bytes(b"7z\xbc\xaf\x27\x1c")
    with pytest.raises(InputError, match="no film") as error:
        prepare_data(tmp_path / "src", tmp_path / "out")
    assert "1 archive of a kind that is not read" in error.value.hint


def test_a_person_who_stops_it_finds_nothing(tmp_path: Path) -> None:
    archive = zipped(put(tmp_path / "src", FLAT), tmp_path / "a.zip")

    class Stopping(_Silent):
        def stage(self, *_: object) -> Any:
            class Stage:
                def __enter__(self) -> Any:
                    return self

                def __exit__(self, *_: object) -> None:
                    pass

                def advance(self, *_: object) -> None:
                    assert list(tmp_path.glob(".out.partial/films/*"))
                    raise KeyboardInterrupt

            return Stage()

    with pytest.raises(KeyboardInterrupt):
        prepare_data(archive, tmp_path / "out", progress=Stopping())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "src"]


def hostile(tmp_path: Path) -> dict[str, Path]:
    """One archive of each kind that means harm, with good films in front."""
    good = {f"{c}/{i}.png": png(i) for c in "ab" for i in range(3)}
    made = {}
    for name, more in {
        "traversal": {"../evil.png": png(0)},
        "absolute": {str(tmp_path / "evil.png"): png(0)},
        "drive": {"C:/evil.png": png(0)},
        "clash": {"A/0.png": png(0)},
        "bomb": {"c/0.png": png(0) + bytes(40 << 20)},
        "depth": {"c.zip": b""},
    }.items():
        made[name] = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(made[name], "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in {**good, **more}.items():
                archive.writestr(member, content)
    for name, kind in (("symlink", tarfile.SYMTYPE), ("hardlink", tarfile.LNKTYPE)):
        made[name] = tmp_path / f"{name}.tar.gz"
        with tarfile.open(made[name], "w:gz") as archive:
            for member, content in good.items():
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            link = tarfile.TarInfo("c/link.png")
            link.type, link.linkname = kind, "/etc/passwd"
            archive.addfile(link)
    whole = made["traversal"].read_bytes()
    made["cut"] = tmp_path / "cut.zip"
    made["cut"].write_bytes(whole[: len(whole) // 2])
    return made


@pytest.mark.parametrize(
    "name",
    ["traversal", "absolute", "drive", "clash", "bomb", "depth", "symlink", "hardlink", "cut"],
)
@pytest.mark.parametrize("in_folder", [False, True])
def test_hostile_archives_end_in_one_sentence_and_leave_nothing(
    tmp_path: Path, name: str, in_folder: bool
) -> None:
    source = hostile(tmp_path)[name]
    if in_folder:
        folder = tmp_path / "downloads"
        zipped(put(tmp_path / "good", FLAT), tmp_path / "good.zip")
        for archive in (source, tmp_path / "good.zip"):
            folder.mkdir(exist_ok=True)
            source = archive.rename(folder / archive.name).parent
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as error:
        prepare_data(source, tmp_path / "out", PrepareOptions(limits=ArchiveLimits(depth=0)))
    assert name in error.value.message
    assert error.value.message.endswith(".")
    assert "\n" not in error.value.message + error.value.hint
    assert error.value.hint
    assert error.value.exit_code == 3
    assert sorted(tmp_path.rglob("*")) == before


def test_limits_hold_for_all_archives_of_a_folder_together(tmp_path: Path, said: Any) -> None:
    source = class_archives(tmp_path / "half")
    for limits, word in ((ArchiveLimits(entries=50), "entries"), (ArchiveLimits(4000), "holds")):
        with pytest.raises(InputError, match=word):
            prepare(source, said, limits=limits)
    # what one may unpack to is measured by its own size
    prepare(source, said, limits=ArchiveLimits(entries=70))


@pytest.mark.parametrize(
    ("folder", "options", "films", "sides"),
    [
        ("chest_pneumonia", {}, 2424, {"test": 624}),
        (
            "chest_pneumonia",
            {"form": "split-folders", "patient_from": r"/((?:NORMAL2-)?IM-\d+|person\d+_[a-z]+)"},
            2424,
            {"test": 624},
        ),
        ("knee_osteoporosis", {}, 101, {"test": 28}),
        ("knee_kl", {}, 295, {"train": 131, "val": 52, "test": 112}),
        ("knee_kl", {"form": "split-folders"}, 245, {"train": 131, "val": 52, "test": 62}),
        ("fracture/eeeh", {}, 99, {"test": 31}),
        ("fracture", {}, 152, {"val": 31, "test": 31}),
    ],
)
def test_real_sets_as_they_are_distributed(
    shared_data: Path,
    tmp_path: Path,
    said: Any,
    folder: str,
    options: dict[str, Any],
    films: int,
    sides: dict[str, int],
) -> None:
    out = tmp_path / "out"
    found = prepare_data(shared_data / folder, out, PrepareOptions(**options), progress=said)
    check_trainable(out, found)
    counts = Counter(splits_of(out))
    assert found.films == films
    assert {side: counts[side] for side in sides} == sides
    if folder == "chest_pneumonia":
        assert (found.patients, found.copies, found.copied_films) == (1691, 13, 26)
        assert found.contradictions == 0
    if folder == "knee_osteoporosis":
        assert (found.copies, found.copied_films, found.contradictions) == (12, 24, 5)
    if folder == "fracture":
        assert (found.copies, found.copied_films) == (25, 52)
        assert found.skipped["Git LFS pointer in place of a film"] == 30


def splits_of(out: Path) -> list[str]:
    return [row["split"] for row in table_of(out)]


@pytest.mark.parametrize("broken", ["patient", "bytes", "path"])
def test_the_last_look_at_a_table_sees_what_is_wrong(broken: str) -> None:
    from xraybatch.training.datasets.films import FilmFile, Row
    from xraybatch.training.datasets.parts import Copies, Dealt, check_sides

    rows = [Row(FilmFile(f"{i}", f"{i}"), ("a",), patient=f"p{i}") for i in range(3)]
    digests = [b"0", b"1", b"2"]
    sides = ("train", "test", "")
    check_sides(rows, Copies(tuple(digests), 0, 0, 0, 0), Dealt(sides, "", ""))
    if broken == "patient":
        rows[1] = Row(rows[1].film, ("a",), patient="p0")
    elif broken == "bytes":
        digests[1] = b"0"
    else:
        rows[1] = Row(rows[0].film, ("a",))
    with pytest.raises(AssertionError):
        check_sides(rows, Copies(tuple(digests), 0, 0, 0, 0), Dealt(sides, "", ""))
    check_sides(rows, Copies(tuple(digests), 0, 0, 0, 0), Dealt(("train", "", ""), "", ""))


def test_a_class_that_a_spreadsheet_would_execute_is_refused(tmp_path: Path, said: Any) -> None:
    source = put(tmp_path / "src", [*FLAT, *(f"=cmd/{i}.png" for i in range(5))])
    with pytest.raises(UsageError, match="executed"):
        prepare(source, said)
    assert sorted(os.listdir(tmp_path)) == ["src"]
