"""How near prediction comes to what the machine can do, and how far other ways are from it.

    python benchmarks/throughput.py SHARED --model resnet50=RUN [--model int8=FILE …] [--peers]

SHARED holds chest_pneumonia (small JPEG), knee_osteoporosis (large JPEG), knee_kl (PNG) and dicom
(compressed DICOM); 16-bit PNGs are made from the large JPEGs. Of each kind --films are laid into
one folder and three times as many into another, as copies where there are not enough.

The ideal is arithmetic: core-seconds of the bare session on films that are already decoded, plus
those of decoding in one process alone, spread over the cores. Prediction, and every peer, is a
process of its own over both folders; the difference of the two times is its rate, so that its start
does not count. All take turns, in a new order every round; printed are medians over the rounds of
what was measured in the same round, and the spread of the bare session against itself. The bare
session computes one batch after another by all threads; as many at once as prediction computes of
so many films, it is measured too ("abreast"), which the ideal does not know of. Peers: Keras
`predict` over `image_dataset_from_directory`, onnxruntime in a loop with Pillow, and Ultralytics
and timm where they are installed.
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
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from peers import PEERS, missing
from PIL import Image

from xraybatch.core.cores import available_cores
from xraybatch.core.interrupts import in_order
from xraybatch.core.status import FilmError
from xraybatch.images.decode import decode_path
from xraybatch.images.rule import DecodingRule
from xraybatch.models.choice import choose_model
from xraybatch.models.model import Model
from xraybatch.models.session import Session
from xraybatch.models.sessions import open_sessions

LARGE = 200_000  # bytes of a large JPEG
KINDS = ("small-jpeg", "large-jpeg", "png", "png16", "dicom")
OURS, IDEAL, SESSION, AGAIN, DECODING = "xraybatch", "ideal", "session", "again", "decoding"
ABREAST = "abreast"


def main() -> None:
    """Print a table for each model: a line for each kind of film."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shared", type=Path)
    parser.add_argument("--model", action="append", required=True, metavar="NAME=PATH")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--films", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peers", action="store_true")
    given = parser.parse_args()
    named = dict(one.partition("=")[::2] for one in given.model)
    peers = [name for name in PEERS if given.peers and not told_missing(name)]
    with tempfile.TemporaryDirectory() as place:
        for kind in given.kinds.split(","):
            one, three = Path(place, kind, "1"), Path(place, kind, "3")
            lay_out(kind, given.shared, one, given.films)
            lay_out(kind, given.shared, three, 3 * given.films)
        for name, path in named.items():
            print(f"\n{name}, {available_cores()} cores, {given.films} films, films/s (ratio)\n")
            for kind in given.kinds.split(","):
                one, three = Path(place, kind, "1"), Path(place, kind, "3")
                print(measure(kind, Path(path), one, three, peers, given.rounds), flush=True)


def told_missing(peer: str) -> bool:
    """Whether a peer cannot be measured here, said once."""
    if why := missing(peer):
        print(f"not measured: {peer}: {why}")
    return bool(why)


def lay_out(kind: str, shared: Path, target: Path, count: int) -> None:
    """Fill a folder with films of a kind."""
    target.mkdir(parents=True)
    films = SOURCES[kind](shared, target.parent)
    for number in range(count):
        source = films[number % len(films)]
        shutil.copyfile(source, target / f"{number:06}{source.suffix}")


def measure(
    kind: str, path: Path, one: Path, three: Path, peers: Sequence[str], rounds: int
) -> str:
    """A line: the ideal, what it consists of, and everybody's rate with its ratio to the ideal."""
    model = choose_model(path).model
    session = Session(model, device="cpu")
    (together,) = open_sessions(model, device="cpu", films=len(list(one.iterdir())))
    films, cost = decoded(model, one)
    count, cores = len(list(one.iterdir())), available_cores()
    seconds: dict[str, list[float]] = defaultdict(list)  # a film, of the whole machine
    turns: dict[str, Callable[[], float]] = {
        SESSION: lambda: run_session(session, films),
        AGAIN: lambda: run_session(session, films),
        ABREAST: lambda: run_abreast(together, films),
        DECODING: lambda: decoded(model, one)[1] / cores,
    }
    for name in (OURS, *peers):
        if name == OURS or kind in PEERS[name].reads:
            turns[name] = lambda name=name: difference(name, path, one, three, count)
    seconds[DECODING].append(cost / cores)  # also warms the file cache
    for number in range(rounds):
        for name in random.Random(number).sample(sorted(turns), len(turns)):
            seconds[name].append(turns[name]())
    seconds[DECODING] = seconds[DECODING][1:]
    seconds[IDEAL] = [s + d for s, d in zip(seconds[SESSION], seconds[DECODING], strict=True)]
    shown = [f"{kind:11}"]
    for name in (IDEAL, SESSION, DECODING, AGAIN, ABREAST, OURS, *(n for n in peers if n in turns)):
        base = seconds[SESSION] if name in (AGAIN, ABREAST) else seconds[IDEAL]
        ratios = [b / s for b, s in zip(base, seconds[name], strict=True)]
        rate = 1 / statistics.median(seconds[name])
        shown.append(f"{name} {rate:.1f} ({statistics.median(ratios):.3f})")
    spread = [a / b for a, b in zip(seconds[SESSION], seconds[AGAIN], strict=True)]
    over = [(o - i) * cores * 1000 for o, i in zip(seconds[OURS], seconds[IDEAL], strict=True)]
    shown.append(f"itself {min(spread):.3f} to {max(spread):.3f}")
    shown.append(f"overhead {statistics.median(over):.2f} core-ms a film")
    return "; ".join(shown)


def run_session(session: Session, films: NDArray[np.uint8]) -> float:
    """Seconds a film of the bare session."""
    begin = time.perf_counter()
    session.predict(films)
    return (time.perf_counter() - begin) / len(films)


def run_abreast(session: Session, films: NDArray[np.uint8]) -> float:
    """Seconds a film of the bare session, with as many callers as it takes."""
    size = session.batch_size
    batches = [films[start : start + size] for start in range(0, len(films), size)]
    begin = time.perf_counter()
    for _ in in_order(session.predict, batches, session.in_flight):
        pass
    return (time.perf_counter() - begin) / len(films)


def decoded(model: Model, folder: Path) -> tuple[NDArray[np.uint8], float]:
    """The films of a folder by the model's rule, and the core-seconds that each of them took."""
    paths = sorted(folder.iterdir())
    rule = model.card.rule
    films = np.empty((len(paths), rule.height, rule.width, 1), np.uint8)
    begin = time.perf_counter()
    for number, path in enumerate(paths):
        films[number, :, :, 0] = decode_path(path, rule).pixels
    return films, (time.perf_counter() - begin) / len(paths)


def difference(name: str, model: Path, one: Path, three: Path, count: int) -> float:
    """Seconds a film of a process, its start left out."""
    both = [timed(command_of(name, model, folder)) for folder in (one, three)]
    return max(both[1] - both[0], 1e-9) / (2 * count)


def command_of(name: str, model: Path, folder: Path) -> list[str]:
    """What a person would type."""
    if name != OURS:
        peers = Path(__file__).with_name("peers.py")
        return [sys.executable, str(peers), name, str(model), str(folder)]
    out = folder.parent / "results.csv"
    told = ["--out", str(out), "--model", str(model), "--overwrite", "--discard-job", "--quiet"]
    return [sys.executable, "-m", "xraybatch", "predict", str(folder), "--device", "cpu", *told]


def timed(command: Sequence[str]) -> float:
    """Seconds that a process takes."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def _jpegs(folder: Path, least: int, most: float) -> list[Path]:
    found = (p for p in folder.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg"})
    return sorted(p for p in found if least <= p.stat().st_size < most)


def _small_jpeg(shared: Path, _: Path) -> list[Path]:
    return _jpegs(shared / "chest_pneumonia", 0, LARGE)


def _large_jpeg(shared: Path, _: Path) -> list[Path]:
    return _jpegs(shared / "knee_osteoporosis", LARGE, float("inf"))


def _png(shared: Path, _: Path) -> list[Path]:
    return sorted((shared / "knee_kl").rglob("*.png"))


def _png16(shared: Path, place: Path) -> list[Path]:
    """12 bits in 16 with noise, as a detector gives them, of 1024 x 1024 pixels."""
    made = place / "made"
    if not made.is_dir():
        made.mkdir(parents=True)
        noise = np.random.default_rng(0)
        for number, path in enumerate(_large_jpeg(shared, place)[:16]):
            grey = np.asarray(Image.open(path).convert("L").resize((1024, 1024)), np.uint16)
            values = (grey << 4) + noise.integers(0, 16, grey.shape, np.uint16)
            Image.fromarray(values).save(made / f"{number}.png")
    return sorted(made.iterdir())


def _dicom(shared: Path, _: Path) -> list[Path]:
    """Compressed films with pixels that can be read."""
    import pydicom

    found = []
    for path in sorted((shared / "dicom").rglob("*.dcm")):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            if header.file_meta.TransferSyntaxUID.is_compressed and header.Rows >= 500:
                decode_path(path, DecodingRule(224, 224))
                found.append(path)
        except (FilmError, AttributeError, pydicom.errors.InvalidDicomError):
            continue
    return found


SOURCES = {
    "small-jpeg": _small_jpeg,
    "large-jpeg": _large_jpeg,
    "png": _png,
    "png16": _png16,
    "dicom": _dicom,
}

if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
