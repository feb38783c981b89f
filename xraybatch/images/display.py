"""Stored values to display values: the one place where a film gets its grey.

One look-up table a film, over the ramp of all values it could store: modality LUT or rescale, VOI
LUT or window, then the inversion of MONOCHROME1. A film without a window shows the range it
declares, or that of its own values where its reader asks for it. So an 8-bit film and its 16-bit
copy give the same array, and what a DICOM window means is decided once, for every format. Values
outside a range are clipped, never masked: a lossy codec overshoots white by one, and masking would
turn it black.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import DisplayHints, LookupTable, StoredImage, Window
from xraybatch.images.stretch import ends_by_count, ends_of, histogram

_DIGITS = 9  # of a grey level: beyond the noise of the arithmetic, before the steps of 32 bits
_BLOCK = 1 << 20  # values mapped at a time where no table is possible
_LOOKED_UP = 1 << 18  # pixels looked up at a time
_AS_STORED = {orientation: DisplayHints(orientation=orientation) for orientation in range(1, 9)}
_FLOAT_TOLERANCE = 1e-3  # of values that should be in 0–1


def display(image: StoredImage) -> NDArray[np.uint8]:
    """Map a stored image to what a viewer shows.

    Colour becomes luminance (ITU-R 601, integer arithmetic as Pillow's), alpha goes over black.
    Without a window the full declared range is shown, or the film's own where the hints ask for it.
    Padding is shown black, also in a film whose zero is white.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)
        As stored: orientation and size come later.

    Raises
    ------
    FilmError
        ``corrupt`` for values that are no number or a shape that is no picture, ``unsupported``
        for floats outside 0–1 and types that no reader should hand out.
    """
    grey = _grey(image.array)
    hints = image.hints
    if grey.size == 0 or grey.ndim != 2:
        raise FilmError(FilmStatus.CORRUPT, f"The film has the shape {image.array.shape}.")
    if grey.dtype == np.bool_:
        grey = grey.view(np.uint8)
        hints = DisplayHints(bits_stored=1, white_is_zero=hints.white_is_zero)
    if grey.dtype == np.uint8 and hints == _AS_STORED.get(hints.orientation):
        return np.ascontiguousarray(grey)
    if grey.dtype.kind == "f":
        _check_floats(grey)
        return _by_blocks(grey, hints)
    if grey.dtype.kind not in "ui":
        raise FilmError(FilmStatus.UNSUPPORTED, f"Values of type {grey.dtype} are no film.")
    if grey.dtype.itemsize > 2:
        return _by_blocks(grey, hints)
    return _by_table(grey, hints)


def show(
    values: NDArray[Any],
    hints: DisplayHints,
    dtype: np.dtype[Any],
    ends: tuple[int, int] | None = None,
) -> NDArray[np.float64]:
    """Stored values to brightness, 0 (black) to 1 (white), by the hints alone.

    Parameters
    ----------
    values : ndarray of float64 or integers, any shape
    hints : DisplayHints
    dtype : dtype
        Type of the stored values, for the range where `hints` declares none.
    ends : tuple of (int, int), optional
        The range to show in place of all else, as `_steps` counts it.

    Returns
    -------
    ndarray of float64 in 0–1
    """
    if ends is not None:
        steps = _steps(values, hints)
        # from the end that is black, so that a negative gives the same quotient
        up = ends[1] - steps if hints.white_is_zero else steps - ends[0]
        stretched: NDArray[np.float64] = np.clip(up / (ends[1] - ends[0]), 0.0, 1.0)
        return _without_padding(stretched, values, hints)
    low, high = declared_range(hints, dtype)
    x = np.asarray(values, dtype=np.float64)
    if hints.modality_lut is not None:
        x = _looked_up(hints.modality_lut, x)
        low, high = 0.0, float(2**hints.modality_lut.bits - 1)
    else:
        x = x * hints.slope + hints.intercept
        both = (low * hints.slope + hints.intercept, high * hints.slope + hints.intercept)
        low, high = min(both), max(both)
    if hints.voi_lut is not None:
        y = _looked_up(hints.voi_lut, x) / (2**hints.voi_lut.bits - 1)
    elif hints.window is not None:
        y = _windowed(hints.window, x)
    elif high > low:
        y = (x - low) / (high - low)
    else:  # a slope of zero: nothing can be told apart
        y = np.zeros_like(x)
    shown: NDArray[np.float64] = np.clip(y, 0.0, 1.0)
    if hints.white_is_zero:
        shown = 1.0 - shown
    return _without_padding(shown, values, hints)


def declared_range(hints: DisplayHints, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Smallest and largest value that the film could store."""
    if dtype.kind == "f":
        return 0.0, 1.0
    bits = hints.bits_stored or dtype.itemsize * 8
    if dtype.kind == "i":
        return float(-(2 ** (bits - 1))), float(2 ** (bits - 1) - 1)
    return 0.0, float(2**bits - 1)


def _by_table(grey: NDArray[Any], hints: DisplayHints) -> NDArray[np.uint8]:
    """One look-up for each pixel."""
    native = np.ascontiguousarray(grey, dtype=grey.dtype.newbyteorder("="))
    index = native.view(np.dtype(f"u{grey.dtype.itemsize}"))
    plain = DisplayHints(bits_stored=hints.bits_stored, white_is_zero=hints.white_is_zero)
    if replace(hints, orientation=1) == plain:
        table = _plain_table(plain.bits_stored, plain.white_is_zero, native.dtype)
    else:
        table = _table(native, index, hints)
    flat = index.reshape(-1)
    shown: NDArray[np.uint8] = np.empty(flat.shape, np.uint8)
    for start in range(0, flat.size, _LOOKED_UP):  # numpy widens each index to eight bytes
        part = slice(start, start + _LOOKED_UP)
        np.take(table, flat[part], out=shown[part], mode="clip")
    return shown.reshape(grey.shape)


@lru_cache(maxsize=8)
def _plain_table(
    bits_stored: int | None, white_is_zero: bool, dtype: np.dtype[Any]
) -> NDArray[np.uint8]:
    """The table of a film that says no more than its depth: the same for all of its kind."""
    ramp = np.arange(1 << dtype.itemsize * 8, dtype=f"u{dtype.itemsize}").view(dtype)
    hints = DisplayHints(bits_stored=bits_stored, white_is_zero=white_is_zero)
    return _to_bytes(show(ramp.astype(np.int64), hints, dtype))


def _table(native: NDArray[Any], index: NDArray[Any], hints: DisplayHints) -> NDArray[np.uint8]:
    """What each value between the film's ends is shown as; the rest of the table is not used."""
    size = 1 << native.dtype.itemsize * 8
    ramp = np.arange(int(native.min()), int(native.max()) + 1, dtype=np.int64)
    places = ramp & (size - 1)  # negative values lie in the upper half
    ends = None
    if _stretches(hints):
        counts = histogram(index, size)[places]
        counts[_is_padding(ramp, hints)] = 0
        ends = ends_by_count(counts, _steps(ramp, hints))
    table = np.zeros(size, np.uint8)
    table[places] = _to_bytes(show(ramp, hints, native.dtype, ends))
    return table


def _by_blocks(grey: NDArray[Any], hints: DisplayHints) -> NDArray[np.uint8]:
    """More values than a table can hold: the same arithmetic on the pixels themselves."""
    flat = np.ascontiguousarray(grey).reshape(-1)
    ends = _wide_ends(flat, hints) if _stretches(hints) and grey.dtype.kind in "ui" else None
    shown: NDArray[np.uint8] = np.empty(flat.shape, np.uint8)
    for start in range(0, flat.size, _BLOCK):
        block = flat[start : start + _BLOCK]
        block = block.astype(np.int64 if ends is not None else np.float64)
        shown[start : start + _BLOCK] = _to_bytes(show(block, hints, grey.dtype, ends))
    return shown.reshape(grey.shape)


def _wide_ends(values: NDArray[Any], hints: DisplayHints) -> tuple[int, int] | None:
    film = values if hints.padding is None else values[~_is_padding(values, hints)]
    if hints.modality_lut is not None:
        return ends_of(_steps(film, hints))
    ends = ends_of(film)
    if ends is None or hints.slope == 0:
        return None
    return ends if hints.slope > 0 else (-ends[1], -ends[0])


def _stretches(hints: DisplayHints) -> bool:
    return hints.stretch and hints.voi_lut is None and hints.window is None


def _steps(values: NDArray[Any], hints: DisplayHints) -> NDArray[np.int64]:
    """Whole numbers that rise as the modality values do: no rescale can then move a rounding."""
    if hints.modality_lut is not None:
        return _looked_up(hints.modality_lut, values).astype(np.int64)
    return values.astype(np.int64) * int(np.sign(hints.slope))


def _is_padding(values: NDArray[Any], hints: DisplayHints) -> NDArray[np.bool_]:
    if hints.padding is None:
        return np.zeros(values.shape, np.bool_)
    first, last = sorted(hints.padding)
    found: NDArray[np.bool_] = (values >= first) & (values <= last)
    return found


def _without_padding(
    shown: NDArray[np.float64], values: NDArray[Any], hints: DisplayHints
) -> NDArray[np.float64]:
    if hints.padding is not None:
        shown[_is_padding(values, hints)] = 0.0
    return shown


def _to_bytes(brightness: NDArray[np.float64]) -> NDArray[np.uint8]:
    # to the nearest grey, ties up, without the last digits: 1 - y has to meet the same tie as y
    greys = np.round(brightness * 255.0, _DIGITS)
    shown: NDArray[np.uint8] = np.floor(greys + 0.5).astype(np.uint8)
    return shown


def _windowed(window: Window, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """PS3.3 C.11.2.1.2, C.11.2.1.3.2 and C.11.2.1.3.1; the caller clips."""
    if window.function == "SIGMOID":
        with np.errstate(over="ignore"):  # far below the window exp is infinite and y is 0
            return np.asarray(1.0 / (1.0 + np.exp(-4.0 * (x - window.center) / window.width)))
    if window.function == "LINEAR_EXACT":
        return (x - window.center) / window.width + 0.5
    if window.width <= 1:  # the formula's limit: a threshold
        return (x > window.center - 0.5).astype(np.float64)
    return (x - (window.center - 0.5)) / (window.width - 1) + 0.5


def _looked_up(table: LookupTable, x: NDArray[np.float64]) -> NDArray[np.float64]:
    index = np.clip(np.rint(x) - table.first, 0, len(table.entries) - 1).astype(np.int64)
    found: NDArray[np.float64] = table.entries[index].astype(np.float64)
    return found


def _check_floats(grey: NDArray[Any]) -> None:
    low, high = float(grey.min()), float(grey.max())
    if not np.isfinite(low) or not np.isfinite(high):  # NaN makes both of them NaN
        raise FilmError(FilmStatus.CORRUPT, "The film has values that are no number, or infinite.")
    if low < -_FLOAT_TOLERANCE or high > 1 + _FLOAT_TOLERANCE:
        raise FilmError(
            FilmStatus.UNSUPPORTED,
            f"The film has float values from {low:.6g} to {high:.6g}; only 0 to 1 has a meaning.",
        )


def _grey(values: NDArray[Any]) -> NDArray[Any]:
    """One channel: luminance of colour, over black where there is alpha."""
    if values.ndim != 3:
        return values
    samples = values.shape[2]
    if values.dtype not in (np.uint8, np.uint16) or samples not in (1, 2, 3, 4):
        raise FilmError(
            FilmStatus.UNSUPPORTED, f"{samples} samples of type {values.dtype} are no film."
        )
    grey = _luminance(values) if samples >= 3 else values[:, :, 0]
    return _over_black(grey, values[:, :, -1]) if samples in (2, 4) else grey


def _luminance(colour: NDArray[Any]) -> NDArray[Any]:
    total = colour[:, :, 0].astype(np.uint32) * 19595
    total += colour[:, :, 1].astype(np.uint32) * 38470
    total += colour[:, :, 2].astype(np.uint32) * 7471
    total += 0x8000
    total >>= 16
    return total.astype(colour.dtype)


def _over_black(grey: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    full = np.iinfo(grey.dtype).max
    if int(alpha.min()) == full:
        return grey
    total = grey.astype(np.uint32) * alpha
    total += full // 2
    total //= full
    blended: NDArray[Any] = total.astype(grey.dtype)
    return blended
