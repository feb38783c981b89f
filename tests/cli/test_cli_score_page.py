"""``xraybatch score --report score.html`` with films, without, and with plots."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

from xraybatch.cli.predict import command as predict
from xraybatch.cli.score import command
from xraybatch.core.errors import InputError, ModelError, UsageError


@pytest.fixture
def tables(grey_films, tmp_path):
    """Results and labels of the grey films; every fifth answer is wrong."""
    rows, labels = ["path,status,label,prob.a,prob.b"], ["path,label,patient"]
    rng = np.random.default_rng(1)
    paths = sorted(str(p.relative_to(grey_films)) for p in grey_films.rglob("*.png"))
    for i, path in enumerate(paths):
        p = round(float(rng.uniform(0.5, 1)), 3)
        said, other = ("a", "b") if i % 2 else ("b", "a")
        cells = {said: p, other: round(1 - p, 3)}
        rows.append(f"{path},ok,{said},{cells['a']},{cells['b']}")
        labels.append(f"{path},{other if i % 5 == 0 else said},p{i // 2}")
    (tmp_path / "results.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "labels.csv").write_text("\n".join(labels) + "\n")
    return tmp_path


def run(folder, *arguments):
    asked = ["results.csv", "labels.csv", "--positive", "b", "--resamples", "100", *arguments]
    asked = [
        str(folder / a) if str(a).endswith((".csv", ".html", ".md")) else str(a) for a in asked
    ]
    result = CliRunner().invoke(command, asked)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def gallery_of(page):
    found = re.search(r'<script type="application/json" id="gallery-data">(.*?)</script>', page)
    return json.loads(found[1]) if found else None


def test_a_page_without_films_has_no_paths(tables):
    assert run(tables, "--report", "score.html").exit_code == 0
    page = (tables / "score.html").read_text()
    assert gallery_of(page) is None
    assert "film1.png" not in page


def test_a_page_with_the_films_that_were_got_wrong(tables, grey_films):
    result = run(tables, "--report", "score.html", "--images", grey_films, "--max-images", 3)
    assert result.exit_code == 0
    rows = gallery_of((tables / "score.html").read_text())
    assert len(rows) == 3
    assert all(row[7].startswith("/9j/") for row in rows)  # JPEG
    assert [row[5] for row in rows] == sorted((row[5] for row in rows), reverse=True)
    assert ".png" not in result.output  # a path may name a patient


def test_a_list_of_paths_without_films(tables):
    run(tables, "--report", "score.html", "--no-images")
    rows = gallery_of((tables / "score.html").read_text())
    assert len(rows) == 8
    assert {row[7] for row in rows} == {""}


def test_plots_are_files(tables, tmp_path):
    result = run(tables, "--plots", tmp_path / "plots")
    assert result.exit_code == 0
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert {"label-roc.png", "label-roc.svg", "label-confusion.png"} <= names
    assert f"({len(names)} files)" in result.stderr
    with pytest.raises(InputError, match="is there already"):
        run(tables, "--plots", tmp_path / "plots")
    assert run(tables, "--plots", tmp_path / "plots", "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--images", "."], UsageError, "only in an HTML report"),
        (["--report", "score.md", "--no-images"], UsageError, "only in an HTML report"),
        (["--report", "score.html", "--images", ".", "--no-images"], UsageError, "exclude"),
        (["--report", "score.html", "--images", "nothing-here"], InputError, "not a folder"),
    ],
)
def test_what_does_not_fit_is_said_before_any_number(tables, arguments, error, message):
    with pytest.raises(error, match=message):
        run(tables, *arguments)
    assert not list(tables.glob("score.*"))


def test_a_folder_without_the_films_says_so(tables, tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="None of the wrongly classified films"):
        run(tables, "--report", "score.html", "--images", tmp_path / "other")


@pytest.fixture
def predicted(make_model, grey_films, tmp_path):
    """Results of a model with their run record beside, and labels that call most of them wrong."""
    model = make_model(tmp_path / "own.onnx")
    asked = [str(grey_films), "--model", str(model), "--out", str(tmp_path / "results.csv"), "-q"]
    assert CliRunner().invoke(predict, asked, catch_exceptions=False).exit_code == 0
    paths = sorted(str(p.relative_to(grey_films)) for p in grey_films.rglob("*.png"))
    classes = ("normal", "osteopenia", "osteoporosis")
    rows = [f"{path},{classes[i % 3]},p{i}" for i, path in enumerate(paths)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label,patient", *rows]) + "\n")
    return tmp_path


def heated(folder, films, *arguments):
    asked = [str(folder / "results.csv"), str(folder / "labels.csv"), "--resamples", "100"]
    asked += ["--report", str(folder / "score.html"), "--images", str(films), "--max-images", "4"]
    result = CliRunner().invoke(command, [*asked, "--heatmap", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_heat_maps_of_the_model_that_predicted(predicted, grey_films):
    result = heated(predicted, grey_films)  # found beside the results
    assert "Heat maps: 4 of 4 answers" in result.stderr
    page = (predicted / "score.html").read_text()
    rows = gallery_of(page)
    assert len(rows) == 4
    assert all(row[9].startswith("iVBOR") for row in rows)  # PNG
    assert all(row[4] in row[10] for row in rows), "about the class that was wrongly answered"
    assert "otherwise now" not in page
    named = heated(predicted, grey_films, "--model", predicted / "own.onnx", "--overwrite")
    assert named.exit_code == 0
    assert gallery_of((predicted / "score.html").read_text()) == rows


def test_another_model_is_refused_before_any_number(predicted, grey_films, spot_model):
    with pytest.raises(ModelError, match="is not the model that predicted"):
        heated(predicted, grey_films, "--model", spot_model("another"))
    assert not (predicted / "score.html").exists()
    (predicted / "results.csv.run.json").unlink()
    with pytest.raises(ModelError, match="Which model predicted"):
        heated(predicted, grey_films, "--model", predicted / "own.onnx")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--heatmap", "--report", "score.html"], "--heatmap is about the films"),
        (["--model", "m.onnx", "--report", "score.html"], "--model is for --heatmap"),
    ],
)
def test_heat_maps_need_films(tables, arguments, message):
    with pytest.raises(UsageError, match=message):
        run(tables, *arguments)
