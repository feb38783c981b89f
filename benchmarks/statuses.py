"""The status of every film of a folder with a manifest, against what the manifest expects.

    python benchmarks/statuses.py FOLDER [--use-time DIR]

FOLDER holds manifest.csv with the columns path and expected_status; "also fair: …" in
what_it_tests or why names other answers that are no mistake. Prints a line for each film (expected,
got, path, sentence), then what disagrees, the time and the peak of resident memory; exits with 1
where a film disagrees. Everything is decoded in this process, so a crash or a hang is seen, too.

Films that the manifest marks made_at_use_time lie in DIR, where a script of FOLDER puts them; their
names in the manifest are percent-encoded. What root may read and others may not is asked as another
user. What a walk over a folder leaves out of them, with reasons, is printed as well.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from xraybatch import FilmError, FilmStatus
from xraybatch.images.decode import decode_path, installed_readers
from xraybatch.images.rule import DecodingRule
from xraybatch.sources.discover import discover

_NOBODY = 65534
_RULE = DecodingRule(64, 64)
_REMARKS = ("what_it_tests", "why")


@dataclass(frozen=True)
class Row:
    """A film of the manifest; of the answers that are fair, the expected one stands first."""

    path: Path
    name: str
    fair: tuple[str, ...]
    forbidden: bool


def main() -> None:
    """Print the table; exit with 1 where an answer is not fair."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--use-time", type=Path, metavar="DIR")
    given = parser.parse_args()
    begin, wrong, rows = time.perf_counter(), [], manifest(given.folder, given.use_time)
    for row in rows:
        with _as_nobody(row.forbidden):
            got, sentence = answer(row.path)
        mark = " " if got in row.fair else "!"
        line = f"{mark} {'/'.join(row.fair):32} {got:12} {row.name:.100}  {sentence}"
        print(line)
        if mark == "!":
            wrong.append(line)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if given.use_time is not None:
        _print_walk(given.use_time)
    print(f"\n{len(rows)} films, {len(wrong)} not as expected, {seconds:.1f} s, peak {peak:.0f} MB")
    print(*wrong, sep="\n")
    sys.exit(1 if wrong else 0)


def manifest(folder: Path, use_time: Path | None = None) -> list[Row]:
    """The films of a folder's manifest; those made at use time only where it is said where."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = []
    for row in rows:
        place = folder / row["path"]
        if row.get("made_at_use_time", "no") == "yes":
            if use_time is None:
                continue
            name = unquote_to_bytes(row["path"].removeprefix("USE_TIME/"))
            place = use_time / os.fsdecode(name)
        found.append(Row(place, row["path"], fair(row), "mode 000" in row.get("why", "")))
    return found


@contextmanager
def _as_nobody(wanted: bool) -> Iterator[None]:
    """Root reads what is forbidden: so it is not root that asks."""
    if not wanted or os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def _print_walk(folder: Path) -> None:
    readers = installed_readers()
    found = discover(
        [folder],
        suffixes=frozenset(suffix for reader in readers for suffix in reader.suffixes),
        sniffers=[reader.sniff for reader in readers],
    )
    print("\nA walk takes:", *(quote(os.fsencode(item.key)) for item in found.items), sep="\n  ")
    print("It leaves out:", *(f"{why}: {n}" for why, n in found.skipped.items()), sep="\n  ")


def fair(row: dict[str, str]) -> tuple[str, ...]:
    """The expected status, then those that the remark calls fair as well."""
    said = next(row[name] for name in _REMARKS if name in row).partition("also fair:")[2]
    others = (str(status) for status in FilmStatus if status in said)
    return (row["expected_status"], *(o for o in others if o != row["expected_status"]))


def answer(path: Path) -> tuple[str, str]:
    """What becomes of a film: its status and the sentence that goes with it."""
    try:
        decode_path(path, _RULE)
    except FilmError as error:
        return str(error.status), error.sentence
    return "ok", ""


if __name__ == "__main__":
    main()
