"""How large chunks are, and that a large one loses no more than a small one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from xraybatch.core.status import FilmStatus
from xraybatch.images import chunk as chunk_module
from xraybatch.images.chunk import Chunk, ChunkSize
from xraybatch.images.crew import Crew
from xraybatch.images.kept import FilmSource
from xraybatch.images.pool import DecodingPool
from xraybatch.images.rule import DecodingRule
from xraybatch.images.worker import Outcome

HERE = Path(__file__).parent
TROUBLE = "troublesome_readers:readers"


def finished(films: int, seconds: float, fetching: float = 0.0) -> Chunk:
    """A chunk whose films took so long each."""
    chunk = Chunk(0, [(index, FilmSource("", "")) for index in range(films)])
    chunk.take([Outcome(FilmStatus.OK, "", (), seconds, fetching=fetching)] * films)
    return chunk


def sizes(least: int, most: int, *chunks: Chunk) -> list[int]:
    """What a size has learnt after each chunk."""
    size = ChunkSize(least, most)
    found = []
    for chunk in chunks:
        size.learn(chunk)
        found.append(size.films)
    return found


def test_quick_films_get_larger_chunks_and_slow_ones_smaller_again() -> None:
    quick, slow = finished(16, 0.0005), finished(16, 0.05)
    assert sizes(16, 64, quick, quick, quick, slow, slow, slow) == [32, 64, 64, 32, 16, 16]
    assert sizes(12, 30, quick, quick, slow) == [24, 30, 15]
    assert sizes(1, 1, quick, slow) == [1, 1]


def test_the_chunks_of_many_processes_fit_into_what_a_container_shares() -> None:
    """Docker gives a container 64 MB, and what does not fit is kept on its disk."""
    for workers in (1, 2, 8, 16, 64):
        pool = DecodingPool(DecodingRule(224, 224), workers=workers)
        assert pool._largest >= 16
        assert pool._largest == 16 or pool._slots * pool._largest * 224 * 224 <= 48 << 20


def test_films_that_come_slowly_are_not_quick() -> None:
    assert sizes(16, 64, finished(16, 0.0005, fetching=0.05)) == [16]


@pytest.mark.parametrize(
    ("quick", "side", "ahead", "most"),
    [
        (math.inf, 8, None, 64),
        (0.0, 8, None, 16),
        (math.inf, 8, 32, 16),  # no more than was asked for lie ready
        (math.inf, 512, None, 32),  # large films go in smaller chunks
        (math.inf, 1000, None, 8),
    ],
)
def test_a_film_that_crashes_takes_nothing_with_it_in_chunks_of_any_size(
    quick: float,
    side: int,
    ahead: int | None,
    most: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setattr(chunk_module, "_QUICK", quick)
    submitted: list[int] = []
    submit = Crew.submit

    def noted(self: Crew, chunk: Chunk) -> None:
        submitted.append(len(chunk.films))
        submit(self, chunk)

    monkeypatch.setattr(Crew, "submit", noted)
    sources = []
    for index in range(400):
        path = tmp_path / f"{index}.trouble"
        path.write_text(f"TROUBLE {'crash' if index in (150, 399) else f'grey {index % 256}'}")
        sources.append(FilmSource(str(path), path.name))
    rule = DecodingRule(side, side)
    with DecodingPool(rule, workers=2, readers_from=TROUBLE) as pool:
        for index, one in enumerate(pool.decode(sources, ahead=ahead)):
            assert one.index == index
            assert str(one.status) == ("crashed" if index in (150, 399) else "ok")
            assert one.film is None or (one.film == index % 256).all()
    assert max(submitted) == most
