from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from xraybatch.core.errors import ModelError
from xraybatch.images import fingerprint
from xraybatch.images.fingerprint import (
    check_fingerprint,
    decoder_fingerprint,
    fingerprint_digest,
)


@pytest.fixture
def stored():
    return json.loads(json.dumps(decoder_fingerprint()))


def changed_jpeg(stored, by):
    pixels = np.frombuffer(base64.b64decode(stored["lossy"]["grey8.jpg"]), np.uint8).copy()
    pixels[100] += by
    stored["lossy"]["grey8.jpg"] = base64.b64encode(pixels.tobytes()).decode()


def test_this_installation_passes_its_own_check(stored):
    check_fingerprint(stored)


@pytest.mark.parametrize("name", fingerprint.LOSSLESS)
def test_a_lossless_film_must_be_equal(stored, name):
    stored["lossless"][name] = "0" * 64
    with pytest.raises(ModelError, match=name):
        check_fingerprint(stored)


def test_a_jpeg_may_differ_by_two_grey_levels(stored):
    changed_jpeg(stored, 2)
    check_fingerprint(stored)
    changed_jpeg(stored, 1)
    with pytest.raises(ModelError, match=r"grey8\.jpg .* 3 grey levels"):
        check_fingerprint(stored)


@pytest.mark.parametrize("broken", [{}, {"size": 3}, {"size": [1, 2], "lossless": {}, "lossy": {}}])
def test_what_cannot_be_read_is_said(broken):
    with pytest.raises(ModelError, match="cannot be read"):
        check_fingerprint(broken)


def test_films_of_another_release_are_left_aside(stored):
    stored["lossless"]["new.jls"] = "0" * 64
    del stored["lossless"]["grey8.png"], stored["lossy"]["grey8.jpg"]
    check_fingerprint(stored)


def test_another_mapping_is_noticed(stored, monkeypatch):
    fingerprint_digest.cache_clear()
    before = fingerprint_digest()
    monkeypatch.setattr(
        "xraybatch.images.decode.display", lambda image: 255 - image.array.astype(np.uint8)
    )
    with pytest.raises(ModelError, match="decodes differently"):
        check_fingerprint(stored)
    fingerprint_digest.cache_clear()
    assert fingerprint_digest() != before
    fingerprint_digest.cache_clear()


def test_the_fingerprint_is_small_enough_for_a_card(stored):
    assert len(json.dumps(stored)) < 3500
    assert len(fingerprint_digest()) == 16
