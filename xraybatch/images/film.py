"""A film: the uint8 picture that a network sees, and where it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class FilmFacts:
    """Where a film came from.

    Attributes
    ----------
    format : str
        ``PNG``, ``JPEG``, ``TIFF``, ``DICOM`` …
    height, width : int
        As stored, before orientation and resize.
    bits_stored : int
        Bits a sample, as the file declares them or, of 16-bit films that declare none, as found.
    reader : str
        Library and version.
    frames : int
    notes : tuple of str
        Sentences a person should know: a suffix that lies, colour that became grey.
    tags : mapping of str to str
        DICOM values by keyword, for ``tag.<Keyword>`` when asked for.
    turned : bool
        Whether the film's orientation exchanged height and width.
    """

    format: str
    height: int
    width: int
    bits_stored: int
    reader: str
    frames: int = 1
    notes: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    turned: bool = False

    @property
    def upright(self) -> tuple[int, int]:
        """Rows and columns after orientation, before resize."""
        return (self.width, self.height) if self.turned else (self.height, self.width)


@dataclass(frozen=True)
class Film:
    """One radiograph as a network sees it.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (height, width), C-contiguous
    facts : FilmFacts
    """

    pixels: NDArray[np.uint8]
    facts: FilmFacts

    @property
    def digest(self) -> bytes:
        """The first 8 bytes of the pixels' SHA-256: the same for identical decoded films."""
        return film_digest(self.pixels)


def film_digest(pixels: NDArray[np.uint8]) -> bytes:
    """The first 8 bytes of SHA-256 over the pixels in C order."""
    whole = pixels.data if pixels.flags.c_contiguous else pixels.tobytes()
    return hashlib.sha256(whole).digest()[:8]
