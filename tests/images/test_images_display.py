from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from xraybatch import DisplayHints, FilmError, FilmStatus, LookupTable, StoredImage, Window
from xraybatch.images.display import display

WINDOWS = st.builds(
    Window,
    center=st.floats(-3000, 5000, allow_nan=False),
    width=st.floats(2, 6000, allow_nan=False),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)


def shown(array: np.ndarray, **hints: object) -> np.ndarray:
    return display(StoredImage(array, DisplayHints(**hints), "TEST", "test"))


def by_pydicom(array: np.ndarray, hints: DisplayHints) -> np.ndarray:
    """The same mapping with pydicom's own functions, scaled to 0–255."""
    ds = Dataset()
    ds.BitsStored, ds.PixelRepresentation = hints.bits_stored, int(array.dtype.kind == "i")
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.RescaleSlope, ds.RescaleIntercept = hints.slope, hints.intercept
    if hints.window is not None:
        ds.WindowCenter, ds.WindowWidth = hints.window.center, hints.window.width
        ds.VOILUTFunction = hints.window.function
    low = -(2 ** (hints.bits_stored - 1)) if array.dtype.kind == "i" else 0
    ends = [(low + k) * hints.slope + hints.intercept for k in (0, 2**hints.bits_stored - 1)]
    with np.errstate(over="ignore"):
        y = apply_voi_lut(apply_modality_lut(array, ds), ds).astype(np.float64)
    return np.clip((y - min(ends)) / (max(ends) - min(ends)), 0, 1) * 255


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24)))
def test_eight_bits_stay_and_their_sixteen_bit_copy_is_equal(array):
    assert np.array_equal(shown(array), array)
    assert np.array_equal(shown(array.astype(np.uint16) * 257), array)
    assert np.array_equal(shown(array.astype(np.uint32) * 16843009), array)
    assert np.array_equal(shown((array / 255).astype(np.float32)), array)


@pytest.mark.parametrize("bits", range(1, 17))
def test_declared_depth_is_rounded_to_the_nearest_grey(bits):
    top = 2**bits - 1
    ramp = np.arange(top + 1, dtype=np.uint16)[None]
    exact = (ramp.astype(np.int64) * 255 * 2 + top) // (2 * top)
    assert np.array_equal(shown(ramp, bits_stored=bits), exact)


def test_full_sixteen_bits_follow_the_documented_formula():
    ramp = np.arange(65536, dtype=np.uint16)[None]
    assert np.array_equal(shown(ramp), (ramp.astype(np.int64) * 255 + 32767) // 65535)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(6, 16),
    st.booleans(),
    st.one_of(st.none(), WINDOWS),
    st.sampled_from([(1.0, 0.0), (1.0, -1024.0), (2.5, 10.0), (0.6154, 0.0), (-1.0, 4095.0)]),
)
def test_mapping_is_pydicoms(bits, signed, window, rescale):
    low = -(2 ** (bits - 1)) if signed else 0
    ramp = np.arange(low, low + 2**bits, dtype=np.int16 if signed else np.uint16)[None]
    if rescale[0] < 0:  # there pydicom also turns the window's output, which PS3.3 does not
        window = None
    hints = DisplayHints(bits, *rescale, window=window)
    ours = display(StoredImage(ramp, hints, "TEST", "test"))
    theirs = by_pydicom(ramp, hints)
    assert np.abs(ours - theirs).max() <= 0.5 + 1e-6  # ours is theirs, rounded


def test_voi_table_is_pydicoms():
    entries = np.linspace(4095, 0, 2000).astype(np.uint16)
    ramp = np.arange(4096, dtype=np.uint16)[None]
    item, ds = Dataset(), Dataset()
    item.LUTDescriptor, item.LUTData = [2000, 1000, 12], entries.tolist()
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    ds.VOILUTSequence = [item]
    theirs = apply_voi_lut(ramp, ds) / 4095 * 255
    ours = shown(ramp, bits_stored=12, voi_lut=LookupTable(1000, entries, 12))
    assert np.abs(ours - theirs).max() <= 0.5 + 1e-6


def test_modality_table_stands_before_rescale_and_gives_the_range():
    entries = np.array([0, 100, 300, 1023], np.uint16)
    values = np.array([[0, 1, 2, 3, 4, 200]], np.uint16)
    ours = shown(values, bits_stored=12, slope=7.0, modality_lut=LookupTable(0, entries, 10))
    assert ours.tolist() == [[0, 25, 75, 255, 255, 255]]


@given(hnp.arrays(np.uint16, (5, 6), elements=st.integers(0, 4095)))
def test_white_is_zero_is_the_film_of_the_complement(array):
    complement = (4095 - array).astype(np.uint16)
    assert np.array_equal(
        shown(complement, bits_stored=12, white_is_zero=True), shown(array, bits_stored=12)
    )


def test_values_outside_are_clipped_not_masked():
    values = np.array([[0, 1023, 1024, 40000]], np.uint16)
    assert shown(values, bits_stored=10).tolist() == [[0, 255, 255, 255]]


@pytest.mark.parametrize("white_is_zero", [False, True])
def test_padding_is_black_whatever_is_white(white_is_zero):
    values = np.array([[0, 5, 4000, 4095]], np.uint16)
    film = shown(values, bits_stored=12, white_is_zero=white_is_zero, padding=(4000, 4095))
    assert film[0, 2:].tolist() == [0, 0]
    assert film[0, 0] == (255 if white_is_zero else 0)


@given(hnp.arrays(np.uint8, (7, 5, 3)))
def test_luminance_is_pillows(colour):
    assert np.array_equal(shown(colour), np.asarray(Image.fromarray(colour).convert("L")))


def test_luminance_does_not_overflow_sixteen_bits():
    white = np.full((2, 2, 3), 65535, np.uint16)
    assert (shown(white) == 255).all()


def test_alpha_goes_over_black():
    film = np.array([[[200, 0], [200, 128], [200, 255]]], np.uint8)
    assert shown(film).tolist() == [[0, 100, 200]]


def test_one_bit_is_black_and_white():
    assert shown(np.array([[False, True]])).tolist() == [[0, 255]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_number_is_corrupt(bad):
    with pytest.raises(FilmError) as caught:
        shown(np.array([[0.5, bad]], np.float32))
    assert caught.value.status is FilmStatus.CORRUPT


def test_floats_without_a_known_range_are_refused():
    with pytest.raises(FilmError, match="0 to 1"):
        shown(np.array([[0.0, 900.0]], np.float32))


def test_big_values_are_the_same_in_every_block(monkeypatch):
    values = np.arange(1000, dtype=np.uint32).reshape(20, 50) * 4_000_000
    whole = shown(values)
    monkeypatch.setattr("xraybatch.images.display._BLOCK", 7)
    assert np.array_equal(shown(values), whole)
