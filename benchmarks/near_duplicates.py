"""How many changed copies the audit finds among films, by kind, and how many pairs it invents.

python benchmarks/near_duplicates.py DATA [--films 60] [--only real|made]

DATA holds the folders knee_osteoporosis, knee_kl, fracture and chest_pneumonia. Their copies are
real; names say which they are, and only the measure reads names. Made copies are changed as the row
says, from films of every folder and from the sample films, and searched together with as many
films again that have none. Found pairs that names do not explain are printed, to be looked at.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from xraybatch.auditing.duplicates import find_near_duplicates
from xraybatch.core.status import FilmError
from xraybatch.images.decode import decode_path
from xraybatch.images.rule import DecodingRule

FOLDERS = ("knee_osteoporosis", "knee_kl", "fracture", "chest_pneumonia")
SAMPLES = Path(__file__).parent.parent / "sample_data" / "xraybatch_samples" / "films"
SIDE = 256
# one film under two names, which no name says: seen by eye
ALSO_ONE = (("OP28", "OP2"), ("image3", "205beabbbbaa7eaf2e7bd504b23e31_jumbo"))

Films = NDArray[np.uint8]
Change = Callable[[Image.Image], Image.Image]


def films_of(folder: Path, side: int, most: int | None = None) -> tuple[Films, list[str]]:
    """Decode the films that a folder's table names, evenly chosen."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as lines:
        paths = [row["path"] for row in csv.DictReader(lines)]
    paths = paths[:: max(1, len(paths) // most)][:most] if most else paths
    films, names = [], []
    for path in paths:
        try:
            films.append(decode_path(folder / path, DecodingRule(side, side)).pixels)
            names.append(path)
        except FilmError:
            continue
    return np.stack(films), names


def origin(folder: str, path: str) -> str:
    """What the name says of the film that a copy was made of."""
    stem = Path(path).stem
    if folder == "knee_osteoporosis":
        stem = re.sub(r"_aug.*", "", stem)
    elif folder == "knee_kl":
        stem = stem if path.startswith(("clahe/", "test/")) else path
    elif folder == "fracture":
        stem = "d74becf7" if "d74becf7" in path and "_gallery" in path else path
        stem = next((a for a, b in ALSO_ONE if Path(path).stem in (a, b)), stem)
    else:
        stem = path
    return next((a for a, b in ALSO_ONE if stem == b), stem)


def truth(folder: str, films: Films, names: list[str]) -> list[int]:
    """A number for each film, equal for copies: by name, and where pixels are identical."""
    number = list(range(len(films)))
    for keys in ([origin(folder, name) for name in names], [film.tobytes() for film in films]):
        first: dict[object, int] = {}
        for i, key in enumerate(keys):
            old, new = number[i], number[first.setdefault(key, i)]
            number = [new if one == old else one for one in number]
    return number


def row(kind: str, films: int, pairs: int, found: int, false: int, seconds: float) -> None:
    recall = f"{found / pairs:6.2f}" if pairs else "     –"
    print(f"{kind:34}{films:6}{pairs:7}{found:7}{recall}{100 * false / films:11.2f}{seconds:9.2f}")


def real(folder: Path) -> None:
    films, names = films_of(folder, SIDE)
    number = truth(folder.name, films, names)
    begin = time.perf_counter()
    pairs = find_near_duplicates(films)
    seconds = time.perf_counter() - begin
    identical = {(p.first, p.second) for p in pairs if p.kind == "identical"}
    again = {second for _, second in identical}
    left = [i for i in range(len(films)) if i not in again]
    wanted = {(i, j) for i, j in combinations(left, 2) if number[i] == number[j]}
    told = {(p.first, p.second): p for p in pairs if p.kind != "identical"}
    false = [p for key, p in told.items() if key not in wanted]
    exact = len(films) - len({film.tobytes() for film in films})
    row(f"{folder.name}, exact", len(films), exact, len(identical), 0, seconds)
    found = len(wanted & set(told))
    row(f"{folder.name}, changed", len(films), len(wanted), found, len(false), seconds)
    print("    kinds:", dict(Counter(told[key].kind for key in sorted(wanted & set(told)))))
    for key in sorted(wanted - set(told)):
        print("    not found:", *(names[i] for i in key))
    for p in false:
        print(f"    unexplained: {names[p.first]} {names[p.second]} {p.kind} {p.similarity:.2f}")


def _moved(degrees: float = 0, zoom: float = 1, shift: float = 0) -> Change:
    def change(film: Image.Image) -> Image.Image:
        by = (shift * film.width, -shift * film.height)
        turned = film.rotate(degrees, Image.Resampling.BICUBIC, translate=by)
        side = film.width / zoom
        box = ((film.width - side) / 2,) * 2 + ((film.width + side) / 2,) * 2
        return turned.transform(film.size, Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)

    return change


def _jpeg(quality: int) -> Change:
    def change(film: Image.Image) -> Image.Image:
        file = io.BytesIO()
        film.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("L")

    return change


def _values(function: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Change:
    def change(film: Image.Image) -> Image.Image:
        values = 255 * function(np.asarray(film) / 255)
        return Image.fromarray(np.clip(np.round(values), 0, 255).astype(np.uint8))

    return change


def _cropped(film: Image.Image) -> Image.Image:
    w, h = film.size
    return film.crop((0, h // 10, w - w // 8, h)).resize(film.size, Image.Resampling.BICUBIC)


def _random(film: Image.Image) -> NDArray[np.float64]:
    values = np.asarray(film)
    return np.random.default_rng(int(values.sum())).normal(0, 0.03, values.shape)


def _noise(film: Image.Image) -> Image.Image:
    return _values(lambda values: values + _random(film))(film)


CHANGES: dict[str, Change] = {
    "JPEG quality 50": _jpeg(50),
    "noise of 8 grey levels": _noise,
    "a quarter of the size": lambda f: f.resize((f.width // 4,) * 2, Image.Resampling.BOX),
    "gamma 0.6": _values(lambda v: v**0.6),
    "gamma 1.7": _values(lambda v: v**1.7),
    "equalised": ImageOps.equalize,
    "negative": ImageOps.invert,
    "mirrored": ImageOps.mirror,
    "mirrored, brighter, JPEG 70": lambda f: _jpeg(70)(
        _values(lambda v: 1.2 * v)(ImageOps.mirror(f))
    ),
    "turned by 90 degrees": lambda f: f.transpose(Image.Transpose.ROTATE_90),
    "turned by 180 degrees": lambda f: f.transpose(Image.Transpose.ROTATE_180),
    "upside down": ImageOps.flip,
    "shifted by 5 %": _moved(shift=0.05),
    "shifted by 12 %": _moved(shift=0.12),
    "zoomed by 1.1": _moved(zoom=1.1),
    "zoomed by 0.9": _moved(zoom=0.9),
    "zoomed by 1.25": _moved(zoom=1.25),
    "rotated by 5 degrees": _moved(5),
    "rotated by 10 degrees": _moved(-10),
    "rotated by 20 degrees": _moved(20),
    "rotated by 35 degrees": _moved(35),
    "cropped by a tenth, an eighth": _cropped,
    "mirrored, rotated by 7, shifted": lambda f: _moved(7, shift=0.04)(ImageOps.mirror(f)),
}


def made(bases: dict[str, Films]) -> None:
    for name, base in bases.items():
        half = len(base) // 2
        whole = [Image.fromarray(film) for film in base]
        for kind, change in CHANGES.items():
            seen = [*whole, *(change(film) for film in whole[:half])]
            small = np.stack([_shrunk(film) for film in seen])
            begin = time.perf_counter()
            pairs = {(p.first, p.second) for p in find_near_duplicates(small)}
            seconds = time.perf_counter() - begin
            wanted = {(i, len(base) + i) for i in range(half)}
            false = len(pairs - wanted)
            row(f"{name}, {kind}"[:34], len(small), half, len(pairs & wanted), false, seconds)


def _shrunk(film: Image.Image) -> Films:
    return np.asarray(film.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def alone(films: Films, names: list[str], folder: str) -> Films:
    """One film of each group of copies, so that made copies are the only ones."""
    first: dict[int, int] = {}
    for i, number in enumerate(truth(folder, films, names)):
        first.setdefault(number, i)
    return films[list(first.values())]


def bases(data: Path, most: int) -> Iterator[tuple[str, Films]]:
    for folder in FOLDERS:
        yield folder, alone(*films_of(data / folder, 2 * SIDE, most), folder)
    yield "samples", films_of(SAMPLES, 2 * SIDE, most)[0]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--films", type=int, default=60)
    parser.add_argument("--only", choices=["real", "made"])
    given = parser.parse_args()
    titles = f"{'pairs':>7}{'found':>7}{'recall':>6}{'false/100':>11}{'seconds':>9}"
    print(f"{'kind':34}{'films':>6}{titles}")
    if given.only != "made":
        for folder in FOLDERS:
            real(given.data / folder)
    if given.only != "real":
        made(dict(bases(given.data, given.films)))


if __name__ == "__main__":
    main()
