"""What once lost or mixed up rows, or hid behind another error."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import xraybatch
from xraybatch.core.errors import InputError, ModelError, UsageError
from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.models.card import TaskCard
from xraybatch.models.model import load_model
from xraybatch.prediction import run as use_case
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.run import predict_items
from xraybatch.sources.films import find_films


def predict(model: Path, films: Path, out: Path, **options: object) -> list[dict[str, str]]:
    chosen = PredictOptions(device="cpu", **options)  # type: ignore[arg-type]
    predict_items(find_films([films]).items, load_model(model), out, options=chosen)
    with out.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def stopped(tiny_model: Path, grey_films: Path, tmp_path: Path) -> Path:
    """An output whose job was begun over `grey_films` and stopped before publishing."""
    out = tmp_path / "stopped.csv"
    predict(tiny_model, grey_films, out)
    out.unlink()
    _set(out, "published", "0")
    return out


def _set(out: Path, key: str, value: str) -> None:
    with sqlite3.connect(f"{out}.job") as db:
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
    db.close()


def test_a_job_never_gives_one_folders_answers_for_another(
    stopped: Path, tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    """The same names, sizes and times; other films."""
    from PIL import Image

    other = tmp_path / "other"
    for film in sorted(grey_films.rglob("*.png")):
        target = other / film.relative_to(grey_films)
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(film) as image:
            Image.fromarray(255 - np.asarray(image)).save(target)
        status = film.stat()
        with target.open("ab") as file:
            file.truncate(status.st_size)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    resumed = predict(tiny_model, other, stopped)
    assert resumed == predict(tiny_model, other, tmp_path / "fresh.csv")


def test_a_job_over_other_films_is_refused(stopped: Path, tiny_model: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "unknown.png").touch()
    with pytest.raises(InputError, match="other films"):
        predict(tiny_model, other, stopped)


def test_the_current_folder_may_differ_when_going_on(
    tiny_model: Path, grey_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(grey_films.parent)
    out = tmp_path / "r.csv"
    before = predict(tiny_model, Path(grey_films.name), out)
    out.unlink()
    _set(out, "published", "0")
    monkeypatch.chdir(tmp_path)
    assert predict(tiny_model, Path(os.path.relpath(grey_films)), out) == before


def test_the_job_is_never_the_output_nor_a_film(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    for job in (out, tmp_path / "r.csv.run.json"):
        with pytest.raises(UsageError, match="same file"):
            predict(tiny_model, grey_films, out, job=job)
    film = tmp_path / "film.png"
    for content in (b"", b"\x89PNG precious"):
        film.write_bytes(content)
        with pytest.raises(InputError, match="no state of a run"):
            predict(tiny_model, grey_films, out, job=film)
        assert film.read_bytes() == content


def test_an_answer_that_is_no_probability_is_no_answer(
    tiny_model: Path, grey_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xraybatch.models.session import Session

    right = Session.predict

    def sometimes_wrong(self: Session, films: np.ndarray, *rest: object) -> dict[str, np.ndarray]:
        answers = right(self, films, *rest)  # type: ignore[arg-type]
        if not np.array_equal(films[0, ..., 0], films[0]):  # not the self-test's
            answers["label"][0] = (np.nan, 0.5, 0.5)
            answers["label"][1] = (1.5, -0.25, -0.25)
        return answers

    session = Session(load_model(tiny_model), device="cpu")
    monkeypatch.setattr(Session, "predict", sometimes_wrong)
    monkeypatch.setattr("xraybatch.prediction.engines.open_sessions", lambda *_, **__: [session])
    rows = predict(tiny_model, grey_films, tmp_path / "r.csv")
    wrong = [row for row in rows if row["status"] == FilmStatus.NO_ANSWER]
    assert len(wrong) >= 2
    assert {(row["label"], row["prob.normal"]) for row in wrong} == {("", "")}
    assert "nan" not in (tmp_path / "r.csv").read_text()


def test_a_film_of_the_year_2400_is_a_film(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    films = tmp_path / "films"
    shutil.copytree(grey_films / "a", films)
    os.utime(films / "film1.png", (13_569_465_600, 13_569_465_600))
    rows = predict(tiny_model, films, tmp_path / "r.csv")
    assert {row["status"] for row in rows} == {"ok"}


def test_a_run_killed_between_table_and_record_goes_on(
    tiny_model: Path, grey_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r.csv"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(use_case, "write_record", full)
    with pytest.raises(InputError, match="No space left"):
        predict(tiny_model, grey_films, out)
    written = out.read_bytes()
    monkeypatch.undo()
    predict(tiny_model, grey_films, out)
    assert out.read_bytes() == written
    assert json.loads((tmp_path / "r.csv.run.json").read_text())["resumed"]["done"] == 40


def test_what_depends_on_the_day_is_tried_again(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    films = tmp_path / "films"
    shutil.copytree(grey_films, films)
    link, out = films / "link.png", tmp_path / "r.csv"
    link.symlink_to(tmp_path / "share.png")
    before = {row["path"]: row["status"] for row in predict(tiny_model, films, out)}
    assert before["link.png"] == "unreadable"
    out.unlink()
    _set(out, "published", "0")
    shutil.copy(films / "a" / "film1.png", tmp_path / "share.png")
    after = {row["path"]: row["status"] for row in predict(tiny_model, films, out)}
    assert after["link.png"] == "ok"


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("inf"), float("nan")])
def test_a_time_limit_is_a_number_of_seconds(timeout: float) -> None:
    with pytest.raises(UsageError, match="time limit"):
        PredictOptions(timeout=timeout)


@pytest.mark.parametrize(
    ("kind", "thresholds"),
    [
        (TaskKind.BINARY, ()),
        (TaskKind.BINARY, (0.1, 0.2)),
        (TaskKind.BINARY, (float("nan"),)),
        (TaskKind.MULTILABEL, (0.5,)),
        (TaskKind.MULTICLASS, (0.5,)),
    ],
)
def test_thresholds_fit_their_task(kind: TaskKind, thresholds: tuple[float, ...]) -> None:
    task = Task("label", kind, ("a", "b"), "b" if kind is TaskKind.BINARY else None)
    with pytest.raises(UsageError, match="thresholds"):
        TaskCard(task, thresholds)


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "@x", "a\x1b[31m", "a\nb"])
def test_a_class_that_would_be_executed_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="executed"):
        Task("label", TaskKind.MULTICLASS, ("a", name))


def test_a_model_without_a_self_test_is_told(
    make_model: Callable[..., Path], grey_films: Path, tmp_path: Path
) -> None:
    bare = make_model(tmp_path / "bare.onnx", self_test=None, decoder={})
    predict(bare, grey_films, tmp_path / "r.csv")
    record = json.loads((tmp_path / "r.csv.run.json").read_text())
    assert record["self_test_difference"] is None
    assert len(record["notes"]) == 2


def test_a_self_test_that_tests_nothing_is_refused(
    make_model: Callable[..., Path], tiny_model: Path, tmp_path: Path
) -> None:
    from xraybatch.models.session import Session

    test = load_model(tiny_model).card.self_test
    assert test is not None
    for empty in (replace(test, probabilities={}), replace(test, tolerance=1e9)):
        model = make_model(tmp_path / "m.onnx", self_test=empty)
        with pytest.raises(ModelError, match="compared"):
            Session(load_model(model), device="cpu")


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_listener_who_leaves_stops_nothing(
    tiny_model: Path, grey_films: Path, tmp_path: Path, closed: str
) -> None:
    out = tmp_path / "r.csv"
    read, write = os.pipe()
    os.close(read)
    other = {"stdout": "stderr", "stderr": "stdout"}[closed]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "xraybatch", "predict", str(grey_films), "--out", str(out)),
            *("--model", str(tiny_model), "--device", "cpu"),
        ],
        **{closed: write, other: subprocess.DEVNULL},
    )
    os.close(write)
    assert done.returncode == 0
    assert len(out.read_text().splitlines()) == 41


def test_a_run_without_any_answer_says_so(tiny_model: Path, tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    (films / "a.png").write_bytes(b"")
    with pytest.warns(xraybatch.XraybatchWarning, match="None of 1 film could"):
        frame = xraybatch.predict(films, model=tiny_model)
    assert list(frame["status"]) == ["empty"]
