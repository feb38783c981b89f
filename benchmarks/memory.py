"""Whether the memory of a prediction grows with its films.

    python benchmarks/memory.py [--films 1000,100000] [--model FILE] [--workers 2]

Lays so many tiny films (hard links to a few) into temporary folders, predicts each folder in a
process of its own, and prints the most that was ever resident (VmHWM), of the parent and of its
decoding processes, with the ratio of the last to the first. Exits with 1 where the sum grew by more
than a tenth.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

_DIFFERENT = 16
_IN_A_FOLDER = 1000
_LOOK = 0.05  # seconds between two looks; the peak that is read holds what was between them
MOST = 1.1


def main() -> None:
    """Print a line for each number of films, and the ratio; exit with 1 where memory grew."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", default="1000,100000")
    parser.add_argument("--model", type=Path, help="the bundled demonstration model if left out")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    sums = []
    for count in map(int, given.films.split(",")):
        with tempfile.TemporaryDirectory() as place:
            lay_out(Path(place, "films"), count)
            begin = time.perf_counter()
            parent, workers = peaks(Path(place), given.model, given.workers)
        sums.append(parent + sum(workers))
        each = ", ".join(f"{one / 1e6:.0f}" for one in workers)
        print(
            f"{count:,} films: {sums[-1] / 1e6:.0f} MB, of it the parent {parent / 1e6:.0f}, "
            f"workers {each}; {time.perf_counter() - begin:.0f} s",
            flush=True,
        )
    print(f"ratio {sums[-1] / sums[0]:.3f}")
    sys.exit(sums[-1] > MOST * sums[0])


def lay_out(folder: Path, count: int) -> None:
    """Fill a folder with so many names of a few films."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    films = [folder / f"{number}.png" for number in range(min(count, _DIFFERENT))]
    for film in films:
        Image.fromarray(rng.integers(0, 256, (40, 32), np.uint8)).save(film)
    for number in range(len(films), count):
        target = folder / f"{number // _IN_A_FOLDER:04}" / f"film-{number:07}.png"
        target.parent.mkdir(exist_ok=True)
        os.link(films[number % len(films)], target)


def peaks(place: Path, model: Path | None, workers: int) -> tuple[int, list[int]]:
    """Predict ``films`` in `place`: the most bytes resident of the parent, and of each worker."""
    typed = [
        *(sys.executable, "-m", "xraybatch", "predict", "films", "--out", "r.csv", "-q"),
        *(
            "--device",
            "cpu",
            "--workers",
            str(workers),
            *(("--model", str(model)) if model else ()),
        ),
    ]
    process = subprocess.Popen(typed, cwd=place, stderr=subprocess.PIPE, text=True)
    found: dict[int, int] = {}
    while process.poll() is None:
        for one in (process.pid, *_workers_of(process.pid)):
            with suppress(OSError):
                found[one] = max(found.get(one, 0), _peak(one))
        time.sleep(_LOOK)
    _, said = process.communicate()
    if process.returncode:
        raise SystemExit(said)
    parent = found.pop(process.pid)
    return parent, sorted(found.values())


def _peak(process: int) -> int:
    """The most bytes of a process that were ever resident; 0 for one that has ended."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _workers_of(process: int) -> Iterator[int]:
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
                    yield int(child)


if __name__ == "__main__":
    main()
