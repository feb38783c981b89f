"""Every preset trains to the end on data as distributed, and gives what its project promises."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xraybatch.core.errors import UsageError
from xraybatch.core.tables import read_table
from xraybatch.extension.records import Preset
from xraybatch.extension.registry import registry
from xraybatch.training.presets import place_of, preset_options

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

BONE = ("normal", "osteopenia", "osteoporosis")
UNEQUAL = {"normal": 12, "osteopenia": 20, "osteoporosis": 14}
REGIONS = ("elbow", "finger", "forearm", "hand", "humerus", "shoulder", "wrist")
PICTURES = {"curves.png", "confusion-label.png", "roc-label.png"}
PRESETS = {owned.record.name: owned.record for owned in registry().records(Preset)}

train = pytest.mark.train
soak = pytest.mark.soak


def shares(split: Any, part: str, column: str = "label") -> dict[str, float]:
    """Share of each class's films that a part has."""
    every, some = Counter(split[column]), Counter(split[column][split["split"] == part])
    return {name: some[name] / count for name, count in every.items()}


def counts(split: Any, part: str) -> dict[str, int]:
    return dict(Counter(split["label"][split["split"] == part]))


def check_table(task: dict[str, Any], classes: tuple[str, ...], overall: tuple[str, ...]) -> None:
    """The figures of a task as a whole, of each class, and the confusion matrix are there."""
    for name in overall:
        estimate = task["estimates"][name]
        assert estimate["value"] is not None or estimate["reason"], name
    assert [entry["name"] for entry in task["by_class"]] == list(classes)
    for entry in task["by_class"]:
        assert {"precision", "recall", "f1"} <= set(entry["estimates"])
    matrix = np.array(task["confusion"]["counts"])
    assert matrix.shape == (len(classes), len(classes))
    assert matrix.sum() == task["films"]
    right = np.trace(matrix) / matrix.sum()
    assert task["estimates"]["accuracy"]["value"] == pytest.approx(right)


def check_origin(made: Any, preset: str, *, in_place: bool = False) -> None:
    """The card names the preset; and its data's source and licence where they lie in its place."""
    record, text = PRESETS[preset], made.read("card.md")
    assert made.card["settings"]["preset"] == preset
    assert f"| preset | {preset} |" in text
    assert f"Score of the held-back test films (preset {preset}, " in made.said
    if in_place:
        assert made.card["data"]["source"].startswith(record.source)
        assert made.card["data"]["licence"] == record.licence
        assert record.licence in text
        assert record.licence in made.said
    else:  # anybody's films
        assert (made.card["data"]["source"], made.card["data"]["licence"]) == ("", "")
        for words in (record.licence, record.source):
            assert words not in text + made.said


def check_predicts(command: Any, made: Any, films: Path, columns: list[str]) -> Any:
    """The model file answers every film of a folder; the table of its answers."""
    results = films.parent / f"{made.folder.name}.csv"
    done = command("predict", films, "--model", made.folder, "--out", results, "--workers", 0)
    assert done.code == 0, done.said
    table = read_table(results)
    assert set(table["status"]) == {"ok"}
    assert set(columns) <= set(table.columns)
    return table


# ── osteoporosis of the knee: ZIPs in a ZIP ────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def knees(work: Path, distributed: Any) -> Path:
    archive: Path = distributed.nested_zip(work / "knees.zip", UNEQUAL)
    return archive


@pytest.fixture(scope="module")
def knee_cnn(knees: Path, served: str, work: Path, train_preset: Any) -> Any:
    return train_preset("knee-cnn", work / "knee-cnn", data=f"{served}/{knees.name}")


def check_knee(made: Any, preset: str, command: Any, distributed: Any, work: Path) -> None:
    assert made.said.count("Class folders 'normal', 'osteopenia', 'osteoporosis'.") == 1
    assert Counter(made.split["label"]) == UNEQUAL
    for part, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        assert all(abs(s - share) < 0.1 for s in shares(made.split, part).values()), part
    assert "stratified by class" in made.card["data"]["split"]
    assert made.card["probabilities"]["class_weights"] is True
    films = counts(made.split, "train")
    even = {name: sum(films.values()) / 3 / count for name, count in films.items()}
    for name, weight in even.items():
        assert f"{name} {weight:.2f}" in made.said
    assert made.options["augment"] == "mild"
    assert "augmented.png" in made.pictures()
    figures = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_f1")
    check_table(made.tasks["label"], BONE, figures)
    check_origin(made, preset)
    folder = work / f"films-{preset}"
    distributed.class_folders(folder, dict.fromkeys(BONE, 2), seed=9)
    table = check_predicts(command, made, folder, ["label", *(f"prob.{c}" for c in BONE)])
    assert set(table["label"]) <= set(BONE)


@train
def test_knee_cnn_from_an_address(
    knee_cnn: Any, command: Any, distributed: Any, work: Path, served: str, knees: Path
) -> None:
    assert "downloading" in knee_cnn.said
    assert knee_cnn.options["data"] == f"{served}/{knees.name}"
    check_knee(knee_cnn, "knee-cnn", command, distributed, work)


@train
def test_two_runs_of_a_preset_stand_side_by_side(
    knee_cnn: Any, knees: Path, work: Path, train_preset: Any, command: Any
) -> None:
    other = train_preset("knee-cnn", work / "knee-other", "--plugin", "cnn", data=knees)
    assert other.card["plugin"]["name"] == "cnn"
    assert other.card["settings"]["preset"] == "knee-cnn"
    assert other.options["augment"] == "mild"
    check_comparison(command, knee_cnn, other)


def check_comparison(command: Any, one: Any, other: Any) -> None:
    shown = command("compare", one.folder, other.folder)
    assert shown.code == 0, shown.said
    for title in ("Accuracy", "Macro precision", "Balanced accuracy", "Macro F1", "Parameters"):
        assert title in shown.out
    found = json.loads(command("compare", one.folder, other.folder, "--json").out)
    assert found["same_films"] is True
    for model, made in zip(found["models"], (one, other), strict=True):
        stated = made.tasks["label"]["estimates"]
        for name in ("accuracy", "macro_precision", "macro_recall", "macro_f1"):
            assert model["tasks"][0]["estimates"][name]["value"] == stated[name]["value"], name


@train
@soak
def test_knee_resnet50(
    knee_cnn: Any,
    knees: Path,
    served: str,
    work: Path,
    train_preset: Any,
    command: Any,
    distributed: Any,
) -> None:
    data = f"{served}/{knees.name}"
    made = train_preset("knee-resnet50", work / "knee-r", "--weights", "none", data=data)
    check_knee(made, "knee-resnet50", command, distributed, work)
    check_comparison(command, knee_cnn, made)


# ── osteoporosis, simple: class folders, 90 and 10 ─────────────────────────────────────────────


@pytest.fixture(scope="module")
def simple(work: Path, distributed: Any, train_preset: Any) -> Any:
    folder = distributed.class_folders(work / "simple", dict.fromkeys(BONE, 20))
    return train_preset("osteoporosis-simple", work / "simple-run", data=folder)


@train
def test_osteoporosis_simple(simple: Any, command: Any, work: Path) -> None:
    assert shares(simple.split, "test") == dict.fromkeys(BONE, 0.1)
    assert counts(simple.split, "val") == dict.fromkeys(BONE, 2)
    assert simple.options["optimizer"] == "adam"
    assert simple.pictures() >= PICTURES
    check_table(simple.tasks["label"], BONE, ("accuracy", "weighted_f1"))
    check_origin(simple, "osteoporosis-simple")
    assert len(check_predicts(command, simple, work / "simple", ["label"])) == 60


@train
def test_its_hdf5_and_one_film_with_its_label(simple: Any, command: Any, work: Path) -> None:
    import h5py

    done = command("export", simple.folder, "--to", "h5", "--out", work / "model.h5")
    assert done.code == 0, done.said
    with h5py.File(work / "model.h5") as file:
        assert list(file)
    card = json.loads((work / "model.h5.card.json").read_text())
    assert tuple(card["tasks"][0]["classes"]) == BONE
    film, picture = work / "simple" / "osteopenia" / "os1.png", work / "shown.png"
    shown = command("show", film, "--model", simple.folder, "--out", picture)
    assert shown.code == 0, shown.said
    results = check_predicts(command, simple, film.parent, ["label"])
    assert results["label"][results["path"] == "os1.png"].item() in shown.out
    assert picture.read_bytes().startswith(b"\x89PNG")


# ── bone density: unequal classes, attention ───────────────────────────────────────────────────

FOLDERS = {"Normal": 24, "Osteopenia": 14, "Osteoporosis": 9}


@pytest.fixture(scope="module")
def densities(work: Path, distributed: Any) -> Path:
    distributed.class_folders(work / "densities" / "OS Collected Data", FOLDERS)
    return work / "densities"


def check_density(made: Any, preset: str, names: tuple[str, ...]) -> None:
    split = made.split
    assert Counter(split["label"]) == {name.lower(): films for name, films in FOLDERS.items()}
    films = counts(split, "train")
    most = max(films.values())
    for name in BONE:  # as often as the most frequent one, but for a film
        (before, after), *_ = re.findall(rf"{name} (\d+) → (\d+)", made.said)
        assert int(before) == films[name]
        assert most - 1 <= int(after) <= most
    for part, share in (("test", 0.2), ("val", 0.1)):
        assert all(abs(s - share) < 0.12 for s in shares(split, part).values())
    judged = read_table(made.folder / "predictions-test.csv")["path"]
    assert sorted(judged) == sorted(split["path"][split["split"] == "test"]), "each film once"
    assert made.card["probabilities"]["oversampled"] is True
    check_table(made.tasks["label"], BONE, ("accuracy", "macro_f1", "weighted_f1"))
    assert "Weighted F1" in made.said
    assert made.pictures() >= PICTURES
    with zipfile.ZipFile(made.folder / "model.keras") as file:
        layers = file.read("config.json").decode()
    assert all(f'"{name}"' in layers for name in names)
    check_origin(made, preset)


ATTENTION = ("se_excite", "cbam_channels", "cbam_places")


@train
def test_oa_mobilenet_with_an_option_more(densities: Path, work: Path, train_preset: Any) -> None:
    more = ("--weights", "none", "-O", "dense=16")
    made = train_preset("oa-mobilenet", work / "oa-m", *more, data=densities)
    check_density(made, "oa-mobilenet", (*ATTENTION, "top"))
    assert made.card["plugin"]["options"] == {"attention": "se,cbam", "dense": 16}


@train
@soak
def test_oa_xception(densities: Path, work: Path, train_preset: Any) -> None:
    more = ("--weights", "none", "--image-size", 72)
    made = train_preset("oa-xception", work / "oa-x", *more, data=densities)
    check_density(made, "oa-xception", ATTENTION)


TWO_DEVICES = """
import sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from xraybatch.cli.app import main
main(sys.argv[1:])
"""


@train
@soak
def test_oa_on_two_devices(densities: Path, work: Path) -> None:
    small = {"epochs": 1, "image-size": 32, "batch-size": 8, "weights": "none"}
    options = [f"--{name}={value}" for name, value in {**small, "device": "cpu:all"}.items()]
    arguments = ["train", "--preset", "oa-mobilenet", "--data", str(densities), *options]
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, *arguments, "--out", "oa-two"],
        cwd=work,
        env=os.environ | {"COLUMNS": "500"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "2 " in next(line for line in done.stderr.splitlines() if "runs on" in line)
    assert (work / "oa-two" / "model.onnx").is_file()


@train
def test_oa_with_another_network_and_learning_rates_to_try(
    densities: Path, work: Path, train_preset: Any
) -> None:
    more = ("--plugin", "cnn", "--try", "learning-rate=1e-3,1e-4")
    made = train_preset("oa-mobilenet", work / "oa-c", *more, data=densities)
    assert "cnn has no such option, left out of the preset: attention=se,cbam." in made.said
    assert made.card["plugin"] == {"name": "cnn", "owner": "xraybatch:cnn", "options": {}}
    tried = read_table(made.folder / "tries.csv")
    assert set(tried["learning-rate"]) == {"1e-3", "1e-4"}
    assert made.options["learning-rate"] in (1e-3, 1e-4)
    assert "2 settings were tried" in made.said
    check_density(made, "oa-mobilenet", ())


# ── fractures: train and test as distributed ───────────────────────────────────────────────────

OF_TWO = ("sensitivity", "specificity", "ppv", "accuracy", "auc")


@pytest.fixture(scope="module")
def fractures(work: Path, distributed: Any) -> Path:
    """Where the presets look for them."""
    folder: Path = distributed.fractures(work / "data" / "fracture")
    return folder


def check_fracture(made: Any, preset: str) -> None:
    split = made.split
    there = {path for path in split["path"] if path.startswith("test/")}
    assert there == set(split["path"][split["split"] == "test"])
    assert counts(split, "test") == {"fractured": 6, "not fractured": 6}
    assert counts(split, "val")
    task = made.tasks["label"]
    assert (task["kind"], task["positive"]) == ("binary", "fractured")
    check_table(task, ("fractured", "not fractured"), OF_TWO)
    for title in ("Sensitivity", "Specificity", "truth ↓ predicted →"):
        assert title in made.said
    assert made.pictures() >= PICTURES
    # also where it is named: it lies there
    check_origin(made, preset, in_place=True)


@train
def test_fracture_cnn_in_its_documented_place(
    fractures: Path, work: Path, train_preset: Any
) -> None:
    made = train_preset("fracture-cnn", work / "f-cnn")
    check_fracture(made, "fracture-cnn")
    assert made.options["data"] == str(fractures)
    assert made.options["patience"] == 5


def check_base(made: Any, weights: Path) -> None:
    """The convolutions of VGG16 in the run's model are those of the weights file."""
    from xraybatch.training.backend import load_keras

    keras = load_keras()
    base = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    base.load_weights(weights)
    model = keras.models.load_model(made.folder / "model.keras", compile=False)
    kept = {variable.path: np.asarray(variable.value) for variable in model.variables}
    for variable in base.variables:
        (same,) = (value for path, value in kept.items() if path.endswith(variable.path))
        np.testing.assert_array_equal(same, np.asarray(variable.value))


@train
def test_fracture_vgg16_keeps_its_base(
    fractures: Path, work: Path, train_preset: Any, random_weights: Callable[[str], Path]
) -> None:
    weights = random_weights("VGG16")
    made = train_preset("fracture-vgg16", work / "f-v", "--weights", weights, data=fractures)
    check_fracture(made, "fracture-vgg16")
    assert "The backbone is frozen and sees 2 views of each film" in made.said
    check_base(made, weights)


@train
@soak
def test_fracture_hybrid(
    fractures: Path, work: Path, train_preset: Any, random_weights: Callable[[str], Path]
) -> None:
    weights = random_weights("VGG16")
    made = train_preset("fracture-hybrid", work / "f-h", "--weights", weights, data=fractures)
    check_fracture(made, "fracture-hybrid")
    check_base(made, weights)


# ── MURA: two tasks at once ────────────────────────────────────────────────────────────────────


def check_mura(made: Any, tree: Path, command: Any, *, in_place: bool = False) -> None:
    assert "agrees with the folders' names" in made.said
    split = made.split
    for part, folders in (("train", {"train"}), ("val", {"train"}), ("test", {"valid"})):
        paths = split["path"][split["split"] == part]
        assert {path.rpartition("/XR_")[0].rpartition("/")[2] for path in paths} == folders
    sides = split.groupby("patient")["split"].nunique()
    assert sides.max() == 1, "no patient on two sides"
    assert set(split["region"]) == set(REGIONS)
    assert set(split["abnormality"]) == {"positive", "negative"}
    abnormality, region = made.tasks["abnormality"], made.tasks["region"]
    assert abnormality["positive"] == "positive"
    figures = ("accuracy", "macro_precision", "macro_recall")
    check_table(abnormality, ("negative", "positive"), ("sensitivity", "specificity", *figures))
    check_table(region, REGIONS, figures)
    both = {f"{kind}-{task}.png" for kind in ("confusion", "roc") for task in made.tasks}
    assert {*both, "curves.png"} <= made.pictures()
    check_origin(made, "mura-resnet50", in_place=in_place)
    columns = ["abnormality", "region", "abnormality.prob.positive", "region.prob.wrist"]
    table = check_predicts(command, made, tree / "valid", columns)
    assert set(table["region"]) <= set(REGIONS)


@train
def test_mura_resnet50_on_a_frozen_backbone(
    work: Path,
    distributed: Any,
    train_preset: Any,
    command: Any,
    random_weights: Callable[[str], Path],
) -> None:
    tree = distributed.mura(work / "MURA-v1.1", train=4, valid=2, films=1)
    weights = random_weights("ResNet50")
    made = train_preset("mura-resnet50", work / "mura", "--weights", weights, data=tree)
    check_mura(made, tree, command)


@train
@soak
def test_mura_resnet50_in_its_documented_place(
    work: Path, distributed: Any, train_preset: Any, command: Any
) -> None:
    # unpacked into a folder of its name
    tree = distributed.mura(work / "data" / "MURA-v1.1" / "MURA-v1.1", train=4, valid=2)
    made = train_preset("mura-resnet50", work / "mura-whole", "--weights", "none")
    check_mura(made, tree, command, in_place=True)


# ── what is not as a preset wants it ───────────────────────────────────────────────────────────


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_where_the_data_is_missing_it_is_said_where_to_get_it(
    preset: str, empty_folder: Path, command: Any
) -> None:
    done = command("train", "--preset", preset)
    assert done.code == 2
    record = PRESETS[preset]
    for part in (record.source, record.licence, record.data_form, record.default_place):
        assert part in done.said
    assert "Traceback" not in done.said
    assert list(empty_folder.iterdir()) == []


def test_the_documented_place_may_be_an_archive(empty_folder: Path, distributed: Any) -> None:
    place = Path("data/osteoporosis-knee")
    place.mkdir(parents=True)
    inside = distributed.nested_zip(place / "fxjm8fb6mw-2.zip", UNEQUAL)
    assert place_of("knee-cnn") == inside
    (place / "normal").mkdir()
    assert place_of("knee-cnn") == place, "it holds more than the archive"
    (place / "normal").rmdir()
    beside = inside.rename("data/osteoporosis-knee.zip")
    place.rmdir()
    assert place_of("knee-resnet50") == beside
    with pytest.raises(UsageError, match="data/osteoarthritis"):
        place_of("oa-xception")


@pytest.mark.parametrize("preset", [name for name in sorted(PRESETS) if name[:2] in "knosoa"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_class_folder_that_is_missing_is_named(
    preset: str, packed: bool, empty_folder: Path, distributed: Any, command: Any
) -> None:
    two = {"normal": 6, "osteoporosis": 6}
    make = distributed.nested_zip if packed else distributed.class_folders
    data = make(empty_folder / ("films.zip" if packed else "films"), two)
    done = command("train", "--preset", preset, "--data", data)
    assert done.code == 3
    wanted = "There is no class folder 'osteopenia'; there is 'normal', 'osteoporosis'."
    assert wanted in done.said
    assert list(empty_folder.glob("runs/*")) == [], "nothing half made stays"


def test_a_third_folder_beside_fractures_is_told(
    empty_folder: Path, distributed: Any, command: Any
) -> None:
    data = distributed.fractures(empty_folder / "films", 6, 3)
    distributed.class_folders(data / "train", {"unsure": 6})
    done = command("train", "--preset", "fracture-cnn", "--data", data)
    assert done.code in (2, 3)
    assert "binary" in done.said
    assert "Traceback" not in done.said


def test_options_of_preset_and_person_together() -> None:
    assert preset_options("oa-xception", "xception", ()) == (("attention=se,cbam",), "")
    both, said = preset_options("oa-xception", "resnet50", ("dense=64", "attention=se"))
    assert (set(both), said) == ({"attention=se", "dense=64"}, "")
    assert preset_options("fracture-vgg16", "vgg16", ("dense=8",)) == (("dense=8",), "")
    assert preset_options("knee-cnn", "cnn-norm", ("x=1",)) == (("x=1",), "")


@train
def test_who_names_another_source_is_believed(work: Path, fractures: Path, command: Any) -> None:
    more = ("--source", "A hospital", "--preview", work / "seen.png")
    done = command("train", "--preset", "fracture-cnn", "--data", fractures, *more)
    assert done.code == 0, done.said
    assert "Taken for the data" not in done.said
