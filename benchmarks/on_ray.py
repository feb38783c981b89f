"""What a Ray cluster of this machine costs against the local engine on the same cores.

    python benchmarks/on_ray.py FILMS --model RUN [--films 1024] [--rounds 5] [--actors 2]

FILMS is a folder; its films are laid into one folder of --films and one of three times as many, as
copies where there are not enough. Both engines predict both folders, in turns and in a new order
every round. The difference of the two times is the steady rate: starting does not count. Printed
are medians, the ratio of rates of the same round (the bar is 0.9), and the spread of the local
engine against itself. The cluster has a head without cores and one node with all of them, on
loopback; run it as `unshare --net` where the machine has other addresses.
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
from collections import defaultdict
from pathlib import Path

from xraybatch.core.cores import available_cores

LOCAL, AGAIN, RAY = "local", "again", "ray"
BAR = 0.9
STORE = 100 << 20  # bytes of a node's object store: rows are small


def main() -> None:
    """Print the rates of both, and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--films", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--actors", type=int, default=1)
    given = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)  # in a namespace of its own
    with tempfile.TemporaryDirectory(prefix="xb", dir="/tmp") as place:
        os.environ["RAY_TMPDIR"] = place
        one, three = Path(place, "1"), Path(place, "3")
        lay_out(given.folder, one, given.films)
        lay_out(given.folder, three, 3 * given.films)
        cluster = Cluster()
        try:
            measure(one, three, given, cluster.address)
        finally:
            cluster.shutdown()


class Cluster:
    """A head without cores and a node with those of this machine.

    It is ended node by node: `ray stop` would end those of others too.
    """

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as Nodes

        common = {
            "object_store_memory": STORE,
            "include_dashboard": False,
            "node_ip_address": "127.0.0.1",
        }
        self._nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 0, **common})
        self._node = self._nodes.add_node(num_cpus=available_cores(), **common)
        self.address = str(self._nodes.address)

    def shutdown(self) -> None:
        self._nodes.remove_node(self._node)
        self._nodes.remove_node(self._nodes.head_node)


def lay_out(source: Path, target: Path, count: int) -> None:
    """Fill a folder with so many films."""
    target.mkdir()
    films = sorted(path for path in source.rglob("*") if path.is_file())
    for number in range(count):
        film = films[number % len(films)]
        shutil.copyfile(film, target / f"{number:06}{film.suffix}")


def measure(one: Path, three: Path, given: argparse.Namespace, address: str) -> None:
    """Take turns, and print."""
    seconds: dict[str, list[float]] = defaultdict(list)  # a film
    start: list[float] = []
    for number in range(given.rounds):
        for name in random.Random(number).sample([LOCAL, AGAIN, RAY], 3):
            both = [run(name, folder, given, address) for folder in (one, three)]
            seconds[name].append(max(both[1] - both[0], 1e-9) / (2 * given.films))
            if name == RAY:
                start.append(both[0] - given.films * seconds[name][-1])
        rates = ", ".join(f"{name} {1 / found[-1]:.1f}" for name, found in seconds.items())
        print(f"round {number + 1}: films/s {rates}", flush=True)
    ratios = [base / ray for base, ray in zip(seconds[LOCAL], seconds[RAY], strict=True)]
    itself = [base / again for base, again in zip(seconds[LOCAL], seconds[AGAIN], strict=True)]
    ratio = statistics.median(ratios)
    print(
        f"{available_cores()} cores, --actors {given.actors}: local "
        f"{1 / statistics.median(seconds[LOCAL]):.1f} films/s, Ray "
        f"{1 / statistics.median(seconds[RAY]):.1f}; ratio {ratio:.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f}), local against itself {min(itself):.3f} to "
        f"{max(itself):.3f}; Ray's start {statistics.median(start):.1f} s; "
        f"{'met' if ratio >= BAR else 'MISSED'}: {BAR}"
    )


def run(name: str, folder: Path, given: argparse.Namespace, address: str) -> float:
    """Seconds of a command."""
    out = folder.parent / f"{name}.csv"
    told = ["--out", str(out), "--model", str(given.model), "--device", "cpu", "--quiet"]
    told += ["--overwrite", "--discard-job"]
    if name == RAY:
        told += ["--engine", "ray", "--address", address, "--actors", str(given.actors)]
    begin = time.perf_counter()
    command = [sys.executable, "-m", "xraybatch", "predict", str(folder), *told]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
