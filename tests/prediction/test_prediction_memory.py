"""Memory does not grow with the films; `tests/sources` holds what is kept of each to its size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_twenty_thousand_films_take_the_memory_of_a_thousand(tiny_model: Path) -> None:
    benchmark = ROOT / "benchmarks" / "memory.py"
    typed = [sys.executable, benchmark, "--films", "1000,20000", "--model", tiny_model]
    done = subprocess.run(typed, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20,000 films" in done.stdout
