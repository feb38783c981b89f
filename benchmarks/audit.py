"""The rate of an audit against that of decoding alone, on the same films, in one run.

    python benchmarks/audit.py LARGE CONTENT [--films 2000] [--rounds 2]

LARGE holds large JPEGs, such as knee_osteoporosis; only what they are like is taken: size, colours,
quantisation and subsampling. CONTENT holds films that are different from each other, such as
chest_pneumonia; each is brought to one of these sizes, given a little grain, which enlarging took
from it, and saved as that JPEG under a number. So no two are copies, and the search for copies has
all of them to compare. Labels are drawn at random, and the permutation test is left out.
"""

from __future__ import annotations

import argparse
import csv
import random
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, JpegImagePlugin

from xraybatch.auditing.run import AuditOptions
from xraybatch.auditing.survey import RULE
from xraybatch.images.pool import DecodingPool, FilmSource
from xraybatch.sources.films import find_films
from xraybatch.training.audited import LabelsAsked, audit_folders

GRAIN = 0.65  # grey levels; with it the films have as many bytes as those they are like


def make_folder(large: Path, content: Path, target: Path, films: int, least: int) -> None:
    """Films like the large JPEGs, and their labels."""
    models = [
        (Path(item.path), item.size)
        for item in find_films([large]).items
        if item.size >= least and _is_jpeg(item.path)
    ]
    draw = random.Random(7)
    grain = np.random.default_rng(7)
    sources = draw.sample(find_films([content]).items, films)
    rows, written, like = [], 0, 0
    for number, item in enumerate(sources):
        name = f"{number:05}.jpg"
        path, size = models[number % len(models)]
        with Image.open(path) as model:
            grey = np.asarray(Image.open(item.path).convert("L").resize(model.size))
            grey = np.clip(np.rint(grey + grain.normal(0, GRAIN, grey.shape)), 0, 255)
            sampling = JpegImagePlugin.get_sampling(model)
            film = Image.fromarray(grey.astype(np.uint8)).convert(model.mode)
            film.save(target / name, qtables=model.quantization, subsampling=sampling)
        like += size
        written += (target / name).stat().st_size
        rows.append([name, draw.choice(("a", "b"))])
    with (target / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label"], *rows])
    print(
        f"{films:,} films like {len(models)} large ones: {written / films / 1000:,.0f} kB on "
        f"average, those {like / films / 1000:,.0f} kB"
    )


def decode_alone(folder: Path) -> float:
    """Seconds to decode all, with the audit's rule, and drop them."""
    begin = time.perf_counter()
    sources = (FilmSource(item.path, item.key) for item in find_films([folder]).items)
    with DecodingPool(RULE) as pool:
        count = sum(decoded.film is not None for decoded in pool.decode(sources))
    seconds = time.perf_counter() - begin
    print(f"decoding alone   {count / seconds:7.1f} films/s  {seconds:6.1f} s")
    return seconds


def audit(folder: Path, *, near: bool) -> float:
    """Seconds of the whole audit."""
    begin = time.perf_counter()
    options = AuditOptions(near=near, permutations=0, hashed=False)  # no table is asked for
    found = audit_folders([folder], LabelsAsked(), options)
    seconds = time.perf_counter() - begin
    what = "audit" if near else "audit --no-near"
    print(f"{what:15}  {found.audit.films / seconds:7.1f} films/s  {seconds:6.1f} s")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("large", type=Path)
    parser.add_argument("content", type=Path)
    parser.add_argument("--films", type=int, default=2000)
    parser.add_argument("--least", type=int, default=200_000, help="bytes of a film that is used")
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        make_folder(asked.large, asked.content, Path(place), asked.films, asked.least)
        for _ in range(
            asked.rounds
        ):  # what is timed second finds films in the file cache, so twice
            alone = decode_alone(Path(place))
            plain = audit(Path(place), near=False)
            whole = audit(Path(place), near=True)
            print(
                f"rate against decoding alone: {alone / whole:.2f}; --no-near {alone / plain:.2f}"
            )


def _is_jpeg(path: str) -> bool:
    return path.lower().endswith((".jpg", ".jpeg"))


if __name__ == "__main__":
    main()
