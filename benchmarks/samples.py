"""Check the sample films: nothing but the bone may tell the class, and the bone must.

``python benchmarks/samples.py shortcut`` asks how well a logistic regression does that sees only
mean grey, height, width, file size and format (three classes, so one third is chance); it needs
scikit-learn. ``python benchmarks/samples.py learnable`` trains the small network ``cnn`` (by Keras)
from scratch in every fold. Both report pooled accuracy over five folds that keep all films of a
patient together, for one or more seeds of the folds and of the training.
"""

import argparse
import csv
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FILMS = Path(__file__).parent.parent / "sample_data" / "xraybatch_samples" / "films"
FOLDS = 5
SIDE = 150

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Samples:
    """All films of a folder, decoded to 8 bits, in the order of ``labels.csv``."""

    films: list[Grey]
    labels: NDArray[np.intp]
    patients: NDArray[np.str_]
    sizes: list[int]
    formats: list[str]


def decode(path: Path) -> Grey:
    """Read a PNG, JPEG or DICOM film as 8-bit grey, shape ``(rows, columns)``."""
    if path.suffix == ".dcm":
        import pydicom
        from pydicom.pixels.processing import apply_voi_lut

        data = pydicom.dcmread(path)
        stored = np.asarray(apply_voi_lut(data.pixel_array, data), dtype=np.float64)
        shown = stored / (2.0**data.BitsStored - 1) * 255
        inverted = data.PhotometricInterpretation == "MONOCHROME1"
        return np.asarray(np.round(255 - shown if inverted else shown), dtype=np.uint8)
    with Image.open(path) as image:
        pixels = np.asarray(image)
    if pixels.dtype == np.uint8:
        return pixels
    return np.asarray(np.round(pixels / 257), dtype=np.uint8)


def _format(path: Path) -> str:
    if path.suffix != ".png":
        return path.suffix
    with Image.open(path) as image:
        return "png8" if image.mode == "L" else "png16"


def load(folder: Path) -> Samples:
    """Read every film that ``labels.csv`` names."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    paths = [folder / row["path"] for row in rows]
    names = sorted({row["label"] for row in rows})
    return Samples(
        films=[decode(path) for path in paths],
        labels=np.array([names.index(row["label"]) for row in rows], dtype=np.intp),
        patients=np.array([row["patient"] for row in rows]),
        sizes=[path.stat().st_size for path in paths],
        formats=[_format(path) for path in paths],
    )


def folds(samples: Samples, seed: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Split into (training, test) indices, patients kept together."""
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    return list(splitter.split(samples.labels, samples.labels, samples.patients))


def shortcut(samples: Samples, seed: int) -> float:
    """Give the accuracy of a logistic regression on what should not matter."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    kinds = sorted(set(samples.formats))
    features = np.array(
        [
            [film.mean(), *film.shape, size, *(kind == one for one in kinds)]
            for film, size, kind in zip(samples.films, samples.sizes, samples.formats, strict=True)
        ],
        dtype=np.float64,
    )
    right = 0
    for training, test in folds(samples, seed):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        model.fit(features[training], samples.labels[training])
        right += int((model.predict(features[test]) == samples.labels[test]).sum())
    return right / len(samples.labels)


def _network(keras: Any) -> Any:
    """The features of the plugin ``cnn`` and a softmax head, as training adds it."""
    from xraybatch import BuildOptions
    from xraybatch_plugins.cnn import build

    films = keras.Input((SIDE, SIDE, 1))
    embedding = build(BuildOptions(SIDE, SIDE)).neck(films)
    model = keras.Model(films, keras.layers.Dense(3, activation="softmax")(embedding))
    model.compile(keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy")
    return model


def _hold_out(samples: Samples, training: NDArray[np.intp], seed: int) -> NDArray[np.bool_]:
    """Mark a tenth of each class's training patients (at least one) for validation."""
    pick = random.Random(seed)
    held: set[str] = set()
    for label in range(3):
        members = sorted(set(samples.patients[training][samples.labels[training] == label]))
        held.update(pick.sample(members, max(1, round(len(members) / 10))))
    return np.isin(samples.patients[training], sorted(held))


def learnable(samples: Samples, seed: int, batch: int, epochs: int) -> float:
    """Give the accuracy of the network, trained anew in every fold."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    small = (SIDE, SIDE)
    resized = [Image.fromarray(f).resize(small, Image.Resampling.BILINEAR) for f in samples.films]
    images = np.stack([np.asarray(one) for one in resized])[..., None]
    right = 0
    for number, (training, test) in enumerate(folds(samples, seed)):
        keras.utils.set_random_seed(1000 * seed + number)
        held = _hold_out(samples, training, seed)
        fit, watch = training[~held], training[held]
        model = _network(keras)
        best, kept = float("inf"), model.get_weights()
        for _ in range(epochs):
            model.fit(images[fit], samples.labels[fit], batch_size=batch, epochs=1, verbose=0)
            loss = float(model.evaluate(images[watch], samples.labels[watch], verbose=0))
            if loss < best:
                best, kept = loss, model.get_weights()
        model.set_weights(kept)
        guesses = model.predict(images[test], verbose=0).argmax(axis=1)
        hits = int((guesses == samples.labels[test]).sum())
        print(f"  fold {number + 1}: {hits} of {len(test)}, loss {best:.3f}", flush=True)
        right += hits
        keras.backend.clear_session()
    return right / len(samples.labels)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("check", choices=["shortcut", "learnable"])
    parser.add_argument("--folder", type=Path, default=FILMS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args(arguments)
    samples = load(options.folder)
    print(f"{len(samples.films)} films of {len(set(samples.patients))} patients")
    results = []
    for seed in options.seeds:
        if options.check == "shortcut":
            results.append(shortcut(samples, seed))
        else:
            results.append(learnable(samples, seed, options.batch, options.epochs))
        print(f"{options.check}, seed {seed}: accuracy {results[-1]:.3f}", flush=True)
    print(f"{options.check}: mean {mean(results):.3f}, {min(results):.3f} to {max(results):.3f}")


if __name__ == "__main__":
    main()
