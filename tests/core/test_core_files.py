from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from xraybatch.core.errors import InputError
from xraybatch.core.files import atomic_path, sha256_of, write_text
from xraybatch.core.status import FilmError, FilmStatus


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "sub" / "t.txt"
    write_text(target, "one\n")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "one\n"
    assert [p.name for p in target.parent.iterdir()] == ["t.txt"]


def test_others_may_read_it_as_they_may_any_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "atomic", "x")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc" * 1_000_000)
    assert sha256_of(tmp_path / "f") == hashlib.sha256(b"abc" * 1_000_000).hexdigest()


def test_a_films_sentence_is_one_short_line() -> None:
    error = FilmError(FilmStatus.CORRUPT, "bad\nthing\x1b[31m" + "x" * 1000)
    assert "\n" not in error.sentence
    assert "\x1b" not in error.sentence
    assert len(error.sentence) <= 300


def test_errors_survive_a_process_border() -> None:
    import pickle

    film = pickle.loads(pickle.dumps(FilmError(FilmStatus.EMPTY, "no bytes")))
    assert (film.status, film.sentence) == (FilmStatus.EMPTY, "no bytes")
    error = pickle.loads(pickle.dumps(InputError("what", "do")))
    assert (error.message, error.hint, error.exit_code) == ("what", "do", 3)
