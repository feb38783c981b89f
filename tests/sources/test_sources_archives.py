"""Archives as hospitals send them, and as somebody makes them who means harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from xraybatch.core.errors import InputError
from xraybatch.sources.archives.budget import ArchiveLimits
from xraybatch.sources.archives.extract import extract_films, is_archive
from xraybatch.sources.archives.folder import extract_folder, find_archives
from xraybatch.sources.archives.names import Unsafe, folded, quoted, safe_parts

CHANCE = random.Random(20)
FILM = b"FILM" + bytes(range(200)) * 30


def why_no_film(name: str, head: bytes) -> str:
    return "" if head.startswith(b"FILM") else "not a film"


def zipped(path: Path, members: dict[str, bytes], **more: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content, **more)
    return path


def tarred(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "inside" / "films"
    folder.mkdir(parents=True)
    return folder


def unpack(archive: Path, folder: Path, **limits: Any) -> Any:
    return extract_films(archive, folder, why_no_film=why_no_film, limits=ArchiveLimits(**limits))


def written(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())


@pytest.mark.parametrize(
    ("suffix", "make"),
    [
        ("zip", zipped),
        ("tar", tarred),
        ("tar.gz", lambda p, m: tarred(p, m, "w:gz")),
        ("tar.bz2", lambda p, m: tarred(p, m, "w:bz2")),
        ("tar.xz", lambda p, m: tarred(p, m, "w:xz")),
        ("download", lambda p, m: tarred(p, m, "w:gz")),  # the content decides
    ],
)
def test_films_and_tables_come_out_and_the_rest_is_counted(
    tmp_path: Path, place: Path, suffix: str, make: Callable[..., Path]
) -> None:
    archive = make(
        tmp_path / f"a.{suffix}",
        {
            "set/normal/1.png": FILM + b"1",
            "set/normal/no suffix": FILM,
            "set/ill/2.PNG": FILM + b"2",
            "set/ill/Thumbs.db": b"junk",
            "set/ill/.hidden.png": FILM,
            "set/.git/3.png": FILM,
            "__MACOSX/set/normal/._1.png": FILM,
            "set/more.rar": b"Rar!",
            "set/labels.csv": b"path,label\n",
        },
    )
    found = unpack(archive, place)
    assert written(place) == [
        *("set/ill/2.PNG", "set/labels.csv", "set/normal/1.png", "set/normal/no suffix"),
    ]
    assert (place / "set/normal/1.png").read_bytes() == FILM + b"1"
    assert (found.films, found.tables, found.archives) == (3, 1, 1)
    assert found.skipped == {
        "__MACOSX": 1,
        "archive of a kind that is not read": 1,
        "hidden": 2,
        "not a film": 1,
    }
    assert is_archive(archive)


def test_archives_inside_archives_become_folders_of_their_names(
    tmp_path: Path, place: Path
) -> None:
    inner = {
        name: zipped(tmp_path / f"{name}.zip", {f"{name}/1.png": FILM}).read_bytes()
        for name in ("normal", "ill")
    }
    deep = tarred(tmp_path / "d.tar.gz", {"x/9.png": FILM}, "w:gz").read_bytes()
    middle = zipped(tmp_path / "m.zip", {"deep.tar.gz": deep}).read_bytes()
    outer = zipped(
        tmp_path / "outer.zip",
        {**{f"set/{name}.zip": content for name, content in inner.items()}, "m.zip": middle},
    )
    found = unpack(outer, place)
    assert written(place) == [
        *("m/deep/x/9.png", "set/ill/ill/1.png", "set/normal/normal/1.png"),
    ]
    assert (found.films, found.archives) == (3, 5)
    with pytest.raises(InputError, match="more than 1 deep"):
        unpack(outer, fresh(tmp_path), depth=1)


def fresh(tmp_path: Path) -> Path:
    folder = tmp_path / f"fresh{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    return folder


HOSTILE_NAMES = [
    ("../evil.png", "outside"),
    ("a/../../evil.png", "outside"),
    ("a\\..\\..\\evil.png", "outside"),
    ("../../evil.sh", "outside"),  # also what would not be written
    ("/tmp/evil.png", "absolute"),
    ("\\\\server\\evil.png", "absolute"),
    ("C:\\evil.png", "drive"),
    ("c:evil.png", "drive"),
    ("a/\x1b[2J.png", "control"),
]


@pytest.mark.parametrize(("name", "why"), HOSTILE_NAMES)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_name_that_leaves_the_folder_refuses_the_archive(
    tmp_path: Path, place: Path, make: Callable[..., Path], name: str, why: str
) -> None:
    archive = make(tmp_path / "a", {"good/1.png": FILM, name: FILM})
    before = written(tmp_path)
    with pytest.raises(InputError, match=why) as error:
        unpack(archive, place)
    assert error.value.hint
    assert error.value.exit_code == 3
    outside = [n for n in written(tmp_path) if not n.startswith("deep/inside/films/good/")]
    assert outside == before
    assert not Path("/tmp/evil.png").exists()


def test_a_name_cut_by_a_nul_is_refused(tmp_path: Path, place: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a/1.png#": FILM, "b/2.png": FILM})
    archive.write_bytes(archive.read_bytes().replace(b"a/1.png#", b"a/1.png\0"))
    with pytest.raises(InputError, match=r"control character|broken"):
        unpack(archive, place)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK])
def test_links_and_devices_in_a_zip(tmp_path: Path, place: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        entry = zipfile.ZipInfo("link.png")
        entry.create_system = 3
        entry.external_attr = (kind | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    why = "is a link" if kind == stat.S_IFLNK else "is a device"
    with pytest.raises(InputError, match=why):
        unpack(tmp_path / "a.zip", place)
    assert written(place) == []


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "device"),
    ],
)
def test_links_and_devices_in_a_tar(tmp_path: Path, place: Path, kind: bytes, why: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        entry = tarfile.TarInfo("films")
        entry.type, entry.linkname = kind, "../.."
        archive.addfile(entry)
        entry = tarfile.TarInfo("films/evil.png")
        entry.size = len(FILM)
        archive.addfile(entry, io.BytesIO(FILM))
    with pytest.raises(InputError, match=why):
        unpack(tmp_path / "a.tar", place)
    assert not any(p.is_symlink() for p in tmp_path.rglob("*"))
    assert written(place) == []


@pytest.mark.parametrize(
    "names",
    [
        ("a/1.png", "A/1.PNG"),
        ("a/1.png", "a//1.png"),
        ("a/1.png", "./a/1.png"),
        ("a\\1.png", "a/1.png"),
        ("a/x.png", "a/x.png/1.png"),
        ("a/x.png/1.png", "a/X.png"),
        ("caf\u00e9/1.png", "cafe\u0301/1.png"),
    ],
)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_two_names_that_are_one_somewhere(
    tmp_path: Path, place: Path, make: Callable[..., Path], names: tuple[str, str]
) -> None:
    archive = make(tmp_path / "a", dict.fromkeys(names, FILM))
    with pytest.raises(InputError, match="another one has too"):
        unpack(archive, place)


ZEROS = b"FILM" + bytes(30 << 20)


@pytest.mark.parametrize(
    ("make", "read_most"),
    [(zipped, 0), (lambda p, m: tarred(p, m, "w:gz"), 14 << 20)],
)
def test_a_bomb_is_seen_before_it_is_written_whole(
    tmp_path: Path, place: Path, make: Callable[..., Path], read_most: int
) -> None:
    archive = make(tmp_path / "a", {"bomb.png": ZEROS})
    with pytest.raises(InputError, match="200 times its size") as error:
        unpack(archive, place)
    assert "--max-ratio of `xraybatch prepare`" in error.value.hint
    assert sum(p.stat().st_size for p in place.rglob("*") if p.is_file()) <= read_most
    assert unpack(archive, fresh(tmp_path), ratio=1e6).films == 1


def test_a_bomb_of_archives_inside_archives(tmp_path: Path, place: Path) -> None:
    inner = zipped(tmp_path / "i.zip", {"0.png": b"FILM" + bytes(9 << 20)}).read_bytes()
    outer = zipped(tmp_path / "o.zip", {f"{i}.zip": inner for i in range(20)})
    with pytest.raises(InputError, match="times its size"):
        unpack(outer, place)
    assert sum(p.stat().st_size for p in place.rglob("*") if p.is_file()) <= 100 << 20


def test_a_zip_whose_entries_share_their_bytes(tmp_path: Path, place: Path) -> None:
    import struct

    archive = zipped(tmp_path / "a.zip", {f"{i}.png": CHANCE.randbytes(500) for i in range(9)})
    data = bytearray(archive.read_bytes())
    at = -1
    while (at := data.find(b"PK\1\2", at + 1)) >= 0:  # every entry claims the first one's place
        struct.pack_into("<I", data, at + 42, 0)
        struct.pack_into("<I", data, at + 20, len(data) // 4)
    archive.write_bytes(data)
    with pytest.raises(InputError, match=r"overlap|broken"):
        unpack(archive, place)
    assert written(place) == []


@pytest.mark.parametrize("make", [zipped, tarred])
def test_sizes_and_counts_have_limits(
    tmp_path: Path, place: Path, make: Callable[..., Path]
) -> None:
    archive = make(tmp_path / "a", {f"{i}.png": CHANCE.randbytes(5000) for i in range(20)})
    with pytest.raises(InputError, match="more than 19 entries"):
        unpack(archive, fresh(tmp_path), entries=19)
    with pytest.raises(InputError, match="holds more than") as error:
        unpack(archive, fresh(tmp_path), total=99_000)
    assert "--max-gigabytes of `xraybatch prepare`" in error.value.hint
    make(tmp_path / "b", {f"{i}.png": FILM for i in range(20)})
    assert unpack(tmp_path / "b", place, entries=20).films == 20


def test_a_zip_of_the_large_kind_is_counted_before_it_is_loaded(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 5)  # zip64 from six entries on
        archive = zipped(tmp_path / "a.zip", {f"{i}.png": FILM for i in range(9)})
    data = bytearray(archive.read_bytes())
    at = data.rfind(b"PK\5\6")
    assert data[at - 76 : at - 72] == b"PK\6\6"
    data[at + 8 : at + 20] = b"\xff" * 12
    archive.write_bytes(data)
    assert unpack(archive, place).films == 9
    monkeypatch.setattr(zipfile, "ZipFile", None)  # is not come to
    with pytest.raises(InputError, match="more than 8 entries"):
        unpack(archive, fresh(tmp_path), entries=8)


def test_a_tar_header_that_claims_gigabytes_for_a_name(tmp_path: Path, place: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 5 << 30
    (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(InputError, match="name of a file in it would be 5 GB long"):
        unpack(tmp_path / "a.tar", place)


def test_a_tar_with_holes_is_refused(tmp_path: Path, place: Path) -> None:
    header = tarfile.TarInfo("x.png")
    header.type, header.size = tarfile.GNUTYPE_SPARSE, 512
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[386:398], block[398:410] = b"00000000000\0", b"00000001000\0"
    block[483:495] = b"77777777777\0"  # its size with the holes
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    (tmp_path / "a.tar").write_bytes(bytes(block) + FILM[:512] + bytes(10240))
    with pytest.raises(InputError, match="file with holes"):
        unpack(tmp_path / "a.tar", place)


def test_a_table_that_nobody_can_read_whole(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xraybatch.sources.archives.extract._LARGEST_TABLE", 10_000)
    archive = zipped(
        tmp_path / "a.zip", {"1.png": FILM, "a.csv": b"x" * 9000, "b.csv": b"x" * 10**7}
    )
    found = unpack(archive, place)
    assert (found.tables, found.skipped) == (1, {"table that is too large": 1})
    assert written(place) == ["1.png", "a.csv"]


def test_an_encrypted_zip(tmp_path: Path, place: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"1.png": FILM})
    data = bytearray(archive.read_bytes())
    data[6] |= 1
    data[data.find(b"PK\1\2") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(InputError, match="is encrypted") as error:
        unpack(archive, place)
    assert "password" in error.value.hint


def test_a_compression_that_is_not_known(tmp_path: Path, place: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"1.png": FILM})
    data = bytearray(archive.read_bytes())
    data[8] = data[data.find(b"PK\1\2") + 10] = 98  # PPMd
    archive.write_bytes(data)
    with pytest.raises(InputError, match="compressed in a way"):
        unpack(archive, place)


@pytest.mark.parametrize("magic", [b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07\x01\x00"])
def test_archives_of_other_kinds_are_named(tmp_path: Path, magic: bytes) -> None:
    (tmp_path / "a").write_bytes(magic + bytes(100))
    with pytest.raises(InputError, match="archive, which is not read here"):
        is_archive(tmp_path / "a")


MAKERS = {
    "zip": zipped,
    "tar": tarred,
    "gz": lambda p, m: tarred(p, m, "w:gz"),
    "bz2": lambda p, m: tarred(p, m, "w:bz2"),
    "xz": lambda p, m: tarred(p, m, "w:xz"),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_an_archive_that_is_cut_anywhere(tmp_path: Path, kind: str) -> None:
    films = {f"{i}.png": b"FILM" + CHANCE.randbytes(700 * i) for i in range(4)}
    whole = MAKERS[kind](tmp_path / "a", films).read_bytes()
    end = len(whole) if kind != "tar" else len(whole.rstrip(b"\0"))
    for length in {*range(8, end, max(1, end // 40)), end - 1}:
        (tmp_path / "cut").write_bytes(whole[:length])
        if is_archive(tmp_path / "cut"):  # not so a tar of less than a header
            with pytest.raises(InputError, match="broken or cut"):
                unpack(tmp_path / "cut", fresh(tmp_path))
        else:
            assert kind == "tar"
            assert length < 512


def test_a_tar_that_is_cut_in_a_film_of_zeros(tmp_path: Path, place: Path) -> None:
    whole = tarred(tmp_path / "a", {"1.png": FILM, "skipped.txt": bytes(5000)}).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: 512 + 6144 + 512 + 2048])
    with pytest.raises(InputError, match="broken or cut"):
        unpack(tmp_path / "cut", place)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(sorted(MAKERS)), seed=st.integers(0, 10**6), count=st.integers(1, 4))
def test_damaged_bytes_are_an_error_in_words_or_change_nothing_outside(
    tmp_path: Path, kind: str, seed: int, count: int
) -> None:
    chance = random.Random(seed)
    folder = fresh(tmp_path)
    archive = folder / "a"
    data = bytearray(MAKERS[kind](archive, {"n/1.png": FILM, "n/2.txt": b"x" * 900}).read_bytes())
    for _ in range(count):
        data[chance.randrange(len(data))] = chance.randrange(256)
    archive.write_bytes(data)
    (folder / "films").mkdir()
    try:
        if is_archive(archive):
            unpack(archive, folder / "films")
    except InputError:
        pass
    assert {p.name for p in folder.iterdir()} == {"a", "films"}
    assert all(p.is_file() or p.is_dir() for p in (folder / "films").rglob("*"))


def test_a_compressed_file_that_holds_no_archive(tmp_path: Path, place: Path) -> None:
    for name, content in (
        ("a.gz", gzip.compress(FILM)),
        ("a.bz2", bz2.compress(FILM)),
        ("a.xz", lzma.compress(FILM)),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="broken or cut"):
            unpack(tmp_path / name, place)


@pytest.mark.parametrize("name", ["...zip", "a/..zip", ".zip"])
def test_an_archive_inside_whose_name_without_suffix_goes_up(
    tmp_path: Path, place: Path, name: str
) -> None:
    inner = zipped(tmp_path / "i.zip", {"1.png": FILM}).read_bytes()
    archive = zipped(tmp_path / "a.zip", {name: inner, "n/1.png": FILM})
    assert unpack(archive, place).skipped == {"hidden": 1}
    assert written(tmp_path) == ["a.zip", "deep/inside/films/n/1.png", "i.zip"]


def test_an_archive_inside_that_is_none(tmp_path: Path, place: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"x/normal.zip": b"<html>not found</html>"})
    with pytest.raises(InputError, match="'x/normal' is called an archive and is none"):
        unpack(archive, place)
    assert written(place) == []


def test_a_name_that_is_not_utf8_stays_inside(tmp_path: Path, place: Path) -> None:
    archive = tarred(tmp_path / "a.tar", {"n/\udcff.png": FILM, "n/1.png": FILM})
    assert unpack(archive, place).skipped == {"name that is not UTF-8": 1}


@given(st.text(max_size=40))
@example("..")
@example("a/..\\..")
@example("C:x")
@example("//x")
@example("a/./b")
def test_whatever_a_name_is_the_file_stays_inside(name: str) -> None:
    try:
        parts = safe_parts(name)
    except Unsafe:
        return
    target = os.path.normpath(os.path.join("/films", *parts))
    assert target.startswith("/films/")
    assert parts
    assert not any(c < " " for part in parts for c in part)
    assert safe_parts("/".join(parts)) == parts
    assert folded(parts) == folded(tuple(parts))


@given(st.lists(st.sampled_from(["..", ".", "a", "C:", "", "\\", "/"]), min_size=1, max_size=8))
def test_names_of_the_pieces_that_attacks_are_made_of(pieces: list[str]) -> None:
    for name in ("/".join(pieces), "\\".join(pieces), "".join(pieces)):
        try:
            parts = safe_parts(name)
        except Unsafe:
            continue
        assert os.path.normpath(os.path.join("/films", *parts)).startswith("/films/")


def test_a_quoted_name_cannot_end_its_quotes() -> None:
    assert quoted("O'Brien.png") == "'O’Brien.png'"
    assert len(quoted("x" * 500)) < 100


def test_in_a_folder_only_files_are_archives_and_tables(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "below.zip").mkdir(parents=True)
    out.mkdir()
    for name in ("x.zip", "x.csv", "below.zip/y.tar"):
        os.mkfifo(folder / name)
    (folder / "gone.zip").symlink_to(tmp_path / "nowhere.zip")
    with zipfile.ZipFile(folder / "real.zip", "w") as archive:
        archive.writestr("a.png", b"film")
    (folder / "linked.csv").symlink_to(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("path,label\n")
    found = find_archives(folder)
    assert (found.archives, found.tables) == (("real.zip",), ("linked.csv",))
    assert found.skipped == {"named pipe": 3, "dangling link": 1}
    made = extract_folder(found, out, why_no_film=lambda *_: "")
    assert made.films == made.tables == 1
    assert made.skipped == found.skipped


def test_a_folder_that_cannot_be_read_is_counted(tmp_path: Path) -> None:
    assert find_archives(tmp_path / "nowhere").skipped == {"folder that cannot be read": 1}
