"""Which format a file is, by its first bytes alone; a name is never asked.

Each function takes the first bytes of a file (4 KiB at most) and answers in microseconds, so that a
walk over a million files can ask.
"""

from __future__ import annotations

PNG = b"\x89PNG\r\n\x1a\n"

# Value representations that the first elements of a data set (group 0008) can have.
_EARLY_VRS = frozenset(
    {b"UL", b"UI", b"CS", b"DA", b"TM", b"DT", b"SH", b"LO", b"PN", b"ST", b"SQ", b"AE", b"OB"}
)
_LONG_VRS = frozenset({b"SQ", b"OB"})  # two reserved bytes, then a length of four
_LAST_EARLY_ELEMENT = 0x0100
_PLAUSIBLE_LENGTH = 1024


def is_png(head: bytes) -> bool:
    """Whether a file begins as PNG does, also one that ends in the middle of the signature."""
    return head.startswith(PNG) or (len(head) >= 4 and PNG.startswith(head))


def is_jpeg(head: bytes) -> bool:
    """Whether a file begins with JPEG's start of image and a further marker."""
    return head.startswith(b"\xff\xd8\xff") or head == b"\xff\xd8"


def is_tiff(head: bytes) -> bool:
    """Whether a file begins as classic or big TIFF of either byte order.

    A DICOM preamble may hold the start of a TIFF; such a file is DICOM.
    """
    return head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")) and not has_preamble(head)


def is_bmp(head: bytes) -> bool:
    """Whether a file begins as BMP with a header that Windows or OS/2 wrote."""
    return head.startswith(b"BM") and len(head) >= 18 and 12 <= head[14] <= 124


def is_gif(head: bytes) -> bool:
    """Whether a file begins as GIF."""
    return head.startswith((b"GIF87a", b"GIF89a"))


def is_webp(head: bytes) -> bool:
    """Whether a file begins as WebP."""
    return head.startswith(b"RIFF") and head[8:12] == b"WEBP"


def is_jpeg2000(head: bytes) -> bool:
    """Whether a file begins as JPEG 2000: boxed (JP2) or a bare codestream."""
    return head.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"))


def is_dicom(head: bytes) -> bool:
    """Whether a file is DICOM, with the preamble or as a bare data set (group 0002 or 0008)."""
    return has_preamble(head) or bare_syntax(head) is not None


def has_preamble(head: bytes) -> bool:
    """Whether the 128 bytes of preamble and ``DICM`` are there."""
    return head[128:132] == b"DICM"


def bare_syntax(head: bytes) -> str | None:
    """How a data set without preamble is written, judged by its first element.

    Returns
    -------
    {"meta", "implicit", "explicit", "big"} or None
        "meta": it begins with file meta information that says how the rest is written; None: it is
        no data set.
    """
    if len(head) < 12:
        return None
    for order in ("little", "big"):
        group = int.from_bytes(head[:2], order)
        element = int.from_bytes(head[2:4], order)
        if group not in (0x0002, 0x0008) or element > _LAST_EARLY_ELEMENT:
            continue
        vr = head[4:6]
        if vr in _EARLY_VRS:
            length = head[8:12] if vr in _LONG_VRS else head[6:8]
            plausible = vr in _LONG_VRS or int.from_bytes(length, order) <= _PLAUSIBLE_LENGTH
            written = "explicit" if order == "little" else "big"
        else:
            plausible = (
                order == "little" and int.from_bytes(head[4:8], "little") <= _PLAUSIBLE_LENGTH
            )
            written = "implicit"
        if plausible:
            return "meta" if group == 0x0002 else written
    return None
