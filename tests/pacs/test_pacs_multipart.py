from __future__ import annotations

import pytest

from tests.pacs.fake_dicomweb import KIND, multipart
from xraybatch.sources.dicomweb.multipart import NoPart, is_cut, only_part

# ends of lines, dashes, and what nearly is a boundary
FILM = b"\r\n--\r\n\r\n--film-boundar\r\n\0\xff--\n"


def test_a_film_comes_out_byte_for_byte() -> None:
    assert only_part(KIND, multipart(FILM)) == FILM
    assert only_part(KIND, b"preamble\r\n" + multipart(FILM) + b"\r\nepilogue") == FILM


@pytest.mark.parametrize("boundary", ["x", '"a b"', "0123456789'()+_,-./:=?"])
def test_a_boundary_may_be_quoted_and_odd(boundary: str) -> None:
    bare = boundary.strip('"')
    body = multipart(FILM).replace(b"film-boundary", bare.encode())
    quoted = f'multipart/related; boundary="{bare}"; type="application/dicom"'
    assert only_part(quoted, body) == FILM


def test_a_body_without_parts_is_the_film() -> None:
    assert only_part("application/dicom; transfer-syntax=*", FILM) == FILM
    assert not is_cut("application/dicom", FILM)


def test_a_body_that_was_cut_is_known_by_its_end() -> None:
    whole = multipart(FILM)
    assert not is_cut(KIND, whole)
    assert not is_cut(KIND, whole + b"\r\n")
    for length in range(len(whole) - 1):
        assert is_cut(KIND, whole[:length])


@pytest.mark.parametrize("body", [b"", b"nothing", b"--film-boundary\r\nno end of the head"])
def test_a_body_without_a_part_says_so(body: bytes) -> None:
    with pytest.raises(NoPart):
        only_part(KIND, body)
