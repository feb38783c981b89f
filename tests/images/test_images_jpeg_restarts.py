"""A JPEG with a hole: libjpeg fills it with grey and warns, and nobody hears it."""

from __future__ import annotations

import io
import itertools
import re

import numpy as np
import pytest
from PIL import Image

from xraybatch import FilmError, FilmStatus
from xraybatch.images.decode import decode
from xraybatch.images.readers.jpeg_restarts import check_restarts
from xraybatch.images.rule import DecodingRule

RULE = DecodingRule(32, 24, "stretch")
RESTART = re.compile(rb"\xff[\xd0-\xd7]")


def film(colour: bool = False, rows: int = 203, columns: int = 117) -> Image.Image:
    shape = (rows, columns, 3) if colour else (rows, columns)
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, shape, np.uint8))


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"restart_marker_rows": 1, **options})
    return buffer.getvalue()


def parts_of(data: bytes) -> list[bytes]:
    """The head with the first part, and each further part behind its marker."""
    starts = [found.start() for found in RESTART.finditer(data, data.index(b"\xff\xda"))]
    return [data[a:b] for a, b in itertools.pairwise([0, *starts, len(data)])]


def status_of(data: bytes) -> tuple[str, str]:
    try:
        decode(data, RULE, name="film.jpg")
    except FilmError as error:
        return str(error.status), error.sentence
    return "ok", ""


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("every", [{"restart_marker_rows": 2}, {"restart_marker_blocks": 3}])
def test_whole_ones_are_read(
    colour: bool, subsampling: int, progressive: bool, every: dict[str, int]
) -> None:
    image = film(colour)
    options = {"subsampling": subsampling} if colour else {}
    data = jpeg(image, **{"restart_marker_rows": 0, **every}, progressive=progressive, **options)
    assert RESTART.search(data)
    assert status_of(data) == ("ok", "")


@pytest.mark.parametrize("lost", [[1], [5], [9, 10], list(range(3, 11)), [25], [24, 25]])
def test_parts_that_are_lost_are_seen(lost: list[int]) -> None:
    parts = parts_of(jpeg(film()))
    assert len(parts) == 26  # 203 rows of pixels are 26 rows of blocks
    holed = b"".join(part for i, part in enumerate(parts) if i not in lost)
    if 25 in lost:
        holed += b"\xff\xd9"  # which went with the last part
    Image.open(io.BytesIO(holed)).load()  # nothing is said of it
    status, sentence = status_of(holed)
    assert status == "corrupt"
    assert "a part of the picture is missing" in sentence


def test_parts_that_change_places_or_stand_twice_are_seen() -> None:
    parts = parts_of(jpeg(film()))
    swapped = [*parts[:4], parts[5], parts[4], *parts[6:]]
    assert "do not follow each other" in status_of(b"".join(swapped))[1]
    twice = [*parts[:12], *parts[4:]]  # eight of them: the numbers go on
    assert "a scan has 33 restart markers, not 25" in status_of(b"".join(twice))[1]


def test_a_lost_part_of_a_later_scan_is_seen() -> None:
    data = jpeg(film(colour=True), progressive=True)
    last = data.rindex(b"\xff\xda")
    starts = [found.start() for found in RESTART.finditer(data, last)]
    assert status_of(data[: starts[2]] + data[starts[3] :])[0] == "corrupt"


def test_one_marker_too_many_at_the_end_is_no_hole() -> None:
    data = jpeg(film())
    assert data.endswith(b"\xff\xd9")
    assert status_of(data[:-2] + b"\xff" + bytes([0xD0 + 25 % 8]) + b"\xff\xd9") == ("ok", "")


def test_a_cut_one_stays_cut() -> None:
    data = jpeg(film())
    assert status_of(data[: len(data) // 2])[0] == "truncated"


def test_without_restart_markers_the_picture_is_not_looked_at() -> None:
    class Counting(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1) -> bytes:
            found = super().read(size)
            self.taken += len(found)
            return found

    file = Counting(jpeg(film(), restart_marker_rows=0))
    check_restarts(file)
    assert file.taken < 100


@pytest.mark.parametrize("end", range(0, 700, 7))
def test_cut_headers_are_left_to_the_decoder(end: int) -> None:
    data = jpeg(film())[:end]
    check_restarts(io.BytesIO(data))  # raises nothing


def test_many_fill_bytes_cost_no_time() -> None:
    data = jpeg(film())
    first = RESTART.search(data, data.index(b"\xff\xda")).start()
    filled = data[:first] + b"\xff" * 3_000_000 + data[first:]
    check_restarts(io.BytesIO(filled))  # hours, if every start were tried to its end


def test_a_hole_in_a_dicom_is_seen() -> None:
    from xraybatch.images.readers.dicom_codestream import inner_header

    baseline = "1.2.840.10008.1.2.4.50"
    parts = parts_of(jpeg(film()))
    assert inner_header(b"".join(parts), baseline).rows == 203
    with pytest.raises(FilmError, match="a part of the picture is missing") as caught:
        inner_header(b"".join(parts[:7] + parts[8:]), baseline)
    assert caught.value.status is FilmStatus.CORRUPT
