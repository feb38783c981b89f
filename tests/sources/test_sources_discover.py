from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest

from xraybatch.core.errors import InputError
from xraybatch.sources.discover import discover

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".dcm"})


def is_film(head: bytes) -> bool:
    return head.startswith(b"FILM")


def found(*arguments):
    return discover(arguments, suffixes=SUFFIXES, sniffers=[is_film])


def keys(*arguments):
    return [item.key for item in found(*arguments).items]


@contextmanager
def not_root():
    """Root reads everything: be nobody for a moment."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a `write` that makes files below it."""
    monkeypatch.chdir(tmp_path)

    def write(*names, content=b"x"):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path

    return write


def test_one_folder_gives_keys_relative_to_it(folder):
    root = folder("films/b.png", "films/a/z.JPG", "films/a.dcm")
    for argument in ("films", "films/", "./films", root / "films", str(root / "films")):
        assert keys(argument) == ["a.dcm", "a/z.JPG", "b.png"]
    item = found("films").items[2]
    assert Path(item.path).samefile(root / "films" / "b.png")
    assert item.size == 1
    assert item.mtime_ns == (root / "films" / "b.png").stat().st_mtime_ns


def test_anything_else_gives_keys_as_typed(folder):
    root = folder("x/a.png", "y/a.png", "c.png")
    assert keys("x", "y") == ["x/a.png", "y/a.png"]
    assert keys("./x//", "c.png") == ["c.png", "x/a.png"]
    assert keys("c.png") == ["c.png"]
    assert keys(root / "c.png") == [str(root / "c.png")]


def test_what_is_no_film_is_skipped_and_counted(folder):
    folder("f/a.png", "f/labels.csv", "f/README", "f/.hidden.png", "f/.git/a.png")
    folder("f/__MACOSX/a.png", "f/scan.svg", "f/report.PDF", "f/empty")
    folder("f/dicom_without_suffix", "f/film.txt", content=b"FILM of a kind")
    os.mkfifo("f/fifo.png")
    server = socket.socket(socket.AF_UNIX)
    server.bind("f/socket.png")
    server.close()
    os.symlink("nowhere", "f/readme_link")
    discovery = found("f")
    assert [item.key for item in discovery.items] == [
        *("a.png", "dicom_without_suffix", "film.txt", "report.PDF", "scan.svg")
    ]
    assert discovery.skipped == {
        "hidden": 2,
        "__MACOSX": 1,
        "not a film": 3,
        "named pipe": 1,
        "socket": 1,
        "dangling link": 1,
    }


def test_what_a_person_names_is_a_film(folder):
    folder("labels.csv", ".hidden.png")
    os.mkfifo("fifo")
    assert keys("labels.csv", ".hidden.png", "fifo") == [".hidden.png", "fifo", "labels.csv"]


def test_links_are_followed_once(folder):
    folder("f/real/a.png", "elsewhere/b.png")
    os.symlink("..", "f/real/loop")
    os.symlink("real", "f/alias")
    os.symlink("../elsewhere", "f/outside")
    os.symlink("real/a.png", "f/film_link.png")
    os.symlink("nothing", "f/dangling.png")
    os.symlink("self.png", "f/self.png")
    discovery = found("f")
    assert [item.key for item in discovery.items] == [
        *("dangling.png", "film_link.png", "outside/b.png", "real/a.png", "self.png")
    ]
    assert discovery.skipped == {"link loop": 2}
    assert discovery.items[0].size == 0


def test_lists_name_a_path_a_line(folder):
    folder("x/a.png", "x/b.png", "c.png")
    Path("list.txt").write_text("\ufeffc.png\n\nx/gone.png\nx\n", encoding="utf-8")
    assert keys("@list.txt") == ["c.png", "x/a.png", "x/b.png", "x/gone.png"]
    Path("bad.txt").write_text("nope.png\n")
    with pytest.raises(InputError, match="None of the 1 paths"):
        found("@bad.txt")
    with pytest.raises(InputError, match="cannot be read"):
        found("@gone.txt")


def test_globs_that_no_shell_expanded(folder):
    folder("x/a.png", "x/b.png", "x/c.jpg", "odd[1].png")
    assert keys("x/*.png") == ["x/a.png", "x/b.png"]
    assert keys("**/*.jpg") == ["x/c.jpg"]
    assert keys("odd[1].png") == ["odd[1].png"]
    with pytest.raises(InputError, match="Nothing matches"):
        found("x/*.dcm")


def test_two_equal_keys_are_an_error_naming_both(folder):
    folder("x/a.png")
    with pytest.raises(InputError, match=r"'x/a\.png'.*'\./x/a.png'"):
        found("x/a.png", "./x/a.png")
    with pytest.raises(InputError, match=r"same name 'x/a\.png'"):
        found("x", "x/a.png")


def test_a_missing_argument_names_the_nearest(folder):
    folder("films/chest.png")
    with pytest.raises(InputError) as caught:
        found("filns")
    assert "Did you mean 'films'?" in caught.value.hint
    with pytest.raises(InputError) as caught:
        found("films/chets.png")
    assert "Did you mean 'chest.png'?" in caught.value.hint
    with pytest.raises(InputError) as caught:
        found("no/where/film.png")
    assert "does not exist either" in caught.value.hint


def test_nothing_found_is_for_the_caller_to_judge(folder):
    folder("f/notes.txt")
    assert not found("f").items
    assert not found().items


def test_order_does_not_depend_on_the_file_system(folder, monkeypatch):
    names = [f"f/{sub}/{n}.png" for sub in ("b", "a", "é", "Z") for n in range(5)]
    folder(*names)
    want = keys("f")
    real = os.scandir

    class Backwards:
        def __init__(self, place):
            with real(place) as entries:
                self.entries = list(entries)[::-1]

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(os, "scandir", Backwards)
    assert keys("f") == want
    assert want == sorted(want, key=str.encode)


def test_odd_names_become_safe_keys(folder):
    root = folder("f/new\nline.png", "f/=1+1.png", "f/-rf.png", 'f/comma,quote".png')
    with open(os.fsencode(root) + b"/f/caf\xe9.png", "wb") as file:
        file.write(b"x")
    assert keys("f") == [
        *("./-rf.png", "./=1+1.png", 'comma,quote".png', "file:caf%E9.png", "new\nline.png")
    ]
    for item in found("f").items:
        assert Path(item.path).read_bytes() == b"x"


def test_a_folder_that_cannot_be_read(folder):
    root = folder("f/a.png", "f/locked/b.png")
    root.chmod(0o755)
    (root / "f/locked").chmod(0)
    with not_root():
        discovery = found("f")
        with pytest.raises(InputError, match="cannot be read"):
            found("f/locked")
    (root / "f/locked").chmod(0o755)
    assert [item.key for item in discovery.items] == ["a.png"]
    assert discovery.skipped == {"folder that cannot be read": 1}


def test_real_films(shared_data):
    discovery = found(shared_data / "fracture")
    assert len(discovery.items) == 208
    assert discovery.skipped == {"not a film": 2}


def test_a_nameless_file_that_cannot_be_read_is_counted_as_such(folder):
    root = folder("films/a.png", "films/locked")
    root.chmod(0o755)
    (root / "films/locked").chmod(0)
    with not_root():
        discovery = found("films")
    assert [item.key for item in discovery.items] == ["a.png"]
    assert discovery.skipped == {"file without a film's suffix that cannot be read": 1}
