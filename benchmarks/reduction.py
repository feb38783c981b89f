"""What decoding a JPEG at a smaller scale changes, against decoding all of it.

    python benchmarks/reduction.py FOLDER … [--sizes 64 128 224 299 512] [--films 200]

For each folder, size and way to resize: how many of its JPEGs (up to --films, evenly spaced)
were reduced, and how many grey levels of 255 the two films are apart: the mean over all pixels of
those films, the mean of the worst film, the pixel that 1 in 1000 exceed, and the largest.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from xraybatch import FilmError, ImageReader
from xraybatch.images.decode import HEAD, decode, installed_readers
from xraybatch.images.rule import RESIZES, DecodingRule


def main() -> None:
    """Print a table: a line for each folder, size and way to resize."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 224, 299, 512])
    parser.add_argument("--films", type=int, default=200)
    given = parser.parse_args()
    jpeg = next(reader for reader in installed_readers() if reader.name == "jpeg")
    print("| films | rule | reduced | mean | worst film | 1 in 1000 | largest |")
    print("|---|---|---|---|---|---|---|")
    for folder in given.folders:
        films = _jpegs(folder, jpeg, given.films)
        for size in given.sizes:
            for resize in RESIZES:
                _compare(folder.name, films, jpeg, DecodingRule(size, size, resize))


def _jpegs(folder: Path, jpeg: ImageReader, most: int) -> list[bytes]:
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            if jpeg.sniff(file.read(HEAD)):
                found.append(path)
    chosen = found[:: max(1, -(-len(found) // most))]
    return [path.read_bytes() for path in chosen]


def _compare(name: str, films: list[bytes], jpeg: ImageReader, rule: DecodingRule) -> None:
    whole = replace(jpeg, read_reduced=None)
    apart, count = [], 0
    for film in films:
        try:
            ours = decode(film, rule, readers=[jpeg]).pixels.astype(np.int16)
        except FilmError:
            continue
        count += 1
        difference = np.abs(ours - decode(film, rule, readers=[whole]).pixels)
        if difference.any():
            apart.append(difference)
    if not apart:
        print(f"| {name} | {rule.height}, {rule.resize} | 0 of {count} | | | | |")
        return
    everything = np.concatenate([difference.ravel() for difference in apart])
    print(
        f"| {name} | {rule.height}, {rule.resize} | {len(apart)} of {count} | "
        f"{everything.mean():.2f} | {max(d.mean() for d in apart):.2f} | "
        f"{np.quantile(everything, 0.999):.0f} | {everything.max()} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
