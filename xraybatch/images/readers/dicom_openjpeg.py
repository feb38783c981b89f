"""A decoding plugin of pydicom: JPEG 2000 and HTJ2K by OpenJPEG, as pylibjpeg-openjpeg packs it.

pydicom's own plugin for it asks for pylibjpeg as well, which does no more than find it.
"""

from __future__ import annotations

from importlib.util import find_spec

from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import JPEG2000TransferSyntaxes

DECODER_DEPENDENCIES = dict.fromkeys(JPEG2000TransferSyntaxes, ("pylibjpeg-openjpeg",))


def is_available(uid: str) -> bool:
    """Whether the library is installed and reads a transfer syntax."""
    return uid in DECODER_DEPENDENCIES and find_spec("openjpeg") is not None


def decode_frame(src: bytes, runner: DecodeRunner) -> bytearray:
    """Decode one frame; the samples are as wide as their precision needs."""
    from openjpeg.utils import decode_pixel_data

    frame: bytearray = decode_pixel_data(src, version=2)
    precision = int(runner.get_option("j2k_precision", runner.bits_stored))
    runner.set_option("bits_allocated", 8 if precision <= 8 else 16 if precision <= 16 else 32)
    if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):  # undone while decoding
        runner.set_option("photometric_interpretation", "RGB")
    return frame
