"""The decoder is checked where films are decoded, before the first of them."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from functools import partial

import pytest

from tests.prediction.conftest import grey_pixels, write_dicom
from xraybatch.core.errors import ModelError
from xraybatch.images.fingerprint import check_fingerprint, decoder_fingerprint
from xraybatch.models.model import load_model, with_card
from xraybatch.prediction import engines, run
from xraybatch.prediction.options import PredictOptions
from xraybatch.sources.films import find_films


@pytest.fixture
def film(tmp_path):
    write_dicom(tmp_path / "film.dcm", grey_pixels(1))
    return find_films([tmp_path / "film.dcm"]).items


def _changed(tiny_model, tmp_path):
    model = load_model(tiny_model)
    decoder = decoder_fingerprint()
    decoder["lossless"]["grey8.png"] = "0" * 64
    return with_card(model, replace(model.card, decoder=decoder), tmp_path / "other.onnx")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_decoder_that_decodes_otherwise_stops_before_the_first_film(
    workers, tiny_model, film, tmp_path
):
    model = _changed(tiny_model, tmp_path)
    options = PredictOptions(device="cpu", workers=workers)
    with pytest.raises(ModelError, match=r"grey8\.png decodes differently"):
        run.predict_items(film, model, tmp_path / "r.csv", options=options)
    assert not (tmp_path / "r.csv").exists()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("decoder", ["same", "other"])
def test_where_the_process_dies_at_its_check_the_check_is_made_here(
    decoder, tiny_model, film, tmp_path, monkeypatch
):
    model = _changed(tiny_model, tmp_path) if decoder == "other" else load_model(tiny_model)
    monkeypatch.setattr(engines, "decoder_check", lambda card: _die)
    options = PredictOptions(device="cpu", workers=1)
    if decoder == "other":
        with pytest.raises(ModelError, match="decodes differently"):
            run.predict_items(film, model, tmp_path / "r.csv", options=options)
    else:
        record = run.predict_items(film, model, tmp_path / "r.csv", options=options)
        assert record.by_status == {"ok": 1}


def test_the_check_runs_in_a_decoding_process_not_here(tiny_model, film, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(engines, "check_decoder", seen.append)
    fingerprint = decoder_fingerprint()
    monkeypatch.setattr(
        engines, "decoder_check", lambda card: partial(check_fingerprint, fingerprint)
    )
    run.predict_items(
        film, load_model(tiny_model), tmp_path / "r.csv", options=PredictOptions(device="cpu")
    )
    assert seen == []
