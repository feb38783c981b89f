"""Heat maps of the gallery: of the model that predicted, over the films that it got wrong."""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from xraybatch.core.errors import ModelError
from xraybatch.core.progress import SILENT
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.mistakes import Mistake
from xraybatch.models.model import load_model, with_card
from xraybatch.models.seal import read_sealed, write_sealed
from xraybatch.reports import heat_maps
from xraybatch.reports.heat_maps import class_of, with_heat_maps
from xraybatch.reports.mistakes import Gallery, WrongFilm
from xraybatch.reports.predictor import model_behind

PLACES = {"low.png": (0.75, 0.25), "high.png": (0.2, 0.7)}


class Notes:
    """A progress that keeps what it is told."""

    def __init__(self):
        self.notes = []

    @contextmanager
    def stage(self, label, total, unit="films"):
        with SILENT.stage(label, total, unit) as stage:
            yield stage

    def note(self, sentence):
        self.notes.append(sentence)

    def warn(self, title, sentence):
        self.notes.append(sentence)


@pytest.fixture
def films(tmp_path):
    """Grey films, each with one bright place, for which the model says 'spot'."""
    folder = tmp_path / "films"
    folder.mkdir()
    for name, (down, across) in PLACES.items():
        pixels = np.full((128, 96), 60, np.uint8)
        y, x = int(down * 128), int(across * 96)
        pixels[y - 12 : y + 12, x - 12 : x + 12] = 250
        Image.fromarray(pixels).save(folder / name)
    return folder


def gallery(*paths, p=1.0, truth="clear", predicted="spot"):
    wrong = (Mistake(path, "", "label", truth, predicted, p, 1 - p) for path in paths)
    return Gallery(tuple(WrongFilm(m, b"\xff\xd8", "ok") for m in wrong), {"label": 2}, True)


def heat_of(film):
    """The heat map as colours and cover, ``(h, w, 4)``."""
    with Image.open(io.BytesIO(film.heat)) as image:
        return np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize("cam", [True, False])
def test_the_heat_lies_where_the_model_looked(spot_model, films, cam):
    model = load_model(spot_model(f"heat-{cam}", cam=cam))
    found = with_heat_maps(gallery(*PLACES), films, model)
    for film, (down, across) in zip(found.films, PLACES.values(), strict=True):
        heat = heat_of(film)
        assert heat.shape == (64, 48, 4)  # the rule's aspect ratio
        hot = np.argwhere(heat[..., 3] > 0.9 * heat[..., 3].max()).mean(axis=0)
        assert hot / (64, 48) == pytest.approx((down, across), abs=0.1)
        red, green, _, cover = heat[tuple(hot.round().astype(int))]
        assert red > 200
        assert green < 100
        assert 100 < cover < 200, "the film stays to be seen below it"
        assert heat[..., 3].min() == 0
        assert film.heat_sentence.startswith("covering the reddest place takes 'spot' from 1.000")
    assert found.films[0].heat != found.films[1].heat
    how = "the network's last maps" if cam else "covering one place after the other"
    assert how in found.sentences[-1]
    assert len(found.sentences) == 1, "and nothing of other answers"


def test_what_cannot_be_decoded_has_none(spot_model, films):
    model = load_model(spot_model("undecoded", cam=True))
    wrong = gallery("low.png", "gone.png")
    missing = replace(wrong.films[1], jpeg=b"", status="unreadable", sentence="Not there.")
    found = with_heat_maps(replace(wrong, films=(wrong.films[0], missing)), films, model)
    assert found.films[0].heat
    assert found.films[1] == missing
    nothing = replace(wrong, films=(missing,))
    assert with_heat_maps(nothing, films, model) == nothing


def test_other_answers_than_those_of_the_results_are_told(spot_model, films):
    model = load_model(spot_model("others", cam=True))
    said = with_heat_maps(gallery(*PLACES, p=0.6), films, model).sentences
    assert any("answers 2 of these otherwise now" in sentence for sentence in said)


def test_long_coverings_are_told_beforehand(spot_model, films, monkeypatch):
    monkeypatch.setattr(heat_maps, "_LONG", 0)
    covering, mapped = Notes(), Notes()
    with_heat_maps(gallery(*PLACES), films, load_model(spot_model("slow")), covering)
    with_heat_maps(gallery(*PLACES), films, load_model(spot_model("quick", cam=True)), mapped)
    assert ["for 2 of them" in note for note in covering.notes] == [True]
    assert mapped.notes == []


def test_a_heat_map_is_about_the_wrong_answer():
    many = Task("findings", TaskKind.MULTILABEL, ("mass", "no mass"))
    one = Task("label", TaskKind.MULTICLASS, ("a", "b"))
    for truth, predicted, name in (
        ("no mass", "mass", "mass"),
        ("mass", "no mass", "mass"),
        ("no no mass", "no mass", "no mass"),
    ):
        assert class_of(Mistake("x", "", "findings", truth, predicted, 0.9, 0.1), many) == name
    assert class_of(Mistake("x", "", "label", "a", "b", 0.9, 0.1), one) == "b"


def record_of(model):
    told = {"name": model.card.name, "file": model.path.name, "seal": model.seal}
    record = {"model": told, "card": model.card.to_dict(hashes=False)}
    return json.loads(json.dumps(record, indent=2, sort_keys=True))


def test_the_model_is_found_by_its_seal(spot_model, tmp_path):
    results = tmp_path / "results.csv"
    model = load_model(spot_model("sealed", hashes="AAAAAAAAAAE="))
    record = record_of(model)
    assert model_behind(record, results, model.path).seal == model.seal
    with pytest.raises(ModelError, match="was not found"):
        model_behind(record, results)
    (tmp_path / "sealed.onnx").write_bytes(model.content)
    assert model_behind(record, results).path == tmp_path / "sealed.onnx"


def test_the_model_is_looked_for_in_runs_and_in_the_environment(
    spot_model, empty_folder, tmp_path_factory, monkeypatch
):
    results = tmp_path_factory.mktemp("results") / "results.csv"
    model = load_model(spot_model("looked", hashes="AAAAAAAAAAE="))
    record = record_of(model)
    elsewhere = tmp_path_factory.mktemp("run")
    (elsewhere / "folds" / "0").mkdir(parents=True)
    (elsewhere / "folds" / "0" / "model.onnx").write_bytes(model.content)
    monkeypatch.setenv("XRAYBATCH_MODEL", str(elsewhere))  # a cross-validation is no one model
    with pytest.raises(ModelError, match="was not found"):
        model_behind(record, results)
    (elsewhere / "model.onnx").write_bytes(model.content)
    assert model_behind(record, results).path == elsewhere / "model.onnx"
    for name, content in (("0", b"no model"), ("1", model.content)):
        (empty_folder / "runs" / name).mkdir(parents=True)
        (empty_folder / "runs" / name / "model.onnx").write_bytes(content)
    assert model_behind(record, results).path.parent.name == "1"


def test_a_model_with_a_later_card_is_still_the_one_that_predicted(spot_model, tmp_path):
    model = load_model(spot_model("later", hashes="AAAAAAAAAAE="))
    record = record_of(model)
    scored = with_card(model, replace(model.card, scores={"part": "x"}), tmp_path / "scored.onnx")
    assert scored.seal != model.seal
    found = model_behind(record, tmp_path / "results.csv", scored.path)
    assert (found.seal, found.card) == (model.seal, model.card)


def test_every_other_model_is_refused(spot_model, tmp_path):
    results = tmp_path / "results.csv"
    model = load_model(spot_model("one"))
    other = load_model(spot_model("two", cam=True))
    record = record_of(model)
    with pytest.raises(ModelError, match=r"is not the model that predicted results\.csv"):
        model_behind(record, results, other.path)
    # the card of the record on another graph: only the seal tells
    graph = read_sealed(other.path).content
    write_sealed(graph, model.card.to_json(), tmp_path / "forged.onnx")
    with pytest.raises(ModelError, match="is not the model that predicted"):
        model_behind(record, results, tmp_path / "forged.onnx")
    for useless in ({}, {"model": None}, {"model": {"seal": ""}}, {"model": {"seal": 3}}):
        with pytest.raises(ModelError, match="is not known"):
            model_behind(useless, results, model.path)
    folds = {"model": {"seal": "", "folds": [{}, {}, {}]}}
    with pytest.raises(ModelError, match="models of 3 folds"):
        model_behind(folds, results, model.path)
    with pytest.raises(ModelError, match="is not the model"):
        model_behind({**record, "card": "no card"}, results, other.path)


def test_a_task_that_the_model_lacks_is_said(spot_model, films):
    wrong = gallery("low.png")
    film = replace(wrong.films[0], mistake=replace(wrong.films[0].mistake, task="view"))
    with pytest.raises(ModelError, match="has no task 'view'"):
        with_heat_maps(replace(wrong, films=(film,)), films, load_model(spot_model("lacks")))
