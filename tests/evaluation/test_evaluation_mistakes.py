"""The films that were got wrong: all of them, the surest first, under the keys of the results."""

from __future__ import annotations

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.answers import answers
from xraybatch.evaluation.join import join
from xraybatch.evaluation.mistakes import mistakes

CLASSES = ("a", "b", "c")
TASK = Task("label", TaskKind.MULTICLASS, CLASSES)
FINDINGS = Task("findings", TaskKind.MULTILABEL, ("x", "y"))


def read(results, labels, task, columns):
    joined, _ = join(pd.DataFrame(results), pd.DataFrame(labels), columns)
    return joined, answers(joined, task, False, columns, {})


@settings(max_examples=40)
@given(st.data())
def test_every_wrong_answer_is_there_once_and_the_surest_first(data):
    n = data.draw(st.integers(1, 12))
    truth = data.draw(st.lists(st.sampled_from((*CLASSES, "")), min_size=n, max_size=n))
    guess = data.draw(st.lists(st.sampled_from(CLASSES), min_size=n, max_size=n))
    ok = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    halves = data.draw(st.lists(st.sampled_from((0.5, 0.25, 0.125)), min_size=n, max_size=n))
    order = data.draw(st.permutations(range(n)))
    rows = {
        "path": [f"{i}.png" for i in range(n)],
        "status": ["ok" if o else "corrupt" for o in ok],
    }
    rows["label"] = [g if o else "" for g, o in zip(guess, ok, strict=True)]
    for name in CLASSES:
        rows[f"prob.{name}"] = [
            ("" if not o else str(h) if name == g else str((1 - h) / 2))
            for g, h, o in zip(guess, halves, ok, strict=True)
        ]
    labels = {"path": [f"{i}.png" for i in order], "label": [truth[i] for i in order]}

    found = mistakes(*read(rows, labels, TASK, ["label"]), TASK)

    wrong = [i for i in range(n) if ok[i] and truth[i] and truth[i] != guess[i]]
    assert {
        (m.path, m.truth, m.predicted, m.probability, m.probability_of_truth) for m in found
    } == {(f"{i}.png", truth[i], guess[i], halves[i], (1 - halves[i]) / 2) for i in wrong}
    assert len(found) == len(wrong)
    sureness = [m.probability for m in found]
    assert sureness == sorted(sureness, reverse=True)


def test_findings_are_wrong_each_on_its_own():
    results = {
        "path": ["1.png", "2.png"],
        "status": ["ok", "ok"],
        "pred.x": ["1", "0"],
        "pred.y": ["0", "0"],
        "prob.x": ["0.75", "0.25"],
        "prob.y": ["0.5", "0.125"],
    }
    labels = {"path": ["1.png", "2.png"], "x": ["0", ""], "y": ["0", "1"]}
    found = mistakes(*read(results, labels, FINDINGS, ["x", "y"]), FINDINGS)
    assert [
        (m.path, m.truth, m.predicted, m.probability, m.probability_of_truth) for m in found
    ] == [
        ("2.png", "y", "no y", 0.875, 0.125),
        ("1.png", "no x", "x", 0.75, 0.25),
    ]


def test_without_probabilities_in_the_order_of_paths_and_with_frames():
    results = {
        "path": ["b.dcm", "a.dcm", "a.dcm"],
        "frame": ["", "1", "0"],
        "status": ["ok"] * 3,
        "label": ["a", "a", "a"],
    }
    labels = {"path": ["a.dcm", "b.dcm"], "label": ["b", "c"]}
    found = mistakes(*read(results, labels, TASK, ["label"]), TASK)
    assert [(m.path, m.frame, m.probability) for m in found] == [
        ("a.dcm", "0", None),
        ("a.dcm", "1", None),
        ("b.dcm", "", None),
    ]


def test_nothing_wrong_is_no_mistake():
    results = {"path": ["1.png"], "status": ["ok"], "label": ["a"]}
    assert (
        mistakes(*read(results, {"path": ["1.png"], "label": ["a"]}, TASK, ["label"]), TASK) == ()
    )
