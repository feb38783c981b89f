"""ZIP archives read in place: every member is a film, a count by reason, or one clear sentence."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import unicodedata
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from xraybatch.core import zipped
from xraybatch.core.errors import InputError
from xraybatch.core.status import FilmError
from xraybatch.core.zipped import ZipPlace, read_member
from xraybatch.sources.archives import zip_films
from xraybatch.sources.archives.zip_directory import entries, find_directory
from xraybatch.sources.discover import Discovery
from xraybatch.sources.films import find_films
from xraybatch.sources.item import Item

MOST = 1 << 20


def film(level: int = 7) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (32, 40), level).save(buffer, "PNG")
    return buffer.getvalue()


def pack(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def found(*arguments: object) -> Discovery:
    return find_films([str(argument) for argument in arguments], archives=True)


def read(item: Item, most: int = MOST) -> bytes:
    return read_member(item.path, item.member, most)


def status(item: Item, most: int = MOST) -> str:
    with pytest.raises(FilmError) as error:
        read(item, most)
    return str(error.value.status)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read_as_they_are(empty_folder, method):
    contents = {f"a/{i}.png": film(i) * (i + 1) for i in range(5)} | {"no_suffix": film(99)}
    pack(Path("x.zip"), contents, method)
    items = found("x.zip").items
    assert {item.key: read(item) for item in items} == {
        f"x.zip!/{name}": content for name, content in contents.items()
    }
    assert [item.size for item in items] == [len(contents[i.key[7:]]) for i in items]


def test_a_large_member_is_unpacked_in_blocks(empty_folder):
    content = bytes(5 << 20) + b"x"
    pack(Path("x.zip"), {"x.png": content})
    (item,) = found("x.zip").items
    assert read(item, 6 << 20) == content
    assert status(item, 5 << 20) == "too_large"


def test_an_archive_before_which_something_stands(empty_folder):
    whole = pack(Path("x.zip"), {"x.png": film()}).read_bytes()
    Path("y.zip").write_bytes(b"PK\3\4 a program that unpacks itself" + whole)
    (item,) = found("y.zip").items
    assert read(item) == film()


def test_what_is_no_film_is_counted(empty_folder):
    inner = pack(Path("inner.zip"), {"x.png": film()}).read_bytes()
    pack(
        Path("x.zip"),
        {
            "a.png": film(),
            "b/scan.svg": b"<svg/>",
            "b/": b"",
            "notes.txt": b"no film",
            ".hidden.png": film(),
            ".git/a.png": film(),
            "__MACOSX/a.png": film(),
            "inner.zip": inner,
            "old.tar.gz": b"\x1f\x8b",
            "../up.png": film(),
            "/etc/a.png": film(),
            "C:/a.png": film(),
        },
    )
    with zipfile.ZipFile("x.zip", "a") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    discovery = found("x.zip")
    assert [item.key for item in discovery.items] == ["x.zip!/a.png", "x.zip!/b/scan.svg"]
    assert discovery.skipped == {
        "not a film": 1,
        "hidden": 2,
        "__MACOSX": 1,
        "archive inside an archive": 2,
        "name inside an archive that leads out of it": 3,
        "link inside an archive": 1,
    }


def test_an_archive_in_a_folder_is_named_to_be_read(empty_folder):
    Path("films").mkdir()
    Path("films/a.png").write_bytes(film())
    pack(Path("films/x.zip"), {"x.png": film()})
    discovery = found("films")
    assert [item.key for item in discovery.items] == ["a.png"]
    assert discovery.skipped == {"ZIP archive, which is read when it is named": 1}
    both = found("films", "films/x.zip")
    assert [item.key for item in both.items] == ["films/a.png", "films/x.zip!/x.png"]
    Path("films/a.png").unlink()
    with pytest.raises(InputError, match="ZIP"):
        found("films")


def test_elsewhere_an_archive_is_a_file_as_any(empty_folder):
    pack(Path("x.zip"), {"x.png": film()})
    assert [(i.key, i.member) for i in find_films(["x.zip"]).items] == [("x.zip", "")]


def raw_names(path: str, *changes: tuple[bytes, bytes]) -> None:
    """Write names into an archive that a library would not write."""
    data = Path(path).read_bytes()
    for before, after in changes:
        assert len(before) == len(after)
        assert data.count(before) == 2
        data = data.replace(before, after)
    Path(path).write_bytes(data)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_files_with_exactly_one_name_the_last_counts_as_when_unpacked(empty_folder):
    with zipfile.ZipFile("x.zip", "w") as archive:
        for level, name in enumerate(["a.png", "b.png", "a.png", "a.png"]):
            archive.writestr(name, film(level))
        unpacked = {name: archive.read(name) for name in ("a.png", "b.png")}
    discovery = found("x.zip")
    assert {item.key: read(item) for item in discovery.items} == {
        f"x.zip!/{name}": content for name, content in unpacked.items()
    }
    assert discovery.skipped == {"file inside an archive before a later one of the same name": 2}


def test_names_that_separate_folders_otherwise_are_films_of_their_own(empty_folder):
    names = ["b/a.png", "b//a.png", "./b/a.png", "b_a.png", "b/a.png#2"]
    pack(Path("x.zip"), {name: film(level) for level, name in enumerate(names)})
    raw_names("x.zip", (b"b_a.png", b"b\\a.png"))
    discovery = found("x.zip")
    levels = {
        item.key: next(i for i in range(5) if read(item) == film(i)) for item in discovery.items
    }
    suffix = "x.zip!/b/a.png"
    assert levels == {
        suffix: 0,
        f"{suffix}#2": 4,
        f"{suffix}#3": 1,
        f"{suffix}#4": 2,
        f"{suffix}#5": 3,
    }
    assert discovery.skipped == {}


def test_composed_and_decomposed_letters_are_two_films(empty_folder):
    names = [unicodedata.normalize(form, "Knie-Größe.png") for form in ("NFC", "NFD")]
    pack(Path("x.zip"), {name: film(level) for level, name in enumerate(names)})
    assert {item.key: read(item) for item in found("x.zip").items} == {
        f"x.zip!/{name}": film(level) for level, name in enumerate(names)
    }


def test_odd_names_have_their_row_or_their_own_reason(empty_folder):
    members = {"line_end.png": film(1), "zero_byte.png": film(2), "folder.png": film(3)}
    pack(Path("x.zip"), {**members, "not_utf8_ä.png": film(4)})
    raw_names(
        "x.zip",
        (b"line_end.png", b"line\nend.png"),
        (b"zero_byte.png", b"zero\0byte.png"),
        (b"folder.png", b"/" * 10),
        ("not_utf8_ä.png".encode(), b"not_utf8_\xff\xfe.png"),
    )
    discovery = found("x.zip")
    assert {item.key: read(item) for item in discovery.items} == {
        "x.zip!/line\nend.png": film(1),
        "file:x.zip%21/not_utf8_%FF%FE.png": film(4),
    }
    assert discovery.skipped == {
        "name inside an archive with a zero byte": 1,
        "name inside an archive that leads out of it": 1,
    }
    pack(Path("y.zip"), {"a.png": film(), "./.": b"x"})
    assert found("y.zip").skipped == {"file inside an archive without a name": 1}


@pytest.mark.parametrize("comment", [b"", b"a comment" * 40])
@pytest.mark.parametrize("before", [b"", b"stands before it"])
def test_a_directory_is_read_as_the_standard_library_reads_it(
    tmp_path, before, comment, monkeypatch
):
    path = tmp_path / "x.zip"
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 600)  # so that some numbers need 8 bytes
    path.write_bytes(before)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = comment
        for i, name in enumerate(["a.png", "b/", "b/ä.png", "b/\u4e00.png", "e"]):
            method = zipfile.ZIP_STORED if i % 2 else zipfile.ZIP_DEFLATED
            archive.writestr(name, bytes(i * 300), method)
    with zipfile.ZipFile(path) as archive:
        expected = [
            (
                *(i.filename, i.external_attr >> 16, i.header_offset, i.compress_size),
                *(i.file_size, i.CRC, i.compress_type),
            )
            for i in archive.infolist()
        ]
    with path.open("rb") as file:
        directory = find_directory(file, path.stat().st_size)
        listed = list(entries(file, directory))
    assert directory.count == len(expected)
    assert [
        (e.name, e.mode, p.offset, p.packed, p.size, p.crc, p.method)
        for e in listed
        for p in [e.place]
    ] == expected


def test_a_long_directory_is_read_in_blocks_and_told(empty_folder, monkeypatch):
    names = [f"{'folder/' * 20}{i:05}.png" for i in range(12_000)]
    pack(Path("x.zip"), dict.fromkeys(names, b""), zipfile.ZIP_STORED)
    monkeypatch.setattr(zip_films, "_MANY", 10_000)
    steps: list[int] = []

    class Told:
        @contextmanager
        def stage(self, label, total, unit="films"):
            assert label == "listing"
            yield self

        def advance(self, done=1, detail=""):
            steps.append(done)

    discovery = find_films(["x.zip"], archives=True, progress=Told())
    assert [item.key for item in discovery.items] == [f"x.zip!/{name}" for name in names]
    assert sum(steps) == 12_000


@pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_what_unpacks_to_far_more_than_it_takes_is_too_large_before_it_is_unpacked(
    empty_folder, monkeypatch, packed
):
    monkeypatch.setattr(zipped, "_NO_BOMB", 1 << 20)
    pack(Path("x.zip"), {"a.png": bytes(2 << 20), "b.png": bytes(1 << 20)}, packed)
    monkeypatch.setattr(zipped, "unpacked", lambda *_: iter(()))  # no byte is looked at
    bomb, black = found("x.zip").items
    is_bomb = packed == zipfile.ZIP_DEFLATED
    assert status(bomb, 4 << 20) == ("too_large" if is_bomb else "truncated")
    assert status(black, 4 << 20) == "truncated"


def test_a_member_is_held_once(empty_folder):
    """Not while it is unpacked, and not when a reader is given it."""
    size = 64 << 20
    pack(Path("x.zip"), {"x.dcm": os.urandom(1 << 20) * 64}, zipfile.ZIP_STORED)
    (item,) = found("x.zip").items
    tracemalloc.start()
    try:
        content = io.BytesIO(read_member(item.path, item.member, 1 << 30))
        content.seek(0, io.SEEK_END)
        assert content.tell() == size
        assert tracemalloc.get_traced_memory()[1] < 1.5 * size
    finally:
        tracemalloc.stop()


def broken(change) -> Item:
    data = bytearray(pack(Path("x.zip"), {"x.png": film() * 20}, zipfile.ZIP_STORED).read_bytes())
    change(data)
    Path("x.zip").write_bytes(data)
    (item,) = found("x.zip").items
    return item


def at_directory(offset: int, value: bytes):
    def change(data: bytearray) -> None:
        at = data.rindex(b"PK\1\2") + offset
        data[at : at + len(value)] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (at_directory(8, b"\1\0"), "unsupported"),  # encrypted
        (at_directory(10, b"\x0c\0"), "unsupported"),  # bzip2
        (at_directory(16, b"\0\0\0\0"), "corrupt"),  # check sum
        (at_directory(24, struct.pack("<I", 100)), "corrupt"),  # smaller than it is
        (at_directory(24, struct.pack("<I", 9999)), "truncated"),  # larger
        (at_directory(24, struct.pack("<I", 1 << 31)), "too_large"),
        (at_directory(42, struct.pack("<I", 7)), "corrupt"),  # points at nothing
        (lambda data: data.__setitem__(60, data[60] ^ 1), "corrupt"),  # a bit of the film
    ],
)
def test_a_damaged_member_has_its_status(empty_folder, change, expected):
    assert status(broken(change)) == expected


@pytest.mark.parametrize("offset", [2**64 - 1, 2**63 - 10])
def test_a_place_beyond_any_file_is_no_fault_of_ours(empty_folder, offset):
    """Numbers of 8 bytes, which the extra field of an entry may hold."""
    whole = pack(Path("x.zip"), {"a.png": film()}, zipfile.ZIP_STORED).read_bytes()
    head = whole[: whole.rindex(b"PK\1\2")]
    directory = b""
    for name in (b"a.png", b"no_suffix"):
        extra = struct.pack("<HHQQQ", 1, 24, 5, 5, offset)
        numbers = (0, 0, 0, 0, 0, *[2**32 - 1] * 2, len(name), len(extra), 0, 0, 0, 0, 2**32 - 1)
        directory += struct.pack("<4s4x4H3I5H2I", b"PK\1\2", *numbers) + name + extra
    end = struct.pack("<4s4x2H2I2x", b"PK\5\6", 2, 2, len(directory), len(head))
    Path("x.zip").write_bytes(head + directory + end)
    (item,) = found("x.zip").items
    assert item.key == "x.zip!/a.png"
    assert status(item) == "corrupt"


def test_a_bomb_costs_no_more_than_it_says(empty_folder):
    """The directory says a hundred bytes, the data unpack to a hundred megabytes."""
    data = bytearray(pack(Path("x.zip"), {"x.png": bytes(100 << 20)}).read_bytes())
    at_directory(24, struct.pack("<I", 100))(data)
    Path("x.zip").write_bytes(data)
    (item,) = found("x.zip").items
    import tracemalloc

    tracemalloc.start()
    assert status(item) == "corrupt"
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("cut", [30, 200])
def test_an_archive_that_cannot_be_listed_is_one_row(empty_folder, cut):
    whole = pack(Path("x.zip"), {"a.png": film(), "b.png": film()}).read_bytes()
    Path("x.zip").write_bytes(whole[:-cut])
    (item,) = found("x.zip").items
    assert item.key == "x.zip"
    assert status(item) == "corrupt"


def test_entries_that_overlap_are_refused(empty_folder):
    """As in archives that hold gigabytes in a few bytes: all entries are one."""
    data = bytearray(pack(Path("x.zip"), {"a.png": film(1), "b.png": film(2)}).read_bytes())
    for at in (data.index(b"PK\1\2"), data.rindex(b"PK\1\2")):
        data[at + 20 : at + 24] = struct.pack("<I", len(data) - 10)
    Path("x.zip").write_bytes(data)
    (item,) = found("x.zip").items
    with pytest.raises(FilmError, match="overlap"):
        read(item)


def test_more_entries_than_the_limit_are_refused_before_they_are_listed(empty_folder, monkeypatch):
    from xraybatch.sources.archives import zip_films
    from xraybatch.sources.archives.budget import ArchiveLimits

    pack(Path("x.zip"), {f"{i}.png": film() for i in range(20)})
    few = lambda: ArchiveLimits(entries=19)  # noqa: E731
    monkeypatch.setattr(zip_films, "ArchiveLimits", few)
    (item,) = found("x.zip").items
    with pytest.raises(FilmError, match="19"):
        read(item)


def test_an_archive_that_vanishes_is_unreadable(empty_folder):
    (item,) = found(pack(Path("x.zip"), {"a.png": film()})).items
    Path("x.zip").unlink()
    assert status(item) == "unreadable"


def test_a_place_is_one_word():
    place = ZipPlace(1 << 40, 2, 3, 4, 8, True)
    assert place.to_text() == "1099511627776-2-3-4-8-1"
