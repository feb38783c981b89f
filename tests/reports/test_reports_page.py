"""The page as text: one file, nothing fetched, nothing of a table taken for markup."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from PIL import Image

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.tasks import TaskKind
from xraybatch.evaluation.mistakes import Mistake
from xraybatch.evaluation.operating_point import OperatingPoint
from xraybatch.evaluation.report import Source
from xraybatch.reports import words
from xraybatch.reports.families import families
from xraybatch.reports.files import write_report
from xraybatch.reports.mistakes import Gallery, WrongFilm
from xraybatch.reports.page import to_page
from xraybatch.reports.page.explorer import numbers_at
from xraybatch.reports.picture_files import save_plots
from xraybatch.reports.pictures import curves_of, pictures

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def report(make_report):
    return make_report()


@pytest.fixture(scope="module")
def three(make_report):
    return make_report(("normal", "osteopenia", "osteoporosis"), TaskKind.MULTICLASS, 300)


def gallery(*mistakes, jpeg=b""):
    films = tuple(WrongFilm(m, jpeg, "ok" if jpeg else "") for m in mistakes)
    return Gallery(films, {"label": len(films)}, bool(jpeg))


def test_nothing_is_fetched_and_only_the_pages_own_scripts_run(three, assert_closed):
    page = to_page(three, gallery(Mistake("a.png", "", "label", "normal", "b", 0.9, 0.1)))
    assert_closed(page, scripts=3)


def test_every_number_stands_there_with_its_interval(report, parse):
    text = "".join(parse(to_page(report)).text)
    shown = [pair for family in families(report.tasks[0]) for pair in family.estimates.items()]
    for name, estimate in shown:
        assert words.title(name) in text
        assert words.value(estimate) in text
        assert words.interval(estimate) in text
    auc = next(iter(report.tasks[0].estimates.values()))
    films, patients = report.tasks[0].films, report.tasks[0].patients
    assert (
        f"AUC for fractured {words.value(auc)} (95\N{NO-BREAK SPACE}% interval "
        f"{words.interval(auc)}) on {films:,} films of {patients:,} patients."
    ) in text
    assert text.count(f"{words.value(auc)} (95") == 1, "the result is said once"


def test_the_flow_says_where_every_film_went(report, parse):
    text = " ".join("".join(parse(to_page(report)).text).split())
    join = report.join
    assert f"{join.results_films} in the results" in text
    assert f"− {join.only_in_results} not in the labels" in text
    assert f"− {join.failed['corrupt']} corrupt" in text


def test_text_of_tables_is_text_everywhere(make_report, parse):
    report = make_report(("normal", HOSTILE), TaskKind.BINARY, 120)
    source = Source("results", f"{HOSTILE}.csv", "0" * 64)
    report = replace(report, sources=(source,), sentences=(HOSTILE,))
    lines = "\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}</script><!--&"
    wrong = gallery(Mistake(f"{HOSTILE}{lines}.png", "", "label", HOSTILE, "normal", 0.9, 0.1))
    page = to_page(report, wrong)
    assert "<script>alert" not in page
    assert "<!--" not in page
    assert "\N{LINE SEPARATOR}" not in page
    seen = parse(page)
    assert "".join(seen.text).count(HOSTILE) > 10
    assert seen.data["gallery-data"][0][3] == HOSTILE
    charts = seen.data["charts-data"].values()
    assert any(HOSTILE in json.dumps(chart["spec"]) for chart in charts)
    assert len(seen.scripts) == 3


def test_a_class_called_like_a_colour_stays_a_class(make_report, parse):
    name = "#0072B2"
    page = parse(to_page(make_report(("normal", name), TaskKind.BINARY, 120)))
    roc = next(c["spec"] for c in page.data["charts-data"].values() if c["kind"] == "roc")
    line = roc["layer"][1]["encoding"]["color"]["scale"]
    assert line["domain"] == [name]
    assert line["range"] == ["var(--series-0)"]


def test_what_a_report_lacks_is_left_out(report, parse):
    bare = replace(report.tasks[0], curves=(), precision_recall=(), reliability=(), decision=(),
                   explorer=(), slices=())  # fmt: skip
    page = to_page(replace(report, tasks=(bare,)))
    assert len(page) < 100_000  # and so is the script that draws charts
    text = "".join(parse(page).text)
    for word in ("Threshold explorer", "Reliability", "Worst mistakes", "Slices"):
        assert word not in text
    assert "Sensitivity against 1 – specificity" not in text, "that is the ROC curve's caption"
    assert "Sensitivity" in text
    assert next(iter(pictures(bare))).kind == "confusion"


def test_no_path_and_no_film_unless_asked(report, parse):
    assert "film0" not in to_page(report)
    listed = gallery(Mistake("ward 1/film00001.png", "", "label", "normal", "fractured", 0.9, 0.1))
    text = "".join(parse(to_page(report, listed)).text)
    assert "the paths of films" in text
    assert "films of patients" not in text
    shown = gallery(*[film.mistake for film in listed.films], jpeg=b"\xff\xd8film")
    page = parse(to_page(report, shown))
    assert "This page holds films of patients" in "".join(page.text)
    assert base64.b64decode(page.data["gallery-data"][0][7]) == b"\xff\xd8film"


def test_a_picture_and_its_table_say_the_same(three):
    found = list(pictures(three.tasks[0]))
    assert [p.kind for p in found if not p.of] == [
        "confusion",
        "roc",
        "precision-recall",
        "classes",
    ]
    for picture in found:
        assert picture.title
        assert picture.sentence.endswith(".")
        assert picture.table.rows
    scores = [p for p in found if p.kind == "scores"]
    for picture, counts in zip(scores, three.tasks[0].explorer, strict=True):
        cells = [[int(c.replace(",", "")) for c in row[1:]] for row in picture.table.rows]
        assert [sum(c) for c in zip(*cells, strict=True)] == [counts.positives, counts.negatives]
    roc = next(p for p in found if p.kind == "roc")
    corners = sum(len(c.false_positive_rate) for c in three.tasks[0].curves)
    assert len(roc.table.rows) + roc.left_out == corners
    assert [row[1:] for row in roc.table.rows if row[0] == "normal"][:: len(roc.table.rows)] == [
        ("0.000", "0.000")
    ]


def test_findings_have_their_curves_under_their_names(report):
    task = report.tasks[0]
    both = replace(task, findings=(replace(task, task="effusion"), replace(task, task="mass")),
                   confusion=None, by_class=(), curves=(), explorer=())  # fmt: skip
    found = curves_of(both)
    assert [c.name for c in found.explorer] == ["effusion", "mass"]
    assert [c.name for c in found.roc] == ["effusion", "mass"]
    assert len([p for p in pictures(both) if p.kind == "reliability"]) == 2


def test_numbers_of_a_threshold_are_the_counts_own(report):
    counts = report.tasks[0].explorer[0]
    found = numbers_at(counts, 700)
    tp, fp = counts.true_positives[700], counts.false_positives[700]
    assert found["sensitivity"] == tp / counts.positives
    assert found["specificity"] == (counts.negatives - fp) / counts.negatives
    assert found["ppv"] == tp / (tp + fp)
    films = counts.positives + counts.negatives
    assert found["net_benefit"] == pytest.approx(tp / films - fp / films * 0.7 / 0.3, abs=1e-15)
    assert numbers_at(counts, 1000)["net_benefit"] is None
    empty = replace(counts, true_positives=(0,) * 1001, false_positives=(0,) * 1001)
    assert numbers_at(empty, 500)["ppv"] is None


def test_the_explorer_starts_at_the_threshold_that_was_asked_for(report):
    task = report.tasks[0]
    point = OperatingPoint("fractured", "youden", 0.3128, None, "these films", True, {})
    page = to_page(replace(report, tasks=(replace(task, operating_points=(point,)),)))
    assert 'max="1000" value="313"' in page
    assert 'max="1000" value="500"' in to_page(report)


def test_every_picture_is_written_twice_and_none_is_overwritten(report, tmp_path):
    one = replace(report, tasks=(replace(report.tasks[0], decision=()),))
    files = save_plots(one, tmp_path / "plots")
    assert sorted(path.name for path in files) == sorted(
        f"label-{name}{suffix}"
        for name in ("confusion", "roc", "precision-recall", "reliability-1-fractured",
                     "scores-1-fractured")
        for suffix in (".png", ".svg")
    )  # fmt: skip
    for path in files:
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
                assert min(image.size) > 300
        else:
            assert path.read_text().startswith("<svg")
    before = files[0].read_bytes()
    (tmp_path / "plots" / files[1].name).unlink()
    with pytest.raises(InputError, match="is there already"):
        save_plots(one, tmp_path / "plots")
    assert not files[1].exists()
    assert files[0].read_bytes() == before
    save_plots(one, tmp_path / "plots", overwrite=True)
    assert files[1].exists()


def test_names_of_plots_hold_no_path(make_report, tmp_path):
    report = make_report(("../x", "../../y/\N{SNOWMAN}"), TaskKind.BINARY, 60)
    task = replace(report.tasks[0], curves=(), precision_recall=(), decision=(), explorer=())
    files = save_plots(replace(report, tasks=(task,)), tmp_path / "plots")
    assert {path.parent for path in files} == {tmp_path / "plots"}
    assert "label-reliability-1-y.png" in {path.name for path in files}


def test_the_suffix_makes_a_page(report, tmp_path):
    write_report(report, tmp_path / "score.HTML")
    page = (tmp_path / "score.HTML").read_text(encoding="utf-8")
    assert page == to_page(report)
    assert page.startswith("<!doctype html>")
    with pytest.raises(UsageError):
        write_report(report, tmp_path / "score.htm")
