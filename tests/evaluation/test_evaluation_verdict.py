"""Who is right, and what a difference allows to say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.answers import Answers
from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.disagreement import disagreements, right_and_wrong
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.verdict import (
    Spoken,
    non_inferiority,
    of_margin,
    of_pair,
    of_pairs,
    p_value,
    signed,
)

THREE = Task("label", TaskKind.MULTICLASS, ("a", "b", "c"))
MANY = Task("found", TaskKind.MULTILABEL, ("mass", "fluid"))
AUC = Spoken("macro_auc", False, 0.95, 1)


def answered(truth, guess):
    truth, guess = np.array(truth), np.array(guess)
    return Answers(
        truth,
        guess,
        None,
        np.arange(len(truth)),
        truth[:0],
        np.zeros(0, int),
        0,
        np.arange(len(truth)),
    )


@settings(max_examples=40)
@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=30))
def test_who_is_right_adds_up(rows):
    truth, a, b = (np.array(column) for column in zip(*rows, strict=True))
    found = right_and_wrong(THREE, answered(truth, a), answered(truth, b))
    assert [one.name for one in found] == ["", "a", "b", "c"]
    assert found[0].films == len(rows) == sum(one.films for one in found[1:])
    for one in found:
        four = one.both_right + one.only_first + one.only_other + one.both_wrong
        assert four == one.films
    table = pd.crosstab(a == truth, b == truth)
    for first, other, count in (
        (True, True, found[0].both_right),
        (True, False, found[0].only_first),
        (False, True, found[0].only_other),
        (False, False, found[0].both_wrong),
    ):
        has = first in table.index and other in table.columns
        assert count == (table.loc[first, other] if has else 0)
    assert found[0].answered_otherwise == (a != b).sum()


def test_findings_count_where_they_are_labelled():
    truth = [[1, -1], [0, 1], [1, 0]]
    first, other = [[1, 1], [1, 1], [0, 0]], [[1, 0], [0, 1], [0, 1]]
    all_of_them, mass, fluid = right_and_wrong(MANY, answered(truth, first), answered(truth, other))
    assert (mass.films, mass.both_right, mass.only_other, mass.both_wrong) == (3, 1, 1, 1)
    assert (fluid.films, fluid.both_right, fluid.only_first) == (2, 1, 1)
    assert (all_of_them.films, all_of_them.answered_otherwise) == (5, 2)
    films = pd.DataFrame({"path": ["x", "y", "z"]})
    rows = list(
        disagreements(MANY, films, {"m": answered(truth, first), "n": answered(truth, other)})
    )
    assert [(r["path"], r["finding"], r["truth"], r["right"]) for r in rows] == [
        ("y", "mass", "0", "n"),
        ("z", "fluid", "0", "m"),
    ]
    assert (rows[0]["answer.m"], rows[0]["answer.n"]) == ("1", "0")


def difference(value, low, high, p):
    return Difference(Estimate(value, low=low, high=high, method="m"), 0.1, p, p, "t")


def test_what_is_not_told_apart_is_never_called_equal():
    said = of_pair(AUC, "one", "other", difference(0.012, -0.02, 0.044, 0.46))
    assert said == (
        "By macro AUC, one and other cannot be told apart on this test set: other minus one is "
        "+0.012 (95 % interval −0.020…+0.044, p 0.460)."
    )
    without = Difference(Estimate(0.0, interval_reason="both rank the films alike"))
    undefined = Difference.undefined("no film is of 'x'", 3)
    for found in (without, undefined):
        told = of_pair(AUC, "one", "other", found)
        assert (found.estimate.reason or found.estimate.interval_reason) in told
    for text in (said, *of_pairs(AUC, [("a", "b", without), ("a", "c", undefined)])):
        assert not any(word in text.lower() for word in ("equal", "no difference", "same as"))


def test_the_better_one_is_named_with_how_much_at_least():
    said = of_pair(AUC, "one", "other", difference(-0.12, -0.19, -0.05, 0.0004))
    assert said.startswith(
        "By macro AUC, one is better than other: by 0.120 on these films, and by "
    )
    assert "0.050 at least (other minus one: 95 % interval −0.190…−0.050, p <0.001)" in said
    loss = Spoken("brier", True, 0.95, 1)
    assert "other is better" in of_pair(loss, "one", "other", difference(-0.1, -0.2, -0.05, 0.01))
    tiny = of_pair(AUC, "one", "other", difference(0.01, 0.0002, 0.02, 0.049))
    assert "by 0.0002 at least" in tiny


@pytest.mark.parametrize(
    ("low", "p"), [(0.001, 0.06), (-0.001, 0.04)], ids=["test alone", "interval alone"]
)
def test_interval_and_adjusted_test_must_both_say_so(low, p):
    assert "cannot be told apart" in of_pair(AUC, "a", "b", difference(0.05, low, 0.1, p))


def test_several_models_are_said_at_once():
    found = of_pairs(
        Spoken("auc", False, 0.95, 3),
        [
            ("a", "b", difference(0.01, -0.02, 0.04, 0.5)),
            ("a", "c", difference(0.2, 0.1, 0.3, 0.001)),
            ("b", "c", difference(-0.19, -0.3, -0.08, 0.002)),
        ],
    )
    assert found == (
        "By AUC, these cannot be told apart on this test set (p adjusted for 3 pairs): a and b.",
        "By AUC, better (p adjusted for 3 pairs): c than a by 0.100 at least; b than c by 0.080 at "
        "least.",
    )


def test_margins_count_what_is_lost():
    e = Estimate(0.01, low=-0.015, high=0.035, method="m")
    for margin, shown in ((0.02, True), (0.01, False)):
        found = non_inferiority(e, margin)
        assert (found.is_shown, found.bound) == (shown, -0.015)
        assert ("is not shown" in of_margin("a", "b", found)) != shown
    loss = non_inferiority(e, 0.02, lower_is_better=True)
    assert (loss.is_shown, loss.bound) == (False, -0.035)
    nothing = non_inferiority(Estimate(0.0, interval_reason="why"), 0.02)
    assert (nothing.is_shown, nothing.bound) == (False, None)
    assert "cannot be shown" in of_margin("a", "b", nothing)


def test_p_values_are_never_0_by_rounding():
    assert [p_value(p) for p in (0.0, 0.0004, 0.0006, 0.0346, 1.0)] == [
        *("<0.001", "<0.001", "0.001", "0.035", "1.000")
    ]


def test_a_difference_that_is_not_0_never_looks_like_0():
    shown = [signed(x) for x in (0.0312, -0.0096, -0.0004, 0.00001, 0.0, -0.0, -1e-17)]
    assert shown == ["+0.031", "−0.010", "−0.0004", "+1e−05", "0.000", "0.000", "0.000"]
