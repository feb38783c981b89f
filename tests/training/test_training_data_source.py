"""``train --data``: an archive, an address or MURA's tree is prepared first, and once."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xraybatch.core.errors import InputError
from xraybatch.core.tables import read_table
from xraybatch.training.data_source import how_prepared, with_folder
from xraybatch.training.options import TrainOptions
from xraybatch.training.resume import find_unfinished, write_about


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
    assert set(table["split"]) == {"train", "val", "test"}
    again = with_folder(options, said)
    assert again.data == found.data
    assert "was prepared before" in said.text
    other = TrainOptions("cnn", data=nested_zip, task=("label:multiclass=normal,broken",))
    with pytest.raises(InputError, match="broken"):
        with_folder(other, said)


def test_an_address_is_fetched(
    address: str, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    found = with_folder(TrainOptions("cnn", data=Path(address), task=CLASSES), said)
    assert found.data is not None
    assert len(read_table(found.data / "labels.csv")) == 30


def test_a_share_for_validation_holds_for_an_archive(
    nested_zip: Path, said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    options = TrainOptions("cnn", data=nested_zip, task=CLASSES)
    for share, films in ((0.1, 3), (0.3, 9)):
        found = with_folder(options, said, val_split=share)
        assert found.data is not None
        table = read_table(found.data / "labels.csv")
        assert abs((table["split"] == "val").sum() - films) <= 1
        assert "drawn by single films and stratified by class" in how_prepared(found)
    assert how_prepared(options) == ""


def test_a_tree_of_mura_may_lie_in_a_folder_of_its_name(
    said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for number in range(12):
        part, answer = ("train", "valid")[number % 2], ("positive", "negative")[number // 2 % 2]
        study = f"MURA-v1.1/{part}/XR_HAND/patient{number:05}/study1_{answer}"
        (tmp_path / "m" / study).mkdir(parents=True)
        pixels = rng.integers(0, 256, (24, 20)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "m" / study / "image1.png")
    elbow = tmp_path / "m/MURA-v1.1/train/XR_ELBOW/patient99999/study1_positive/image1.png"
    elbow.parent.mkdir(parents=True)
    Image.fromarray(rng.integers(0, 256, (24, 20)).astype(np.uint8)).save(elbow)
    found = with_folder(TrainOptions("cnn", data=tmp_path / "m"), said)
    assert found.data is not None
    table = read_table(found.data / "labels.csv")
    assert set(table["abnormality"]) == {"positive", "negative"}
    assert len(table) == 13


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


def test_a_folder_stays_as_it_is(tmp_path: Path, said: Any) -> None:
    options = TrainOptions("cnn", data=tmp_path)
    assert with_folder(options, said) == options
    assert with_folder(TrainOptions("cnn"), said).data is None
    with pytest.raises(InputError, match="There is no"):
        with_folder(TrainOptions("cnn", data=tmp_path / "none"), said)
