"""A disk that is full, at whatever moment, and one that is read-only: real ones, of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.prediction.conftest import grey_pixels

FILMS = 300
PAGE = 4  # KiB
# $1 the disk, $2 its KiB, then the command; its own words, code and files, then those with room
FULL = """
disk=$1 size=$2; shift 2
mount -t tmpfs -o size=64m none "$disk"
if [ "$size" -gt 0 ]; then
    room=$(df -k --output=avail "$disk" | tail -1)
    head -c $(( (room - size) * 1024 )) /dev/zero > "$disk/filler"
else
    cat /dev/zero > "$disk/filler" 2>/dev/null || true
fi
code=0; "$@" || code=$?
echo "code $code"; echo "files" $(ls -A "$disk")
rm "$disk/filler"
code=0; "$@" || code=$?
echo "code $code"; echo "files" $(ls -A "$disk")
cp "$disk/r.csv" "$disk.csv" || true
"""
READ_ONLY = """
place=$1; shift
mount --bind "$place" "$place"
mount -o remount,bind,ro "$place"
code=0; "$@" || code=$?
echo "code $code"
"""


def with_mounts(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script that may mount, which nobody else sees and which ends with it."""
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-uc", script, "sh", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module", autouse=True)
def may_mount(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("mount")
    if shutil.which("unshare") is None:
        pytest.skip("this machine cannot mount a small disk: it has no unshare")
    tried = with_mounts('set -e; mount -t tmpfs none "$1"; mount --bind "$1" "$1"', place)
    if tried.returncode:
        pytest.skip(f"this machine cannot mount a small disk: {tried.stderr.strip()}")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "films"
    folder.mkdir()
    for number in range(FILMS):
        Image.fromarray(grey_pixels(number)).save(folder / f"{number:03}.png")
    return folder


def command(films: Path, out: Path, model: Path) -> list[str]:
    given = ["predict", films, "--out", out, "--model", model, "--device", "cpu", "--workers", "1"]
    return [sys.executable, "-m", "xraybatch", *map(str, given), "-q"]


@pytest.fixture(scope="module")
def whole(films: Path, tiny_model: Path) -> Path:
    """The table of a run with room enough, its job and its record beside it."""
    out = films.parent / "r.csv"
    subprocess.run(command(films, out, tiny_model), check=True, timeout=120)
    return out


@pytest.mark.parametrize("moment", ["start", "rows", "table"])
def test_a_disk_that_is_full_loses_nothing(
    films: Path, tiny_model: Path, whole: Path, tmp_path: Path, moment: str
) -> None:
    job, table = (size_of(whole.with_name(name)) for name in ("r.csv.job", "r.csv"))
    room = {"start": 0, "rows": job - 2 * PAGE, "table": job + table}
    disk = tmp_path / "disk"
    disk.mkdir()
    typed = command(films, disk / "r.csv", tiny_model)
    done = with_mounts(FULL, disk, room[moment], *typed)
    words = " ".join(done.stderr.split())
    told = [line for line in done.stdout.splitlines() if line.startswith(("code", "files"))]
    assert told[0] == "code 3", words
    assert "Traceback" not in words
    assert "See whether the disk is full" in words
    assert ("r.csv cannot be written: No space left" in words) == (moment == "table")
    assert told[1] == "files filler r.csv.job"
    assert told[2:] == ["code 0", "files r.csv r.csv.job r.csv.run.json"]
    assert Path(f"{disk}.csv").read_bytes() == whole.read_bytes()


def size_of(path: Path) -> int:
    """What a file takes of a disk, in KiB."""
    return -(-path.stat().st_size // (PAGE << 10)) * PAGE


def test_films_on_a_disk_that_is_read_only_are_films(
    films: Path, tiny_model: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    done = with_mounts(READ_ONLY, films, *command(films, out, tiny_model))
    assert done.stdout == "code 0\n", done.stderr
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("begun", [False, True])
def test_an_output_on_a_disk_that_is_read_only_is_told_before_the_first_film(
    films: Path, tiny_model: Path, whole: Path, tmp_path: Path, begun: bool
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    if begun:
        shutil.copy(whole.with_name("r.csv.job"), place)
    before = sorted(place.iterdir())
    done = with_mounts(READ_ONLY, place, *command(films, place / "r.csv", tiny_model))
    words = " ".join(done.stderr.split())
    assert done.stdout == "code 3\n", words
    assert "cannot be written: Read-only file system" in words
    assert "Traceback" not in words
    assert sorted(place.iterdir()) == before
