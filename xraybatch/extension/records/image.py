"""What a plugin brings to decoding: readers, what they are handed, and what they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Limits:
    """What a film may cost. A reader looks into the header and refuses before decoding.

    Attributes
    ----------
    max_pixels : int
        Height × width of one frame.
    max_bytes : int
        Bytes that one decoded frame may take, and that any compressed part may unpack to.
    """

    max_pixels: int = 100_000_000
    max_bytes: int = 1 << 30


@dataclass(frozen=True)
class Window:
    """A window of DICOM: `function` is LINEAR, LINEAR_EXACT or SIGMOID (PS3.3 C.11.2.1)."""

    center: float
    width: float
    function: str = "LINEAR"


@dataclass(frozen=True)
class LookupTable:
    """A look-up table: stored value `first` maps to `entries[0]`; both ends are clipped."""

    first: int
    entries: NDArray[np.uint16]
    bits: int


@dataclass(frozen=True)
class DisplayHints:
    """What the file says about showing its stored values; mapping is done in `images`.

    Attributes
    ----------
    bits_stored : int or None
        Declared depth. None: 16-bit values get the depth that they show (docs/images.md), others
        the full range of their type.
    slope, intercept : float
        Modality rescale. Not used where `modality_lut` is given.
    modality_lut, voi_lut : LookupTable or None
        `voi_lut` goes before `window`.
    window : Window or None
        The first of the file's windows.
    white_is_zero : bool
        MONOCHROME1, or TIFF's photometric interpretation 0.
    padding : tuple of (int, int) or None
        Inclusive range of stored values that are no film (Pixel Padding Value and Limit).
    orientation : int
        1 to 8 as in EXIF 2.3; 1: upright.
    stretch : bool
        Where there is neither `voi_lut` nor `window`: show the range of the film's own values, but
        for the darkest and brightest 0.1 % of its pixels, instead of the declared range.
    """

    bits_stored: int | None = None
    slope: float = 1.0
    intercept: float = 0.0
    modality_lut: LookupTable | None = None
    voi_lut: LookupTable | None = None
    window: Window | None = None
    white_is_zero: bool = False
    padding: tuple[int, int] | None = None
    orientation: int = 1
    stretch: bool = False


@dataclass(frozen=True)
class StoredImage:
    """What a reader returns: the values as the file stores them.

    Attributes
    ----------
    array : ndarray
        ``(rows, columns)``, or ``(rows, columns, samples)`` with samples 2 (grey, alpha),
        3 (red, green, blue) or 4 (and alpha); bool, uint8, uint16, int16, uint32, int32 or
        float32 in 0–1.
    hints : DisplayHints
    format : str
        ``PNG``, ``JPEG``, ``TIFF``, ``DICOM`` …
    reader : str
        The library that decoded, with its version: ``pillow 13.0.0``.
    frames : int
        How many frames the file holds.
    notes : tuple of str
        What a person should know of this file, a sentence each.
    facts : mapping of str to str
        DICOM keywords and values that a person may ask for as ``tag.<Keyword>``; never written
        unasked.
    reduction : int
        How many times smaller than the film `array` is, in both directions; its last row and
        column may stand for less than a whole one.
    whole : tuple of (int, int) or None
        Rows and columns of the film; needed where `array` is reduced.
    """

    array: NDArray[Any]
    hints: DisplayHints
    format: str
    reader: str
    frames: int = 1
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    reduction: int = 1
    whole: tuple[int, int] | None = None


# How many times a film may be reduced while it is read: asked with its rows and columns as stored
# and its orientation. Below 1: not at all.
Reducible = Callable[[int, int, int], float]

# One frame of a file that stays open: the same as `ImageReader.read` gives.
ReadFrame = Callable[[int], StoredImage]


@dataclass(frozen=True)
class ImageReader:
    """A file format: returned by ``register_image_readers``.

    Attributes
    ----------
    name, summary : str
    suffixes : tuple of str
        Lower case with the dot.
    sniff : callable
        ``sniff(head: bytes) -> bool`` on the first 4 KiB of a file.
    read : callable
        ``read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage``; `file` is seekable and
        at its beginning; it may lie in memory, with no file number and no name. Raises
        `xraybatch.FilmError` with a status for every file that it cannot read whole; whatever else
        it raises becomes ``corrupt`` with that error's text.
    read_reduced : callable or None
        For formats that can be decoded at a smaller scale at less cost: ``read_reduced(file,
        limits, frame, reducible) -> StoredImage``, asked instead of `read`. ``reducible(rows,
        columns, orientation) -> float`` says how many times at most the film may be reduced; below
        1: not at all.
    open_frames : callable or None
        For files of many frames, so that each does not cost the whole file: ``open_frames(file,
        limits) -> read_frame``, and ``read_frame(frame: int) -> StoredImage`` gives what `read`
        gives, in any order, also after another frame failed. `file` stays open meanwhile.
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes], bool]
    read: Callable[[BinaryIO, Limits, int], StoredImage]
    read_reduced: Callable[[BinaryIO, Limits, int, Reducible], StoredImage] | None = None
    open_frames: Callable[[BinaryIO, Limits], ReadFrame] | None = None
