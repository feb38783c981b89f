"""Folders of hostile files by the real command: a row for each, and little memory for all."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.prediction.conftest import grey_pixels
from xraybatch.core.memory import Memory
from xraybatch.extension.records import Limits
from xraybatch.images.memory import shares_of

MOST = 3 << 29  # bytes resident, all processes together
GB = 1 << 30


def tree(process: int) -> list[int]:
    """A process and all below it."""
    found = [process]
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            below = children.read_text().split()
        except OSError:  # it ended meanwhile
            continue
        for child in below:
            found += tree(int(child))
    return found


def resident(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("folder", ["hostile", "dicom"])
def test_hostile_films_cost_a_row_each_and_little_memory(
    folder: str, shared_data: Path, tiny_model: Path, tmp_path: Path
) -> None:
    films = [shared_data / folder]
    if folder == "hostile":
        films = [shared_data / "hostile" / "files", tmp_path / "made"]
        films[1].mkdir()
        maker = [sys.executable, str(shared_data / "hostile" / "make_hostile.py"), "--use-time"]
        subprocess.run([*maker, str(films[1])], check=True, capture_output=True)
    out = tmp_path / "r.csv"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "xraybatch", "predict", *map(str, films), "--out", str(out)),
            *("--model", str(tiny_model), "--device", "cpu", "--workers", "2", "-q"),
            *("--frames", "all", "--tags", "Modality,ViewPosition"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    most = 0
    while process.poll() is None:
        most = max(most, sum(map(resident, tree(process.pid))))
        time.sleep(0.02)
    assert process.stdout is not None
    said = process.stdout.read()
    assert process.returncode == 0, said
    assert most < MOST
    record = json.loads((tmp_path / "r.csv.run.json").read_text())
    assert not {"crashed", "timeout"} & set(record["by_status"])
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == record["films"]
    assert len({(row["path"], row["frame"]) for row in rows}) == len(rows)
    assert record["by_status"]["ok"] > 50


def test_what_is_no_film_is_left_alone_and_named(predict, tmp_path: Path) -> None:
    """Nothing waits for a pipe, and no link is followed for ever."""
    films = tmp_path / "films"
    (films / "below").mkdir(parents=True)
    Image.fromarray(grey_pixels(1)).save(films / "a.png")
    os.mkfifo(films / "fifo.png")
    (films / "below" / "loop").symlink_to(films)
    (films / "null.png").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(films)  # a socket's path is short
        try:
            server.bind("socket.png")
        finally:
            os.chdir(before)
    done = predict("films")
    assert done.status == {"a.png": "ok"}
    kinds = {"device": 1, "link loop": 1, "named pipe": 1, "socket": 1}
    assert done.record["skipped"] == kinds
    assert all(f"{kind} 1" in done.said for kind in kinds)
    named = predict("films/fifo.png", "films/socket.png", "films/null.png", out="b.csv")
    assert set(named.status.values()) == {"unreadable"}


@pytest.mark.parametrize(
    ("machine", "workers", "expected"),
    [
        (None, 2, (2, 4 * GB, 4 * GB)),
        (Memory(64 * GB, 60 * GB), 2, (2, 4 * GB, 4 * GB)),
        (Memory(8 * GB, 2 * GB), 2, (2, 3 * GB, 3 * GB)),
        (Memory(16 * GB, 2 * GB), 8, (8, 8 * GB // 7, 4 * GB)),
        (Memory(64 * GB, 60 * GB, limit=4 * GB), 3, (3, 3 * GB // 4, 3 * GB // 2)),
        (Memory(4 * GB, GB), 16, (5, 3 * GB // 8, 3 * GB // 2)),
        (Memory(GB, GB), 16, (2, 3 * GB // 8, 3 * GB // 8)),
    ],
)
def test_processes_share_the_machine_and_a_film_s_share_is_the_machine_s(
    machine, workers, expected
):
    shares = shares_of(machine, workers, Limits())
    assert (shares.workers, shares.each, shares.alone) == expected
    for others in range(1, 65):  # what a film may take never depends on the workers
        many = shares_of(machine, others, Limits())
        assert many.alone == shares.alone
        if machine is not None:
            assert (many.workers - 1) * many.each + many.alone <= 0.75 * machine.size
