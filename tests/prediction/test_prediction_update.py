"""--update ends in the bytes of a fresh run; --retry-failed leaves all answers as they were."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xraybatch.core.errors import InputError, Interrupted
from xraybatch.models.model import load_model
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.record import PredictionRecord
from xraybatch.prediction.run import predict_items
from xraybatch.sources.films import find_films


def predict(model: Path, films: Path, out: Path, **options: object) -> PredictionRecord:
    chosen = PredictOptions(device="cpu", **options)  # type: ignore[arg-type]
    return predict_items(find_films([films]).items, load_model(model), out, options=chosen)


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with out.open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


@pytest.fixture
def films(grey_films: Path, tmp_path: Path) -> Path:
    """A copy of twelve films, and one that is cut."""
    folder = tmp_path / "films"
    for film in sorted(grey_films.rglob("*.png"))[:12]:
        target = folder / film.relative_to(grey_films)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(film, target)
    whole = next(folder.rglob("*.png")).read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    return folder


def change(folder: Path) -> None:
    """New films before, among and after the others, one changed, one gone."""
    some = sorted(folder.rglob("film*.png"))
    for name in ("0.png", "b/between.png", "z/last.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(some[0], folder / name)
    Image.fromarray(np.full((40, 36), 9, np.uint8)).save(some[1])
    some[2].unlink()


def test_an_update_ends_in_the_bytes_of_a_fresh_run(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    predict(tiny_model, films, out)
    change(films)
    record = predict(tiny_model, films, out, update=True)
    counts = {word: record.resumed[word] for word in ("new", "changed", "vanished")}
    assert counts == {"new": 3, "changed": 1, "vanished": 1}
    assert any("no longer there" in note for note in record.notes)
    predict(tiny_model, films, tmp_path / "fresh.csv")
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()
    shutil.rmtree(films / "z")  # and once more, over the gaps that the first one left
    shutil.copy(films / "0.png", films / "1.png")
    predict(tiny_model, films, out, update=True)
    predict(tiny_model, films, tmp_path / "fresh.csv", overwrite=True)
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()


def test_an_update_reads_only_what_is_new_or_changed(
    tiny_model: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xraybatch.prediction.local import LocalEngine

    out = tmp_path / "r.csv"
    predict(tiny_model, films, out)
    change(films)
    read: list[str] = []
    submit = LocalEngine.submit

    def told(self: LocalEngine, chunk: object) -> None:
        read.extend(item.key for _, item in chunk.items)  # type: ignore[attr-defined]
        submit(self, chunk)  # type: ignore[arg-type]

    monkeypatch.setattr(LocalEngine, "submit", told)
    predict(tiny_model, films, out, update=True)
    changed = sorted(p.relative_to(films).as_posix() for p in films.rglob("film*.png"))[1]
    assert sorted(read) == sorted(["0.png", "b/between.png", "z/last.png", changed])


def test_an_update_without_a_job_is_one_sentence(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    for option in ("update", "retry_failed"):
        with pytest.raises(InputError, match=r"there is no .*r\.csv\.job"):
            predict(tiny_model, films, out, **{option: True})
    predict(tiny_model, films, out, discard_job=True)
    before = out.read_bytes()
    with pytest.raises(InputError, match="--overwrite"):
        predict(tiny_model, films, out, update=True)
    assert out.read_bytes() == before
    assert not (tmp_path / "r.csv.job").exists()


def test_an_update_with_something_else_says_what(
    make_model: Callable[..., Path], tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    predict(tiny_model, films, out)
    before = out.read_bytes()
    other = make_model(tmp_path / "other.onnx", name="another")
    for model, options, said in (
        (other, {}, "another model"),
        (tiny_model, {"max_pixels": 10**9}, "--max-pixels"),
        (tiny_model, {"frames": "all"}, "--frames"),
    ):
        with pytest.raises(InputError, match=said):
            predict(model, films, out, update=True, **options)
    with pytest.raises(InputError, match="--max-pixels"):  # smaller: answers would have to go
        predict(tiny_model, films, out, retry_failed=True, max_pixels=100)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(films / "cut.png", elsewhere / "other.png")
    with pytest.raises(InputError, match="other films"):
        predict(tiny_model, elsewhere, out, update=True)
    assert out.read_bytes() == before
    predict(tiny_model, films, out, update=True)  # nothing of that harmed the job
    assert out.read_bytes() == before


def test_a_table_that_somebody_changed_is_not_replaced(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    predict(tiny_model, films, out)
    fresh = out.read_bytes()
    out.write_bytes(fresh + b"a note of mine\r\n")
    with pytest.raises(InputError, match="not as the run"):
        predict(tiny_model, films, out, update=True)
    assert out.read_bytes().endswith(b"of mine\r\n")
    predict(tiny_model, films, out, update=True, overwrite=True)
    assert out.read_bytes() == fresh


def test_an_update_that_was_stopped_leaves_the_old_table_and_goes_on(
    tiny_model: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xraybatch.prediction.local import LocalEngine

    out = tmp_path / "r.csv"
    predict(tiny_model, films, out)
    before = out.read_bytes()
    change(films)

    def stopped(*_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalEngine, "wait", stopped)
    with pytest.raises(Interrupted, match="same command"):
        predict(tiny_model, films, out, update=True)
    monkeypatch.undo()
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path))
    assert out.read_bytes() == before
    with pytest.raises(InputError, match="--update"):
        predict(tiny_model, films, out)
    predict(tiny_model, films, out, update=True)
    predict(tiny_model, films, tmp_path / "fresh.csv")
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()


def test_an_update_that_is_killed_goes_on(tiny_model: Path, films: Path, tmp_path: Path) -> None:
    """SIGKILL when the first rows of the update are in the job."""
    out = tmp_path / "r.csv"
    predict(tiny_model, films, out)
    before = out.read_bytes()
    for copy in range(20):
        shutil.copytree(films / "a", films / f"copy{copy}")
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
        " '--device', 'cpu', '--batch-size', '2', '-q', '--update'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert out.read_bytes() == before, "killed too late for this test to say anything"
    predict(tiny_model, films, out, update=True)
    predict(tiny_model, films, tmp_path / "fresh.csv")
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()


def test_failed_films_are_done_again_and_no_other(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    predict(tiny_model, films, out)
    before = rows_of(out)
    assert before["cut.png"]["status"] == "truncated"
    some = sorted(films.rglob("film*.png"))
    shutil.copy(some[0], films / "cut.png")
    Image.fromarray(np.full((40, 36), 9, np.uint8)).save(some[1])
    shutil.copy(some[0], films / "new.png")
    record = predict(tiny_model, films, out, retry_failed=True)
    after = rows_of(out)
    assert after.pop("cut.png")["status"] == "ok"
    del before["cut.png"]
    assert after == before
    (note,) = [note for note in record.notes if "--update" in note]
    assert "1 new" in note
    predict(tiny_model, films, out, update=True)  # which still knows what was left
    predict(tiny_model, films, tmp_path / "fresh.csv")
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()


def test_a_failed_film_that_is_gone_keeps_its_reason(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    predict(tiny_model, films, out)
    before = out.read_bytes()
    (films / "cut.png").unlink()
    predict(tiny_model, films, out, retry_failed=True)
    assert out.read_bytes() == before


def test_a_larger_limit_is_for_failed_films_and_is_recorded(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    Image.fromarray(np.full((100, 100), 9, np.uint8)).save(films / "large.png")
    predict(tiny_model, films, out, max_pixels=5000, timeout=30.0)
    assert rows_of(out)["large.png"]["status"] == "too_large"
    record = predict(tiny_model, films, out, retry_failed=True, max_pixels=20_000, timeout=90.0)
    assert rows_of(out)["large.png"]["status"] == "ok"
    told = " ".join(record.notes)
    assert "--max-pixels is 20,000 for the films that are done again; it was 5,000" in told
    assert "--timeout is 90" in told
    assert json.loads(Path(f"{out}.run.json").read_text())["options"]["retry_failed"] is True
    predict(tiny_model, films, tmp_path / "fresh.csv", max_pixels=20_000)
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()
    predict(tiny_model, films, out, update=True, max_pixels=20_000)  # which it is of now
    with pytest.raises(InputError, match="--max-pixels"):
        predict(tiny_model, films, out, update=True, max_pixels=5000)


def test_a_retry_that_was_stopped_does_not_begin_anew(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    from xraybatch.prediction.jobs.job import Job
    from xraybatch.prediction.jobs.reconciling import Wanted
    from xraybatch.prediction.rows import Row

    out = tmp_path / "r.csv"
    (films / "empty.png").touch()
    predict(tiny_model, films, out)
    items = find_films([films]).items
    with Job(Path(f"{out}.job")) as job:
        again = job.reconcile(items, Wanted(failed=True), redoing="limits").again
        left = job.pending(0, 256)
        assert [item.key for _, item in left] == ["cut.png", "empty.png"]
        assert again == 2
        from xraybatch.core.status import FilmStatus

        job.write([Row(left[0][0], -1, FilmStatus.TRUNCATED, "It is cut.")])
        job.reconcile(items, Wanted(failed=True, goes_on=True), redoing="limits")
        assert [item.key for _, item in job.pending(0, 256)] == ["empty.png"]
