"""DICOM: plain and deflated pixels by pydicom, compressed ones by the codecs of `dicom_codecs`.

The header is read up to the pixels and judged before anything is decoded. pydicom alone hands back
an empty data set for a cut file, reads anything with ``force``, and takes the wrong bits of a film
whose high bit is not the usual one; each of these is looked for here.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.extension.records import Limits, StoredImage
from xraybatch.extension.records.image import ReadFrame
from xraybatch.images.readers.dicom_codecs import CODECS, decode_frame
from xraybatch.images.readers.dicom_colour import SAMPLES, UNREAD, in_colour
from xraybatch.images.readers.dicom_display import display_hints
from xraybatch.images.readers.dicom_fragments import Fragment, find_fragments, frame_of
from xraybatch.images.readers.dicom_stream import Opened, find_pixels, open_header
from xraybatch.images.readers.dicom_tags import facts_of
from xraybatch.images.readers.raster import check_cost, check_frame

_NATIVE = frozenset(
    {
        *(ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian),
        DeflatedExplicitVRLittleEndian,
    }
)
_READER = f"pydicom {pydicom.__version__}"
_NEEDED = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored")


def read(file: BinaryIO, limits: Limits, frame: int) -> StoredImage:
    """Decode one frame; objects without pixels are ``no_pixels``."""
    return open_frames(file, limits)(frame)


def open_frames(file: BinaryIO, limits: Limits) -> ReadFrame:
    """Read and judge the header, so that each frame costs no more than itself."""
    found = open_header(file, limits)
    header = found.header
    facts_of(header)  # a film that is left out is not looked at further
    find_pixels(found)
    frames = _check(header, limits)
    fragments = _check_whole(found, frames)

    def read_frame(frame: int) -> StoredImage:
        facts = facts_of(header)
        notes = check_frame(frame, frames)
        found.begin_frame()
        if found.encapsulated:
            compressed = frame_of(found, fragments, frame, frames)
            values, photometric, codec = decode_frame(compressed, header, found.syntax)
            reader = _READER if codec == _READER else f"{_READER}, {codec}"
        else:
            values, photometric = _plain(found, frame)
            reader = _READER
        hints, remarks = display_hints(header, frame, found.little_endian)
        return StoredImage(
            array=in_colour(values, photometric, header),
            hints=hints,
            format="DICOM",
            reader=reader,
            frames=frames,
            notes=(*notes, *remarks),
            facts=facts,
        )

    return read_frame


def _check(header: Dataset, limits: Limits) -> int:
    """Judge the header; answers how many frames there are."""
    for keyword in _NEEDED:
        if not isinstance(header.get(keyword), int):
            raise FilmError(FilmStatus.CORRUPT, f"The DICOM has no {keyword}, or several.")
    allocated, stored = int(header.BitsAllocated), int(header.BitsStored)
    high = header.get("HighBit")
    samples = int(header.SamplesPerPixel)
    if not 1 <= stored <= allocated:
        raise FilmError(
            FilmStatus.CORRUPT, f"The DICOM says that {stored} of {allocated} bits are stored."
        )
    if allocated not in (1, 8, 16, 32):
        raise FilmError(FilmStatus.UNSUPPORTED, f"The DICOM has {allocated} bits a sample.")
    if high is not None and int(high) != stored - 1:
        raise FilmError(
            FilmStatus.UNSUPPORTED,
            f"The DICOM's {stored} bits end at bit {int(high)}; only those that end at bit "
            f"{stored - 1} are read.",
        )
    photometric = str(header.PhotometricInterpretation)
    if photometric not in SAMPLES:
        raise FilmError(
            FilmStatus.UNSUPPORTED,
            f"The DICOM's pixels are {photometric if photometric in UNREAD else 'of no known kind'}"
            ", which is not read.",
        )
    if samples != SAMPLES[photometric]:
        raise FilmError(
            FilmStatus.CORRUPT, f"The DICOM says {photometric} with {samples} samples a pixel."
        )
    announced = header.get("NumberOfFrames")
    frames = 1 if announced in (None, "", 0) else int(announced)
    if frames < 1:
        raise FilmError(FilmStatus.CORRUPT, f"The DICOM says it has {frames} frames.")
    if photometric == "PALETTE COLOR":  # three samples of up to 16 bits come out
        samples, allocated = 3, 16
    check_cost(int(header.Rows), int(header.Columns), samples, max(1, allocated // 8), limits)
    return frames


def _check_whole(found: Opened, frames: int) -> list[Fragment]:
    """Compare what the header announces with what the file holds; answers the fragments."""
    header, stream = found.header, found.stream
    available = stream.seek(0, io.SEEK_END) - found.start
    stream.seek(found.start)
    fragments = find_fragments(stream) if found.encapsulated else []
    # MPEG and private syntaxes may be laid out in any way, these not
    natural = found.syntax in _NATIVE or found.syntax in CODECS
    if natural and (found.syntax in _NATIVE) == found.encapsulated:
        raise FilmError(
            FilmStatus.CORRUPT,
            f"The DICOM says {found.syntax.name}, but its pixels are written otherwise.",
        )
    if not natural:
        raise FilmError(
            FilmStatus.UNSUPPORTED,
            f"The DICOM's pixels are written as {_called(found.syntax)}, which no codec reads.",
        )
    if found.encapsulated:
        return fragments
    pixels = int(header.Rows) * int(header.Columns) * int(header.SamplesPerPixel)
    bits = frames * pixels * int(header.BitsAllocated)
    if header.get("PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3
    needed = (bits + 7) // 8
    if available < found.length or found.length < needed:
        raise FilmError(
            FilmStatus.TRUNCATED,
            f"The DICOM is cut short: {min(available, found.length)} bytes of pixels of "
            f"{max(needed, found.length)}.",
        )
    return fragments


def _plain(found: Opened, frame: int) -> tuple[NDArray[Any], str]:
    options = as_pixel_options(
        found.header,
        transfer_syntax_uid=found.syntax,
        pixel_keyword="PixelData",
        pixel_vr=found.pixel_vr,
    )
    decoder = get_decoder(found.syntax)
    values, said = decoder.as_array(found.stream, index=frame, raw=True, **options)
    return values, str(said["photometric_interpretation"])


def _called(syntax: UID) -> str:
    """The name and number of a transfer syntax of the standard; of any other nothing is quoted."""
    return f"{syntax.name} ({syntax})" if syntax in AllTransferSyntaxes else "no known syntax"
