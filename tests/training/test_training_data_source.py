"""``train --data``: an archive, an address or MURA's tree is prepared first, and once."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.tables import read_table
from xraybatch.core.tasks import TaskRequest
from xraybatch.extension.records import Architecture
from xraybatch.extension.registry import registry
from xraybatch.training.config import write_config
from xraybatch.training.data_source import as_typed, how_prepared, is_distributed, with_folder
from xraybatch.training.datasets.options import PrepareOptions
from xraybatch.training.datasets.prepare import prepare_data
from xraybatch.training.gather import find
from xraybatch.training.labels import TABLE, read_films
from xraybatch.training.options import TrainOptions
from xraybatch.training.resume import find_unfinished, write_about
from xraybatch.training.settings import settle
from xraybatch.training.split import groups_of, make_split


@pytest.fixture
def nested_zip(tmp_path: Path) -> Path:
    """A ZIP that holds a ZIP for each class, as one of the published data sets comes."""
    rng = np.random.default_rng(0)
    inner = tmp_path / "inner"
    inner.mkdir()
    for name in ("normal", "osteopenia", "osteoporosis"):
        folder = tmp_path / "classes" / name / name
        folder.mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 256, (24, 20)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{name}{i}.png")
        shutil.make_archive(str(inner / name), "zip", folder.parent)
    return Path(shutil.make_archive(str(tmp_path / "knees"), "zip", inner))


@pytest.fixture
def address(nested_zip: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(nested_zip.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{nested_zip.name}"
    server.shutdown()


CLASSES = ("label:multiclass=normal,osteopenia,osteoporosis",)


def test_an_archive_is_prepared_once(
    nested_zip: Path, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    options = TrainOptions("cnn", data=nested_zip, task=CLASSES, licence="CC BY 4.0")
    found = with_folder(options, said)
    assert found.data is not None
    table = read_table(found.data / "labels.csv")
    assert table["label"].value_counts().to_dict() == dict.fromkeys(
        ("normal", "osteopenia", "osteoporosis"), 10
    )
    assert "split" not in table.columns
    again = with_folder(options, said)
    assert again.data == found.data
    assert "was prepared before" in said.text
    other = TrainOptions("cnn", data=nested_zip, task=("label:multiclass=normal,broken",))
    with pytest.raises(InputError, match="broken"):
        with_folder(other, said)


def test_a_folder_of_archives_is_prepared_once_until_one_changes(
    nested_zip: Path, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    options = TrainOptions("cnn", data=tmp_path / "inner", task=CLASSES)
    found = with_folder(options, said)
    assert found.data is not None
    assert len(read_table(found.data / "labels.csv")) == 30
    assert with_folder(options, said).data == found.data
    shutil.copy(tmp_path / "inner" / "normal.zip", tmp_path / "inner" / "osteopenia.zip")
    again = with_folder(options, said)
    assert again.data != found.data
    assert again.data is not None
    assert len(read_table(again.data / "labels.csv")) == 30


def test_two_runs_at_once_prepare_once(
    nested_zip: Path, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xraybatch.training import data_source

    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    options = TrainOptions("cnn", data=nested_zip, task=CLASSES)
    begun, waits = threading.Event(), threading.Event()
    prepare_data, made = data_source.prepare_data, []

    def slowly(*given: Any, **more: Any) -> Any:
        made.append(given)
        begun.set()
        assert waits.wait(60), "the other one does not wait"
        return prepare_data(*given, **more)

    class Waiting(type(said)):  # type: ignore[misc]
        def note(self, sentence: str) -> None:
            super().note(sentence)
            if "waiting until it is done" in sentence:
                waits.set()

    monkeypatch.setattr(data_source, "prepare_data", slowly)
    thread = threading.Thread(target=with_folder, args=(options, said))
    thread.start()
    assert begun.wait(60)
    other = Waiting()
    found = with_folder(options, other)
    thread.join()
    assert len(made) == 1
    assert "was prepared before" in other.text
    assert found.data is not None
    assert len(read_table(found.data / "labels.csv")) == 30


def test_what_a_killed_run_left_is_no_hindrance(
    nested_zip: Path, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    options = TrainOptions("cnn", data=nested_zip, task=CLASSES)
    found = with_folder(options, said)
    assert found.data is not None
    found.data.rename(found.data.with_name(f".{found.data.name}.partial"))
    assert with_folder(options, said).data == found.data
    assert (found.data / "labels.csv").is_file()
    assert [p.name for p in found.data.parent.glob(".*")] == []


def test_archives_beside_films_are_told_and_not_opened(
    tmp_path: Path, nested_zip: Path, said: Any
) -> None:
    shutil.copy(nested_zip, tmp_path / "classes")
    options = TrainOptions("cnn", data=tmp_path / "classes")
    assert with_folder(options, said).data == tmp_path / "classes"
    assert "1 archive beside films" in said.text


def test_an_address_is_fetched(
    address: str, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    found = with_folder(TrainOptions("cnn", data=Path(address), task=CLASSES), said)
    assert found.data is not None
    assert len(read_table(found.data / "labels.csv")) == 30


def test_a_config_says_what_was_typed(
    address: str,
    nested_zip: Path,
    options_of: Callable[[Path], TrainOptions],
    said: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    settings = settle(TrainOptions("cnn"), registry().get(Architecture, "cnn").record)
    table = table_zip(tmp_path, "where,what,case").relative_to(tmp_path)
    columns = {"path_column": "where", "label_column": "what", "patient_column": "case"}
    for typed in (
        TrainOptions("cnn", data=Path(address), task=CLASSES),
        TrainOptions("cnn", data=nested_zip.relative_to(tmp_path), task=CLASSES),
        TrainOptions("cnn", data=table, label_map="normal=0,sick=1", **columns),  # type: ignore[arg-type]
    ):
        found = with_folder(typed, said)
        path = tmp_path / "config.toml"
        path.write_text(write_config(as_typed(found, typed), settings, "none"), encoding="utf-8")
        assert str(tmp_path / "cache") not in path.read_text()
        again = with_folder(options_of(path), said)
        assert again.data is not None
        assert found.data is not None
        assert read_table(again.data / TABLE).equals(read_table(found.data / TABLE))
    assert address in write_config(TrainOptions("cnn", data=Path(address)), settings, "none")
    secret = Path("https://example.org/a%20b.zip?x=1&token=abc")
    assert "abc" not in write_config(TrainOptions("cnn", data=secret), settings, "none")


def test_another_share_or_seed_fetches_nothing_again(
    address: str, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    options = TrainOptions("cnn", data=Path(address), task=CLASSES)
    found = with_folder(options, said)
    stages = len(said.stages)
    others: tuple[dict[str, Any], ...] = ({"val_split": 0.3}, {"test_split": 0.1}, {"seed": 5})
    for other in others:
        again = with_folder(replace(options, **other), said)
        assert again.data == found.data
    assert len(said.stages) == stages
    films = find(found.data, found, said).labelled.table
    assert set(films["split"]) == {""}


@pytest.mark.parametrize("packed", [True, False])
def test_parts_as_distributed_reach_training_as_they_are(
    packed: bool, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    data = mura_tree(tmp_path / "MURA")
    # the same patient in both parts: training leaves the film out and says so
    shared = data / "train/XR_HAND/patient00001/study1_negative/image1.png"
    shared.parent.mkdir(parents=True)
    shutil.copy(data / "train/XR_ELBOW/patient99999/study1_positive/image1.png", shared)
    if packed:
        data = Path(shutil.make_archive(str(tmp_path / "MURA"), "zip", tmp_path, "MURA"))
    found = with_folder(TrainOptions("cnn", data=data, task=("abnormality",)), said)
    films = find(found.data, found, said).labelled.table
    assert films["split"].value_counts().to_dict() == {"train": 10, "test": 8}
    assert films["patient"].value_counts()["patient00001"] == 2
    assert how_prepared(found) == "parts as distributed"
    assert is_distributed(found)


def table_zip(folder: Path, head: str, patients: int = 10) -> Path:
    """A ZIP of class folders with a table, in which every patient has four films."""
    rng = np.random.default_rng(1)
    lines = [head]
    for number in range(patients * 4):
        patient, name = number // 4, ("normal", "sick")[number // 4 % 2]
        path = folder / "table" / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (24, 20)).astype(np.uint8)).save(path)
        lines.append(f"{name}/{number}.png,{name},c{patient}")
    (folder / "table" / "labels.csv").write_text("\n".join(lines) + "\n")
    return Path(shutil.make_archive(str(folder / "table"), "zip", folder / "table"))


def parts_of_patients(found: TrainOptions, said: Any) -> int:
    """The most parts that films of one patient of `table_zip` stand in, as training deals them."""
    films = find(found.data, found, said).labelled.table
    column = next(
        iter(set(films.columns) - {"path", "_file", "patient", "study", "split", "_fold"})
    )
    split = make_split(
        np.unique(films[column], return_inverse=True)[1][:, None],
        groups_of(list(films["patient"]), [str(i).encode() for i in range(len(films))]),
        given=list(films["split"]),
        val_split=0.1,
        test_split=0.2,
        seed=0,
    )
    assert split.left_out == 0
    patient = films["path"].str.extract(r"(\d+)\.png")[0].astype(int) // 4
    return int(pd.Series(split.part).groupby(patient).nunique().max())


@pytest.mark.parametrize("task", ["label", "view", "finding"])
def test_the_patients_of_a_table_are_kept_whole_where_the_task_names_classes(
    task: str, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    archive = table_zip(tmp_path, f"path,{task.replace('finding', 'label')},patient")
    options = TrainOptions("cnn", data=archive, task=(f"{task}:binary=normal,sick",))
    found = with_folder(options, said)
    assert found.data is not None
    assert len(set(read_table(found.data / "labels.csv")["patient"])) == 10
    assert parts_of_patients(found, said) == 1
    assert set(find(found.data, found, said).labelled.table[task]) == {"normal", "sick"}


@pytest.mark.parametrize("form", ["archive", "folder"])
def test_columns_that_a_person_names_hold_for_archives(
    form: str, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    data = table_zip(tmp_path, "where,what,case")
    if form == "folder":
        (tmp_path / "downloads").mkdir()
        data = Path(shutil.move(data, tmp_path / "downloads")).parent
    options = TrainOptions(
        "cnn",
        data=data,
        path_column="where",
        label_column="what",
        patient_column="case",
        label_map="normal=healthy,sick=ill",
        task=("label:binary=healthy,ill",),
    )
    found = with_folder(options, said)
    assert found.data is not None
    assert parts_of_patients(found, said) == 1
    films = find(found.data, found, said).labelled.table
    assert films["label"].value_counts().to_dict() == {"healthy": 20, "ill": 20}
    assert len(set(films["patient"])) == 10
    for other in ({"label_map": "normal=ok,sick=ill", "task": ()}, {"patient_column": None}):
        assert with_folder(replace(options, **other), said).data != found.data


def test_classes_of_folders_in_an_archive_may_be_renamed(
    nested_zip: Path, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    options = TrainOptions(
        "cnn",
        data=nested_zip,
        label_map="normal=normal,osteopenia=ill,osteoporosis=ill",
        task=("label:binary=normal,ill",),
    )
    found = with_folder(options, said)
    films = find(found.data, found, said).labelled.table
    assert films["label"].value_counts().to_dict() == {"ill": 20, "normal": 10}
    with pytest.raises(UsageError, match="--patient-column does nothing") as caught:
        with_folder(replace(options, patient_column="case"), said)
    assert "--form" not in caught.value.hint + said.text


def test_training_names_no_option_that_it_has_not(
    said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(1)
    for number in range(24):
        path = tmp_path / "films" / "ab"[number % 2] / f"p{number // 4}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (24, 20)).astype(np.uint8)).save(path)
    archive = Path(shutil.make_archive(str(tmp_path / "films"), "zip", tmp_path / "films"))
    with_folder(TrainOptions("cnn", data=archive), said)
    (hint,) = (note for note in said.notes if "--patient-from" in note)
    assert "`xraybatch prepare` with --patient-from" in hint
    assert "--form" not in said.text


def test_a_split_that_was_drawn_did_not_come_with_the_data(said: Any, tmp_path: Path) -> None:
    archive = table_zip(tmp_path, "path,label,patient")
    prepare_data(archive, tmp_path / "drawn", progress=said)
    prepare_data(archive, tmp_path / "folds", PrepareOptions(folds=3), progress=said)
    given = tmp_path / "given"
    shutil.copytree(tmp_path / "table", given)
    table = (given / "labels.csv").read_text().splitlines()
    part = [f",{'test' if i > 30 else 'train'}" for i in range(len(table))]
    lines = [line + more for line, more in zip(table, [",split", *part[1:]], strict=True)]
    (given / "labels.csv").write_text("\n".join(lines) + "\n")
    prepare_data(given, tmp_path / "kept", progress=said)
    for name, distributed in (("drawn", False), ("folds", False), ("kept", True), ("given", True)):
        folder = tmp_path / name
        assert is_distributed(TrainOptions("cnn", data=folder)) is distributed
        assert is_distributed(TrainOptions("cnn", labels=folder / "labels.csv")) is distributed


def mura_tree(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(16):
        part, answer = ("train", "valid")[number % 2], ("positive", "negative")[number // 2 % 2]
        study = folder / f"{part}/XR_HAND/patient{number:05}/study1_{answer}"
        study.mkdir(parents=True)
        pixels = rng.integers(0, 256, (24, 20)).astype(np.uint8)
        Image.fromarray(pixels).save(study / "image1.png")
    elbow = folder / "train/XR_ELBOW/patient99999/study1_positive/image1.png"
    elbow.parent.mkdir(parents=True)
    Image.fromarray(rng.integers(0, 256, (24, 20)).astype(np.uint8)).save(elbow)
    return folder


def test_a_tree_that_changed_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    tree = mura_tree(tmp_path / "MURA")
    options = TrainOptions("cnn", data=tree, no_cache=True)  # it copies no film

    def films() -> Any:
        data = with_folder(options, said).data
        assert data is not None
        return read_table(data / "labels.csv")

    before = films()
    study = next(tree.glob("train/XR_*/patient*/study*_positive"))
    study.rename(study.with_name(study.name.replace("positive", "negative")))
    new = tree / "train" / "XR_WRIST" / "patient99999" / "study1_positive" / "image1.png"
    new.parent.mkdir(parents=True)
    Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)).save(new)
    after = films()
    assert len(after) == len(before) + 1
    moved = after["path"].str.contains(f"{study.parent.name}/study1_negative")
    assert moved.sum() >= 1


def test_films_are_not_unpacked_where_none_may_be_kept(
    nested_zip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    options = TrainOptions("cnn", data=nested_zip)
    with pytest.raises(UsageError, match="--no-cache keeps no films"):
        with_folder(replace(options, no_cache=True), said)
    assert not (tmp_path / "cache").exists()
    kept = with_folder(options, said).data
    assert f"The unpacked films stay in {kept}" in said.text


def test_what_gives_access_is_not_told(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Any
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    options = TrainOptions("cnn", data=Path(f"{address}?token=secret"))
    with_folder(options, said)
    with_folder(options, said)
    assert "was prepared before" in said.text
    assert "secret" not in said.text


def test_one_task_of_mura_may_name_its_classes(
    said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    tree = mura_tree(tmp_path / "MURA")
    task = ("abnormality:binary=negative,positive",)
    found = with_folder(TrainOptions("cnn", data=tree, task=task), said)
    films = find(found.data, found, said).labelled
    assert films.table["abnormality"].value_counts().to_dict() == {"positive": 9, "negative": 8}


def test_a_tree_of_mura_may_lie_in_a_folder_of_its_name(
    said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    mura_tree(tmp_path / "m" / "MURA-v1.1")
    found = with_folder(TrainOptions("cnn", data=tmp_path / "m"), said)
    assert found.data is not None
    table = read_table(found.data / "labels.csv")
    assert set(table["abnormality"]) == {"positive", "negative"}
    assert len(table) == 17


def test_a_stopped_run_remembers_its_address(address: str, tmp_path: Path) -> None:
    options = TrainOptions("cnn", data=Path(address))
    building = tmp_path / ".run.partial"
    building.mkdir()
    write_about(building, tmp_path / "run", options)
    assert find_unfinished(tmp_path / "run").options.data == Path(address)


def test_what_prepare_wrote_down_reaches_the_card(
    nested_zip: Path, said: Any, tmp_path: Path
) -> None:
    from xraybatch.training.datasets.options import PrepareOptions
    from xraybatch.training.datasets.prepare import prepare_data

    told = PrepareOptions(source_name="A hospital", licence="CC0", citation="Them, 2026")
    prepare_data(nested_zip, tmp_path / "made", told)
    options = TrainOptions("cnn", data=tmp_path / "made", licence="other")
    found = with_folder(options, said)
    assert (found.source, found.licence, found.citation) == ("A hospital", "other", "Them, 2026")


def test_only_what_lies_in_a_presets_place_has_its_source(
    nested_zip: Path, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    options = TrainOptions("cnn", preset="knee-cnn", data=tmp_path / "classes", task=CLASSES)
    for data in (tmp_path / "classes", nested_zip):
        found = with_folder(replace(options, data=data), said)
        assert (found.source, found.licence) == ("", "")
        assert "--source and --licence" in said.text
        assert "Wani" not in said.text
    place = Path("data/osteoporosis-knee")
    place.mkdir(parents=True)
    inside = Path(shutil.copy(nested_zip, place))
    for data in (place, inside, place.resolve()):
        found = with_folder(replace(options, data=data), said)
        assert found.source.startswith("Wani and Arora")
        assert found.licence.startswith("reported as CC BY 4.0")
        named = with_folder(replace(options, data=data, source="A hospital"), said)
        assert (named.source, named.licence) == ("A hospital", "")


def test_a_folder_stays_as_it_is(tmp_path: Path, said: Any) -> None:
    options = TrainOptions("cnn", data=tmp_path)
    assert with_folder(options, said) == options
    assert with_folder(TrainOptions("cnn"), said).data is None
    with pytest.raises(InputError, match="There is no"):
        with_folder(TrainOptions("cnn", data=tmp_path / "none"), said)


def test_contradicting_labels_are_told_once_by_training(
    tmp_path: Path, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(3)
    for name in ("a", "b"):
        (tmp_path / "films" / name).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 256, (24, 20)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "films" / name / f"{name}{i}.png")
    shutil.copy(tmp_path / "films" / "a" / "a0.png", tmp_path / "films" / "b")
    archive = Path(shutil.make_archive(str(tmp_path / "films"), "zip", tmp_path / "films"))
    with_folder(TrainOptions("cnn", data=archive), said)
    assert [title for title, _ in said.warnings] == []
    prepare_data(archive, tmp_path / "out", progress=said)
    assert [title for title, _ in said.warnings] == ["Contradicting labels"]


@pytest.mark.parametrize("spellings", ["merge", "keep"])
def test_spellings_that_a_person_decided_on_are_not_told_again(
    tmp_path: Path, said: Any, spellings: str
) -> None:
    rng = np.random.default_rng(3)
    (tmp_path / "films").mkdir()
    lines = ["path,label"]
    for i in range(30):
        pixels = rng.integers(0, 256, (24, 20)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "films" / f"{i}.png")
        lines.append(f"{i}.png,{['Normal', 'normal', 'fracture'][i % 3]}")
    table = tmp_path / "films" / "t.csv"
    table.write_text("\n".join([*lines, "", "29.png,fracture"]) + "\n")
    read_films(None, TrainOptions("cnn", labels=table), [TaskRequest("label")], said)
    assert [title for title, _ in said.warnings] == ["Classes"]
    assert "stand twice: 1" in said.text
    said.warnings.clear()
    said.notes.clear()
    prepare_data(table, tmp_path / "out", PrepareOptions(spellings=spellings), progress=said)
    out = tmp_path / "out"
    read_films(out, TrainOptions("cnn", data=out), [TaskRequest("label")], said)
    assert said.warnings == []
    assert "stand twice" not in said.text
    word = "Taken as one class" if spellings == "merge" else "Kept as classes of their own"
    assert said.text.count(word) == 1
