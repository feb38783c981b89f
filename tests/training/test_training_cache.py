from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xraybatch.core.errors import InputError
from xraybatch.core.status import FilmStatus
from xraybatch.images.decode import decode_path
from xraybatch.images.film import film_digest
from xraybatch.images.rule import DecodingRule
from xraybatch.training.cache import by_reason, decode_films
from xraybatch.training.store import Store, cache_folder

RULE = DecodingRule(24, 20)


@pytest.fixture
def files(striped_films: Path) -> list[str]:
    return sorted(str(path) for path in striped_films.glob("*.png"))


def decoded_now(said: Any) -> int:
    return sum(total or 0 for label, total in said.stages if label == "decoding")


def test_films_are_those_of_the_one_decoder(files: list[str], tmp_path: Path, said: Any) -> None:
    films = decode_films(files, RULE, progress=said, folder=tmp_path)
    some = np.array([7, 0, 31])
    expected = np.stack([decode_path(files[i], RULE).pixels for i in some])[..., None]
    assert np.array_equal(films[some], expected)
    assert films[some].shape == (3, 24, 20, 1)
    assert films.digests()[7] == film_digest(expected[0, ..., 0])
    assert isinstance(films.array, np.memmap)


def test_a_second_run_decodes_nothing_and_one_more_film_decodes_one(
    files: list[str], tmp_path: Path, said: Any
) -> None:
    decode_films(files[:30], RULE, progress=said, folder=tmp_path)
    said.stages.clear()
    again = decode_films(files[5:20], RULE, progress=said, folder=tmp_path)
    assert decoded_now(said) == 0
    assert len(list(tmp_path.glob("*/*.npy"))) == 1
    more = decode_films(files[:31], RULE, progress=said, folder=tmp_path)
    assert decoded_now(said) == 1
    assert np.array_equal(more[np.arange(5, 20)], again[np.arange(15)])


def test_what_there_is_to_say_of_a_film_is_said_in_every_run(
    files: list[str], tmp_path: Path, said: Any
) -> None:
    pages = []
    for i in range(3):
        with Image.open(files[i]) as one, Image.open(files[i + 1]) as other:
            pages.append(str(tmp_path / f"{i}.tif"))
            one.save(pages[-1], save_all=True, append_images=[other])
    told = decode_path(pages[0], RULE).facts.notes
    assert told
    for some in (pages, pages, [*pages, files[0]]):  # decoded, kept, copied to another entry
        said.notes.clear()
        decode_films(some, RULE, progress=said, folder=tmp_path / "cache")
        assert said.notes == [f"3 films: {note}" for note in told]


def test_content_counts_and_not_the_name(files: list[str], tmp_path: Path, said: Any) -> None:
    copy = tmp_path / "copy.png"
    shutil.copy(files[0], copy)
    decode_films(files[:3], RULE, progress=said, folder=tmp_path / "c")
    said.stages.clear()
    films = decode_films([str(copy), files[1]], RULE, progress=said, folder=tmp_path / "c")
    assert decoded_now(said) == 0
    shutil.copy(files[2], copy)  # another film under the same name
    changed = decode_films([str(copy)], RULE, progress=said, folder=tmp_path / "c")
    assert not np.array_equal(changed[np.array([0])], films[np.array([0])])


def test_another_rule_has_films_of_its_own(files: list[str], tmp_path: Path, said: Any) -> None:
    decode_films(files[:3], RULE, progress=said, folder=tmp_path)
    said.stages.clear()
    for rule in (DecodingRule(20, 24), DecodingRule(24, 20, "pad")):
        decode_films(files[:3], rule, progress=said, folder=tmp_path)
    assert decoded_now(said) == 6


def test_films_that_fail_are_named_by_reason_and_the_rest_goes_on(
    files: list[str], tmp_path: Path, said: Any
) -> None:
    empty, text = tmp_path / "e.png", tmp_path / "t.png"
    empty.write_bytes(b"")
    text.write_text("no film")
    asked = [files[0], str(empty), str(text), str(tmp_path / "gone.png"), files[1], str(empty)]
    films = decode_films(asked, RULE, progress=said, folder=tmp_path / "c")
    assert (films.rows >= 0).tolist() == [True, False, False, False, True, False]
    assert films.failed[1][0] is films.failed[5][0] is FilmStatus.EMPTY
    assert films.failed[3][0] is FilmStatus.UNREADABLE
    assert "empty 2" in by_reason(films.failed)
    again = decode_films(asked, RULE, progress=said, folder=tmp_path / "c")
    assert np.array_equal(again[np.array([0, 4])], films[np.array([0, 4])])
    assert again.failed == films.failed
    with pytest.raises(InputError, match="None of 1 film"):
        decode_films([str(empty)], RULE, progress=said, folder=tmp_path / "c")


def test_the_cache_is_bounded_and_the_oldest_goes(
    files: list[str], tmp_path: Path, said: Any
) -> None:
    for i in range(3):
        decode_films(files[i * 4 : i * 4 + 4], RULE, progress=said, folder=tmp_path)
        for path in tmp_path.glob("*/*.npy"):
            os.utime(path, (path.stat().st_atime - 100, path.stat().st_mtime - 100))
    limit = 2 * (4 * 24 * 20 + 200)
    films = decode_films(files[12:16], RULE, progress=said, folder=tmp_path, limit=limit)
    assert len(list(tmp_path.glob("*/*.npy"))) == len(list(tmp_path.glob("*/*.json"))) == 2
    assert films[np.arange(4)].shape == (4, 24, 20, 1)
    said.stages.clear()
    decode_films(files[8:12], RULE, progress=said, folder=tmp_path)
    assert decoded_now(said) == 0, "the newest of the old entries stays"


def test_damaged_entries_are_decoded_anew(files: list[str], tmp_path: Path, said: Any) -> None:
    decode_films(files[:4], RULE, progress=said, folder=tmp_path)
    entry = next(tmp_path.glob("*/*.npy"))
    entry.write_bytes(entry.read_bytes()[:100])
    said.stages.clear()
    films = decode_films(files[:4], RULE, progress=said, folder=tmp_path)
    assert decoded_now(said) == 4
    assert np.array_equal(films[np.array([1])][0, ..., 0], decode_path(files[1], RULE).pixels)


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path, RULE)

    def stopped() -> None:
        with store.write(3) as writer:
            writer.add("a", np.zeros((24, 20), np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert list(store.folder.iterdir()) == []


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    store = Store(tmp_path, RULE)
    np.save(store.folder / "evil.npy", np.array([{}], object), allow_pickle=True)
    (store.folder / "evil.json").write_text('{"rows": {"a": 0}, "notes": {}}')
    assert store.entries() == []


def test_nothing_here_pickles() -> None:
    import xraybatch.training

    folder = Path(xraybatch.training.__file__).parent
    for path in folder.glob("*.py"):
        assert "allow_pickle=True" not in path.read_text()
        assert "import pickle" not in path.read_text()


def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "a"))
    assert cache_folder() == tmp_path / "a"
    monkeypatch.delenv("XRAYBATCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache_folder() == tmp_path / "b" / "xraybatch"


def test_a_cache_that_cannot_be_written_says_what_to_do(
    files: list[str], tmp_path: Path, said: Any, write_films: Callable[..., Path]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cache") as caught:
        decode_films(files[:1], RULE, progress=said, folder=tmp_path / "file" / "c")
    assert "--no-cache" in caught.value.hint


def test_a_codec_that_crashes_costs_one_of_a_few_films(files: list[str], tmp_path: Path) -> None:
    """In a process of its own, also where films are too few to be worth it."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import ctypes\n"
        "from xraybatch.images import decode\n"
        "opened = decode.open_film\n"
        "def crash(path):\n"
        f"    return ctypes.string_at(0) if str(path) == {files[1]!r} else opened(path)\n"
        "decode.open_film = crash\n"
    )
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from xraybatch.core.progress import SILENT\n"
        "from xraybatch.images.rule import DecodingRule\n"
        "from xraybatch.training.cache import decode_films\n"
        "folder, *files = sys.argv[1:]\n"
        "rule = DecodingRule(24, 20)\n"
        "films = decode_films(files, rule, progress=SILENT, folder=Path(folder))\n"
        "print((films.rows >= 0).tolist(), [str(status) for status, _ in films.failed.values()])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "cache"), *files[:4]],
        env={**os.environ, "PYTHONPATH": f"{site}:{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "[True, False, True, True] ['crashed']", done.stderr
