"""The use cases from Python: the same numbers as the commands', quiet, and shown in a notebook."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pandas as pd
import pytest

import xraybatch
from xraybatch.core.tables import read_table
from xraybatch.training.options import TrainKeywords, TrainOptions


def test_predict_is_the_commands_table(
    tiny_model: Path, grey_films: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none.png").write_bytes(b"")
    frame = xraybatch.predict([grey_films, tmp_path / "none.png"], model=tiny_model)
    assert capfd.readouterr() == ("", "")  # quiet
    arguments = [str(grey_films), str(tmp_path / "none.png"), "--out", str(tmp_path / "r.csv")]
    subprocess.run(
        [sys.executable, "-m", "xraybatch", "predict", *arguments, "--model", str(tiny_model)],
        check=True,
        capture_output=True,
    )
    table = read_table(tmp_path / "r.csv")
    assert list(frame.columns) == list(table.columns)
    assert len(frame) == 41
    assert frame["path"].tolist() == table["path"].tolist()
    for name in ("prob.normal", "prob.osteopenia", "prob.osteoporosis"):
        assert frame[name].dtype == np.float32
        written = pd.to_numeric(table[name]).astype(np.float32)
        pd.testing.assert_series_equal(frame[name], written)
    empty = frame[frame["status"] == "empty"].iloc[0]
    assert empty["label"] is None
    assert np.isnan(empty["prob.normal"])
    assert "no bytes" in empty["error"]
    assert frame.attrs["xraybatch"]["films"] == 41


def test_predict_writes_and_goes_on_only_where_told(
    tiny_model: Path, grey_films: Path, empty_folder: Path
) -> None:
    first = xraybatch.predict(grey_films, model=tiny_model)
    assert list(empty_folder.iterdir()) == []
    second = xraybatch.predict(str(grey_films), model=str(tiny_model), out="r.parquet")
    pd.testing.assert_frame_equal(first, second)
    assert (empty_folder / "r.parquet.run.json").exists()
    with pytest.raises(xraybatch.XraybatchError, match=r"r\.parquet"):
        xraybatch.predict(grey_films, model=tiny_model, out="r.parquet")
    third = xraybatch.predict(grey_films, model=tiny_model, out="r.parquet", update=True)
    pd.testing.assert_frame_equal(first, third)
    (empty_folder / "none.png").touch()
    with pytest.raises(xraybatch.XraybatchError, match="--max-failures allows 0"):
        xraybatch.predict("none.png", model=tiny_model, max_failures=0)


def test_score_takes_tables_from_memory_and_from_files(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    results = xraybatch.predict(grey_films, model=tiny_model, out=tmp_path / "r.csv")
    truth = ["normal", "osteopenia", "osteoporosis"]
    labels = pd.DataFrame(
        {
            "path": results["path"],
            "label": [truth[i % 3] for i in range(len(results))],
            "patient": [f"{i // 2:03}" for i in range(len(results))],
        }
    )
    labels.to_csv(tmp_path / "labels.csv", index=False)
    files = xraybatch.score(tmp_path / "r.csv", tmp_path / "labels.csv", resamples=200)
    memory = xraybatch.score(results, labels.sample(frac=1, random_state=1), resamples=200)
    assert memory.tasks == files.tasks
    assert memory.join == files.join
    assert memory.join.patients == 20
    assert (len(files.sources), len(memory.sources)) == (2, 0)
    assert json.loads(json.dumps(memory.to_dict(), allow_nan=False))["schema_version"]
    bare = results.copy()
    bare.attrs = {}  # without its run record the columns say the task
    assert xraybatch.score(bare, labels, resamples=200).tasks == files.tasks


def test_what_was_seen_in_training_is_told_of_a_table_from_memory() -> None:
    results = pd.DataFrame(
        {
            "path": list("abcd"),
            "status": "ok",
            "label": ["x", "y", "x", "y"],
            "prob.x": np.float32([0.9, 0.1, 0.8, 0.3]),
            "prob.y": np.float32([0.1, 0.9, 0.2, 0.7]),
            "seen_in_training": pd.array([True, False, None, True], dtype="boolean"),
            "error": None,
        }
    )
    labels = pd.DataFrame({"path": list("abcd"), "label": ["x", "y", "y", "x"]})
    report = xraybatch.score(results, labels, positive="y", resamples=200)
    assert "2 of 4 films were seen in training" in report.sentences[0]


def test_classify_answers_paths_bytes_and_decoded_films(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    from xraybatch.images.decode import decode_path

    paths = sorted(grey_films.rglob("*.png"))[:5]
    model = xraybatch.load_model(tiny_model, device="cpu")
    assert model.device == "cpu"
    want = xraybatch.predict(paths, model=model).set_index("path")
    broken = tmp_path / "cut.png"
    broken.write_bytes(paths[0].read_bytes()[:60])
    pixels = decode_path(paths[2], model.card.rule).pixels
    got = model.classify([paths[1], paths[0].read_bytes(), broken, pixels, str(paths[4])])
    assert got["path"].tolist() == [str(paths[1]), "#1", str(broken), "#3", str(paths[4])]
    assert got["status"].tolist() == ["ok", "ok", got["status"][2], "ok", "ok"]
    assert got["status"][2] in {"truncated", "corrupt"}
    for row, place in ((0, 1), (1, 0), (3, 2), (4, 4)):
        assert got["prob.normal"][row] == want["prob.normal"][str(paths[place])]
        assert got["label"][row] == want["label"][str(paths[place])]
    assert len(model.classify([])) == 0
    assert len(model.classify(str(paths[0]))) == 1
    with pytest.raises(xraybatch.XraybatchError, match="uint8 of 32x24"):
        model.classify([np.zeros((24, 32), np.uint8)])


def test_what_nobody_may_overlook_is_a_warning_at_the_callers_line(
    grey_films: Path, empty_folder: Path
) -> None:
    with pytest.warns(xraybatch.XraybatchWarning, match="synthetic") as caught:
        xraybatch.predict(grey_films)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xraybatch.predict(grey_films, progress=xraybatch.ConsoleProgress(quiet=True))


def test_results_models_and_reports_show_themselves_and_no_markup(
    tiny_model: Path, grey_films: Path
) -> None:
    results = xraybatch.predict(grey_films, model=tiny_model)
    results["label"] = results["label"].replace("normal", "<script>x</script>")
    renamed = results.rename(columns={"prob.normal": "prob.<script>x</script>"})
    renamed.attrs.clear()
    labels = renamed[["path", "label"]]
    report = xraybatch.score(renamed, labels, resamples=200)
    shown: Any = report
    page = shown._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;x" in page
    assert page.count("<table>") == page.count("</table>") >= 3
    model = xraybatch.load_model(tiny_model)
    assert "32 × 24 pixels" in model._repr_html_()
    assert "cpu" in repr(model)


def test_every_option_of_the_command_can_be_given() -> None:
    by_name = set(get_type_hints(TrainKeywords))
    explicit = {"plugin", "preset", "data", "labels", "out", "task", "label_map", "option"}
    assert by_name | explicit == {field.name for field in fields(TrainOptions)}
    hints = get_type_hints(TrainOptions)
    assert {name: hints[name] for name in by_name} == get_type_hints(TrainKeywords)


def test_every_public_name_is_there_and_documented() -> None:
    for name in xraybatch.__all__:
        assert getattr(xraybatch, name) is not None
        if callable(getattr(xraybatch, name)):
            assert getattr(xraybatch, name).__doc__, name


@pytest.mark.train
def test_train_returns_a_run_that_the_others_take(
    empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = xraybatch.train(
        "narrow", out="run", epochs=1, image_size="32", options={}, weights="none"
    )
    assert run.folder == Path("run")
    assert run.model.exists()
    assert run.report is not None
    shown: Any = run
    assert "Model card" in shown._repr_html_()
    assert capfd.readouterr() == ("", "")
    from xraybatch_samples import films_folder

    folder = str(films_folder())
    with pytest.warns(xraybatch.XraybatchWarning):
        results = xraybatch.predict(folder, model=run)
    assert results["seen_in_training"].sum() > 80
    assert xraybatch.load_model(run).card.name == run.card.name
    assert xraybatch.score(results, f"{folder}/labels.csv", resamples=200).join.matched == 138


def test_a_table_that_was_changed_after_prediction_is_told(
    tiny_model: Path, grey_films: Path
) -> None:
    results = xraybatch.predict(grey_films, model=tiny_model)
    labels = results[["path", "label"]].copy()
    assert xraybatch.score(results, labels, resamples=200).sentences == ()
    shuffled = results.sample(frac=1, random_state=1)
    for changed in (results.head(30), results.assign(label="normal")):
        said = " ".join(xraybatch.score(changed, labels, resamples=200).sentences)
        assert "rows were left out or edited" in said
    assert xraybatch.score(shuffled, labels, resamples=200).tasks


def test_a_doubtful_model_warns_from_python_too(
    make_model: Any, grey_films: Path, tmp_path: Path
) -> None:
    bare = make_model(tmp_path / "bare.onnx", self_test=None, decoder={})
    with pytest.warns(xraybatch.XraybatchWarning) as caught:
        xraybatch.load_model(bare)
    assert len(caught) == 2
    content = bytearray(bare.read_bytes())
    at = content.index(b"xraybatch.seal") + 20
    content[at] = content[at] ^ 1
    bare.write_bytes(content)
    with pytest.raises(xraybatch.ModelError, match=r"changed|seal"):
        xraybatch.load_model(bare)
    with pytest.warns(xraybatch.XraybatchWarning, match=r"changed|seal"):
        model = xraybatch.load_model(bare, allow_broken_seal=True)
    frame = model.classify(sorted(grey_films.rglob("*.png"))[:4])
    report = xraybatch.score(frame, frame[["path", "label"]], resamples=200)
    assert "not the file that was made" in " ".join(report.sentences)


@pytest.mark.parametrize(
    "label_map",
    [
        {0: "normal", "1, sure": "osteopenia", "T=-3": "osteoporosis"},
        '0=normal,"1, sure=osteopenia",T=-3=osteoporosis',
    ],
)
def test_a_label_map_is_written_as_python_has_it(
    tiny_model: Path, grey_films: Path, label_map: Any
) -> None:
    results = xraybatch.predict(grey_films, model=tiny_model)
    values = {"normal": "0", "osteopenia": "1, sure", "osteoporosis": "T=-3"}
    labels = results[["path"]].assign(label=results["label"].map(values))
    report = xraybatch.score(results, labels, label_map=label_map, resamples=200)
    assert report.tasks[0].estimates["accuracy"].value == 1


def test_a_report_shows_and_saves_itself(
    tiny_model: Path, grey_films: Path, tmp_path: Path
) -> None:
    results = xraybatch.predict(grey_films, model=tiny_model)
    report = xraybatch.score(results, results[["path", "label"]], resamples=200)
    assert "Accuracy" in str(report)
    assert "matched" in str(report)
    report.save(tmp_path / "score.md")
    assert (tmp_path / "score.md").read_text() == report.to_markdown()
    with pytest.raises(xraybatch.InputError, match="not overwritten"):
        report.save(tmp_path / "score.md")


@pytest.fixture
def two_runs(tiny_model: Path, grey_films: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Runs as training leaves them, as far as they are compared; one of them tried settings."""
    folders = (tmp_path / "one", tmp_path / "<b>other")
    for folder in folders:
        folder.mkdir()
        shutil.copy(tiny_model, folder / "model.onnx")
        results = xraybatch.predict(
            grey_films, model=tiny_model, out=folder / "predictions-test.csv"
        )
        truth = results[["path", "label"]].assign(split="test", patient="")
        truth["patient"] = [str(i) for i in range(len(truth))]
        truth.to_csv(folder / "split.csv", index=False)
    (folders[1] / "tries.csv").write_text(
        "try,dropout,val_loss,epochs_trained,seconds,chosen,reason\n"
        "1,0.1,0.5,3,1.0,1,\n2,0.2,0.6,3,1.5,0,\n"
    )
    return folders


def test_compare_is_the_commands_comparison(two_runs: tuple[Path, Path], tmp_path: Path) -> None:
    from click.testing import CliRunner

    from xraybatch.cli.compare import command

    found: Any = xraybatch.compare(*two_runs, resamples=200)
    assert isinstance(found, xraybatch.Comparison)
    told = CliRunner().invoke(
        command, [*map(str, two_runs), "--json", "--resamples", "200"], catch_exceptions=False
    )
    assert json.loads(told.stdout) == found.to_dict()
    assert repr(found) == "<Comparison of one, <b>other>"
    assert "What they cost" in str(found)
    assert "&lt;b&gt;other" in found._repr_html_()
    assert "<b>" not in found._repr_html_()
    found.save(tmp_path / "models.md")
    assert (tmp_path / "models.md").read_text() == found.to_markdown()
    with pytest.raises(xraybatch.InputError, match="not overwritten"):
        found.save(tmp_path / "models.md")
    with pytest.raises(xraybatch.UsageError, match="no settings were tried"):
        xraybatch.compare(two_runs[0])


def test_compare_of_one_run_shows_its_tries(two_runs: tuple[Path, Path], tmp_path: Path) -> None:
    found: Any = xraybatch.compare(two_runs[1])
    assert isinstance(found, xraybatch.Tries)
    assert [one.chosen for one in found.grids[0].settings] == [(0,), ()]
    assert "2 settings tried" in str(found)
    assert "<table>" in found._repr_html_()
    found.save(tmp_path / "tries.json")
    assert json.loads((tmp_path / "tries.json").read_text()) == found.to_dict()


@pytest.mark.parametrize("heatmap", [False, True])
def test_show_gives_the_picture(
    tiny_model: Path, grey_films: Path, tmp_path: Path, heatmap: bool
) -> None:
    film = next(path for path in sorted(grey_films.rglob("*.png")))
    model = xraybatch.load_model(tiny_model)
    view: Any = xraybatch.show(film, model, heatmap=heatmap)
    (answer,) = view.answers
    assert answer.found == (model.classify(film)["label"][0],)
    colours = view.image
    assert colours.dtype == np.uint8
    assert colours.shape == (*view.pixels.shape, 3)
    assert (view.heat is not None) == heatmap
    if not heatmap:
        assert (colours == view.pixels[..., None]).all(), "a film without heat map stays grey"
    view.save(tmp_path / "film.png")
    assert (tmp_path / "film.png").read_bytes() == view.to_png()
    assert base64.b64encode(view.to_png()).decode() in view._repr_html_()
    assert answer.found[0] in str(view)
    with pytest.raises(xraybatch.InputError, match="not overwritten"):
        view.save(tmp_path / "film.png")
    with pytest.raises(xraybatch.UsageError, match="png"):
        view.save(tmp_path / "film.jpg")
    with pytest.raises(xraybatch.UsageError, match="heat map"):
        xraybatch.show(film, model, of_class="normal")


def test_what_goes_on_tells_the_films_that_are_new(
    tiny_model: Path, grey_films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xraybatch.prediction import run

    films = tmp_path / "films"
    films.mkdir()
    paths = sorted(grey_films.rglob("*.png"))
    for path in paths[:4]:
        (films / path.name).write_bytes(path.read_bytes())

    def stop(*_: Any, **__: Any) -> None:
        raise xraybatch.InputError("stopped")

    monkeypatch.setattr(run, "publish", stop)
    with pytest.raises(xraybatch.InputError, match="stopped"):
        xraybatch.predict(films, model=tiny_model, out=tmp_path / "r.csv")
    monkeypatch.undo()
    (films / paths[5].name).write_bytes(paths[5].read_bytes())
    with pytest.warns(xraybatch.XraybatchWarning, match="1 new"):
        frame = xraybatch.predict(films, model=tiny_model, out=tmp_path / "r.csv")
    assert len(frame) == 4


def test_an_archive_is_asked_from_python_as_by_the_command(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.prediction.conftest import grey_pixels, write_dicom

    films = tmp_path / "films"
    for i, modality in enumerate(("CR", "DX", "MR")):
        pixels = grey_pixels(i, 1 + i)
        write_dicom(films / f"{i}.dcm", pixels, Modality=modality, PatientID="007", KVP="70")
    monkeypatch.setenv("XRAYBATCH_SALT", "a salt that is long enough")
    typed = ["--where", "Modality=CR,DX", "--tags", "KVP,Modality", "--frames", "all"]
    typed += ["--dicom-ids", "--max-pixels", "9999", "--device", "cpu"]
    arguments = [str(films), "--out", str(tmp_path / "r.csv"), "--model", str(tiny_model), *typed]
    subprocess.run(
        [sys.executable, "-m", "xraybatch", "predict", *arguments], check=True, capture_output=True
    )
    frame = xraybatch.predict(
        films,
        model=tiny_model,
        where={"Modality": ["DX", "CR"]},
        tags=["KVP", "Modality"],
        frames="all",
        dicom_ids=True,
        max_pixels=9999,
    )
    table = read_table(tmp_path / "r.csv")
    assert list(frame.columns) == list(table.columns)
    assert frame["frame"].tolist() == [pd.NA, 0, 1]
    assert frame["tag.Modality"].tolist() == table["tag.Modality"].tolist() == ["CR", "DX", "DX"]
    assert frame["patient"].tolist() == table["patient"].tolist()
    assert frame.attrs["xraybatch"]["skipped"] == {"Modality is not CR or DX": 1}
    options = {name: frame.attrs["xraybatch"]["options"][name] for name in ("where", "tags")}
    assert options == {"where": {"Modality": ["CR", "DX"]}, "tags": ["KVP", "Modality"]}
    with pytest.raises(xraybatch.XraybatchError, match="person's name"):
        xraybatch.predict(films, model=tiny_model, tags=["PatientName"])
    with pytest.raises(xraybatch.XraybatchError, match="max-pixels"):
        xraybatch.predict(films, model=tiny_model, max_pixels=0)
    with pytest.raises(xraybatch.XraybatchError, match="frames"):
        xraybatch.predict(films, model=tiny_model, frames="some")
