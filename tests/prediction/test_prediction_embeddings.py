"""--embeddings: one vector for each film with an answer, none lost, the same bytes every time."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import xraybatch
from tests.prediction.conftest import Done, grey_pixels, write_dicom
from xraybatch.core.errors import InputError, Interrupted, ModelError, UsageError
from xraybatch.core.status import FilmStatus
from xraybatch.models.model import load_model
from xraybatch.models.session import Session
from xraybatch.prediction import run as use_case
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.rows import NO_FRAME, Row
from xraybatch.prediction.run import predict_items
from xraybatch.sources.films import find_films
from xraybatch.sources.item import Item


def predict(model: Path, films: Path, out: Path, **options: Any) -> bytes:
    """The bytes of the embeddings, which lie beside `out`."""
    target = options.pop("embeddings", out.with_suffix(".emb.parquet"))
    chosen = PredictOptions(device="cpu", embeddings=target, **options)
    predict_items(find_films([films]).items, load_model(model), out, options=chosen)
    return target.read_bytes()


def without(model: Path, films: Path, out: Path, **options: Any) -> None:
    chosen = PredictOptions(device="cpu", **options)
    predict_items(find_films([films]).items, load_model(model), out, options=chosen)


def rows_of(out: Path) -> list[dict[str, str]]:
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cut(film: Path, target: Path) -> None:
    whole = film.read_bytes()
    target.write_bytes(whole[: len(whole) // 2])


@pytest.fixture
def films(grey_films: Path, tmp_path: Path) -> Path:
    """A copy of forty films, and one that is cut."""
    folder = tmp_path / "films"
    shutil.copytree(grey_films, folder)
    cut(folder / "a" / "film1.png", folder / "a" / "cut.png")
    return folder


def test_embeddings_are_those_of_the_graph_on_the_decoded_film(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    import onnxruntime as ort
    from PIL import Image

    out, target = tmp_path / "r.csv", tmp_path / "e.parquet"
    predict(tiny_model, films, out, embeddings=target)
    found = pd.read_parquet(target)
    answered = [row["path"] for row in rows_of(out) if row["status"] == "ok"]
    assert len(answered) == 40
    assert list(found["path"]) == answered  # the order of the table, without the cut film
    assert list(found.columns) == ["path", "embedding"]
    assert pq.read_schema(target).field("embedding").type == pa.list_(pa.float32(), 12)
    session = ort.InferenceSession(str(tiny_model), providers=["CPUExecutionProvider"])
    for path, embedding in zip(found["path"], found["embedding"], strict=True):
        with Image.open(films / path) as image:
            film = np.asarray(image.resize((24, 32), Image.Resampling.BILINEAR))
        expected = session.run(["embedding"], {"films": film[None, :, :, None]})[0][0]
        np.testing.assert_allclose(embedding, expected, rtol=0, atol=1e-6)
    record = json.loads((tmp_path / "r.csv.run.json").read_text())
    assert record["embeddings"] == {
        "file": "e.parquet",
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        "width": 12,
        "films": 40,
    }
    assert record["options"]["embeddings"] == "e.parquet"


def test_the_table_is_the_same_with_and_without(
    tiny_model: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[str]] = []
    answer = Session.predict

    def told(
        self: Session, films: Any, outputs: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        asked.append(set(outputs or self.tasks))
        return answer(self, films, outputs)

    monkeypatch.setattr(Session, "predict", told)
    without(tiny_model, films, tmp_path / "a.csv")
    assert set().union(*asked) == {"label"}  # the graph computes no more than it must
    with sqlite3.connect(tmp_path / "a.csv.job") as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    db.close()
    assert "rows" in tables
    assert not [name for name in tables if "embeddings" in name]
    assert json.loads((tmp_path / "a.csv.run.json").read_text())["embeddings"] == {}
    predict(tiny_model, films, tmp_path / "b.csv")
    assert set().union(*asked) == {"label", "embedding"}
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize(("batch_size", "workers"), [(2, 0), (7, 2), (32, 1)])
def test_bytes_do_not_depend_on_batch_size_or_workers(
    tiny_model: Path, films: Path, tmp_path: Path, batch_size: int, workers: int
) -> None:
    reference = predict(tiny_model, films, tmp_path / "a.csv", threads=1)
    other = predict(tiny_model, films, tmp_path / "b.csv", batch_size=batch_size, workers=workers)
    assert other == reference


def test_a_killed_run_ends_in_the_bytes_of_one_that_was_not(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    """A real process, killed by SIGKILL when its job holds rows; then the same command."""
    for copy in range(12):
        shutil.copytree(films / "a", films / str(copy))
    reference = predict(tiny_model, films, tmp_path / "a.csv")
    parts = pq.ParquetFile(tmp_path / "a.emb.parquet").metadata
    sizes = [parts.row_group(i).num_rows for i in range(parts.num_row_groups)]
    assert sizes == [256, parts.num_rows - 256]
    out, target = tmp_path / "b.csv", tmp_path / "b.emb.parquet"
    code = (
        "from xraybatch.prediction import dispatch; dispatch._COMMIT_SECONDS = 0.01\n"
        "from xraybatch.prediction.jobs.job import Job\n"
        "write = Job.write\n"
        "def told(job, rows):\n"
        "    write(job, rows)\n"
        "    print(job.count_done(), flush=True)\n"
        "Job.write = told\n"
        "from xraybatch.cli.app import main\n"
        f"main(['predict', {str(films)!r}, '--out', {str(out)!r}, '--model', {str(tiny_model)!r},"
        f" '--embeddings', {str(target)!r}, '--device', 'cpu', '--batch-size', '2', '-q'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 100:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists(), "killed too late for this test to say anything"
    assert predict(tiny_model, films, out) == reference
    resumed = json.loads((tmp_path / "b.csv.run.json").read_text())["resumed"]
    assert 0 < resumed["done"] < parts.num_rows
    assert out.read_bytes() == (tmp_path / "a.csv").read_bytes()


@pytest.mark.parametrize("step", ["write_embeddings", "publish", "write_record"])
def test_a_run_killed_while_it_publishes_goes_on(
    tiny_model: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    reference = predict(tiny_model, films, tmp_path / "a.csv")
    out, target = tmp_path / "b.csv", tmp_path / "b.emb.parquet"

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(use_case, step, killed)
    with pytest.raises(Interrupted):
        predict(tiny_model, films, out)
    assert target.exists() == (step != "write_embeddings")
    assert out.exists() == (step == "write_record")
    monkeypatch.undo()
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path))
    precious = tmp_path / "precious.parquet"
    precious.write_text("not ours")
    with pytest.raises(InputError, match="not overwritten"):
        predict(tiny_model, films, out, embeddings=precious)
    assert precious.read_text() == "not ours"
    assert predict(tiny_model, films, out) == reference
    assert out.read_bytes() == (tmp_path / "a.csv").read_bytes()


def test_an_update_keeps_them_in_step(tiny_model: Path, films: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    first = predict(tiny_model, films, out)
    shutil.copy(films / "a" / "film2.png", films / "0.png")  # new, before all others
    shutil.copy(films / "a" / "film2.png", films / "a" / "film4.png")  # changed
    os.utime(films / "a" / "film4.png", ns=(1, 1))
    cut(films / "a" / "film5.png", films / "a" / "film5.png")  # had an embedding, has none
    (films / "a" / "film7.png").unlink()
    now = predict(tiny_model, films, out, update=True)
    paths = set(pd.read_parquet(out.with_suffix(".emb.parquet"))["path"])
    assert "0.png" in paths
    assert not paths & {"a/film5.png", "a/film7.png"}
    assert now != first
    assert now == predict(tiny_model, films, tmp_path / "fresh.csv")


def test_failed_films_that_are_done_again_get_theirs(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    predict(tiny_model, films, out)
    shutil.copy(films / "a" / "film1.png", films / "a" / "cut.png")
    again = predict(tiny_model, films, out, retry_failed=True)
    assert len(pd.read_parquet(out.with_suffix(".emb.parquet"))) == 41
    assert again == predict(tiny_model, films, tmp_path / "fresh.csv")


def test_a_file_that_somebody_changed_is_not_replaced(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    out, target = tmp_path / "r.csv", tmp_path / "r.emb.parquet"
    target.write_text("precious")
    with pytest.raises(InputError, match=r"r\.emb\.parquet is there already"):
        predict(tiny_model, films, out)
    assert target.read_text() == "precious"
    assert not out.exists()
    reference = predict(tiny_model, films, out, overwrite=True)
    target.write_text("edited")
    with pytest.raises(InputError, match=r"r\.emb\.parquet is not as the run"):
        predict(tiny_model, films, out, update=True)
    assert target.read_text() == "edited"
    target.unlink()
    assert predict(tiny_model, films, out, update=True) == reference


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize("knows_the_word", [True, False])
def test_a_run_without_does_not_go_on_with_them(
    tiny_model: Path, films: Path, tmp_path: Path, is_finished: bool, knows_the_word: bool
) -> None:
    out = tmp_path / "r.csv"
    without(tiny_model, films, out)
    with sqlite3.connect(f"{out}.job") as db:
        if not knows_the_word:  # a job of an earlier version
            (text,) = db.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()
            identity = json.loads(text)
            del identity["embeddings"]
            db.execute("UPDATE meta SET value = ? WHERE key = 'identity'", (json.dumps(identity),))
        if not is_finished:
            db.execute("UPDATE meta SET value = '0' WHERE key = 'published'")
            out.unlink()
    db.close()
    with pytest.raises(InputError, match="holds a run without --embeddings"):
        predict(tiny_model, films, out, update=is_finished)
    without(tiny_model, films, out, update=is_finished)  # that harmed nothing
    assert len(rows_of(out)) == 41


def test_a_run_with_them_does_not_go_on_without(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    reference = predict(tiny_model, films, out)
    for options in ({"update": True}, {"retry_failed": True}):
        with pytest.raises(InputError, match="Go on with --embeddings"):
            without(tiny_model, films, out, **options)
    out.unlink()  # a finished run whose table was deleted begins anew, as one wants it now
    without(tiny_model, films, out)
    with Job(Path(f"{out}.job")) as job:
        assert job.identity["embeddings"] is False
    out.unlink()
    (tmp_path / "r.emb.parquet").unlink()
    assert predict(tiny_model, films, out) == reference


def test_a_model_without_embeddings_is_told_before_the_first_film(
    spot_model: Callable[..., Path], films: Path, tmp_path: Path
) -> None:
    model = spot_model("plain")
    with pytest.raises(ModelError, match="no output 'embedding'") as told:
        predict(model, films, tmp_path / "r.csv")
    assert told.value.exit_code == 3
    assert "Leave --embeddings out" in told.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["films"]


def test_an_output_that_is_no_row_for_each_film_is_told(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(load_model(tiny_model), device="cpu")
    assert session.embedding_width() == 12
    for shape in ((16,), (16, 2, 6), (1, 12)):
        monkeypatch.setattr(
            session, "predict", lambda *_, s=shape: {"embedding": np.zeros(s, np.float32)}
        )
        with pytest.raises(ModelError, match="not one row each"):
            session.embedding_width()


def test_places_that_cannot_be_are_wrong_usage(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder.parquet").mkdir()
    for out, target, said in (
        ("r.csv", "e.csv", r"End --embeddings with \.parquet"),
        ("e.parquet", "e.parquet", "another file of this run"),
        ("e.parquet", "films/../e.parquet", "another file of this run"),
        ("r.csv", "folder.parquet", "is a folder"),
    ):
        with pytest.raises(UsageError, match=said):
            predict(tiny_model, films, tmp_path / out, embeddings=tmp_path / target)
    job = tmp_path / "j.parquet"
    with pytest.raises(UsageError, match="another file of this run"):
        predict(tiny_model, films, tmp_path / "r.csv", embeddings=job, job=job)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["films", "folder.parquet"]


def test_the_command_writes_and_tells_them(
    predict: Callable[..., Done], films: Path, tmp_path: Path
) -> None:
    told = predict(films, "--embeddings", "sub/e.parquet", "--dry-run")
    assert told.code == 0
    assert not (tmp_path / "sub").exists()
    done = predict(films, "--embeddings", "sub/e.parquet", "--json", "-q")
    assert done.code == 0, done.said
    assert json.loads(done.said)["embeddings"] == "sub/e.parquet"
    assert len(pd.read_parquet(tmp_path / "sub" / "e.parquet")) == 40
    assert predict(films, "--embeddings", "e.csv", out="s.csv").code == 2


def test_every_frame_has_its_own(predict: Callable[..., Done], tmp_path: Path) -> None:
    write_dicom(tmp_path / "films" / "three.dcm", grey_pixels(1, 3))
    write_dicom(tmp_path / "films" / "zone.dcm", grey_pixels(2))
    done = predict("films", "--frames", "all", "--embeddings", "e.parquet")
    assert done.code == 0, done.said
    found = pq.read_table(tmp_path / "e.parquet")
    assert found.column("path").to_pylist() == ["three.dcm"] * 3 + ["zone.dcm"]
    assert found.column("frame").to_pylist() == [0, 1, 2, None]
    rows = found.column("embedding").to_pylist()
    assert len({tuple(row) for row in rows}) == 4
    predict("films", "--embeddings", "first.parquet", out="first.csv")
    first = pq.read_table(tmp_path / "first.parquet")
    assert first.column_names == ["path", "embedding"]
    assert first.column("embedding").to_pylist() == [rows[0], rows[3]]


def test_from_python_without_a_table(tiny_model: Path, films: Path, tmp_path: Path) -> None:
    target = tmp_path / "e.parquet"
    table = xraybatch.predict(films, model=tiny_model, device="cpu", embeddings=target)
    found = pd.read_parquet(target)
    assert list(found["path"]) == list(table.loc[table["status"] == "ok", "path"])
    assert table.attrs["xraybatch"]["embeddings"]["width"] == 12


def test_no_film_with_an_answer_is_an_empty_file(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    predict(tiny_model, films / "a" / "cut.png", tmp_path / "r.csv")
    found = pq.read_table(tmp_path / "r.emb.parquet")
    assert found.num_rows == 0
    assert found.schema.field("embedding").type == pa.list_(pa.float32(), 12)


def test_a_row_that_goes_takes_its_embedding_along(tmp_path: Path) -> None:
    def row(item: int, number: int, frame: int = NO_FRAME) -> Row:
        return Row(item, frame, FilmStatus.OK, values=b"1234", embedding=bytes([number] * 4))

    with Job(tmp_path / "j.job") as job:
        items = [Item(name, f"/nowhere/{name}", 1, 1) for name in "abc"]
        job.begin(items, {"embeddings": True})
        job.note_frames({2: 3})
        job.write([row(0, 1), row(1, 2), row(2, 3, frame=0), row(2, 4, frame=1)])
        assert [(key, frame) for key, frame, _ in job.embeddings()] == [
            ("a", NO_FRAME),
            ("b", NO_FRAME),
            ("c", 0),
            ("c", 1),
        ]
        job.write([row(0, 9)])  # another answer
        job.write([Row(1, NO_FRAME, FilmStatus.CRASHED, "It crashed.")])
        job.write([Row(2, NO_FRAME, FilmStatus.TIMEOUT, "It took too long.")])
        assert list(job.embeddings()) == [("a", NO_FRAME, b"\x09" * 4)]
        job.forget()
        job.begin(items, {"embeddings": True})
        assert list(job.embeddings()) == []


def test_a_row_without_its_embedding_is_never_published(tmp_path: Path) -> None:
    from xraybatch.prediction.embeddings import write_embeddings

    with Job(tmp_path / "j.job") as job:
        job.begin([Item("a", "/nowhere/a", 1, 1)], {"embeddings": True})
        job.write([Row(0, NO_FRAME, FilmStatus.OK, values=b"1234")])
        with pytest.raises(RuntimeError, match="1 rows have an answer, 0 of them"):
            write_embeddings(job, tmp_path / "e.parquet", 1, frames=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j.job"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_does_not_grow_with_the_number_of_films(tmp_path: Path) -> None:
    """150 MB of embeddings; a process of its own, whose peak is what it needed to write them."""
    code = f"""
from pathlib import Path
from xraybatch.core.status import FilmStatus
from xraybatch.prediction.embeddings import write_embeddings
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.rows import NO_FRAME, Row
from xraybatch.sources.item import Item

def peak():
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) // 1024

def write(count):
    folder = Path({str(tmp_path)!r})
    with Job(folder / f"{{count}}.job") as job:
        items = (Item(f"{{i:06}}.png", "/nowhere", 1, 1) for i in range(count))
        job.begin(items, {{"embeddings": True}})
        for begin in range(0, count, 500):
            job.write([
                Row(i, NO_FRAME, FilmStatus.OK, values=b"1234", embedding=i.to_bytes(8192))
                for i in range(begin, begin + 500)
            ])
        write_embeddings(job, folder / f"{{count}}.parquet", 2048, frames=False)

write(1000)
before = peak()
write(20000)
print(peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert pq.ParquetFile(tmp_path / "20000.parquet").metadata.num_rows == 20_000
    assert int(done.stdout) < 50, "megabytes beyond those of 1000 films"
