"""The explained report says the numbers of its pictures, and these are what the program gives."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from PIL import Image

DOCS = Path(__file__).resolve().parents[2] / "docs"
DOCUMENT = DOCS / "reading-a-report.md"
_DECIMAL = re.compile(r"\d+\.\d\d+")


@pytest.fixture(scope="module")
def modules():
    """The modules of the folder of documents, which is no package."""
    sys.path.insert(0, str(DOCS))
    try:
        import make_pictures
        import reading_example

        yield make_pictures, reading_example
    finally:
        sys.path.remove(str(DOCS))


@pytest.fixture(scope="module")
def report(modules):
    return modules[1].report()


@pytest.fixture(scope="module")
def text():
    """Without cog's markers, as one line."""
    found = re.sub(r"<!--.*?-->", "", DOCUMENT.read_text(encoding="utf-8"), flags=re.S)
    return re.sub(r"\s+", " ", found)


def test_its_tables_are_those_of_the_report(modules):
    from cogapp import Cog

    arguments = ["cog", "--check", "-p", modules[0].PROLOGUE, str(DOCUMENT)]
    assert Cog().main(arguments) == 0, "python docs/make_pictures.py writes them again"


def test_its_pictures_show_this_report(modules, report):
    others = "images-*"  # of docs/images.md
    pictures = [p for p in sorted((DOCS / "pictures").glob("*.png")) if not p.match(others)]
    assert {p.name for p in pictures} == set(
        re.findall(r"[(\"]pictures/([^)\"]+)[)\"]", DOCUMENT.read_text(encoding="utf-8"))
    )
    expected = modules[0].digest(report)
    for path in pictures:
        with Image.open(path) as image:
            assert image.info[modules[0].NUMBERS] == expected, (
                f"{path.name} is old: python docs/make_pictures.py"
            )
    sizes = [path.stat().st_size for path in pictures]
    assert max(sizes) < 150_000
    assert sum(sizes) < 1_000_000


def test_every_decimal_of_the_text_is_one_of_the_report(report, text):
    from xraybatch.reports.markdown import to_markdown
    from xraybatch.reports.pictures import pictures

    known = set(_DECIMAL.findall(to_markdown(report)))
    for picture in pictures(report.tasks[0]):
        known.update(_DECIMAL.findall(" ".join(" ".join(row) for row in picture.table.rows)))
    said = _DECIMAL.findall(text)
    assert len(said) > 60
    assert [number for number in said if number not in known] == []


def test_its_sentences_are_true(report, text):
    from xraybatch.reports import words

    task = report.tasks[0]
    number = task.estimates
    (tn, fp), (fn, tp) = task.confusion.counts
    seen = next(s for s in report.sentences if "seen in training" in s)
    point = task.operating_points[0]
    parts = {one.value: one for one in task.slices[0].slices}
    pairs = {f"{p.one} – {p.other}": p.kappa for p in task.readers.pairs}
    south, island = parts["south"], parts["island"]
    wide = island.estimates["auc"]
    at = {f"{t:.2f}": i for i, t in enumerate(task.decision[0].thresholds)}["0.20"]
    model, everyone = task.decision[0].model[at], task.decision[0].everyone[at]
    (bin_,) = [b for b in task.reliability[0].bins if f"{b.low:.1f}" == "0.6"]
    value, interval = words.value, words.interval
    for sentence in (
        seen[: seen.index(".") + 1],
        f"> {words.result(task, report)} {words.task_films(task, report)}",
        f"Accuracy is {value(number['accuracy'])} without the {task.failed} films that failed",
        f"wrong on all of them it would be {value(number['accuracy_if_failed_wrong'])}, "
        f"right on all, {value(number['accuracy_if_failed_right'])}",
        f"{tn} normal films right, {fp} called fractured; {tp} fractures found, {fn} missed",
        f"of {tp + fn} films with a fracture {tp} were found (sensitivity) and {fn} missed; "
        f"of {tn + fp} normal films {tn} were called so (specificity)",
        f"of {tp + fp} films that were called fractured, {tp} were (PPV); "
        f"of {tn + fn} that were called normal, {tn} were (NPV)",
        f"the prevalence of these films, {words.percent(tp + fn, task.films)}",
        f"On the {re.findall('([0-9,]+) films', point.origin)[0]} films of `val.csv`",
        f"Here it has {value(point.estimates['sensitivity'])}",
        f"only a share of {value(bin_.observed)} has one",
        f"the net benefit of the model is {value(model)} ({interval(model)}): as if "
        f"{100 * model.value:.0f} fractures in 100 films",
        f"Treating every film as fractured has {everyone:.3f}",
        f"saves {100 * (model.value - everyone) * 0.8 / 0.2:.0f} false alarms in 100 films",
        f"South is worse, p = {words.p_value(south.adjusted)}",
        f"Island has {island.films} films, and its interval from {wide.low:.3f} to {wide.high:.3f}",
        f"p = {words.p_value(island.adjusted)} does not say",
        f"agrees with the truth ({value(pairs['truth – model'])}) about as the junior does "
        f"({value(pairs['truth – junior'])})",
        report.model.distortion.split(",")[0].replace("The model", "*the model") + "*",
    ):
        assert sentence in text, sentence


def test_what_it_says_in_words_is_so(report):
    task = report.tasks[0]
    number = task.estimates
    assert task.seen == 11  # "eleven of the twelve"
    assert abs(number["auc"].value - task.without_seen["auc"].value) < 0.005  # no difference
    assert 0.15 < number["ppv_at_prevalence"].value < 0.25  # four of five alarms are false
    assert number["calibration_intercept"].high < 0  # says fracture too readily
    assert number["calibration_slope"].high < 1  # too sure
    assert number["ece"].low is None
    assert sum(b.observed.value < b.predicted for b in task.reliability[0].bins) > 5  # below
    slices = task.slices[0].slices
    assert slices[0].value == "south"
    assert sum(one.p_value is not None for one in slices) == 3
    assert slices[0].difference.high < 0
    assert slices[0].adjusted > slices[0].p_value  # Holm raised it
    kappas = {p.other: p.kappa for p in task.readers.pairs if p.one == "truth"}
    assert kappas["model"].high > kappas["junior"].low  # the intervals overlap
    for curve in task.decision:
        for t, model, everyone in zip(curve.thresholds, curve.model, curve.everyone, strict=True):
            if t <= 0.8:  # of use up to there
                assert model.value > max(everyone, 0), t
