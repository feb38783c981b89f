"""A run that was killed goes on, and ends as one that was not; real processes, really killed."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from xraybatch.core.errors import InputError, Interrupted, UsageError
from xraybatch.core.tables import read_table

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from xraybatch.training.options import TrainOptions  # noqa: E402
from xraybatch.training.train import resume, train  # noqa: E402

EPOCHS = 5

# kills itself right after, or in the middle of, the n-th writing down of where training stands
CHILD = """
import json, os, signal, sys
from pathlib import Path
import numpy as np
import xraybatch.training.state as state
from xraybatch.training.options import TrainOptions
from xraybatch.training.train import resume, train

asked = json.loads(sys.argv[1])
state.SHARE = 1e-9 if asked["unwritten"] else float("inf")
when, written, epochs = asked["kill"], 0, 0
save, write = state._save, state.PhaseState._write

def after_epoch(self, *given):
    global epochs
    write(self, *given)
    epochs += 1
    if epochs == when:
        os.kill(os.getpid(), signal.SIGKILL)

def counted(path, arrays):
    global written
    if "best" in path.name:
        return save(path, arrays)
    written += 1
    if written == when and asked["torn"]:
        (path.parent / ".0123.tmp").write_bytes(b"half of it")
        os.kill(os.getpid(), signal.SIGKILL)
    save(path, arrays)
    if written == when:
        os.kill(os.getpid(), signal.SIGKILL)

if asked["unwritten"]:
    state.PhaseState._write = after_epoch
else:
    state._save = counted
if asked["resume"]:
    resume(Path(asked["resume"]))
else:
    options = asked["options"]
    options["data"], options["out"] = Path(options["data"]), Path(options["out"])
    train(TrainOptions(**options))
"""


@pytest.fixture(autouse=True)
def every_epoch_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short it is."""
    monkeypatch.setattr("xraybatch.training.state.SHARE", math.inf)


def killed(
    options: TrainOptions,
    epoch: int,
    *,
    torn: bool = False,
    resumed: Path | None = None,
    unwritten: bool = False,
) -> None:
    """Train in another process that is killed when `epoch` is done, or while it is written.

    `unwritten`: no epoch but the first is written down.
    """
    asked = {
        "unwritten": unwritten,
        "options": {k: v for k, v in vars(options).items() if v is not None and v != ()},
        "kill": epoch,
        "torn": torn,
        "resume": str(resumed) if resumed else "",
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(asked, default=str)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def asked_for(data: Path, out: Path, **more: Any) -> TrainOptions:
    return TrainOptions(
        "cnn",
        **{
            "data": data,
            "out": out,
            "image_size": "32",
            "epochs": EPOCHS,
            "learning_rate": 3e-3,
            "batch_size": 8,
            "val_split": 0.2,
            "augment": "mild",
            "dropout": 0.2,
            "weights": "none",
        }
        | more,
    )


@pytest.fixture(scope="module")
def uninterrupted(striped_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return train(asked_for(striped_films, tmp_path_factory.mktemp("whole") / "run"))


@pytest.mark.parametrize(
    ("epoch", "how", "done"),
    [(1, {}, 1), (3, {"torn": True}, 2), (4, {"unwritten": True}, 1), (EPOCHS, {}, EPOCHS)],
)
def test_killed_and_gone_on_with_it_is_the_same_run(
    uninterrupted: Any,
    striped_films: Path,
    tmp_path: Path,
    epoch: int,
    how: Any,
    done: int,
    said: Any,
) -> None:
    options = asked_for(striped_films, tmp_path / "run")
    killed(options, epoch, **how)
    assert not options.out.exists()
    assert (tmp_path / ".run.partial").is_dir()
    with pytest.raises(InputError, match="was stopped") as caught:  # the same command again
        train(options)
    assert f"--resume {options.out}" in caught.value.hint

    run = resume(options.out, said)
    if done < EPOCHS:
        assert f"goes on after epoch {done}" in said.text
    history = pd.read_csv(run.folder / "history.csv")
    expected = pd.read_csv(uninterrupted.folder / "history.csv")
    assert list(history["epoch"]) == list(range(1, len(expected) + 1))
    # the same films in the same order, augmented alike: the same losses
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(history["val_loss"], expected["val_loss"], rtol=1e-3, atol=1e-4)
    ours, theirs = (
        read_table(found.folder / "predictions-test.csv")["prob.abnormal"].astype(float)
        for found in (run, uninterrupted)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    whole = {p.relative_to(uninterrupted.folder) for p in uninterrupted.folder.rglob("*")}
    assert {p.relative_to(run.folder) for p in run.folder.rglob("*")} == whole
    assert not (tmp_path / ".run.partial").exists()
    with pytest.raises(InputError, match="finished already"):
        resume(options.out)


def test_early_stopping_counts_on(striped_films: Path, tmp_path: Path) -> None:
    # a rate that makes it worse and worse: the first epoch is the best
    bad = {"learning_rate": 0.5, "optimizer": "sgd", "patience": 2, "epochs": 9, "plugin": "cnn"}
    options = asked_for(
        striped_films, tmp_path / "whole", **{k: v for k, v in bad.items() if k != "plugin"}
    )
    length = len(pd.read_csv(train(options).folder / "history.csv"))
    again = asked_for(
        striped_films, tmp_path / "run", **{k: v for k, v in bad.items() if k != "plugin"}
    )
    killed(again, length - 1)
    assert len(pd.read_csv(resume(again.out).folder / "history.csv")) == length


def test_a_frozen_backbone_and_fine_tuning_go_on(
    striped_films: Path, tmp_path: Path, tiny: Any, tiny_weights: Path, said: Any, monkeypatch: Any
) -> None:
    import xraybatch.training.state as state

    options = TrainOptions(
        "tiny",
        data=striped_films,
        out=tmp_path / "run",
        weights=str(tiny_weights),
        epochs=3,
        fine_tune=1,
    )
    save, written = state._save, []

    def stopped(path: Path, arrays: Any) -> None:
        save(path, arrays)
        written.append(path.name)
        if written.count("fine-tune.npz") == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(state, "_save", stopped)
    with pytest.raises(Interrupted) as caught:
        train(options)
    assert f"--resume {options.out}" in caught.value.hint
    assert caught.value.exit_code == 5
    monkeypatch.setattr(state, "_save", save)
    run = resume(tmp_path / ".run.partial", said)
    history = pd.read_csv(run.folder / "history.csv")
    assert list(history["phase"]) == ["head"] * 3 + ["fine-tune"] * 3
    assert not [s for s in said.stages if s[0] == "features, once"], "the head has learned already"


def test_writing_takes_its_share_of_the_time_at_most(tmp_path: Path, monkeypatch: Any) -> None:
    import xraybatch.training.state as state
    from xraybatch.training.backend import load_keras

    keras = load_keras()
    clock = iter(range(0, 10**6, 10))  # an epoch takes 10 seconds, and so does writing
    monkeypatch.setattr(state, "SHARE", 0.05)
    monkeypatch.setattr(state, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    stop = keras.callbacks.EarlyStopping(monitor="loss", patience=99, restore_best_weights=True)
    kept, rows, written = state.PhaseState(tmp_path, "whole"), [], []

    def note(epoch: int, logs: Any) -> None:
        rows.append({"epoch": epoch + 1, "loss": logs["loss"]})

    def read(epoch: int, logs: Any) -> None:
        with np.load(tmp_path / "whole.npz") as stored:
            written.append(len(json.loads(bytes(stored["about"]))["rows"]))

    callbacks = keras.callbacks.LambdaCallback
    model.fit(
        np.ones((4, 2)),
        np.ones((4, 1)),
        epochs=50,
        verbose=0,
        callbacks=[
            callbacks(on_epoch_end=note),
            stop,
            kept.keeper(rows, stop, 50, state.Stand()),
            callbacks(on_epoch_end=read),
        ],
    )
    # the first, then when twenty times as long has passed, and what it ended with
    assert sorted(set(written)) == [1, 21, 41, 50]


def test_best_weights_of_an_epoch_that_is_trained_again_are_the_new_ones(tmp_path: Path) -> None:
    import xraybatch.training.state as state
    from xraybatch.training.backend import load_keras

    keras = load_keras()
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(loss="mse", optimizer="sgd")

    def written(kept: Any, rows: int, weight: float) -> None:
        best = [np.full((2, 1), weight, np.float32)]
        stop = SimpleNamespace(best_weights=best)
        stand = state.Stand([{"loss": 1.0}] * rows, False, 1.0, rows - 1)
        kept._write(model, stop, stand)

    written(state.PhaseState(tmp_path, "whole"), 1, 1.0)
    before = (tmp_path / "whole.npz").read_bytes()
    written(state.PhaseState(tmp_path, "whole"), 2, 2.0)
    # as if it had been killed between the two files
    (tmp_path / "whole.npz").write_bytes(before)
    kept = state.PhaseState(tmp_path, "whole")
    assert len(kept.restore(model, SimpleNamespace(best_weights=None)).rows) == 1
    written(kept, 2, 3.0)
    stop = SimpleNamespace(best_weights=None)
    assert state.PhaseState(tmp_path, "whole").restore(model, stop).best_epoch == 1
    assert float(stop.best_weights[0][0, 0]) == 3.0


def test_folds_that_are_done_are_not_done_again(
    striped_films: Path, tmp_path: Path, said: Any
) -> None:
    options = asked_for(striped_films, tmp_path / "run", folds=2, epochs=2, refit=True)
    killed(options, 3)  # in the second fold
    first = tmp_path / ".run.partial" / "folds" / "0" / "model.onnx"
    before = first.read_bytes()
    (tmp_path / ".run.partial" / "folds" / ".1.partial" / "model.onnx").write_bytes(b"half")
    run = resume(options.out, said)
    assert "Fold 0 of 2 is done already." in said.text
    assert (run.folder / "folds" / "0" / "model.onnx").read_bytes() == before
    assert len(read_table(run.folder / "predictions.csv")) == 40
    assert run.model is not None
    for k in range(2):
        assert len(pd.read_csv(run.folder / "folds" / str(k) / "history.csv")) == 2


@pytest.fixture
def stopped_run(
    write_films: Callable[..., Path], tmp_path: Path, tiny: Any, monkeypatch: Any
) -> TrainOptions:
    """A run of ``tiny`` in ``tmp_path`` that was stopped after its first epoch."""
    import xraybatch.training.state as state

    save = state._save

    def stopped(path: Path, arrays: Any) -> None:
        save(path, arrays)
        if "best" not in path.name:
            raise KeyboardInterrupt

    options = TrainOptions(
        "tiny",
        data=write_films(tmp_path / "films"),
        out=tmp_path / "run",
        weights="none",
        epochs=2,
    )
    monkeypatch.setattr(state, "_save", stopped)
    with pytest.raises(Interrupted):
        train(options)
    monkeypatch.setattr(state, "_save", save)
    return options


def test_other_films_are_not_gone_on_with(stopped_run: TrainOptions, tmp_path: Path) -> None:
    films = stopped_run.data
    kept = (films / "film000.png").read_bytes()
    shutil.copy(films / "film003.png", films / "film000.png")
    with pytest.raises(InputError, match="not what this run began with"):
        resume(stopped_run.out)
    (films / "film000.png").write_bytes(kept)
    assert (tmp_path / ".run.partial").is_dir(), "and nothing is lost by trying"
    assert resume(stopped_run.out).model.exists()


def test_what_is_damaged_is_never_learned_from(stopped_run: TrainOptions, tmp_path: Path) -> None:
    (state,) = (tmp_path / ".run.partial" / "state").glob("whole.npz")
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 0xFF
    state.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        resume(stopped_run.out)


def test_a_run_that_is_being_built_is_left_alone(stopped_run: TrainOptions, tmp_path: Path) -> None:
    import sqlite3

    lock = sqlite3.connect(tmp_path / ".run.partial" / "lock", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InputError, match="at this moment"):
        resume(stopped_run.out)
    lock.close()
    assert resume(stopped_run.out).model.exists()


def test_the_command_goes_on_and_takes_no_other_option(
    stopped_run: TrainOptions, tmp_path: Path, monkeypatch: Any
) -> None:
    from click.testing import CliRunner

    from xraybatch.cli.train import command

    monkeypatch.chdir(tmp_path / "films")  # from any folder
    with pytest.raises(UsageError, match="--epochs is given beside --resume"):
        CliRunner().invoke(command, ["--resume", "../run", "--epochs", "3"], catch_exceptions=False)
    done = CliRunner().invoke(command, ["--resume", "../run"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "Run folder:" in done.output


def test_the_same_command_says_that_there_is_something_to_go_on_with(
    stopped_run: TrainOptions, tmp_path: Path, monkeypatch: Any, said: Any
) -> None:
    from dataclasses import replace

    (tmp_path / "runs").mkdir()
    (tmp_path / ".run.partial").rename(tmp_path / "runs" / ".old.partial")
    monkeypatch.chdir(tmp_path)
    train(replace(stopped_run, out=None), said)
    assert "--resume runs/old`" in said.text
    assert resume(Path("runs/old")).folder.name == "old"


def test_python_goes_on_too(stopped_run: TrainOptions) -> None:
    import xraybatch

    with pytest.raises(UsageError, match="beside resume"):
        xraybatch.train(resume=stopped_run.out, epochs=3)
    run = xraybatch.train(resume=stopped_run.out)
    assert len(pd.read_csv(run.folder / "history.csv")) == 2


@pytest.mark.parametrize("name", ["nothing", "bare"])
def test_what_cannot_be_gone_on_with_is_one_clear_error(tmp_path: Path, name: str) -> None:
    (tmp_path / ".bare.partial").mkdir()
    with pytest.raises(InputError) as caught:
        resume(tmp_path / name)
    assert caught.value.hint
