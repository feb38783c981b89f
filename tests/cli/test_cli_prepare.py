"""``xraybatch prepare`` as a person meets it: what it prints, asks and leaves behind."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from xraybatch.cli import prepare
from xraybatch.cli.app import main
from xraybatch.cli.prepare import command
from xraybatch.core.errors import UsageError
from xraybatch.training.datasets.options import FORMS, TEST_SPLIT, VAL_SPLIT

CLASSES = ("normal", "osteopenia", "osteoporosis")


def film(seed: int) -> bytes:
    target = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (9, 8), np.uint8)
    Image.fromarray(pixels).save(target, "png")
    return target.getvalue()


def put(folder: Path, classes: tuple[str, ...] = CLASSES, each: int = 10) -> Path:
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            (folder / name / f"{name[0]}{i:03}.png").write_bytes(film(number * 1000 + i))
    return folder


def zipped(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return archive


def labels(out: Path) -> Counter[str]:
    with (out / "labels.csv").open(encoding="utf-8", newline="") as file:
        return Counter(row["label"] for row in csv.DictReader(file))


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """The address of a local server for what lies in ``served``, and what it was asked for."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            asked.append(self.path)

    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    """The knee films as they are distributed: a ZIP with ZIPs inside."""
    put(tmp_path / "made" / "Knee")
    (tmp_path / "outer").mkdir()
    zipped(tmp_path / "made", tmp_path / "outer" / "Knee dataset.zip")
    return zipped(tmp_path / "outer", tmp_path / "knee.zip")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["prepare", *map(str, arguments)])
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_a_zip_of_zips_behind_an_address(
    tmp_path: Path,
    served: tuple[str, list[str]],
    nested: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    url, asked = served
    digest = hashlib.sha256(nested.read_bytes()).hexdigest()
    nested.rename(tmp_path / "served" / "knee films.zip")
    code, out, err = run(
        capsys,
        *(f"{url}/knee%20films.zip", "--out", tmp_path / "data" / "knee", "--sha256", digest),
        *("--classes", "normal, osteopenia, osteoporosis", "--licence", "CC BY 4.0"),
    )
    assert (code, asked) == (0, ["/knee%20films.zip"])
    assert "kept" not in err
    assert "Class folders 'normal', 'osteopenia', 'osteoporosis'" in err
    assert labels(tmp_path / "data" / "knee") == dict.fromkeys(CLASSES, 10)
    record = json.loads((tmp_path / "data" / "knee" / "dataset.json").read_text())
    assert record["source"]["sha256"] == digest
    assert record["source"]["licence"] == "CC BY 4.0"
    assert record["source"]["citation"] == "not stated"
    assert kept_in(tmp_path / "cache") == []
    assert f"Next: xraybatch train --plugin narrow --data {tmp_path / 'data' / 'knee'}" in out


@pytest.mark.parametrize("what", ["404", "page", "hash", "hostile"])
def test_an_address_that_gives_nothing_usable_leaves_nothing(
    tmp_path: Path,
    served: tuple[str, list[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    url, _ = served
    if what == "page":
        (tmp_path / "served" / "a.zip").write_text("<html>log in</html>")
    elif what != "404":
        with zipfile.ZipFile(tmp_path / "served" / "a.zip", "w") as archive:
            archive.writestr("a/1.png", film(1))
            archive.writestr("../1.png", film(1))
    more = ("--sha256", "0" * 64) if what == "hash" else ()
    code, out, err = run(capsys, f"{url}/a.zip", "--out", tmp_path / "out", *more)
    assert (code, out) == (3, "")
    expected = {"404": "404", "page": "no archive", "hash": "SHA-256", "hostile": "outside"}
    assert expected[what] in err
    assert {p.name for p in tmp_path.iterdir()} <= {"served", "cache"}
    assert kept_in(tmp_path / "cache") == []


def test_a_download_is_kept_for_the_next_try(
    tmp_path: Path,
    served: tuple[str, list[str]],
    nested: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    nested.rename(tmp_path / "served" / "a.zip")
    code, _, err = run(capsys, f"{served[0]}/a.zip", "--out", tmp_path / "o", "--classes", "x,y")
    assert code == 3
    assert "There is no class folder 'x', 'y'; there is 'normal', 'osteopenia'" in err
    assert "The download is kept" in err
    assert not (tmp_path / "o").exists()
    assert run(capsys, f"{served[0]}/a.zip", "--out", tmp_path / "o")[0] == 0
    assert kept_in(tmp_path / "cache") == []


def test_two_at_once_do_not_tread_on_each_other(
    tmp_path: Path,
    served: tuple[str, list[str]],
    nested: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from xraybatch.core.progress import SILENT
    from xraybatch.training.datasets import prepare

    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path / "cache"))
    nested.rename(tmp_path / "served" / "a.zip")
    fetched, waits = threading.Event(), threading.Event()
    unpacked_once = prepare.unpacked_once

    def slowly(*given: Any) -> Any:
        fetched.set()
        assert waits.wait(60), "the other one does not wait"
        return unpacked_once(*given)

    monkeypatch.setattr(prepare, "unpacked_once", slowly)

    class Waiting:
        stage = SILENT.stage

        def note(self, sentence: str) -> None:
            if sentence.startswith("Another process fetches 'http://127.0.0.1"):
                waits.set()

        warn = print

    def first() -> None:
        prepare.prepare_data(f"{served[0]}/a.zip", tmp_path / "one")

    thread = threading.Thread(target=first)
    thread.start()
    assert fetched.wait(60)
    prepare.prepare_data(f"{served[0]}/a.zip", tmp_path / "two", progress=Waiting())
    thread.join()
    assert labels(tmp_path / "one") == labels(tmp_path / "two") == dict.fromkeys(CLASSES, 10)
    assert kept_in(tmp_path / "cache") == []
    assert len(served[1]) == 2


def kept_in(cache: Path) -> list[Path]:
    """Files in it, but for those that only say who may write."""
    return [p for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock"]


def hostile(folder: Path) -> Iterator[tuple[str, Path]]:
    good = {f"{c}/{i}.png": film(i) for c in "ab" for i in range(3)}
    for name, member, content in (
        ("traversal", "../evil.png", film(0)),
        ("absolute", "/evil.png", film(0)),
        ("drive", "C:\\evil.png", film(0)),
        ("clash", "A/0.PNG", film(0)),
        ("bomb", "c/0.png", film(0) + bytes(40 << 20)),
        ("inner", "c.zip", b"PK\3\4 no archive"),
        ("cut", "c/0.png", film(0)),
        ("encrypted", "c/0.png", film(0)),
    ):
        path = folder / f"{name}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for good_member, good_content in good.items():
                archive.writestr(good_member, good_content)
            archive.writestr(member, content)
        data = bytearray(path.read_bytes())
        if name == "encrypted":
            data[data.rfind(b"PK\1\2") + 8] |= 1
        path.write_bytes(data[: len(data) // 2] if name == "cut" else data)
        yield name, path
    for name, kind in (
        ("symlink", tarfile.SYMTYPE),
        ("hardlink", tarfile.LNKTYPE),
        ("device", tarfile.CHRTYPE),
    ):
        with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as archive:
            for member, content in good.items():
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            entry = tarfile.TarInfo("c/0.png")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        yield name, folder / f"{name}.tar.gz"


def test_hostile_archives_each_end_in_one_clear_line_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {
        "traversal": "would be written outside",
        "absolute": "absolute name",
        "drive": "drive letter",
        "clash": "has a name that another one has too",
        "bomb": "200 times its size",
        "inner": "broken or cut",
        "cut": "broken or cut",
        "encrypted": "is encrypted",
        "symlink": "is a link",
        "hardlink": "is a link",
        "device": "is a device",
    }
    (tmp_path / "archives").mkdir()
    for name, archive in hostile(tmp_path / "archives"):
        code, out, err = run(capsys, archive, "--out", tmp_path / "new" / name)
        told = [line for line in err.splitlines() if not line.startswith("unpacking")]
        assert (code, out, len(told)) == (3, "", 2), err
        assert told[0].startswith("Error: "), name
        assert words[name] in told[0]
        assert told[1].endswith(".")
        assert [p.name for p in tmp_path.iterdir()] == ["archives"], name
        words.pop(name)
    assert words == {}


@pytest.mark.parametrize("columns", ["60", "100"])
def test_what_is_printed_fits(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "films")
    (tmp_path / "films" / "normal" / "copy.png").write_bytes(film(0))
    (tmp_path / "films" / "normal" / "empty.png").touch()
    code, out, err = run(capsys, "films", "--out", "knee")
    assert code == 0
    assert all(len(line) <= int(columns) for line in out.splitlines())
    words = " ".join(out.split())
    assert re.search(r"class train val test all normal \d+ \d+ \d+ 11 ", words)
    assert re.search(r"all \d+ \d+ \d+ 31", words)
    assert "2 films are copies of 1 file, byte for byte" in words
    assert "empty file: 1" in words
    assert "Patients not known" in words
    assert "Next: xraybatch train --plugin narrow --data knee" in out
    assert "n000" not in out + err  # no film's name


def test_two_spellings_without_a_terminal_are_wrong_usage(tmp_path: Path) -> None:
    put(tmp_path / "films", ("Normal", "normal", "ill"))
    command_line = [sys.executable, "-m", "xraybatch", "prepare", "films", "--out", "knee"]
    done = subprocess.run(command_line, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "--merge-classes" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "knee").exists()
    done = subprocess.run([*command_line, "--merge-classes"], capture_output=True, cwd=tmp_path)
    assert done.returncode == 0
    assert labels(tmp_path / "knee") == {"Normal": 20, "ill": 10}


@pytest.mark.parametrize(("answer", "classes"), [("y", 2), ("n", 3)])
def test_a_terminal_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, classes: int
) -> None:
    monkeypatch.setattr(prepare, "_on_terminal", lambda: True)
    put(tmp_path / "films", ("Normal", "normal", "ill"))
    done = CliRunner().invoke(
        command,
        [str(tmp_path / "films"), "--out", str(tmp_path / "knee"), "--licence", "CC0"],
        input=f"A hospital\n\n{answer}\n",
    )
    assert done.exit_code == 0, done.output
    assert "Their licence" not in done.output
    assert len(labels(tmp_path / "knee")) == classes
    source = json.loads((tmp_path / "knee" / "dataset.json").read_text())["source"]
    assert (source["name"], source["licence"], source["citation"]) == (
        *("A hospital", "CC0", "not stated"),
    )


def test_quiet_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, put(tmp_path / "films"), "--out", tmp_path / "knee", "-q")
    assert (code, out, err) == (0, "", "")


def test_the_log_names_no_film_and_no_patient(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = put(tmp_path / "films")
    for name in CLASSES:
        for i, path in enumerate(sorted((source / name).iterdir())):
            path.rename(path.with_name(f"Miller{i // 3}_{i}.png"))
    log = tmp_path / "run.jsonl"
    code, out, err = run(
        capsys,
        *(source, "--out", tmp_path / "knee", "--log-file", log),
        *("--patient-from", r"/(\w+)_\d+"),
    )
    assert code == 0
    assert json.loads(log.read_text().splitlines()[0])["kind"] == "begin"
    for text in (log.read_text(), out, err):
        assert "Miller1" not in text
        assert "4 patients" in text or "Patients  4" in text


def test_options_that_exclude_each_other(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        command, [str(tmp_path), "--out", "x", "--merge-classes", "--keep-classes"]
    )
    assert isinstance(done.exception, UsageError)


def test_what_the_command_offers_is_what_is_taken() -> None:
    offered = {p.name: p for p in command.params}
    assert offered["form"].metavar == "|".join(FORMS)
    assert (offered["val_split"].default, offered["test_split"].default) == (VAL_SPLIT, TEST_SPLIT)


def test_python_leaves_the_limits_to_their_defaults() -> None:
    from xraybatch.sources.archives.budget import ArchiveLimits

    offered = {p.name: p.default for p in command.params}
    assert ArchiveLimits() == ArchiveLimits(
        offered["max_gigabytes"] << 30,
        offered["max_ratio"],
        offered["max_entries"],
        offered["max_depth"],
    )
