"""Rules that choose thresholds, against an exhaustive search and against published values."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from xraybatch.core.errors import UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.thresholds import Choice, ThresholdRule, choose, parse_rule
from xraybatch.models.card import TaskCard, decide

RULES = [
    "youden",
    "f1",
    "cost=5:1",
    "cost=1:4",
    "cost=0.3:0.1",
    "sensitivity>=0.75",
    "sensitivity>=1",
    "specificity>=0.8",
    "specificity>=1",
]


@pytest.mark.parametrize("text", [*RULES, "0.5", "0", "1"])
def test_a_rule_is_read_back_as_it_was_written(text):
    rule = parse_rule(text)
    assert rule.text == text
    assert parse_rule(rule.text) == rule
    assert len(rule.meaning) > 20


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (" Youden ", "youden"),
        ("F1", "f1"),
        ("cost = 5 : 1", "cost=5:1"),
        ("Sensitivity >= 0.90", "sensitivity>=0.9"),
        ("specificity≥.9", "specificity>=0.9"),
        (".5", "0.5"),
        ("-0.0", "0"),
    ],
)
def test_spelling_is_forgiven(typed, meant):
    assert parse_rule(typed).text == meant


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("yuden", "Did you mean 'youden'?"),
        ("sensitivty>=0.9", "Did you mean 'sensitivity'?"),
        ("", "Rules are youden"),
        ("youden=1", "Rules are youden"),
        ("5:1", "Rules are youden"),
        ("nan", "Rules are youden"),
        ("1.5", "from 0 to 1"),
        ("-0.1", "from 0 to 1"),
        ("cost", "cost=5:1"),
        ("cost=5", "cost=5:1"),
        ("cost=5:0", "above 0"),
        ("cost=-5:1", "above 0"),
        ("cost=inf:1", "above 0"),
        ("sensitivity", "quote it"),
        ("sensitivity>=0", "above 0"),
        ("sensitivity>=95", "up to 1"),
        ("specificity=0.9", "'specificity>=0.95'"),
    ],
)
def test_a_mistyped_rule_is_told_what_is_right(typed, hint):
    with pytest.raises(UsageError) as caught:
        parse_rule(typed)
    assert hint in caught.value.hint


# few values, so that ties are common; 0.1 and 0.3 are no float32
rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0])),
    min_size=2,
    max_size=40,
).filter(lambda some: len({positive for positive, _ in some}) == 2)


def by_search(rule: ThresholdRule, positive: np.ndarray, scores: np.ndarray) -> Choice | None:
    """Every threshold tried, in exact fractions; None: no threshold serves."""
    thresholds = sorted({float(np.float32(score)) for score in scores})
    found = []
    for t in thresholds:
        called = scores.astype(np.float32) >= np.float32(t)
        tp, fp = int((called & positive).sum()), int((called & ~positive).sum())
        p, q = int(positive.sum()), int((~positive).sum())
        sens, spec = Fraction(tp, p), Fraction(q - fp, q)
        if rule.kind == "youden":
            merit = (sens + spec - 1,)
            serves = merit[0] > 0
        elif rule.kind == "f1":
            merit, serves = (Fraction(2 * tp, tp + fp + p),), True
        elif rule.kind == "cost":
            missed, false = Fraction(str(rule.cost_missed)), Fraction(str(rule.cost_false))
            cost = missed * (p - tp) + false * fp
            merit, serves = (-cost,), cost <= missed * p
        elif rule.kind == "sensitivity":
            merit, serves = (spec, sens), sens >= Fraction(str(rule.value))
        else:
            merit, serves = (sens, spec), spec >= Fraction(str(rule.value)) and sens > 0
        if serves:
            found.append((merit, t))
    if not found:
        return None
    best = max(merit for merit, _ in found)
    as_good = [t for merit, t in found if merit == best]
    return Choice(as_good[0], equally_good=len(as_good))


@pytest.mark.parametrize("text", RULES)
@given(some=rows)
@settings(max_examples=40)
def test_the_choice_is_the_best_of_all_thresholds(text, some):
    positive, scores = (np.array(column) for column in zip(*some, strict=True))
    rule, wanted = parse_rule(text), by_search(parse_rule(text), positive, scores)
    found = choose(rule, positive, scores, "sick")
    if wanted is None:
        assert (found.threshold, found.equally_good) == (None, 0)
        assert found.reason
    else:
        assert found == wanted
    # the order of the rows is of no matter
    assert choose(rule, positive[::-1], scores[::-1], "sick") == found


@given(some=rows, text=st.sampled_from([*RULES, "0.3"]))
@settings(max_examples=60)
def test_the_card_decides_as_the_choice_counted(some, text):
    positive, scores = (np.array(column) for column in zip(*some, strict=True))
    found = choose(parse_rule(text), positive, scores)
    if found.threshold is None:
        return
    task = Task("label", TaskKind.BINARY, ("well", "sick"), "sick")
    answers = decide(
        np.stack([1 - scores, scores], axis=1).astype(np.float32),
        TaskCard(task, (found.threshold,)),
    )
    rule = parse_rule(text)
    if rule.kind == "sensitivity":
        assert metrics.recall_score(positive, answers == 1) >= rule.value
    if rule.kind == "specificity":
        assert metrics.recall_score(~positive, answers == 0) >= rule.value
    reached = scores.astype(np.float32) >= np.float32(found.threshold)
    np.testing.assert_array_equal(answers == 1, reached)


@pytest.mark.parametrize("name", ["sensitivity", "specificity"])
def test_a_share_that_is_reached_exactly_is_reached(name):
    of_sensitivity = name == "sensitivity"
    for films in range(2, 31):
        for below in range(1, films):
            # a film of the other side lies above `below` of them
            scores = np.r_[np.arange(films), below - 0.5] / 100
            positive = np.r_[np.full(films, of_sensitivity), not of_sensitivity]
            share = (films - below if of_sensitivity else below) / films
            found = choose(parse_rule(f"{name}>={share!r}"), positive, scores)
            cut = below if of_sensitivity else below - 0.5
            assert found == Choice(float(np.float32(cut / 100)), equally_good=1)


def test_a_number_is_the_nearest_float32_whatever_the_films_are():
    found = choose(parse_rule("0.3"), np.zeros(0, bool), np.zeros(0))
    assert found == Choice(float(np.float32(0.3)), equally_good=1)


@pytest.mark.parametrize("text", RULES)
def test_films_of_one_side_choose_nothing(text):
    rule, scores = parse_rule(text), np.array([0.2, 0.8])
    reasons = {
        choose(rule, np.array(side, dtype=bool), scores[: len(side)], "sick").reason
        for side in ([], [1, 1], [0, 0])
    }
    assert reasons == {
        "no film has both a label and a probability",
        "every film is of 'sick'",
        "no film is of 'sick'",
    }


def test_a_rule_that_cannot_be_served_says_why():
    positive, scores = np.array([True, False, False]), np.array([0.1, 0.2, 0.3])
    why = {text: choose(parse_rule(text), positive, scores, "sick").reason for text in RULES}
    assert "better than chance" in str(why["youden"])
    assert "no film 'sick' is cheapest" in str(why["cost=1:4"])
    assert "only where no film of 'sick'" in str(why["specificity>=0.8"])
    assert why["f1"] is why["sensitivity>=1"] is None


def test_a_probability_that_passed_one_by_rounding_gives_a_threshold_that_a_card_takes():
    found = choose(parse_rule("youden"), np.array([True, False]), np.array([1 + 1e-6, 0.2]))
    assert found.threshold == 1.0
