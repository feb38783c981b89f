"""How long `decode` takes, against the same steps written by hand with plain libraries.

    python benchmarks/decoding.py [FOLDER …] [--size 224] [--rounds 9] [--films 40]

FOLDERs hold films (JPEG, PNG, DICOM). Always compared are the sample films, which are small, and
some of them enlarged to 2400 x 2000 in 12 bits. For each folder and format up to --films, evenly
spaced by name, are decoded to --size by both, in turns within each round, in one process. By hand
means: Pillow with `draft` for JPEG, Pillow for PNG (16 bits through a table), pydicom with its own
functions on a ramp for DICOM; then the orientation and Pillow's resize. Prints the median over the
rounds of processor milliseconds a film, and the median ratio; and how far apart the pixels are:
they are by the rounding of reduced JPEGs, and where a DICOM declares no window, so that `decode`
shows the range of its own values.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_modality_lut, apply_voi_lut

import xraybatch_samples
from xraybatch import FilmError
from xraybatch.images.decode import HEAD, decode_path, installed_readers
from xraybatch.images.rule import DecodingRule

Plain = Callable[[Path, int], NDArray[np.uint8]]


def main() -> None:
    """Print a table: a line for each folder and format."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    samples = Path(xraybatch_samples.__file__).parent / "films"
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--films", type=int, default=40)
    given = parser.parse_args()
    print("| films | how many | by hand, ms | decode, ms | ratio | mean and largest difference |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        _enlarge(samples, large := Path(name) / "enlarged")
        for folder in (*given.folders, samples, large):
            for kind, plain in PLAIN.items():
                films = _films(folder, kind, given.films, given.size)
                if films:
                    _compare(f"{folder.name}, {kind}", films, plain, given.size, given.rounds)


def jpeg(path: Path, size: int) -> NDArray[np.uint8]:
    """Pillow, decoding at a scale that leaves twice the size."""
    with path.open("rb") as file, Image.open(file) as image:
        image.draft("L", (2 * size, 2 * size))
        return _fitted(ImageOps.exif_transpose(image).convert("L"), size)


def png(path: Path, size: int) -> NDArray[np.uint8]:
    """Pillow; 16 bits are mapped by a table, which `convert` would clip."""
    with path.open("rb") as file, Image.open(file) as image:
        if image.mode.startswith("I;16"):
            table = (np.arange(65536) * 255 / 65535 + 0.5).astype(np.uint8)
            image = Image.fromarray(np.take(table, np.asarray(image)))
        return _fitted(ImageOps.exif_transpose(image).convert("L"), size)


def dicom(path: Path, size: int) -> NDArray[np.uint8]:
    """pydicom's decoder; its look-ups on a ramp of stored values, then one table for the film."""
    header = pydicom.dcmread(path)
    values = header.pixel_array
    if values.ndim != 2:
        raise ValueError("only one grey frame")
    signed = values.dtype.kind == "i"
    half = 1 << (header.BitsStored - 1)
    ramp = np.arange(-half, half) if signed else np.arange(2 * half)
    shown = apply_voi_lut(apply_modality_lut(ramp.astype(values.dtype), header), header)
    low, high = float(shown.min()), float(shown.max())
    table = ((shown - low) * (255 / (high - low)) + 0.5).astype(np.uint8)
    if header.PhotometricInterpretation == "MONOCHROME1":
        table = 255 - table
    grey = np.take(table, values.astype(np.int32) + half if signed else values)
    return _fitted(Image.fromarray(grey), size)


_NOT_BY_HAND = (
    *(FilmError, InvalidDicomError, AttributeError, IndexError, NotImplementedError),
    *(RuntimeError, TypeError, ValueError),
)
PLAIN: dict[str, Plain] = {"jpeg": jpeg, "png": png, "dicom": dicom}


def _enlarge(samples: Path, target: Path) -> None:
    """A few sample films as a detector gives them: 2400 x 2000, 12 bits, with noise."""
    target.mkdir()
    random = np.random.default_rng(0)
    for number, path in enumerate(sorted(samples.rglob("*.dcm"))[:6]):
        grey = decode_path(path, DecodingRule(2400, 2000)).pixels
        values = (grey.astype(np.uint16) << 4) + random.integers(0, 16, grey.shape, np.uint16)
        values[0, 0] = 4095
        Image.fromarray(values << 4).save(target / f"{number}.png")
        Image.fromarray(grey).save(target / f"{number}-8.png")
        Image.fromarray(grey).save(target / f"{number}.jpg", quality=90)
        header = pydicom.dcmread(path)
        header.Rows, header.Columns = values.shape
        header.BitsStored, header.HighBit = 12, 11
        header.PixelData = values.tobytes()
        header.save_as(target / f"{number}.dcm")


def _fitted(image: Image.Image, size: int) -> NDArray[np.uint8]:
    return np.array(image.resize((size, size), Image.Resampling.BILINEAR))


def _films(folder: Path, kind: str, most: int, size: int) -> list[Path]:
    """Films of a format that can be read, evenly spaced."""
    reader = next(reader for reader in installed_readers() if reader.name == kind)
    found = sorted(p for p in folder.rglob("*") if p.is_file() and reader.sniff(_head(p)))
    chosen = found[:: max(1, len(found) // most)][:most]
    return [path for path in chosen if _reads(path, kind, size)]


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _reads(path: Path, kind: str, size: int) -> bool:
    try:
        film = decode_path(path, DecodingRule(size, size))
        hand = PLAIN[kind](path, size)
    except _NOT_BY_HAND:
        return False
    return film.facts.format.lower() == kind and film.pixels.shape == hand.shape


def _compare(name: str, films: Sequence[Path], plain: Plain, size: int, rounds: int) -> None:
    rule = DecodingRule(size, size)
    by_hand, ours = [], []
    for number in range(rounds):
        both = [(by_hand, lambda p: plain(p, size)), (ours, lambda p: decode_path(p, rule).pixels)]
        for figures, decode in both if number % 2 else reversed(both):
            begin = time.process_time()
            for path in films:
                decode(path)
            figures.append((time.process_time() - begin) / len(films) * 1000)
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, by_hand, strict=True))
    apart = [
        np.abs(decode_path(path, rule).pixels.astype(int) - plain(path, size)) for path in films
    ]
    print(
        f"| {name} | {len(films)} | {statistics.median(by_hand):.2f} | "
        f"{statistics.median(ours):.2f} | {ratio:.2f} | "
        f"{np.mean([d.mean() for d in apart]):.2f}, {max(d.max() for d in apart)} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
