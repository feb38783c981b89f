"""A hundred thousand films in ten shards: memory, and which part of the manifest a shard reads."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

MOST = 400  # MB; that of ten million is in docs/cluster.md

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def simulated(films: int, shards: int, form: str, place: Path) -> dict[str, int]:
    """The peak of each step in MB, by its name; the program itself compares rows and row groups."""
    typed = [sys.executable, ROOT / "benchmarks" / "cluster.py", "--films", films]
    typed += ["--shards", shards, "--form", form, "--place", place, "--most", MOST]
    done = subprocess.run([*map(str, typed)], capture_output=True, text=True, timeout=3000)
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        step: int(peak) for step, peak in re.findall(r"^(\w+): \d+ s, (\d+) MB", done.stdout, re.M)
    }


def test_many_films_in_shards_take_little_memory(tmp_path: Path) -> None:
    peaks = simulated(100_000, 10, "csv", tmp_path)
    assert set(peaks) == {"list", "shards", "merge"}
    assert max(peaks.values()) < MOST


@pytest.mark.soak
def test_memory_of_merging_grows_neither_with_films_nor_with_shards(tmp_path: Path) -> None:
    few = simulated(50_000, 4, "parquet", tmp_path / "few")
    many = simulated(400_000, 200, "parquet", tmp_path / "many")
    assert many["merge"] < few["merge"] + 60
