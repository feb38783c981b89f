"""What the header of a file says of colour and compression, and who made it, by format.

Only what belongs to no person: of a maker the well-known name, of a text nothing.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from xraybatch.images.faults import one_status
from xraybatch.images.readers.magic import PNG

# Makers whose devices are everywhere; another one is "other", so that no hospital's own text gets
# into a table.
_MAKERS = (
    *("agfa", "canon", "carestream", "fuji", "ge", "hologic", "kodak", "konica", "lodox"),
    *("philips", "planmed", "rayence", "samsung", "sectra", "shimadzu", "siemens", "swissray"),
    *("toshiba", "varian", "vidar", "vieworks", "lumisys", "imix", "oldelft", "trixell"),
)
_OTHER = "other"
_PNG_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_PHOTOMETRIC = {
    0: "WhiteIsZero", 1: "BlackIsZero", 2: "RGB", 3: "Palette", 4: "Mask", 5: "CMYK", 6: "YCbCr",
}  # fmt: skip
_TIFF_PACKING = {
    1: "none", 2: "CCITT", 3: "CCITT 3", 4: "CCITT 4", 5: "LZW", 6: "old JPEG", 7: "JPEG",
    8: "deflate", 32773: "PackBits", 32946: "deflate", 34712: "JPEG 2000", 50000: "Zstandard",
}  # fmt: skip
_MOST_SEGMENTS = 2000
_DICOM_TAGS = ["PhotometricInterpretation", "Modality", "Manufacturer", "PresentationLUTShape"]
_MODALITIES = frozenset(
    {"CR", "DX", "RG", "MG", "PX", "IO", "XA", "RF", "CT", "MR", "NM", "US", "PT", "SC", "OT", "SM"}
    | {"BMD", "ES", "XC", "GM", "DG", "LS", "OP", "SEG", "RTIMAGE"}
)

# The luminance table of Annex K, in zig-zag order: what quality 50 of libjpeg is.
_LUMINANCE = (
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37,
    29, 40, 58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81,
    87, 95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What a header says; empty or None where it says nothing.

    Attributes
    ----------
    colour : str
        ``grey``, ``RGB``, ``palette`` …
    photometric : str
        Photometric interpretation of DICOM or TIFF.
    compression : str
        How the pixels are packed: ``baseline``, ``deflate``, ``JPEG 2000 Lossless`` …
    quality : int or None
        Of a JPEG: what libjpeg would have been told for tables of this coarseness, 1 to 100.
    tables : int or None
        Of a JPEG: the sum of its quantisation tables, which tells one saver from another.
    subsampling : str
        Of a colour JPEG: ``4:4:4``, ``4:2:0`` …
    exif : bool
        Whether there is a block of Exif.
    modality : str
        Of a DICOM.
    maker : str
        Of a DICOM: a well-known maker's name, or ``other``.
    """

    colour: str = ""
    photometric: str = ""
    compression: str = ""
    quality: int | None = None
    tables: int | None = None
    subsampling: str = ""
    exif: bool = False
    modality: str = ""
    maker: str = ""


def header_facts(file: BinaryIO, reader: str) -> HeaderFacts:
    """Read the header of a file that a reader recognised; nothing where it cannot be understood.

    Parameters
    ----------
    file : binary file
        Seekable.
    reader : str
        The reader's name: ``jpeg``, ``png``, ``tiff``, ``dicom``; of others nothing is read.
    """
    look = _BY_READER.get(reader)
    if look is None:
        return HeaderFacts()
    file.seek(0)
    try:
        with one_status("The header"):  # which also keeps the libraries from warning aloud
            return look(file)
    except Exception:  # a hostile header breaks in as many ways as there are libraries
        return HeaderFacts()


def jpeg_quality(table: tuple[int, ...]) -> int:
    """The quality that libjpeg makes a luminance table from, 1 to 100; the nearest for others.

    Parameters
    ----------
    table : tuple of int
        64 entries in zig-zag order.
    """
    # clipped entries (1 and 255) say less than they are
    used = [(t, s) for t, s in zip(table, _LUMINANCE, strict=True) if 1 < t < 255]
    if not used:
        return 100 if sum(table) <= 64 else 1
    scale = 100.0 * sum(t for t, _ in used) / sum(s for _, s in used)
    quality = (200.0 - scale) / 2 if scale <= 100 else 5000.0 / scale
    return int(min(100, max(1, round(quality))))


def _jpeg(file: BinaryIO) -> HeaderFacts:
    file.seek(2)
    tables: dict[int, tuple[int, ...]] = {}
    colour = compression = subsampling = ""
    exif = False
    for _ in range(_MOST_SEGMENTS):
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF or marker[1] in (0xD9, 0xDA):
            break
        if marker[1] == 0xFF:  # a fill byte
            file.seek(-1, io.SEEK_CUR)
            continue
        (length,) = struct.unpack(">H", file.read(2))
        code = marker[1]
        if code == 0xDB or (0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC)):
            body = file.read(length - 2)
            if code == 0xDB:
                tables.update(_quantisation(body))
            else:
                compression = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive"}.get(
                    code, f"SOF{code - 0xC0}"
                )
                colour, subsampling = _components(body)
        elif code == 0xE1:
            body = file.read(min(length - 2, 6))
            exif = exif or body.startswith(b"Exif")
            file.seek(length - 2 - len(body), io.SEEK_CUR)
        else:
            file.seek(length - 2, io.SEEK_CUR)
    first = tables.get(0)
    return HeaderFacts(
        colour=colour,
        compression=compression,
        quality=jpeg_quality(first) if first else None,
        tables=sum(map(sum, tables.values())) if tables else None,
        subsampling=subsampling,
        exif=exif,
    )


def _quantisation(body: bytes) -> dict[int, tuple[int, ...]]:
    found = {}
    at = 0
    while at < len(body):
        wide, number = body[at] >> 4, body[at] & 15
        size = 128 if wide else 64
        entries = body[at + 1 : at + 1 + size]
        if len(entries) < size:
            break
        found[number] = tuple(struct.unpack(">64H" if wide else "64B", entries))
        at += 1 + size
    return found


def _components(body: bytes) -> tuple[str, str]:
    count = body[5]
    if count != 3:
        return {1: "grey", 4: "CMYK"}.get(count, f"{count} samples"), ""
    across, down = body[7] >> 4, body[7] & 15
    known = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}
    return "RGB", known.get((across, down), f"{across}x{down}")


def _png(file: BinaryIO) -> HeaderFacts:
    head = file.read(len(PNG) + 8 + 13)
    depth, colour, interlace = head[24], head[25], head[28]
    bits = f" {depth}-bit" if depth not in (8, 16) else ""
    return HeaderFacts(
        colour=_PNG_COLOURS.get(colour, "") + bits,
        compression="deflate, interlaced" if interlace else "deflate",
    )


def _tiff(file: BinaryIO) -> HeaderFacts:
    from PIL.TiffImagePlugin import TiffImageFile

    with TiffImageFile(file) as image:
        tags: Any = image.tag_v2
        samples = int(tags.get(277, 1))
        photometric = int(tags.get(262, 1))
        packing = int(tags.get(259, 1))
    colour = "palette" if photometric == 3 else {1: "grey", 2: "grey with alpha"}.get(samples, "")
    return HeaderFacts(
        colour=colour or _PHOTOMETRIC.get(photometric, ""),
        photometric=_PHOTOMETRIC.get(photometric, str(photometric)),
        compression=_TIFF_PACKING.get(packing, str(packing)),
    )


def _dicom(file: BinaryIO) -> HeaderFacts:
    import pydicom
    from pydicom.uid import UID

    from xraybatch.images.readers.dicom_colour import SAMPLES, UNREAD

    # a bare data set too: the reader has recognised it
    header = pydicom.dcmread(
        file, stop_before_pixels=True, force=True, specific_tags=[*_DICOM_TAGS, "SamplesPerPixel"]
    )
    syntax = getattr(header, "file_meta", {}).get("TransferSyntaxUID")
    photometric = str(header.get("PhotometricInterpretation", ""))
    samples = header.get("SamplesPerPixel", 1)
    samples = samples if isinstance(samples, int) else "several"
    colour = "grey" if photometric.startswith("MONOCHROME") else f"{samples} samples"
    modality = str(header.get("Modality", "")).strip().upper()
    return HeaderFacts(
        colour="palette" if photometric == "PALETTE COLOR" else colour,
        photometric=photometric
        if photometric in (*SAMPLES, *UNREAD)
        else _OTHER
        if photometric
        else "",
        compression=UID(syntax).name[:64] if syntax in _known_syntaxes() else "unknown",
        modality=modality if modality in _MODALITIES else _OTHER if modality else "",
        maker=_maker(str(header.get("Manufacturer", ""))),
    )


def _known_syntaxes() -> list[str]:
    from pydicom.uid import AllTransferSyntaxes

    return [str(uid) for uid in AllTransferSyntaxes]


def _maker(text: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    if not words:
        return ""
    return next((m for m in _MAKERS if any(_names(m, word) for word in words)), _OTHER)


def _names(maker: str, word: str) -> bool:
    """A short maker's name is a word, a long one may begin one: ``FUJIFILM``."""
    return word == maker if len(maker) < 4 else word.startswith(maker)


_BY_READER: dict[str, Callable[[BinaryIO], HeaderFacts]] = {
    "jpeg": _jpeg,
    "png": _png,
    "tiff": _tiff,
    "dicom": _dicom,
}
