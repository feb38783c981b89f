"""The way back from a film of the rule's size to the film as it is: the inverse of `resize.fit`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xraybatch.images.resize import framed_part, middle_part
from xraybatch.images.rule import DecodingRule


def unfit(
    values: NDArray[np.float32], rule: DecodingRule, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Lay values of places of a decoded film over the film in its own aspect ratio.

    Parameters
    ----------
    values : ndarray of float32, shape (h, w)
        Over the whole film of the rule; coarser than the rule's size or not.
    rule : DecodingRule
    shape : (int, int)
        Rows and columns of the upright film, at any scale.

    Returns
    -------
    ndarray of float32, of that shape
        NaN where the film was cut off, so that nothing is known there.
    """
    rows, columns = shape
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    if rule.resize == "pad":  # cut first, so that nothing of the borders bleeds into the film
        whole = image.resize((rule.width, rule.height), Image.Resampling.BILINEAR)
        part = np.asarray(whole)[framed_part(rows, columns, rule.height, rule.width)]
        image = Image.fromarray(np.ascontiguousarray(part))
    if rule.resize != "crop":
        return np.asarray(image.resize((columns, rows), Image.Resampling.BILINEAR))
    found = np.full(shape, np.nan, np.float32)
    left, top, right, bottom = map(round, middle_part(rows, columns, rule.height, rule.width))
    inner = image.resize((max(1, right - left), max(1, bottom - top)), Image.Resampling.BILINEAR)
    found[top:bottom, left:right] = np.asarray(inner)[: bottom - top, : right - left]
    return found
