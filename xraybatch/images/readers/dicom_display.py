"""What a DICOM header says about showing its pixels, as `DisplayHints`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import DisplayHints, LookupTable, Window

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def display_hints(
    header: Dataset, frame: int, little_endian: bool
) -> tuple[DisplayHints, tuple[str, ...]]:
    """Rescale, tables, window, polarity and padding; and notes on what was left aside.

    Attributes of a frame's functional groups stand before those of all frames, and these before
    the image's own.
    """
    notes: list[str] = []
    stored = int(header.BitsStored)
    if header.PhotometricInterpretation == "PALETTE COLOR":
        return DisplayHints(), ()
    if int(header.SamplesPerPixel) > 1:
        return DisplayHints(bits_stored=stored), ()
    transform = _group(header, frame, "PixelValueTransformationSequence")
    voi = _group(header, frame, "FrameVOILUTSequence")
    slope, intercept = _rescale(transform, notes)
    voi_lut = _table(voi, "VOILUTSequence", little_endian)
    window = _window(voi, notes)
    return (
        DisplayHints(
            bits_stored=stored,
            slope=slope,
            intercept=intercept,
            modality_lut=_table(header, "ModalityLUTSequence", little_endian),
            voi_lut=voi_lut,
            window=window,
            white_is_zero=_white_is_zero(header, notes),
            padding=_padding(header, stored),
            stretch=voi_lut is None and window is None and stored > 1,
        ),
        tuple(notes),
    )


def _group(header: Dataset, frame: int, sequence: str) -> Dataset:
    """The functional group of a frame, of all frames, or the image itself."""
    frames = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    for place in (*frames[frame : frame + 1], *shared[:1]):
        items = place.get(sequence)
        if items:
            return items[0]  # type: ignore[no-any-return]
    return header


def _rescale(place: Dataset, notes: list[str]) -> tuple[float, float]:
    slope = _number(place.get("RescaleSlope"), 1.0)
    intercept = _number(place.get("RescaleIntercept"), 0.0)
    if slope == 0 or not math.isfinite(slope) or not math.isfinite(intercept):
        notes.append(f"A rescale slope of {slope:g} has no meaning and was left aside.")
        return 1.0, 0.0
    return slope, intercept


def _window(place: Dataset, notes: list[str]) -> Window | None:
    center, width = place.get("WindowCenter"), place.get("WindowWidth")
    if center in (None, "") or width in (None, ""):
        return None
    middle, wide = _number(center, math.nan), _number(width, math.nan)
    function = str(place.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function not in _FUNCTIONS:
        notes.append(f"The window function {function[:16]} is not known; LINEAR was used.")
        function = "LINEAR"
    least = 1.0 if function == "LINEAR" else 0.0
    if not math.isfinite(middle) or not wide >= least or wide == 0 or math.isinf(wide):
        notes.append(f"A window of width {wide:g} has no meaning and was left aside.")
        return None
    return Window(middle, wide, function)


def _table(place: Dataset, sequence: str, little_endian: bool) -> LookupTable | None:
    items = place.get(sequence)
    if not items:
        return None
    count, first, bits = (int(value) for value in items[0].LUTDescriptor)
    count = count % (1 << 16) or 1 << 16  # a signed descriptor wraps
    data = items[0].LUTData
    if isinstance(data, bytes):
        wide = len(data) >= 2 * count
        kind = ("<u2" if little_endian else ">u2") if wide else "u1"
        entries = np.frombuffer(data[: len(data) // 2 * 2 if wide else None], kind)
    else:
        entries = np.atleast_1d(np.asarray(data))
    if not 1 <= bits <= 16 or len(entries) < count:
        raise FilmError(
            FilmStatus.CORRUPT,
            f"The {sequence} announces {count} entries of {bits} bits and has {len(entries)}.",
        )
    return LookupTable(first, entries[:count].astype(np.uint16), bits)


def _white_is_zero(header: Dataset, notes: list[str]) -> bool:
    """By the photometric interpretation alone: the presentation LUT shape says the same again."""
    photometric = str(header.PhotometricInterpretation)
    shape = str(header.get("PresentationLUTShape") or "")
    if shape == {"MONOCHROME1": "IDENTITY", "MONOCHROME2": "INVERSE"}.get(photometric):
        shown = "inverted" if photometric == "MONOCHROME1" else "not inverted"
        notes.append(f"{photometric} contradicts the Presentation LUT Shape {shape}: {shown}.")
    return photometric == "MONOCHROME1"


def _padding(header: Dataset, stored: int) -> tuple[int, int] | None:
    value = header.get("PixelPaddingValue")
    if value in (None, ""):
        return None
    limit = header.get("PixelPaddingRangeLimit")
    first = _signed(value, header, stored)
    last = first if limit in (None, "") else _signed(limit, header, stored)
    return min(first, last), max(first, last)


def _signed(value: Any, header: Dataset, stored: int) -> int:
    """A padding value in the sign of the pixels: writers mix up US and SS."""
    number = int(value)
    if int(header.PixelRepresentation) == 1 and number >= 1 << (stored - 1):
        number -= 1 << int(header.BitsAllocated)
    return number


def _number(value: Any, default: float) -> float:
    if value in (None, ""):
        return default
    try:
        return float(value)
    except TypeError:  # several values: the first one is the default view
        return float(value[0]) if len(value) else default
