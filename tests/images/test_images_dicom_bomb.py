"""A small file that unpacks to a header without end must not hold up a run."""

from __future__ import annotations

import zlib

import pytest

from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.images.decode import decode
from xraybatch.images.rule import DecodingRule

DEFLATED = b"1.2.840.10008.1.2.1.99"


def test_a_header_of_a_million_empty_elements_is_refused() -> None:
    syntax = b"\x02\x00\x10\x00UI" + len(DEFLATED).to_bytes(2, "little") + DEFLATED
    meta = b"\x02\x00\x00\x00UL\x04\x00" + len(syntax).to_bytes(4, "little") + syntax
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(b"\x08\x00\x01\x00UL\x00\x00" * 1_000_000) + packer.flush()
    assert len(body) < 50_000
    with pytest.raises(FilmError, match="parts") as caught:
        decode(bytes(128) + b"DICM" + meta + body, DecodingRule(32, 24))
    assert caught.value.status is FilmStatus.CORRUPT
