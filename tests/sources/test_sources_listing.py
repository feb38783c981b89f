"""A list of films is what predict would find, whoever reads it and wherever."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from xraybatch.core.errors import InputError, UsageError
from xraybatch.sources.films import find_films
from xraybatch.sources.listing import list_films
from xraybatch.sources.manifest import open_manifest


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    for name in ("b/2.png", "a/1.png", "=1.png", "né.dcm", "notes.txt", ".hidden.png"):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(name.encode())
    Path(os.fsdecode(os.fsencode(folder) + b"/a/\xff.png")).touch()
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    return folder


def test_it_lists_what_predict_finds_in_the_order_of_the_results(
    films: Path, tmp_path: Path
) -> None:
    listed = list_films([films], tmp_path / "out" / "films.parquet")
    found = find_films([films], archives=True)
    items = list(open_manifest(listed.manifest))
    assert items == list(found.items)
    assert len(items) == 6
    assert listed.facts.films == 6
    assert listed.facts.skipped == found.skipped == {"hidden": 1, "not a film": 1}
    assert listed.size == sum(item.size for item in items) > 0


def test_places_hold_wherever_it_is_read(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listed = list_films(["films"], Path("films.parquet"))
    monkeypatch.chdir("/")
    for item in open_manifest(tmp_path / listed.manifest):
        assert os.path.lexists(item.path), item.key
        assert os.path.isabs(item.path)


def test_the_hash_is_that_of_films_places_sizes_and_times(films: Path, tmp_path: Path) -> None:
    def digest(number: int) -> str:
        return list_films([films], tmp_path / f"{number}.parquet").facts.digest

    first = digest(0)
    assert digest(1) == first
    os.utime(films / "a" / "1.png", ns=(1, 1))
    second = digest(2)
    (films / "b" / "2.png").write_bytes(b"other size")
    third = digest(3)
    (films / "b" / "2.png").rename(films / "b" / "3.png")
    assert len({first, second, third, digest(4)}) == 4


def test_members_of_an_archive_that_is_named_are_listed(films: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/1.png", b"one")
        archive.writestr("x/readme.txt", b"none")
    listed = list_films([tmp_path / "a.zip", films / "a"], tmp_path / "films.parquet")
    items = list(open_manifest(listed.manifest))
    assert items == list(find_films([tmp_path / "a.zip", films / "a"], archives=True).items)
    assert sum(bool(item.member) for item in items) == 1


def test_numbers_that_no_table_holds_are_the_largest_that_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ZIP may announce any size."""
    from xraybatch.sources import listing
    from xraybatch.sources.discover import Discovery
    from xraybatch.sources.item import Item
    from xraybatch.sources.items import Items

    huge = Items([Item("a.png", "/a.png", 2**64 - 1, 2**63)])
    monkeypatch.setattr(listing, "find_films", lambda *_, **__: Discovery(huge, {}))
    listed = list_films(["a.zip"], tmp_path / "films.parquet")
    (item,) = open_manifest(listed.manifest)
    assert (item.size, item.mtime_ns) == (2**63 - 1, 2**63 - 1)


def test_nothing_is_overwritten_unasked(films: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "films.parquet"
    list_films([films], manifest)
    before = manifest.read_bytes()
    (films / "new.png").touch()
    with pytest.raises(InputError, match="not overwritten"):
        list_films([films], manifest)
    assert manifest.read_bytes() == before
    assert list_films([films], manifest, overwrite=True).facts.films == 7
    assert open_manifest(manifest).facts.films == 7


def test_what_cannot_be_listed_is_told(films: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Parquet"):
        list_films([films], tmp_path / "films.csv")
    with pytest.raises(InputError, match="no 'nowhere'"):
        list_films(["nowhere"], tmp_path / "films.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no film"):
        list_films([tmp_path / "empty"], tmp_path / "films.parquet")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        list_films([films], tmp_path / "file" / "films.parquet")
    assert not list(tmp_path.glob("*.parquet"))
