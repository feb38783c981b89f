from __future__ import annotations

from pathlib import Path

import pytest

from xraybatch.core.errors import InputError
from xraybatch.sources.films import find_films


def test_films_are_those_of_the_readers_installed(tmp_path: Path) -> None:
    (tmp_path / "a.PNG").touch()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "no suffix").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = find_films([tmp_path])
    assert [item.key for item in found.items] == ["a.PNG", "no suffix"]
    assert sum(found.skipped.values()) == 1


def test_no_film_at_all_is_said(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="no film"):
        find_films([tmp_path])
