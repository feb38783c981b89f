"""Colour of DICOM as red, green and blue."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space

# Samples a pixel of each photometric interpretation that is read
SAMPLES = {
    **dict.fromkeys(("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"), 1),
    **dict.fromkeys(("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"), 3),
}
# and those of the standard that are not; any other text is nobody's to repeat
UNREAD = ("ARGB", "CMYK", "HSV", "XYB", "YBR_PARTIAL_420", "YBR_PARTIAL_422")

_PIXELS = 1 << 18  # converted at a time: pydicom needs some thirty bytes for each


def in_colour(values: NDArray[Any], photometric: str, header: Dataset) -> NDArray[Any]:
    """Red, green and blue of YBR and palettes; all else stays.

    Parameters
    ----------
    values : ndarray, shape (rows, columns) or (rows, columns, 3)
        YBR is overwritten.
    photometric : str
        Of the values; a codec may have changed that of the header.
    header : Dataset
    """
    if photometric == "PALETTE COLOR":
        return np.asarray(apply_color_lut(values, header))
    if photometric in ("YBR_FULL", "YBR_FULL_422"):
        rows = max(1, _PIXELS // values.shape[1])
        for start in range(0, len(values), rows):
            part = slice(start, start + rows)
            values[part] = convert_color_space(values[part], "YBR_FULL", "RGB")
    return values
