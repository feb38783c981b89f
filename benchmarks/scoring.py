"""How long ``xraybatch score`` takes, against a loop over scikit-learn on the same tables.

    python benchmarks/scoring.py [--rows 1000000 5000] [--resamples 1000]

Makes results and labels of three classes, about three films a patient, in a temporary folder; runs
the command in a process of its own and then, in another one, what people write by hand: read with
pandas, merge by path, and for each resample of the patients the weighted numbers of scikit-learn.
A few resamples of that loop are run and the others reckoned from them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

CLASSES = ("normal", "pneumonia", "effusion")
LOOPED = {1_000_000: 2, 5_000: 20}  # resamples that the peer really runs


def main() -> None:
    """Print a table: seconds, processor seconds and memory of both, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000])
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--part", choices=["write", "loop"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part == "write":
        write_tables(given.folder, given.rows[0])
    elif given.part == "loop":
        print(*_loop(given.folder, LOOPED.get(given.rows[0], 5)))
    else:
        _print_all(given.rows, given.resamples, peer=not given.no_peer)


def _print_all(sizes: Sequence[int], resamples: int, *, peer: bool) -> None:
    print("| rows | what | seconds | processor seconds | peak memory, MB |")
    print("|---|---|---|---|---|")
    ratios = []
    for rows in sizes:
        with tempfile.TemporaryDirectory() as name:
            # in processes of their own: memory of this one would count as its children's
            own = [__file__, "--rows", str(rows), "--folder", name, "--part"]
            _measured([*own, "write"])
            ours = _measured(_score(Path(name), resamples))
            _line(rows, f"`xraybatch score`, {resamples:,} resamples", ours)
            if peer:
                loop = _measured([*own, "loop"])
                once, each = (float(part) for part in loop[3].split())
                whole = once + each * resamples
                _line(rows, "loop over scikit-learn, reckoned", (whole, whole, loop[2]))
                ratios.append(f"{rows:,} rows: the loop takes {whole / ours[0]:.0f} times as long.")
    print("", *ratios, sep="\n")


def write_tables(folder: Path, rows: int, seed: int = 0) -> None:
    """Write ``results.csv`` and ``labels.csv``, in different orders, as `predict` would."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    patients = rng.integers(0, max(1, rows * 3 // 10), rows)
    truth = rng.integers(0, len(CLASSES), rows)
    likes = rng.normal(size=(patients.max() + 1, len(CLASSES)))[patients]
    logits = rng.normal(size=(rows, len(CLASSES))) + likes
    logits += 2 * (truth[:, None] == np.arange(len(CLASSES)))
    powers = np.exp(logits)
    probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    paths = [f"ward{p % 97:02d}/patient{p:06d}/film{i:07d}.png" for i, p in enumerate(patients)]
    names = np.array(CLASSES)
    failed = rng.random(rows) < 0.001
    results = pd.DataFrame(
        {
            "path": paths,
            "status": np.where(failed, "corrupt", "ok"),
            "label": np.where(failed, "", names[probabilities.argmax(axis=1)]),
            **{f"prob.{c}": probabilities[:, k] for k, c in enumerate(CLASSES)},
            "seen_in_training": 0,
            "error": np.where(failed, "The file contradicts itself.", ""),
        }
    )
    results.loc[failed, [f"prob.{c}" for c in CLASSES]] = np.nan
    labels = pd.DataFrame(
        {"path": paths, "patient": [f"P{p:06d}" for p in patients], "label": names[truth]}
    )
    results.sort_values("path").to_csv(folder / "results.csv", index=False, lineterminator="\r\n")
    labels.iloc[rng.permutation(rows)].to_csv(folder / "labels.csv", index=False)


def _score(folder: Path, resamples: int) -> list[str]:
    tables = [str(folder / "results.csv"), str(folder / "labels.csv")]
    return ["-m", "xraybatch", "score", *tables, "--resamples", str(resamples), "--json"]


def _measured(arguments: Sequence[str]) -> tuple[float, float, float, str]:
    """Seconds, processor seconds, peak memory in MB and output of a Python process."""
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        child = subprocess.Popen([sys.executable, *arguments], stdout=output)
        _, status, used = os.wait4(child.pid, 0)  # of this child alone
        took = time.perf_counter() - began
        if status:
            raise SystemExit(f"failed: {' '.join(arguments)}")
        output.seek(0)
        return took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000, output.read()


def _line(rows: int, what: str, figures: tuple[float, ...]) -> None:
    print(f"| {rows:,} | {what} | {figures[0]:.1f} | {figures[1]:.1f} | {figures[2]:,.0f} |")


def _loop(folder: Path, looped: int) -> tuple[float, float]:
    """Seconds to read and join, and seconds of each resample, as written by hand."""
    import pandas as pd
    from sklearn import metrics

    began = time.perf_counter()
    labels = pd.read_csv(folder / "labels.csv")
    table = pd.read_csv(folder / "results.csv").merge(labels, on="path", validate="1:1")
    table = table[table["status"] == "ok"]
    truth, guess = table["label_y"].to_numpy(), table["label_x"].to_numpy()
    scores = table[[f"prob.{c}" for c in CLASSES]].to_numpy()
    codes, _ = pd.factorize(table["patient"])
    y_true = np.array([CLASSES.index(name) for name in truth])
    y_pred = np.array([CLASSES.index(name) for name in guess])
    onehot = y_true[:, None] == np.arange(len(CLASSES))
    loaded = time.perf_counter()
    rng = np.random.default_rng(0)
    for _ in range(looped):
        drawn = np.bincount(rng.integers(0, codes.max() + 1, codes.max() + 1))
        weight = np.pad(drawn, (0, codes.max() + 1 - len(drawn)))[codes]
        metrics.accuracy_score(y_true, y_pred, sample_weight=weight)
        metrics.precision_recall_fscore_support(y_true, y_pred, sample_weight=weight)
        metrics.cohen_kappa_score(y_true, y_pred, sample_weight=weight)
        metrics.matthews_corrcoef(y_true, y_pred, sample_weight=weight)
        for k in range(len(CLASSES)):
            metrics.roc_auc_score(onehot[:, k], scores[:, k], sample_weight=weight)
            metrics.average_precision_score(onehot[:, k], scores[:, k], sample_weight=weight)
    return loaded - began, (time.perf_counter() - loaded) / looped


if __name__ == "__main__":
    main()
