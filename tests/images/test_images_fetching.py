"""Films that are elsewhere: fetched by whatever is given, ahead, and each with its own outcome."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xraybatch.core.errors import InputError
from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.images import pool as pool_module
from xraybatch.images.decode import decode
from xraybatch.images.fetching import ReadAhead, Reading, Reads
from xraybatch.images.kept import FilmSource
from xraybatch.images.pool import DecodingPool
from xraybatch.images.rule import DecodingRule

HERE = Path(__file__).parent
RULE = DecodingRule(8, 8)
TROUBLE = "troublesome_readers:readers"


@pytest.fixture
def fetches(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    import troublesome_fetch

    return troublesome_fetch


def remote(path, frame=0, size=0, etag=""):
    return FilmSource(path, path, frame, size=size, etag=etag, is_remote=True)


def words(*said):
    """Sources of `grey` films, with other words at chosen places: ``{3: "missing"}``."""
    count, others = said
    return [remote(f"test://{others.get(i, 'grey')}/{i}") for i in range(count)]


def png(seed):
    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (30, 20), np.uint8)).save(file, "PNG")
    return file.getvalue()


def tiff(frames):
    rng = np.random.default_rng(7)
    pages = [Image.fromarray(rng.integers(0, 256, (30, 20), np.uint8)) for _ in range(frames)]
    file = io.BytesIO()
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    return file.getvalue()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_film_is_the_same_wherever_it_is(fetches, tmp_path, workers):
    rule = DecodingRule(24, 16)
    films = {f"test://bucket/{i}.png": png(i) for i in range(40)}
    local = tmp_path / "local.png"
    local.write_bytes(png(99))
    sources = [remote(path, size=len(content), etag="a") for path, content in films.items()]
    sources.insert(5, FilmSource(str(local), local.name))  # both kinds in one run
    with DecodingPool(rule, workers=workers, fetch=fetches.DictFetch(films)) as pool:
        found = list(pool.decode(sources))
    want = [decode(content, rule).pixels for content in films.values()]
    want.insert(5, decode(png(99), rule).pixels)
    assert [one.index for one in found] == list(range(41))
    assert all(np.array_equal(a, b.film) for a, b in zip(want, found, strict=True))
    assert found[5].fetching == 0
    assert all(one.seconds > 0 for one in found)


@pytest.mark.parametrize("workers", [0, 2])
def test_each_trouble_is_its_film_s_alone(fetches, monkeypatch, workers):
    monkeypatch.syspath_prepend(str(HERE))
    said = {3: "missing", 9: "bug", 10: "slow", 20: "memory"}
    with DecodingPool(
        RULE, workers=workers, timeout=2.0, readers_from=TROUBLE, fetch=fetches.WordFetch()
    ) as pool:
        found = list(pool.decode(words(40, said)))
    want = {3: "missing", 9: "unavailable", 20: "too_large"}
    assert {i: str(one.status) for i, one in enumerate(found) if one.status != "ok"} == want
    assert all((one.film == i).all() for i, one in enumerate(found) if one.film is not None)
    assert "secret" not in found[9].sentence
    # the time limit is that of decoding
    assert sum(one.fetching for one in found) > 2 > found[10].seconds


def test_a_process_that_dies_while_it_fetches_costs_one_film(fetches, tmp_path):
    said = {4: "dies", 21: "dies_once"}
    with DecodingPool(
        RULE, workers=2, readers_from=TROUBLE, fetch=fetches.WordFetch(tmp_path)
    ) as pool:
        found = list(pool.decode(words(40, said)))
    assert {i: str(one.status) for i, one in enumerate(found) if one.status != "ok"} == {
        4: "crashed"
    }


@pytest.mark.parametrize("workers", [0, 2])
def test_what_stops_the_run_reaches_the_person(fetches, workers):
    with DecodingPool(
        RULE, workers=workers, readers_from=TROUBLE, fetch=fetches.WordFetch()
    ) as pool:
        decoding = pool.decode(words(60, {45: "stop"}))
        with pytest.raises(InputError, match="credentials have expired") as stopped:
            list(decoding)
        assert stopped.value.hint == "Get new ones."
        assert [str(one.status) for one in pool.decode(words(40, {}))] == ["ok"] * 40


@pytest.mark.parametrize("workers", [0, 1])
def test_so_many_are_read_at_once_and_no_more(fetches, tmp_path, monkeypatch, workers):
    monkeypatch.setattr(pool_module, "FEW", 1)
    fetch = fetches.CountingFetch(4, 4, str(tmp_path))
    with DecodingPool(RULE, workers=workers, readers_from=TROUBLE, fetch=fetch) as pool:
        found = list(pool.decode([remote(f"test://grey/{i}") for i in range(16)]))
    assert [str(one.status) for one in found] == ["ok"] * 16
    assert [int(file.read_text()) for file in tmp_path.iterdir()] == [4]


@pytest.mark.parametrize("workers", [0, 1])
def test_frames_of_a_film_are_one_read(fetches, tmp_path, workers):
    content, log = tiff(12), tmp_path / "log"
    fetch = fetches.DictFetch({"test://b/a.tif": content, "test://b/b.tif": content}, log=log)
    sources = [remote("test://b/a.tif", frame, len(content), "x") for frame in range(12)]
    sources += [remote("test://b/b.tif", frame, len(content), "x") for frame in (3, 4)]
    with DecodingPool(RULE, workers=workers, fetch=fetch) as pool:
        found = list(pool.decode(sources))
    want = [decode(content, RULE, frame=source.frame).pixels for source in sources]
    assert all(np.array_equal(a, b.film) for a, b in zip(want, found, strict=True))
    reads = log.read_text().splitlines()
    # the first frame may be the only one, so that a process reads the others on their own
    assert len(reads) <= 4
    assert all(line.endswith(" x") for line in reads)


class Begins:
    """Reads at once what it is asked to, and counts."""

    def __init__(self):
        self.threads, self.begun = 3, 0

    def begin(self, source):
        self.begun += 1
        reading = Reading(source)
        reading.read(self, 10)
        return reading

    def read(self, path, size, etag, max_bytes):
        return path.encode()


@pytest.mark.parametrize(
    ("at", "most", "size", "begun"),
    [(0, 1e9, 1, 3), (2, 1e9, 1, 5), (9, 1e9, 1, 10), (0, 25, 10, 2), (0, 5, 10, 1), (1, 5, 10, 2)],
)
def test_films_read_ahead_are_few_and_small_enough(at, most, size, begun):
    """Bytes of at most three films, and not too many of them; one is always read."""
    reads = Begins()
    sources = [remote(f"test://b/{i}", size=size) for i in range(10)]
    ahead = ReadAhead(reads, sources, most, lambda _: False)
    for position in range(at + 1):
        assert ahead.wait(position).bytes_or_error() == sources[position].path.encode()
    assert reads.begun == begun


def test_a_film_larger_than_allowed_is_the_fetch_s_to_refuse(fetches):
    class Refuses:
        threads = 1

        def read(self, path, size, etag, max_bytes):
            raise FilmError(FilmStatus.TOO_LARGE, f"more than {max_bytes:,} bytes")

    reads = Reads(Refuses(), 1000)
    fetched = reads.begin(remote("test://b/a")).wait()
    reads.stop()
    assert fetched.error is not None
    assert fetched.error.status is FilmStatus.TOO_LARGE
    with pytest.raises(FilmError, match="more than 1,000"):
        fetched.bytes_or_error()
