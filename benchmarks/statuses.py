"""The status of every film of a folder with a manifest, against what the manifest expects.

python benchmarks/statuses.py FOLDER

FOLDER holds manifest.csv with the columns path and expected_status; "also fair: …" in
what_it_tests or why names other answers that are no mistake. Prints a line for each film (expected,
got, path, sentence), then what disagrees, the time and the peak of resident memory; exits with 1
where a film disagrees. Everything is decoded in this process, so a crash or a hang is seen, too.
"""

from __future__ import annotations

import csv
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from xraybatch import FilmError, FilmStatus
from xraybatch.images.decode import decode_path
from xraybatch.images.rule import DecodingRule

_RULE = DecodingRule(64, 64)
_REMARKS = ("what_it_tests", "why")


@dataclass(frozen=True)
class Row:
    """A film of the manifest; of the answers that are fair, the expected one stands first."""

    path: Path
    name: str
    fair: tuple[str, ...]


def main() -> None:
    """Print the table; exit with 1 where an answer is not fair."""
    if len(sys.argv) != 2 or not (folder := Path(sys.argv[1])).is_dir():
        sys.exit(__doc__)
    begin, wrong, rows = time.perf_counter(), [], manifest(folder)
    for row in rows:
        got, sentence = answer(row.path)
        mark = " " if got in row.fair else "!"
        line = f"{mark} {'/'.join(row.fair):32} {got:12} {row.name}  {sentence}"
        print(line)
        if mark == "!":
            wrong.append(line)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\n{len(rows)} films, {len(wrong)} not as expected, {seconds:.1f} s, peak {peak:.0f} MB")
    print(*wrong, sep="\n")
    sys.exit(1 if wrong else 0)


def manifest(folder: Path) -> list[Row]:
    """The films of a folder's manifest that lie in it."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        Row(folder / row["path"], row["path"], fair(row))
        for row in rows
        if row.get("made_at_use_time", "no") == "no"
    ]


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
