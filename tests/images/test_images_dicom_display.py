"""How a DICOM is shown: every step against pydicom's own functions, and twins that must agree."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut, apply_windowing
from pydicom.sequence import Sequence

from xraybatch import DisplayHints, Limits, LookupTable, StoredImage
from xraybatch.images.display import display
from xraybatch.images.readers import dicom
from xraybatch.images.readers.dicom_display import display_hints
from xraybatch.images.stretch import LEFT_OUT

ROUNDING = 0.5 + 1e-6  # a grey level of 0 to 255 is that of pydicom, rounded

BITS = st.integers(8, 16)
SLOPES = st.one_of(st.just(1.0), st.floats(0.01, 30).map(lambda x: float(f"{x:.6g}")))
INTERCEPTS = st.integers(-5000, 5000).map(float)
WIDTHS = st.integers(2, 70000).map(float)
CENTERS = st.integers(-40000, 80000).map(lambda x: x / 2)
FUNCTIONS = st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"])


def read(data: bytes, frame: int = 0) -> StoredImage:
    return dicom.read(io.BytesIO(data), Limits(), frame)


def some_film(bits: int, signed: bool, seed: int = 0) -> np.ndarray:
    low = -(2 ** (bits - 1)) if signed else 0
    film = np.random.default_rng(seed).integers(low, low + 2**bits, (48, 40))
    film[0, :2] = low, low + 2**bits - 1
    return film.astype(np.int16 if signed else np.uint16)


def table(first: int, entries: np.ndarray, bits: int) -> Sequence:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(entries), first, bits], entries.tolist()
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    item.ModalityLUTType = "US"
    return Sequence([item])


def ordered(values: np.ndarray) -> tuple[float, float]:
    """The ends of the range that is shown, by sorting."""
    flat = np.sort(values, axis=None)
    skipped = int(flat.size * LEFT_OUT)
    return float(flat[skipped]), float(flat[flat.size - 1 - skipped])


@settings(max_examples=50, deadline=None)
@given(BITS, st.booleans(), SLOPES, INTERCEPTS, CENTERS, WIDTHS, FUNCTIONS)
def test_rescale_and_window_are_pydicoms(
    dicom_film, bits, signed, slope, intercept, center, width, function
):
    film = some_film(bits, signed)
    data = dicom_film(
        film,
        BitsStored=bits,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
        WindowCenter=center,
        WindowWidth=width,
        VOILUTFunction=function,
    )
    header = dcmread(io.BytesIO(data))
    with np.errstate(over="ignore"):
        theirs = apply_windowing(apply_modality_lut(film, header), header)
    low = -(2 ** (bits - 1)) if signed else 0
    ends = [(low + k) * float(header.RescaleSlope) + intercept for k in (0, 2**bits - 1)]
    want = np.clip((theirs - ends[0]) / (ends[1] - ends[0]), 0, 1) * 255
    assert np.abs(display(read(data)) - want).max() <= ROUNDING


@settings(max_examples=30, deadline=None)
@given(BITS, st.integers(10, 3000), st.integers(0, 2000), st.integers(10, 16), st.integers(0, 99))
def test_voi_table_is_pydicoms_and_goes_before_the_window(
    dicom_film, bits, count, first, depth, seed
):
    # not 8 bits: there pydicom wraps values beyond 255 around
    film = some_film(bits, signed=False)
    entries = np.random.default_rng(seed).integers(0, 2**depth, count)
    voi = table(first, entries, depth)
    data = dicom_film(film, BitsStored=bits, VOILUTSequence=voi, WindowCenter=10, WindowWidth=5)
    theirs = apply_voi_lut(film, dcmread(io.BytesIO(data))) / (2**depth - 1) * 255
    assert np.abs(display(read(data)) - theirs).max() <= ROUNDING


@settings(max_examples=30, deadline=None)
@given(
    BITS, st.integers(10, 3000), st.integers(0, 2000), st.sampled_from([8, 16]), st.integers(0, 99)
)
def test_modality_table_is_pydicoms_and_is_stretched(dicom_film, bits, count, first, depth, seed):
    film = some_film(bits, signed=False)
    entries = np.random.default_rng(seed).integers(0, 2**depth, count)
    data = dicom_film(film, BitsStored=bits, ModalityLUTSequence=table(first, entries, depth))
    values = apply_modality_lut(film, dcmread(io.BytesIO(data))).astype(float)
    low, high = ordered(values)
    if low == high:
        low, high = values.min(), values.max()
    if low == high:
        low, high = 0, 2**depth - 1
    want = np.clip((values - low) / (high - low), 0, 1) * 255
    assert np.abs(display(read(data)) - want).max() <= ROUNDING


@settings(max_examples=30, deadline=None)
@given(BITS, st.booleans(), SLOPES, st.booleans(), INTERCEPTS, st.booleans())
def test_without_a_window_the_range_of_the_film_is_shown(
    dicom_film, bits, signed, slope, falling, intercept, white_is_zero
):
    slope = -slope if falling else slope
    film = some_film(bits, signed)
    data = dicom_film(
        film,
        BitsStored=bits,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
        PhotometricInterpretation="MONOCHROME1" if white_is_zero else "MONOCHROME2",
    )
    values = apply_modality_lut(film, dcmread(io.BytesIO(data)))
    low, high = ordered(values)
    want = np.clip((values - low) / (high - low), 0, 1)
    want = 255 * (1 - want if white_is_zero else want)
    assert np.abs(display(read(data)) - want).max() <= ROUNDING


@settings(max_examples=30, deadline=None)
@given(
    BITS,
    st.one_of(st.none(), st.tuples(CENTERS, WIDTHS, FUNCTIONS)),
    SLOPES,
    INTERCEPTS,
    st.integers(0, 99),
)
def test_the_negative_in_the_other_polarity_is_the_same_picture(
    dicom_film, bits, window, slope, intercept, seed
):
    """MONOCHROME1 and MONOCHROME2, each with the window that means the same values."""
    film = some_film(bits, signed=False, seed=seed)
    top = 2**bits - 1
    header = {"BitsStored": bits, "RescaleSlope": slope, "RescaleIntercept": intercept}
    one, two = dict(header), dict(header)
    if window is not None:
        center, width, function = window
        one["RescaleSlope"] = two["RescaleSlope"] = 1.0
        # the middle of LINEAR lies half a value below its centre
        mirrored = top + 2 * intercept - center + (1 if function == "LINEAR" else 0)
        two |= {"WindowCenter": center, "WindowWidth": width, "VOILUTFunction": function}
        one |= {"WindowCenter": mirrored, "WindowWidth": width, "VOILUTFunction": function}
    twin = dicom_film(
        (top - film).astype(np.uint16),
        **one,
        PhotometricInterpretation="MONOCHROME1",
        PresentationLUTShape="INVERSE",
    )
    assert np.array_equal(display(read(dicom_film(film, **two))), display(read(twin)))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 99),
    st.integers(0, 255),
    st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    st.one_of(st.none(), st.tuples(st.integers(-50, 300), st.integers(1, 400))),
)
def test_eight_bits_and_their_copy_in_sixteen_are_the_same_picture(
    dicom_film, seed, floor, photometric, window
):
    film = np.random.default_rng(seed).integers(floor, 256, (48, 40)).astype(np.uint8)
    wide = film.astype(np.uint16) * 257
    header = {"PhotometricInterpretation": photometric}
    narrow, broad = dict(header), dict(header)
    if window is not None:
        center, width = window
        exact = {"VOILUTFunction": "LINEAR_EXACT"}
        narrow |= exact | {"WindowCenter": center, "WindowWidth": width}
        broad |= exact | {"WindowCenter": center * 257, "WindowWidth": width * 257}
    eight, sixteen = (
        display(read(dicom_film(film, **narrow))),
        display(read(dicom_film(wide, **broad))),
    )
    assert np.array_equal(eight, sixteen)


def test_signed_and_unsigned_copies_are_the_same_picture(dicom_film):
    film = some_film(12, signed=False)
    signed = (film.astype(np.int32) - 2048).astype(np.int16)
    ours = display(read(dicom_film(film, BitsStored=12)))
    assert np.array_equal(display(read(dicom_film(signed, BitsStored=12))), ours)
    wide = film.astype(np.uint32) * 1000
    assert np.array_equal(display(read(dicom_film(wide))), ours)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_outliers_do_not_set_the_range(dicom_film, dtype, photometric):
    film = np.random.default_rng(0).integers(40, 80, (100, 100)).astype(dtype)
    quiet = display(read(dicom_film(film, PhotometricInterpretation=photometric)))
    assert (quiet.min(), quiet.max()) == (0, 255)
    loud = film.copy()
    loud[0, :3], loud[1, :3] = np.iinfo(dtype).max, np.iinfo(dtype).min
    shown = display(read(dicom_film(loud, PhotometricInterpretation=photometric)))
    assert np.array_equal(shown[2:], quiet[2:])


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.uint32])
def test_padding_does_not_set_the_range_and_is_black(dicom_film, dtype):
    film = np.random.default_rng(0).integers(40, 80, (100, 100)).astype(dtype)
    want = display(read(dicom_film(film)))
    padded = film.copy()
    padded[:, :30] = 3000
    padded[:, 30:40] = 3050
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        data = dicom_film(
            padded,
            PhotometricInterpretation=photometric,
            PixelPaddingValue=3000,
            PixelPaddingRangeLimit=3100,
        )
        shown = display(read(data))
        assert (shown[:, :40] == 0).all()
        if photometric == "MONOCHROME2":
            assert np.array_equal(shown[:, 40:], want[:, 40:])
        assert shown[:, 40:].max() == 255


def test_a_film_of_one_value_has_the_grey_that_it_declares(dicom_film):
    for value, grey in ((0, 0), (1024, 64), (4095, 255)):
        film = np.full((10, 10), value, np.uint16)
        assert (display(read(dicom_film(film, BitsStored=12))) == grey).all()
        wide = film.astype(np.uint32)
        assert (display(read(dicom_film(wide, BitsStored=12))) == grey).all()
    eight = np.full((10, 10), 77, np.uint8)
    assert (display(read(dicom_film(eight))) == 77).all()
    assert (display(read(dicom_film(eight.astype(np.uint16) * 257))) == 77).all()


def test_few_values_on_a_flat_ground_are_seen(dicom_film):
    film = np.full((100, 100), 100, np.uint16)
    film[0, 0] = 300
    shown = display(read(dicom_film(film, BitsStored=12)))
    assert (shown[0, 0], shown[5, 5]) == (255, 0)


def test_a_film_of_padding_alone_is_black(dicom_film):
    film = np.full((10, 10), 7, np.uint16)
    assert (display(read(dicom_film(film, BitsStored=12, PixelPaddingValue=7))) == 0).all()


@pytest.mark.parametrize(
    ("photometric", "shape", "noted"),
    [
        ("MONOCHROME1", "INVERSE", False),
        ("MONOCHROME1", None, False),
        ("MONOCHROME1", "IDENTITY", True),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_polarity_is_the_photometric_interpretations(dicom_film, photometric, shape, noted):
    film = np.arange(100, dtype=np.uint16).reshape(10, 10)
    header = {} if shape is None else {"PresentationLUTShape": shape}
    image = read(dicom_film(film, PhotometricInterpretation=photometric, **header))
    assert (display(image)[0, 0] == 255) == (photometric == "MONOCHROME1")
    assert any("contradicts" in note for note in image.notes) == noted


@pytest.mark.parametrize(
    "window",
    [
        {"WindowCenter": "", "WindowWidth": ""},
        {"WindowCenter": 40},
        {"WindowCenter": 40, "WindowWidth": 0},
        {"WindowCenter": 40, "WindowWidth": -5},
    ],
)
def test_a_window_without_meaning_is_none(dicom_film, window):
    film = some_film(12, signed=False)
    want = display(read(dicom_film(film, BitsStored=12)))
    assert np.array_equal(display(read(dicom_film(film, BitsStored=12, **window))), want)


def test_colour_has_no_window_and_its_declared_depth(dicom_film):
    random = np.random.default_rng(0)
    colour = random.integers(0, 256, (20, 20, 3)).astype(np.uint8)
    plain = display(read(dicom_film(colour)))
    assert np.array_equal(display(read(dicom_film(colour, WindowCenter=9, WindowWidth=2))), plain)
    twelve = (colour.astype(np.int64) * 4095 + 127) // 255
    shown = display(read(dicom_film(twelve.astype(np.uint16), BitsStored=12)))
    assert np.abs(shown.astype(int) - plain).max() <= 1


def test_the_groups_of_a_frame_stand_before_those_of_all_and_the_image(dicom_film):
    film = np.stack([some_film(12, signed=False, seed=s) for s in range(2)])

    def group(center: float | None, slope: float | None) -> Dataset:
        made = Dataset()
        if center is not None:
            voi = Dataset()
            voi.WindowCenter, voi.WindowWidth = center, 500
            made.FrameVOILUTSequence = Sequence([voi])
        if slope is not None:
            transform = Dataset()
            transform.RescaleSlope, transform.RescaleIntercept = slope, 0
            made.PixelValueTransformationSequence = Sequence([transform])
        return made

    data = dicom_film(
        film[0],
        BitsStored=12,
        NumberOfFrames=2,
        WindowCenter=9,
        WindowWidth=9,
        PixelData=b"",
        SharedFunctionalGroupsSequence=Sequence([group(700, 2)]),
        PerFrameFunctionalGroupsSequence=Sequence([group(1500, None), group(None, None)]),
    )
    header = dcmread(io.BytesIO(data))
    header.PixelData = film.tobytes()
    buffer = io.BytesIO()
    header.save_as(buffer)
    first, second = (read(buffer.getvalue(), frame).hints for frame in (0, 1))
    assert first.window is not None
    assert second.window is not None
    assert (first.window.center, first.slope) == (1500, 2)
    assert (second.window.center, second.slope) == (700, 2)


def test_raster_formats_are_not_stretched():
    film = np.random.default_rng(0).integers(100, 120, (48, 40)).astype(np.uint8)
    assert np.array_equal(display(StoredImage(film, DisplayHints(), "PNG", "test")), film)


@pytest.mark.filterwarnings("ignore:Invalid value")
def test_a_table_whose_length_was_read_as_signed(dicom_film):
    """40,000 entries are -25,536 then."""
    header = dcmread(io.BytesIO(dicom_film(some_film(16, signed=False))))
    entries = np.linspace(0, 4095, 40000).astype(np.int64)
    header.VOILUTSequence = table(0, entries, 12)
    header.VOILUTSequence[0]["LUTDescriptor"].VR = "SS"
    header.VOILUTSequence[0].LUTDescriptor = [40000 - 65536, 0, 12]
    hints, _ = display_hints(header, 0, little_endian=True)
    assert hints.voi_lut is not None
    assert np.array_equal(hints.voi_lut.entries, entries)


def test_showing_takes_little_more_memory_than_the_picture():
    film = np.random.default_rng(0).integers(0, 4096, (2000, 2000)).astype(np.uint16)
    ends = LookupTable(0, np.arange(4096, dtype=np.uint16), 12)
    for hints in (DisplayHints(12, stretch=True), DisplayHints(12, voi_lut=ends)):
        image = StoredImage(film, hints, "DICOM", "test")
        display(image)
        tracemalloc.start()
        display(image)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < film.size + (16 << 20)
