"""What int8 (or fp16) changes, on films that no network of a cross-validation learned from.

    xraybatch train --plugin narrow --data DATA --folds 5 --out chest-narrow
    python benchmarks/int8.py DATA chest-narrow [chest-cnn …] [--to onnx-int8]

Each fold's model is exported, through its gate, and both files classify the fold's held-out films;
the films of all folds are pooled. Then the sizes of the files, and films/s of the bare sessions on
decoded films: alternating runs, the median of their ratios.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from xraybatch.core.errors import BarMissed
from xraybatch.core.tables import read_table
from xraybatch.core.tasks import TaskKind
from xraybatch.evaluation.mcnemar import share_difference
from xraybatch.images.pool import DecodingPool, FilmSource
from xraybatch.models.card import decide
from xraybatch.models.model import Model, load_model
from xraybatch.models.session import Session
from xraybatch.training.export import export
from xraybatch.training.patients import numbered

RUNS = 15
FILMS = 256  # a timed run


@click.command(help=__doc__)
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.argument("runs", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True)
@click.option("--to", default="onnx-int8", show_default=True)
def main(data: Path, runs: tuple[Path, ...], to: str) -> None:
    for run in runs:
        print(f"## {run.name}, {to}\n")
        with tempfile.TemporaryDirectory() as folder:
            measure(data, run, to, Path(folder))


def measure(data: Path, run: Path, to: str, folder: Path) -> None:
    """Print what the export of a cross-validation's models changes."""
    pooled, both = [], None
    for fold in sorted((run / "folds").iterdir()):
        try:
            done = export(fold, to, folder / f"{fold.name}.onnx")
        except BarMissed as missed:
            print(f"fold {fold.name}: {missed}")
            continue
        models = load_model(fold / "model.onnx"), load_model(done.path)
        held_out, films = decoded(data, fold, models[0])
        pooled.append(compared(held_out, films, models))
        gate = done.precision
        print(f"fold {fold.name}: gate {gate.changed_films} of {gate.films} films changed")
        if done.card.precision["in_float"]:
            print(f"  in float: {', '.join(done.card.precision['in_float'])}")
        both = both or (models, films)
    if both is None:
        return
    report(pd.concat(pooled, ignore_index=True))
    speed(*both)


def decoded(data: Path, fold: Path, model: Model) -> tuple[pd.DataFrame, np.ndarray]:
    """A fold's held-out films: their rows of ``split.csv``, and their pixels."""
    table = read_table(fold / "split.csv")
    table = table[table["split"] == "test"].reset_index(drop=True)
    with DecodingPool(model.card.rule) as pool:
        sources = (FilmSource(str(data / path), path) for path in table["path"])
        films = [one.film for one in pool.decode(sources)]
    return table, np.stack(films)[..., None]


def compared(table: pd.DataFrame, films: np.ndarray, models: tuple[Model, Model]) -> pd.DataFrame:
    """Truth, and what both files say."""
    (entry,) = models[0].card.tasks
    assert entry.task.kind is TaskKind.BINARY, "the benchmark knows two classes only"
    rows = pd.DataFrame({"patient": table.get("patient", "")})
    rows["truth"] = [entry.task.classes.index(name) for name in table[entry.task.name]]
    for name, model in zip(("fp32", "other"), models, strict=True):
        said = Session(model, device="cpu").predict(films)[entry.task.name]
        rows[name] = decide(said, entry)
        rows[f"{name}_score"] = said[:, 1].astype(float)
    return rows


def report(rows: pd.DataFrame) -> None:
    """Print the pooled figures."""
    first, other = (rows[name].eq(rows["truth"]).to_numpy() for name in ("fp32", "other"))
    found = share_difference(first, other, numbered(list(rows["patient"])), "").estimate
    changed = int(rows["fp32"].ne(rows["other"]).sum())
    auc = [roc_auc_score(rows["truth"], rows[f"{name}_score"]) for name in ("fp32", "other")]
    shift = (rows["fp32_score"] - rows["other_score"]).abs()
    print(f"\n{len(rows):,} films out of fold")
    print(f"changed classes   {changed} ({changed / len(rows):.2%})")
    print(f"accuracy          {first.mean():.4f} -> {other.mean():.4f}")
    print(
        f"  in points       {100 * found.value:+.2f} [{100 * found.low:+.2f} to "
        f"{100 * found.high:+.2f}], {found.method}"
    )
    print(f"AUC, pooled       {auc[0]:.4f} -> {auc[1]:.4f}")
    print(f"probability shift {shift.mean():.4f} mean, {shift.max():.4f} largest")


def speed(models: tuple[Model, Model], films: np.ndarray) -> None:
    """Print sizes, and the films/s of both sessions."""
    sessions = [Session(model, device="cpu") for model in models]
    films = np.resize(films, (FILMS, *films.shape[1:]))
    seconds: list[list[float]] = [[], []]
    for run in range(RUNS + 1):
        for i, session in enumerate(sessions):
            begin = time.perf_counter()
            session.predict(films)
            if run:  # the first is warm-up
                seconds[i].append(time.perf_counter() - begin)
    ratios = [a / b for a, b in zip(*seconds, strict=True)]
    sizes = [len(model.content) / 1e6 for model in models]
    rates = [FILMS / statistics.median(some) for some in seconds]
    print(f"file              {sizes[0]:.1f} MB -> {sizes[1]:.1f} MB")
    print(f"films/s           {rates[0]:.0f} -> {rates[1]:.0f}")
    print(
        f"  ratio           {statistics.median(ratios):.2f}, median of {RUNS} alternating runs "
        f"({min(ratios):.2f} to {max(ratios):.2f})\n"
    )


if __name__ == "__main__":
    main()
