from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from xraybatch.images.resize import fit, upright
from xraybatch.images.rule import DecodingRule


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_is_pillows(grey, orientation):
    image = Image.fromarray(grey)
    image.getexif()[0x0112] = orientation
    assert np.array_equal(upright(grey, orientation), np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (48, 40), (40, 48), (333, 77)])
@pytest.mark.parametrize("size", [(8, 8), (48, 40), (64, 9), (9, 64)])
def test_every_shape_meets_every_rule(shape, size, resize):
    film = np.full(shape, 200, np.uint8)
    fitted = fit(film, DecodingRule(*size, resize))
    assert fitted.shape == size
    assert fitted.dtype == np.uint8
    assert fitted.flags.c_contiguous
    assert fitted.max() == 200
    if resize != "pad":
        assert fitted.min() == 200


def test_the_same_size_is_left_alone(grey):
    for resize in ("stretch", "pad", "crop"):
        assert np.array_equal(fit(grey, DecodingRule(*grey.shape, resize)), grey)


def test_pad_centres_between_black_borders():
    fitted = fit(np.full((40, 20), 99, np.uint8), DecodingRule(40, 40, "pad"))
    assert (fitted[:, 10:30] == 99).all()
    assert not fitted[:, :10].any()
    assert not fitted[:, 30:].any()


def test_crop_takes_the_middle():
    film = np.zeros((20, 60), np.uint8)
    film[:, 20:40] = 80
    assert (fit(film, DecodingRule(20, 20, "crop")) == 80).all()


def test_stretch_antialiases():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit(stripes, DecodingRule(8, 8)).astype(int) - 128).max() <= 16
