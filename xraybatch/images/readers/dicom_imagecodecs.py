"""A decoding plugin of pydicom: JPEG with 12 bits a sample by imagecodecs.

pydicom refuses these films with every other library. The values are handed on as they are: a lossy
film of 10 bits can hold 1024, which is white and would be black if bits were cut off.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import JPEGExtended12Bit

DECODER_DEPENDENCIES = {JPEGExtended12Bit: ("imagecodecs",)}

_SPARE_BITS = 16 - 12


def is_available(uid: str) -> bool:
    """Whether the library is installed and reads a transfer syntax."""
    return uid in DECODER_DEPENDENCIES and find_spec("imagecodecs") is not None


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode one grey frame to 16 bits; JPEG knows no sign, so that of the header is extended."""
    from imagecodecs import jpeg_decode

    values = np.asarray(jpeg_decode(src))
    if values.shape != (runner.rows, runner.columns) or values.dtype != np.uint16:
        raise ValueError(f"12-bit JPEG came out as {values.dtype} of shape {values.shape}")
    if runner.pixel_representation == 1:
        values = (values << _SPARE_BITS).view(np.int16) >> _SPARE_BITS
    runner.set_option("bits_allocated", 16)
    return values.tobytes()
