"""Which library decodes which transfer syntax, and the one call that decodes a frame.

The first codec of a row that is installed and fit decodes; another is never tried after an error,
because what one refuses another fills with grey. Those beside Pillow and pydicom are the extra
``dicom``.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEGTransferSyntaxes,
    RLELossless,
)

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.images.readers.dicom_codestream import Inner, inner_header
from xraybatch.images.readers.dicom_gdcm import overheard


@dataclass(frozen=True)
class Codec:
    """A decoding plugin of pydicom.

    Attributes
    ----------
    plugin : str
        What pydicom calls it.
    distribution : str
        The package that decodes.
    module : str
        Of ours that holds the plugin; empty: pydicom has it itself.
    bits : int
        The most bits a sample that it decodes right.
    colour : bool
        Whether it decodes colour right.
    """

    plugin: str
    distribution: str
    module: str = ""
    bits: int = 16
    colour: bool = True


_OURS = "xraybatch.images.readers"
_RLE = Codec("pydicom", "pydicom", bits=32)
_PILLOW = Codec("pillow", "pillow", bits=8)
_PILLOW_2000 = Codec("pillow", "pillow", colour=False)
_GDCM = Codec("gdcm", "python-gdcm")
_CHARLS = Codec("pyjpegls", "pyjpegls")
_OPENJPEG = Codec("openjpeg", "pylibjpeg-openjpeg", f"{_OURS}.dicom_openjpeg", bits=32)
_TWELVE_BITS = Codec("imagecodecs", "imagecodecs", f"{_OURS}.dicom_imagecodecs", 12, colour=False)

CODECS: dict[str, tuple[Codec, ...]] = {
    RLELossless: (_RLE,),
    JPEGBaseline8Bit: (_PILLOW,),
    JPEGExtended12Bit: (_PILLOW, _TWELVE_BITS),
    JPEGLossless: (_GDCM,),
    JPEGLosslessSV1: (_GDCM,),
    JPEGLSLossless: (_CHARLS,),
    JPEGLSNearLossless: (_CHARLS,),
    JPEG2000Lossless: (_OPENJPEG, _PILLOW_2000),
    JPEG2000: (_OPENJPEG, _PILLOW_2000),
    HTJ2KLossless: (_OPENJPEG,),
    HTJ2KLosslessRPCL: (_OPENJPEG,),
    HTJ2K: (_OPENJPEG,),
}

_RLE_HEADER = 64  # bytes
_LOSSY_JPEG = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit})


def decode_frame(frame: bytes, header: Dataset, syntax: UID) -> tuple[NDArray[Any], str, str]:
    """Decode one compressed frame.

    Parameters
    ----------
    frame : bytes
        Its fragments, joined.
    header : Dataset
    syntax : UID
        One of `CODECS`.

    Returns
    -------
    ndarray
        Shape (rows, columns) or (rows, columns, 3).
    str
        Their photometric interpretation; that of the header or what decoding made of it.
    str
        The library that decoded, with its version.

    Raises
    ------
    FilmError
        ``corrupt`` where the codestream contradicts the header, ``truncated`` where it is cut,
        ``unsupported`` without a codec; the sentence names the extra.
    """
    inner = inner_header(frame, syntax)
    if inner is None:
        _check_runs(frame, header)
    else:
        _check_inner(inner, header, syntax)
    codec = _choose(inner, header, syntax)
    options = as_pixel_options(
        header, transfer_syntax_uid=syntax, pixel_keyword="PixelData", pixel_vr="OB"
    )
    options.pop("extended_offsets", None)
    options["number_of_frames"] = 1
    if syntax in _LOSSY_JPEG:  # white that a lossy codec overshoots has bits above those stored
        options["correct_unused_bits"] = False
    try:
        with overheard() if codec is _GDCM else nullcontext():
            values, said = _decoder(syntax, codec).as_array(
                encapsulate([inner.bare if inner and inner.bare else frame], has_bot=False),
                index=0,
                raw=True,
                decoding_plugin=codec.plugin,
                **options,
            )
    except RuntimeError as error:
        raise _refused(str(error), codec) from error
    photometric = str(said["photometric_interpretation"])
    if codec is _PILLOW and inner is not None and inner.transformed and photometric[:3] == "YBR":
        photometric = "RGB"  # Pillow goes by the marker, whatever the header says
    return values, photometric, _named(codec.distribution)


def _refused(said: str, codec: Codec) -> Exception:
    """What became of a frame that a codec gave up; its own words stand behind its name."""
    words = said.rpartition(f"{codec.plugin}:")[2].strip()
    if codec is _RLE and words.startswith("The amount of decoded RLE"):
        return FilmError(
            FilmStatus.TRUNCATED, "The DICOM's frame in runs ends before its last row."
        )
    if codec is _GDCM and "NoneType" in words:  # it hands out nothing
        return FilmError(FilmStatus.CORRUPT, "The DICOM's compressed picture cannot be decoded.")
    return RuntimeError(words)


def _check_inner(inner: Inner, header: Dataset, syntax: UID) -> None:
    """The codestream's size and depth must be the header's."""
    said = int(header.Rows), int(header.Columns), int(header.SamplesPerPixel)
    if (inner.rows, inner.columns, inner.samples) != said:
        raise FilmError(
            FilmStatus.CORRUPT,
            f"The DICOM says {said[0]} x {said[1]} pixels of {said[2]} samples, its compressed "
            f"picture {inner.rows} x {inner.columns} of {inner.samples}.",
        )
    allocated = int(header.BitsAllocated)
    fits = inner.bits <= allocated
    if syntax in JPEGTransferSyntaxes:  # these codecs go by the header's width
        fits = (allocated == 8) == (inner.bits <= 8) and inner.bits <= 16
    if not fits:
        raise FilmError(
            FilmStatus.CORRUPT,
            f"The DICOM has {allocated} bits a sample, its compressed picture {inner.bits}.",
        )


def _check_runs(frame: bytes, header: Dataset) -> None:
    """A header must be there; and runs much longer than plain values unpack without end."""
    if len(frame) < _RLE_HEADER:
        raise FilmError(FilmStatus.TRUNCATED, "The DICOM's frame in runs ends inside its header.")
    plain = int(header.Rows) * int(header.Columns) * int(header.SamplesPerPixel)
    plain *= max(1, int(header.BitsAllocated) // 8)
    if len(frame) > 2 * plain + 1024:
        raise FilmError(
            FilmStatus.CORRUPT,
            f"The DICOM's frame of {plain} bytes is compressed to {len(frame)} bytes.",
        )


def _choose(inner: Inner | None, header: Dataset, syntax: UID) -> Codec:
    colour = int(header.SamplesPerPixel) > 1
    bits = int(header.BitsStored)
    fit = [
        codec
        for codec in CODECS[syntax]
        if max(bits, inner.bits if inner else 0) <= codec.bits and (codec.colour or not colour)
    ]
    for codec in fit:
        if codec.plugin in _decoder(syntax, codec).available_plugins:
            return codec
    what = f"{'Colour' if colour else 'Grey'} of {bits} bits, written as {syntax.name} ({syntax}),"
    if fit:
        sentence = f"{what} needs a codec that is not installed: pip install 'xraybatch[dicom]'."
    else:
        sentence = f"{what} is read by no codec."
    raise FilmError(FilmStatus.UNSUPPORTED, sentence)


@cache
def _named(distribution: str) -> str:
    return f"{distribution} {version(distribution)}"


@cache
def _decoder(syntax: UID, codec: Codec) -> Decoder:
    """pydicom's decoder of a syntax; for our own plugins one that no other program's films meet."""
    if not codec.module:
        return get_decoder(syntax)
    decoder = Decoder(syntax)
    decoder.add_plugin(codec.plugin, (codec.module, "decode_frame"))
    return decoder
