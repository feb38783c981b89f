"""Damaged films by the thousand: each must end as a film or as a status, and harm nobody.

    python -m tests.images.fuzz [--files 20000] [--seed 0] [--only N]

Small films of every format are changed by bytes, lengths, cuts and splices, drawn from the seed and
the film's number, and decoded in processes of their own. Reported are films whose process died,
that took a minute, that came out unreadable although they were read, whose sentence is not one
short line, or in which our own code (and not a library) stumbled. ``--only N`` writes film N of
that seed into the current folder and says what becomes of it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from xraybatch import FilmError, FilmStatus, ImageReader, Limits, StoredImage
from xraybatch.images.decode import decode_path, installed_readers
from xraybatch.images.pool import Decoded, DecodingPool, FilmSource
from xraybatch.images.rule import DecodingRule

sys.path.append(str(Path(__file__).parent))  # decoding processes import from here, too
from fuzz_seeds import seeds

RULE = DecodingRule(16, 16)
LIMITS = Limits(max_pixels=4_000_000, max_bytes=64 << 20)
BATCH = 1000
_LENGTHS = (0, 1, 2, 7, 255, 256, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_STUMBLES = (AssertionError, AttributeError, IndexError, KeyError, NameError, TypeError)
_OURS = str(Path(sys.modules["xraybatch"].__file__ or "").parent)
_NEVER = (FilmStatus.CRASHED, FilmStatus.TIMEOUT, FilmStatus.UNREADABLE)


@dataclass(frozen=True)
class Finding:
    """A film that did what no film may do."""

    number: int
    kind: str
    status: FilmStatus
    sentence: str


@dataclass
class Run:
    """What became of all films."""

    statuses: Counter[str]
    findings: list[Finding]


def main() -> None:
    """Print the statuses by format and what was found; exit with 1 where something was."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="N")
    given = parser.parse_args()
    if given.only is not None:
        _decode_one(given.seed, given.only)
        return
    begin = time.monotonic()
    run = fuzz(given.files, given.seed, report=print)
    for outcome, count in sorted(run.statuses.items()):
        print(f"{count:7} {outcome}")
    print(f"{given.files} films in {time.monotonic() - begin:.0f} s, {len(run.findings)} findings")
    sys.exit(bool(run.findings))


def fuzz(
    files: int, seed: int, *, report: Callable[[Finding], object] = lambda finding: None
) -> Run:
    """Decode damaged films; `report` is told of each finding at once.

    Parameters
    ----------
    files : int
        How many; film N of a seed is the same however many there are.
    seed : int
    report : callable
    """
    run = Run(Counter(), [])
    workers = os.cpu_count() or 1
    with (
        tempfile.TemporaryDirectory() as folder,
        DecodingPool(
            RULE,
            workers=workers,
            timeout=60.0,
            limits=LIMITS,
            readers_from="fuzz:readers",
        ) as pool,
    ):
        for first in range(0, files, BATCH):
            numbers = range(first, min(files, first + BATCH))
            kinds = [_write(Path(folder) / f"{number % BATCH}", seed, number) for number in numbers]
            sources = [FilmSource(f"{folder}/{n % BATCH}", str(n)) for n in numbers]
            for number, kind, decoded in zip(numbers, kinds, pool.decode(sources), strict=True):
                run.statuses[f"{kind} {decoded.status}"] += 1
                if _is_wrong(decoded):
                    run.findings.append(Finding(number, kind, decoded.status, decoded.sentence))
                    report(run.findings[-1])
    return run


def damaged(seed: int, number: int) -> tuple[str, bytes]:
    """Film `number` of a seed: its format, and its bytes after one to four changes."""
    random = np.random.default_rng([seed, number])
    films = seeds()
    kind = sorted(films)[int(random.integers(len(films)))]
    data = bytearray(films[kind])
    for _ in range(int(random.integers(1, 5))):
        change = _CHANGES[int(random.integers(len(_CHANGES)))]
        data = change(data, random)
    if kind.startswith("png") and random.random() < 0.7:
        data = _with_right_sums(data)
    return kind, bytes(data)


def readers() -> list[ImageReader]:
    """Those of the installation, watched: an error of our own code is no damaged film."""
    return [
        replace(
            reader,
            read=_watched(reader.read),
            read_reduced=None if reader.read_reduced is None else _watched(reader.read_reduced),
        )
        for reader in installed_readers()
    ]


def _watched(read: Callable[..., StoredImage]) -> Callable[..., StoredImage]:
    def watched(file: BinaryIO, *arguments: Any) -> StoredImage:
        try:
            return read(file, *arguments)
        except _STUMBLES as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            if not place.filename.startswith(_OURS):
                raise
            where = f"{Path(place.filename).name}:{place.lineno}"
            raise FilmError(
                FilmStatus.CRASHED, f"{where} {type(error).__name__}: {error}"
            ) from None

    return watched


def _is_wrong(decoded: Decoded) -> bool:
    sentence = decoded.sentence
    unfit = len(sentence) > 300 or not sentence.isprintable() or str(Path.cwd()) in sentence
    right_shape = decoded.film is None or decoded.film.shape == (RULE.height, RULE.width)
    is_film = decoded.status is FilmStatus.OK
    return decoded.status in _NEVER or unfit or not right_shape or is_film == bool(sentence)


def _write(path: Path, seed: int, number: int) -> str:
    kind, data = damaged(seed, number)
    path.write_bytes(data)
    return kind


def _decode_one(seed: int, number: int) -> None:
    kind, data = damaged(seed, number)
    path = Path(f"film{number}.{kind.partition('-')[0]}")
    path.write_bytes(data)
    print(f"{path}: {kind}, {len(data)} bytes")
    try:
        print(decode_path(path, RULE, limits=LIMITS, readers=readers()).facts)
    except FilmError as error:
        print(f"{error.status}: {error.sentence}")


# ── changes: each takes and returns a film's bytes ─────────────────────────────────────────────


def _place(data: bytearray, random: np.random.Generator) -> int:
    """Anywhere, but headers more often than their share."""
    end = len(data) if random.random() < 0.5 else min(len(data), 300)
    return int(random.integers(max(1, end)))


def _flip(data: bytearray, random: np.random.Generator) -> bytearray:
    for _ in range(int(random.integers(1, 9))):
        if data:
            data[_place(data, random)] ^= 1 << int(random.integers(8))
    return data


def _overwrite(data: bytearray, random: np.random.Generator) -> bytearray:
    start, length = _place(data, random), int(random.integers(1, 40))
    filling = (bytes(length), b"\xff" * length, random.bytes(length))[int(random.integers(3))]
    data[start : start + length] = filling[: max(0, len(data) - start)]
    return data


def _set_length(data: bytearray, random: np.random.Generator) -> bytearray:
    """A number of 2 or 4 bytes, as lengths and counts are, becomes an extreme or a near one."""
    start, size = _place(data, random), int(random.choice([2, 4]))
    order = "little" if random.random() < 0.5 else "big"
    now = int.from_bytes(data[start : start + size], order)
    value = int(random.choice(_LENGTHS)) if random.random() < 0.7 else now + random.integers(-4, 5)
    data[start : start + size] = (int(value) % (1 << 8 * size)).to_bytes(size, order)
    return data


def _cut(data: bytearray, random: np.random.Generator) -> bytearray:
    return data[: int(random.integers(len(data) + 1))]


def _take_out(data: bytearray, random: np.random.Generator) -> bytearray:
    start = _place(data, random)
    del data[start : start + int(random.integers(1, 200))]
    return data


def _double(data: bytearray, random: np.random.Generator) -> bytearray:
    start = _place(data, random)
    piece = data[start : start + int(random.integers(1, 200))]
    data[start:start] = piece * int(random.integers(1, 4))
    return data


def _splice(data: bytearray, random: np.random.Generator) -> bytearray:
    """Goes on as another film."""
    films = list(seeds().values())
    other = films[int(random.integers(len(films)))]
    return data[: _place(data, random)] + other[int(random.integers(len(other))) :]


_CHANGES = (_flip, _flip, _overwrite, _set_length, _set_length, _cut, _take_out, _double, _splice)


def _with_right_sums(data: bytearray) -> bytearray:
    """Check sums that hold again, so that damage reaches what lies behind them."""
    for start, length in _chunks(data):
        end = start + 8 + length
        data[end : end + 4] = zlib.crc32(data[start + 4 : end]).to_bytes(4, "big")
    return data


def _chunks(data: bytearray) -> Iterator[tuple[int, int]]:
    start = 8
    while start + 12 <= len(data):
        length = int.from_bytes(data[start : start + 4], "big")
        if start + 12 + length > len(data):
            return
        yield start, length
        start += 12 + length


if __name__ == "__main__":
    main()
