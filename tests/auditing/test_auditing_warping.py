"""Films laid by matrices, and spectra: against scipy and numpy; pairs that are not laid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import affine_transform, gaussian_filter, gaussian_filter1d

from xraybatch.auditing.agreement import agreement_of
from xraybatch.auditing.contrast import WINDOW
from xraybatch.auditing.levels import Levels
from xraybatch.auditing.registration import _stepped
from xraybatch.auditing.spectra import _FINER, _REACH, _TREND, _strength
from xraybatch.auditing.warping import cells_of, warped

RNG = np.random.default_rng(5)


def smooth(count: int, side: int) -> np.ndarray:
    films = RNG.normal(0, 1, (count, side, side))
    return gaussian_filter(films, (0, 1, 1)).astype(np.float32)


@pytest.mark.parametrize("side", [64, 128])
def test_films_are_laid_as_scipy_lays_them(side: int) -> None:
    films = smooth(5, side)
    matrices = np.tile(np.eye(2, 3), (5, 1, 1)) + RNG.normal(0, 0.05, (5, 2, 3))
    middle = (side - 1) / 2
    for film, matrix, laid in zip(films, matrices, warped(cells_of(films), matrices), strict=True):
        turn = matrix[::-1, 1::-1]  # rows before columns
        shift = matrix[::-1, 2] * side + middle - turn @ (middle, middle)
        expected = affine_transform(film, turn, shift, order=1, mode="nearest")
        inside = affine_transform(np.ones_like(film), turn, shift, order=1) == 1
        assert inside.mean() > 0.5
        np.testing.assert_allclose(laid[inside], expected[inside], atol=1e-4)


def test_nothing_is_seen_where_there_is_no_film() -> None:
    films = np.ones((2, 64, 64), np.float32)
    away = np.tile(np.eye(2, 3), (2, 1, 1))
    away[:, :, 2] = [[2, 0], [0, -0.25]]
    gone, lower = warped(cells_of(films), away)
    assert not gone.any()
    assert not lower[:15].any()
    np.testing.assert_array_equal(lower[16:], 1)
    everywhere = np.tile(np.array([[1e6, 0, -1e9], [0, np.nan, 0]]), (2, 1, 1))
    with np.errstate(invalid="ignore"):
        assert warped(cells_of(films), everywhere).shape == films.shape


@pytest.mark.parametrize("count", [0, 1, 3])
def test_films_that_do_not_correlate_stay_where_they_were_guessed(count: int) -> None:
    """Steps bring none of them nearer, so what agreed before is all there is."""
    one, other = (
        Levels(films, films) for films in (smooth(count, 64), -smooth(count, 64)[:, ::-1])
    )
    guessed = np.tile(np.eye(2, 3), (count, 1, 1))
    pairs, best = _stepped(one, other, guessed, ((-1.0, 3),))
    expected = agreement_of(one, other, guessed)
    np.testing.assert_array_equal(pairs, np.arange(count))
    np.testing.assert_array_equal(best.matrix, guessed)
    np.testing.assert_array_equal(best.agreement, expected.agreement)
    assert not best.is_one.any()


def test_strength_is_that_of_numpys_transform() -> None:
    films = smooth(3, 64)
    around = np.fft.fftshift(np.abs(np.fft.fft2(films * WINDOW, [64 * _FINER] * 2)), (1, 2))
    middle = 32 * _FINER
    kept = slice(middle - _REACH, middle + _REACH + 1)
    whole = np.log1p(around[:, kept, kept])
    trend = whole
    for axis in (1, 2):
        trend = gaussian_filter1d(trend, _TREND * _FINER, axis=axis, truncate=2.5)
    expected = (whole - trend)[:, :, _REACH:]
    np.testing.assert_allclose(_strength(films).transpose(2, 0, 1), expected, atol=1e-4)
