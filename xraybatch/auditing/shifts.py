"""Where one film lies over another, guessed by phase correlation, for many pairs at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft

from xraybatch.auditing.contrast import SIDE, WINDOW, Floats
from xraybatch.auditing.spectra import Manner, turning

# height of a peak, in units of the spread around it; the lowest of 3,038 pairs of copies had 11.46
SURE = 11.25


@dataclass(frozen=True)
class Guess:
    """How one film may lie over another.

    Attributes
    ----------
    mirrored : bool
        Left for right, before it is turned.
    quarters : int
        Turns of 90° anticlockwise of the second film, 0 to 3.
    negative : bool
        Whether white and black are exchanged.
    matrix : ndarray of float64, shape (2, 3)
        From places ``(x, y, 1)`` in the first film to places in the second one, mirrored and turned
        by quarters; in sides of a film from its middle.
    height : float
        Of the peak, in units of the spread of all shifts.
    """

    mirrored: bool
    quarters: int
    negative: bool
    matrix: NDArray[np.float64]
    height: float


def guess_shifts(first: Floats, second: Floats, manners: Sequence[Manner]) -> list[Guess]:
    """The likeliest shift of each pair; half a turn more is tried, too.

    Parameters
    ----------
    first, second : ndarray of float32, shape (n, side, side)
        Films of even contrast, `SIDE` pixels a side.
    manners : sequence of Manner
        How each second film seems to have been laid down.
    """
    laid = np.stack([_laid_down(film, how) for film, how in zip(second, manners, strict=True)])
    under, over = fft.rfft2(first * WINDOW), fft.rfft2(laid * WINDOW)
    under /= np.sqrt(np.abs(under * over)) + np.float32(1e-6)
    places, heights = [], []
    for half in (0, 1):
        # half a turn conjugates a spectrum, and moves the film by a pixel
        peaks = fft.irfft2(under * (over if half else np.conj(over))).reshape(len(laid), -1)
        at = np.abs(peaks).argmax(1)
        places.append(np.stack(np.divmod(at, SIDE), 1) + half)
        heights.append(np.take_along_axis(peaks, at[:, None], 1)[:, 0] / (peaks.std(1) + 1e-9))
    turned = np.abs(heights).argmax(0)
    return [
        _guess(manner, manner.quarters + 2 * half, places[half][i], float(heights[half][i]))
        for i, (manner, half) in enumerate(zip(manners, turned.tolist(), strict=True))
    ]


def _guess(manner: Manner, quarters: int, place: NDArray[np.intp], height: float) -> Guess:
    # turned a little before it is mirrored, as the spectra are; a mirror reverses the sense
    turn = turning(-manner.degrees if manner.mirrored else manner.degrees) / manner.zoom
    down, across = (place + SIDE // 2) % SIDE - SIDE // 2
    matrix = np.column_stack([turn, -turn @ (np.array([across, down]) / SIDE)])
    return Guess(manner.mirrored, quarters, height < 0, matrix, abs(height))


def _laid_down(film: Floats, manner: Manner) -> Floats:
    """A film turned and zoomed about its middle, mirrored, turned; 0 beyond its borders."""
    if manner.degrees or manner.zoom != 1:
        image = Image.fromarray(film)
        if manner.degrees:
            image = image.rotate(manner.degrees, Image.Resampling.BILINEAR)
        if manner.zoom != 1:
            near, far = (len(film) * (0.5 + part / manner.zoom) for part in (-0.5, 0.5))
            box = near, near, far, far
            image = image.transform(
                image.size, Image.Transform.EXTENT, box, Image.Resampling.BILINEAR
            )
        film = np.asarray(image)
    return np.rot90(film[:, ::-1] if manner.mirrored else film, manner.quarters)
