"""A full disk, a folder that goes, films that go or change: one line, nothing corrupted."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xraybatch.core.errors import InputError, Interrupted
from xraybatch.models.model import load_model
from xraybatch.prediction import publish as publishing
from xraybatch.prediction import writing
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.record import PredictionRecord
from xraybatch.prediction.run import predict_items
from xraybatch.sources.films import find_films

TELLING = """
from xraybatch.prediction import dispatch; dispatch._COMMIT_SECONDS = 0.01
from xraybatch.prediction.jobs.job import Job
write = Job.write
def told(job, rows):
    write(job, rows)
    print(job.count_done(), flush=True)
    input()
Job.write = told
"""


def predict(model: Path, films: Path, out: Path, **options: object) -> PredictionRecord:
    chosen = PredictOptions(device="cpu", **options)  # type: ignore[arg-type]
    return predict_items(find_films([films]).items, load_model(model), out, options=chosen)


def started(
    model: Path, films: Path, out: Path, before: str = "", limit: Callable[[], None] | None = None
) -> subprocess.Popen[str]:
    code = (
        f"{before}\nfrom xraybatch.cli.app import main\n"
        f"main(['predict', {str(films)!r}, '--out', {str(out)!r}, '--model', {str(model)!r},"
        " '--device', 'cpu', '--batch-size', '2', '--workers', '1', '-q'])"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
    )


@pytest.fixture
def many(grey_films: Path, tmp_path: Path) -> Path:
    films = tmp_path / "films"
    for copy in range(5):
        shutil.copytree(grey_films, films / str(copy))
    return films


def test_a_full_disk_is_one_sentence_and_the_run_goes_on(
    many: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """No file can grow over 40 KiB, which the job reaches before its 200 films are done."""

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40 << 10, 40 << 10))

    out = tmp_path / "r.csv"
    process = started(tiny_model, many, out, limit=full)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 3, said
    assert "See whether the disk is full" in said
    assert "Traceback" not in said
    assert not out.exists()
    predict(tiny_model, many, out)
    predict(tiny_model, many, tmp_path / "fresh.csv")
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()


def test_a_disk_that_is_full_for_the_new_table_keeps_the_old_one(
    grey_films: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films, out = tmp_path / "films", tmp_path / "out" / "r.csv"
    shutil.copytree(grey_films, films)
    predict(tiny_model, films, out)
    before = out.read_bytes()
    (films / "a" / "film1.png").unlink()
    write = writing.WRITERS[".csv"]

    @contextmanager
    def full(path: Path, header: writing.Header, group: int) -> Iterator[writing.WriteRow]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            with write(path, header, group) as one:
                yield one
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    monkeypatch.setitem(writing.WRITERS, ".csv", full)
    with pytest.raises(InputError, match="cannot be written"):
        predict(tiny_model, films, out, update=True)
    assert out.read_bytes() == before
    names = sorted(p.name for p in out.parent.iterdir())
    assert names == ["r.csv", "r.csv.job", "r.csv.run.json"]
    monkeypatch.undo()
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path))
    predict(tiny_model, films, out, update=True)
    predict(tiny_model, films, tmp_path / "fresh.csv")
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()


@pytest.mark.parametrize("blocked", [False, True])
def test_an_output_folder_that_goes_is_made_again_or_named(
    many: Path, tiny_model: Path, tmp_path: Path, blocked: bool
) -> None:
    out, fresh = tmp_path / "out" / "r.csv", tmp_path / "fresh.csv"
    process = started(tiny_model, many, out, TELLING)
    assert process.stdout is not None
    assert process.stdout.readline()
    shutil.rmtree(out.parent)
    if blocked:
        out.parent.write_text("no folder any more")
    _, said = process.communicate("\n" * 1000, timeout=120)
    assert "Traceback" not in said
    assert process.returncode == (3 if blocked else 0), said
    if blocked:
        assert "cannot be written" in said
        assert "the folder is gone" in said
        out.parent.unlink()
        predict(tiny_model, many, out)
    predict(tiny_model, many, fresh)
    assert out.read_bytes() == fresh.read_bytes()


def test_a_place_that_cannot_be_written_is_told_before_the_first_film(
    grey_films: Path, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    for out in (tmp_path / "file" / "r.csv", Path("/proc/self/r.csv")):
        with pytest.raises(InputError, match="cannot be written"):
            predict(tiny_model, grey_films, out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_films_that_go_under_way_have_their_row(
    many: Path, tiny_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    process = started(tiny_model, many, out, TELLING)
    assert process.stdout is not None
    process.stdout.readline()
    shutil.rmtree(many / "4")
    _, said = process.communicate("\n" * 1000, timeout=120)
    assert process.returncode == 0, said
    lines = out.read_text().splitlines()[1:]
    assert len(lines) == 200
    gone = [line for line in lines if ",unreadable," in line]
    assert 0 < len(gone) <= 40
    assert all(line.startswith("4/") for line in gone)
    assert all(",ok," in line for line in lines if not line.startswith("4/"))


def test_a_film_that_changes_after_it_was_found_is_found_again(
    grey_films: Path, tiny_model: Path, tmp_path: Path
) -> None:
    """The row is of the bytes that were read; the next update sees another time."""
    films, out = tmp_path / "films", tmp_path / "r.csv"
    shutil.copytree(grey_films, films)
    items = find_films([films]).items
    changed = films / "a" / "film1.png"
    Image.fromarray(np.full((40, 36), 9, np.uint8)).save(changed)
    os.utime(changed, ns=(1, 1))
    predict_items(items, load_model(tiny_model), out, options=PredictOptions(device="cpu"))
    predict(tiny_model, films, tmp_path / "fresh.csv")
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()
    assert predict(tiny_model, films, out, update=True).resumed["changed"] == 1
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_run_that_is_stopped_while_it_writes_its_table_goes_on(
    grey_films: Path, tiny_model: Path, tmp_path: Path, name: str
) -> None:
    films, out = tmp_path / "films", tmp_path / "out" / "r.csv"
    shutil.copytree(grey_films, films)
    waiting = """
from xraybatch.prediction import publish
count = publish._count
def told(*arguments):
    print('writing', flush=True)
    input()
    count(*arguments)
publish._count = told
"""

    def deaf_no_more() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = started(tiny_model, films, out, waiting, deaf_no_more)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 5, said
    assert "goes on" in said
    assert sorted(p.name for p in out.parent.iterdir()) == ["r.csv.job"]
    predict(tiny_model, films, out)
    predict(tiny_model, films, tmp_path / "fresh.csv")
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()


def test_interrupted_is_what_python_hears_too(
    grey_films: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(publishing, "sha256_of", stopped)
    with pytest.raises(Interrupted, match="same command"):
        predict(tiny_model, grey_films, tmp_path / "r.csv")
