"""How near prediction from an object store comes to prediction from disk, on the same cores.

    python benchmarks/stores.py FOLDER --model RUN [--films 128] [--rounds 5] [--server moto|plain]

FOLDER holds films; --films of them are laid into one folder and three times as many into another,
as copies under other names where there are not enough, and both are put into a bucket on loopback.
Every run is a process of its own with the same options; the difference of the times of both folders
is the rate, so that starts and listings do not count, and listings of the store count against it as
far as they are longer for more films. Runs take turns in a new order every round; printed are
medians, with the ratio of each round. The server shares the cores, so what it took of them itself
is told: `moto` is a whole S3 in Python, `plain` sends files and no more. --latency makes `plain`
wait before each answer, as a store that is further away does.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.sources.store_servers import BUCKET, KEY, SECRET, Misbehaving, moto, put_folder
from xraybatch.sources.films import find_films

TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print a line a round, and the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--films", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--server", choices=("moto", "plain"), default="moto")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--io-threads", type=int, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folders = {n: Path(place, f"films{n}") for n in (given.films, 3 * given.films)}
        for count, folder in folders.items():
            lay_out(given.folder, folder, count)
        server = moto() if given.server == "moto" else plain(folders, given.latency)
        with server as address:
            if given.server == "moto":
                for folder in folders.values():
                    put_folder(address, folder, f"{folder.name}/")
            measure(given, folders, address, Path(place))


def measure(given: argparse.Namespace, folders: dict[int, Path], address: str, place: Path) -> None:
    """Run all, and print what came out."""
    few, many = folders
    ratios, rates = [], []
    for number in range(given.rounds + 1):  # the first one warms up
        runs = [(where, count) for where in ("disk", "store") for count in folders]
        random.Random(number).shuffle(runs)
        begun = cpu_of_children()
        took = {
            (where, count): seconds(given, where, folders[count], address, place)
            for where, count in runs
        }
        server = (cpu_of_children() - begun) / (few + many)
        disk, store = (
            (many - few) / (took[where, many] - took[where, few]) for where in ("disk", "store")
        )
        if number:
            rates.append((disk, store))
            ratios.append(store / disk)
            print(
                f"round {number}: disk {disk:.1f} films/s, store {store:.1f}, ratio "
                f"{store / disk:.3f}; the server took {1000 * server:.1f} ms a film",
                flush=True,
            )
    disks, stores = zip(*rates, strict=True)
    print(
        f"median: disk {statistics.median(disks):.1f} films/s, store "
        f"{statistics.median(stores):.1f}, ratio {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f})"
    )


def seconds(
    given: argparse.Namespace, where: str, folder: Path, address: str, place: Path
) -> float:
    """How long one run takes."""
    source = str(folder) if where == "disk" else f"s3://{BUCKET}/{folder.name}/"
    command = [sys.executable, "-m", "xraybatch", "predict", source, "--out", str(place / "r.csv")]
    command += ["--model", given.model, "--device", "cpu", "--overwrite", "--quiet"]
    command += ["--io-threads", str(given.io_threads)]
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": address,
    }
    begin = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def cpu_of_children() -> float:
    """Core-seconds of the children that still run: of the server, between two runs."""
    own, total = os.getpid(), 0.0
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                said = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # gone meanwhile
                continue
            if int(said[1]) == own:
                total += (int(said[11]) + int(said[12])) / TICK
    return total


def lay_out(source: Path, target: Path, count: int) -> None:
    """So many films as `source` has, copied where there are not enough."""
    found = find_films([source]).items
    target.mkdir()
    for number in range(count):
        path = Path(found[number % len(found)].path)
        shutil.copyfile(path, target / f"{number:06}{path.suffix}")


@contextmanager
def plain(folders: dict[int, Path], latency: float) -> Iterator[str]:
    """A process that answers from memory."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, list(folders.values()), latency))
    process.start()
    try:
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _serve(told: Any, folders: list[Path], latency: float) -> None:
    objects = {
        f"{folder.name}/{file.name}": file.read_bytes()
        for folder in folders
        for file in folder.iterdir()
    }
    with Misbehaving(objects, latency) as store:
        told.send(store.address)
        time.sleep(1e6)


if __name__ == "__main__":
    main()
