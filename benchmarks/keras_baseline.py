"""The network of ``cnn`` as a plain Keras script, on the split of a run: what is there to lose?

    xraybatch train --plugin cnn --data FILMS --labels labels.csv --out RUN
    python benchmarks/keras_baseline.py FILMS RUN

Reads ``RUN/split.csv`` (path, label, split), decodes with Pillow, trains the same layers with Keras
alone, and prints accuracy, AUC and confusion matrix of the test films, by scikit-learn.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score

SIZE, EPOCHS, BATCH = 150, 10, 16


def read(films: Path, run: Path, part: str) -> tuple[np.ndarray, list[str]]:
    with (run / "split.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == part]
    pixels = np.zeros((len(rows), SIZE, SIZE, 1), np.uint8)
    for i, row in enumerate(rows):
        with Image.open(films / row["path"]) as image:
            pixels[i, :, :, 0] = image.convert("L").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return pixels, [row["label"] for row in rows]


def network(classes: int) -> keras.Model:
    return keras.Sequential(
        [
            layers.Input((SIZE, SIZE, 1)),
            layers.Rescaling(1 / 127.5, offset=-1.0),
            *(
                layer
                for filters in (32, 64, 128)
                for layer in (layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D(2))
            ),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def main(films: Path, run: Path) -> None:
    keras.utils.set_random_seed(0)
    parts = {part: read(films, run, part) for part in ("train", "val", "test")}
    classes = sorted(set(parts["train"][1]))
    codes = {
        part: np.array([classes.index(c) for c in names]) for part, (_, names) in parts.items()
    }
    model = network(len(classes))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    best = keras.callbacks.EarlyStopping(patience=EPOCHS, restore_best_weights=True)
    begin = time.process_time()
    model.fit(
        parts["train"][0],
        codes["train"],
        validation_data=(parts["val"][0], codes["val"]),
        epochs=EPOCHS,
        batch_size=BATCH,
        callbacks=[best],
        verbose=2,
    )
    seconds = time.process_time() - begin
    prob = model.predict(parts["test"][0], verbose=0)
    truth, pred = codes["test"], prob.argmax(1)
    print(f"films {[len(names) for _, names in parts.values()]}, classes {classes}")
    print(f"accuracy {accuracy_score(truth, pred):.4f}")
    if len(classes) == 2:
        print(f"AUC ({classes[1]}) {roc_auc_score(truth, prob[:, 1]):.4f}")
    print(confusion_matrix(truth, pred))
    print(f"CPU seconds of training {seconds:.0f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
