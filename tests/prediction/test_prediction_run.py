"""Promise 3: never a row lost, and the same bytes whatever happens on the way."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xraybatch.core.errors import InputError, Interrupted, ModelError, UsageError
from xraybatch.core.tables import read_table
from xraybatch.models.model import load_model
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.run import predict_items
from xraybatch.sources.films import find_films


def predict(model: Path, films: Path, out: Path, **options: object) -> bytes:
    found = find_films([films])
    predict_items(
        found.items,
        load_model(model),
        out,
        options=PredictOptions(device="cpu", **options),  # type: ignore[arg-type]
        skipped=found.skipped,
    )
    return out.read_bytes()


def rows_of(out: Path) -> list[dict[str, str]]:
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_for_every_film_in_order(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    predict(tiny_model, grey_films, tmp_path / "r.csv")
    rows = rows_of(tmp_path / "r.csv")
    paths = [row["path"] for row in rows]
    found = [p.relative_to(grey_films).as_posix() for p in grey_films.rglob("*.png")]
    assert paths == sorted(found, key=str.encode)
    assert {row["status"] for row in rows} == {"ok"}
    for row in rows:
        values = [float(row[f"prob.{c}"]) for c in ("normal", "osteopenia", "osteoporosis")]
        assert sum(values) == pytest.approx(1, abs=1e-5)


def test_probabilities_are_those_of_the_graph_on_the_decoded_film(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    import onnxruntime as ort
    from PIL import Image

    predict(tiny_model, grey_films, tmp_path / "r.csv")
    session = ort.InferenceSession(str(tiny_model), providers=["CPUExecutionProvider"])
    for row in rows_of(tmp_path / "r.csv")[:5]:
        with Image.open(grey_films / row["path"]) as image:
            film = np.asarray(image.resize((24, 32), Image.Resampling.BILINEAR))
        expected = session.run(["label"], {"films": film[None, :, :, None]})[0][0]
        got = [float(row[f"prob.{c}"]) for c in ("normal", "osteopenia", "osteoporosis")]
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_broken_films_have_their_row_and_harm_no_other(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    films = tmp_path / "films"
    shutil.copytree(grey_films, films)
    clean = {
        r["path"]: r
        for r in (predict(tiny_model, films, tmp_path / "a.csv"), rows_of(tmp_path / "a.csv"))[1]
    }
    whole = (films / "a" / "film1.png").read_bytes()
    (films / "empty.png").touch()
    (films / "cut.png").write_bytes(whole[: len(whole) // 2])
    (films / "text.jpg").write_text("version https://git-lfs.github.com/spec/v1")
    (films / "gone.png").symlink_to("nowhere.png")
    (films / "notes.txt").write_text("no film")
    (films / ".hidden.png").write_bytes(whole)
    predict(tiny_model, films, tmp_path / "b.csv")
    rows = {r["path"]: r for r in rows_of(tmp_path / "b.csv")}
    status = {
        path: rows.pop(path)["status"] for path in ("empty.png", "cut.png", "text.jpg", "gone.png")
    }
    assert status == {
        "empty.png": "empty",
        "cut.png": "truncated",
        "text.jpg": "unsupported",
        "gone.png": "unreadable",
    }
    assert rows == clean
    record = json.loads((tmp_path / "b.csv.run.json").read_text())
    assert record["films"] == 44
    assert sum(record["skipped"].values()) == 2
    assert record["by_status"] == {
        "empty": 1,
        "ok": 40,
        "truncated": 1,
        "unreadable": 1,
        "unsupported": 1,
    }


def test_results_are_never_overwritten_unasked(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    out.write_text("precious")
    with pytest.raises(InputError, match="not overwritten"):
        predict(tiny_model, grey_films, out)
    assert out.read_text() == "precious"
    assert predict(tiny_model, grey_films, out, overwrite=True).startswith(b"path,status")


def test_a_run_that_was_stopped_goes_on_and_ends_in_the_same_bytes(
    tiny_model: Path, grey_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xraybatch.prediction import dispatch
    from xraybatch.prediction.local import LocalEngine

    reference = predict(tiny_model, grey_films, tmp_path / "a.csv")
    monkeypatch.setattr(dispatch, "_COMMIT_SECONDS", 1e-9)  # one film a turn
    wait, turns = LocalEngine.wait, iter(range(17))

    def stopped(self: LocalEngine, timeout: float) -> object:
        if next(turns, None) is None:
            raise KeyboardInterrupt
        return wait(self, timeout)

    monkeypatch.setattr(LocalEngine, "wait", stopped)
    with pytest.raises(Interrupted, match="40 films"):
        predict(tiny_model, grey_films, tmp_path / "b.csv", batch_size=2)
    assert not (tmp_path / "b.csv").exists()
    monkeypatch.undo()
    monkeypatch.setenv("XRAYBATCH_CACHE", str(tmp_path))
    assert predict(tiny_model, grey_films, tmp_path / "b.csv") == reference
    record = json.loads((tmp_path / "b.csv.run.json").read_text())
    assert 0 < record["resumed"]["done"] < 40


def test_going_on_with_another_model_is_refused(
    make_model: Callable[..., Path], tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    predict(tiny_model, grey_films, out)
    _unpublish(out)
    other = make_model(tmp_path / "other.onnx", name="another")
    with pytest.raises(InputError, match="another model"):
        predict(other, grey_films, out)


def test_going_on_reads_changed_films_anew_and_leaves_new_ones(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    films = tmp_path / "films"
    shutil.copytree(grey_films, films)
    out = tmp_path / "r.csv"
    predict(tiny_model, films, out)
    before = rows_of(out)
    _unpublish(out)
    shutil.copy(films / "a" / "film2.png", films / "a" / "film1.png")
    os.utime(films / "a" / "film1.png", ns=(1, 1))
    shutil.copy(films / "a" / "film2.png", films / "new.png")
    predict(tiny_model, films, out)
    after = rows_of(out)
    assert [r["path"] for r in after] == [r["path"] for r in before]
    changed = [a["path"] for a, b in zip(after, before, strict=True) if a != b]
    assert changed == ["a/film1.png"]
    record = json.loads((tmp_path / "r.csv.run.json").read_text())
    assert (record["resumed"]["changed"], record["resumed"]["new"]) == (1, 1)


def _unpublish(out: Path) -> None:
    """The state of a run that was killed between its last row and publishing."""
    import sqlite3

    out.unlink()
    with sqlite3.connect(f"{out}.job") as db:
        db.execute("UPDATE meta SET value = '0' WHERE key = 'published'")
    db.close()


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_other_forms_carry_the_same_table(
    tiny_model: Path, grey_films: Path, tmp_path: Path, suffix: str
) -> None:
    predict(tiny_model, grey_films, tmp_path / "r.csv")
    predict(tiny_model, grey_films, tmp_path / f"r.{suffix}")
    left, right = read_table(tmp_path / "r.csv"), read_table(tmp_path / f"r.{suffix}")
    assert list(left.columns) == list(right.columns)
    for column in left.columns:
        if column.startswith("prob."):
            same = [
                np.float32(a) == np.float32(b)
                for a, b in zip(left[column], right[column], strict=True)
            ]
            assert all(same)
        else:
            assert list(left[column]) == list(right[column])


def test_a_suffix_that_says_nothing_is_wrong_usage(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"\.csv"):
        predict(tiny_model, grey_films, tmp_path / "r.xlsx")
    with pytest.raises(UsageError, match="2 or more"):
        predict(tiny_model, grey_films, tmp_path / "r.csv", batch_size=1)


def test_a_film_of_the_training_is_recognised(
    make_model: Callable[..., Path], grey_films: Path, tmp_path: Path
) -> None:
    from xraybatch.images.decode import decode_path
    from xraybatch.images.rule import DecodingRule
    from xraybatch.models.card import pack_hashes

    film = decode_path(grey_films / "a" / "film1.png", DecodingRule(32, 24))
    model = make_model(tmp_path / "m.onnx", hashes=pack_hashes([film.digest]))
    predict(model, grey_films, tmp_path / "r.csv")
    seen = {r["path"] for r in rows_of(tmp_path / "r.csv") if r["seen_in_training"] == "1"}
    assert seen == {"a/film1.png"}


def test_the_self_test_stops_a_run_before_the_first_film(
    make_model: Callable[..., Path], grey_films: Path, tmp_path: Path
) -> None:
    from xraybatch.models.card import SelfTest

    wrong = SelfTest(20, 4, 2e-4, {"label": [[0.2, 0.3, 0.5]] * 4})
    model = make_model(tmp_path / "m.onnx", self_test=wrong)
    with pytest.raises(ModelError, match="self-test"):
        predict(model, grey_films, tmp_path / "r.csv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx"]


def test_what_was_noted_of_films_is_counted_in_the_record(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    films = tmp_path / "films"
    shutil.copytree(grey_films, films)
    shutil.copy(films / "a" / "film1.png", films / "lie.jpg")
    predict(tiny_model, films, tmp_path / "r.csv")
    record = json.loads((tmp_path / "r.csv.run.json").read_text())
    assert record["film_notes"] == {"It is named .jpg, but is PNG.": 1}
