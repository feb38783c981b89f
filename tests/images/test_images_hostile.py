"""Hostile files that only exist where they are made: odd names, pipes, loops, holes; and memory."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest

from xraybatch import FilmError, Limits
from xraybatch.images.decode import decode_path, installed_readers
from xraybatch.images.rule import DecodingRule
from xraybatch.sources.discover import discover

RULE = DecodingRule(96, 64)
NOBODY = 65534


@pytest.fixture(scope="module")
def hostile(shared_data: Path) -> Path:
    return shared_data / "hostile"


@pytest.fixture(scope="module")
def use_time(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that cannot be kept in a repository."""
    folder = tmp_path_factory.mktemp("use_time")
    script = [sys.executable, hostile / "make_hostile.py", "--use-time", folder]
    subprocess.run(script, check=True, stdout=subprocess.DEVNULL)
    return folder


def rows(hostile: Path) -> dict[str, dict[str, str]]:
    with (hostile / "manifest.csv").open(newline="", encoding="utf-8") as file:
        made = [row for row in csv.DictReader(file) if row["made_at_use_time"] == "yes"]
    named = {os.fsdecode(unquote_to_bytes(row["path"][len("USE_TIME/") :])): row for row in made}
    assert len(named) == 27
    return named


def status_of(path: Path) -> str:
    try:
        decode_path(path, RULE)
    except FilmError as error:
        return str(error.status)
    return "ok"


def test_every_file_made_at_use_time_has_its_status_when_named(hostile, use_time, monkeypatch):
    named = rows(hostile)
    forbidden = named.pop("no_permission.png")
    got = {name: status_of(use_time / name) for name in named}
    assert got == {name: row["expected_status"] for name, row in named.items()}
    monkeypatch.chdir(use_time)  # whose parents are closed to others
    use_time.chmod(0o755)
    if os.geteuid() == 0:  # root reads everything
        os.seteuid(NOBODY)
    try:
        assert status_of(Path("no_permission.png")) == forbidden["expected_status"]
    finally:
        os.seteuid(os.getuid())


def test_a_walk_takes_the_films_and_says_what_it_leaves_out(hostile, use_time):
    readers = installed_readers()
    found = discover(
        [use_time],
        suffixes=frozenset(suffix for reader in readers for suffix in reader.suffixes),
        sniffers=[reader.sniff for reader in readers],
    )
    left_out = {"..png", "directory.png", "fifo.png", "loop_dir"}
    assert {Path(item.path).name for item in found.items} == set(rows(hostile)) - left_out
    assert found.skipped == {
        "folder named like a film": 1,
        "hidden": 1,
        "link loop": 1,
        "named pipe": 1,
    }
    empty = discover([hostile / "files" / "empty"], suffixes=frozenset(), sniffers=[])
    assert "zero_no_suffix" not in {item.key for item in empty.items}
    assert empty.skipped == {"not a film": 1}


def test_the_whole_folder_costs_little_memory(hostile, use_time):
    """65535² headers, 300 MB of real zeros, 100 MB of text, a million chunks, in one process."""
    code = (
        "import sys; from pathlib import Path\n"
        "from xraybatch import FilmError\n"
        "from xraybatch.images.decode import decode_path\n"
        "from xraybatch.images.rule import DecodingRule\n"
        "for top in sys.argv[1:]:\n"
        "    for path in sorted(Path(top).rglob('*')):\n"
        "        try: decode_path(path, DecodingRule(64, 64))\n"
        "        except FilmError: pass\n"
        # of this program alone: what getrusage says begins with whoever started it
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    folders = [hostile / "files", use_time]
    done = subprocess.run(
        [sys.executable, "-c", code, *folders], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 1.5 * 1024 * 1024, "kilobytes"


def stored(path: Path) -> np.ndarray:
    head = path.read_bytes()[:4096]
    reader = next(reader for reader in installed_readers() if reader.sniff(head))
    with path.open("rb") as file:
        return reader.read(file, Limits(), 0).array


SAME = (
    *("good/film_12in16.png", "good/interlaced16.png", "good/film16.j2k", "good/u16.tif"),
    *("good/u16_big_endian.tif", "good/u16_deflate.tif", "good/12bit_packed.tif"),
    *("dicom/mono2.dcm", "bomb/png_1byte_idats.png"),
)
NEGATIVE = {"dicom/mono1.dcm": 4095, "good/u16_white_is_zero.tif": 65535}


def test_one_film_in_many_dresses_has_the_same_12_bit_values(hostile):
    values = {name: stored(hostile / "files" / name) for name in SAME}
    for name, white in NEGATIVE.items():
        values[name] = white - stored(hostile / "files" / name)
    want = values["good/film_12in16.png"]
    assert want.max() == 4095
    assert {name for name, array in values.items() if not np.array_equal(array, want)} == set()


def test_and_the_same_pixels(hostile):
    same = [name for name in (*SAME, *NEGATIVE) if not name.startswith("dicom/")]
    films = {
        name: decode_path(hostile / "files" / name, RULE).pixels
        for name in (*same, "good/grey_alpha16.png", "good/rgb16.png", "good/i16.tif")
    }
    want = films["good/12bit_packed.tif"]
    rgb = films.pop("good/rgb16.png")  # scaled up by 16, so that white is not quite white
    assert {name for name, film in films.items() if not np.array_equal(film, want)} == set()
    assert np.abs(rgb.astype(int) - want).max() <= 1
    # without a window a DICOM shows the range of its own values
    one, other = (
        decode_path(hostile / "files" / "dicom" / f"{name}.dcm", RULE).pixels
        for name in ("mono1", "mono2")
    )
    assert np.array_equal(one, other)
