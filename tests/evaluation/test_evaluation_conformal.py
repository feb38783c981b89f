"""Conformal levels by hand and by numpy; what sets did, counted."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import beta

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.columns import infer_tasks
from xraybatch.evaluation.conformal import coverage_spread, fit_levels, patient_quantile
from xraybatch.evaluation.proportions import proportion
from xraybatch.evaluation.set_columns import read_sets
from xraybatch.evaluation.sets import check_sets
from xraybatch.models.calibration import abstains, sets, within
from xraybatch.models.card import TaskCard
from xraybatch.prediction.rows import Columns, Row

CLASSES = ("a", "b", "c")
QUICK = Sampling(resamples=200)


# ── the quantile ───────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=60),
    st.sampled_from([0.5, 0.7, 0.8, 0.9, 0.95]),
)
def test_with_one_film_a_patient_it_is_the_usual_quantile(scores, coverage):
    scores = np.array(scores, float)
    n = len(scores)
    rank = math.ceil(round(coverage * (n + 1), 9))
    expected = None if rank > n else float(np.sort(scores)[rank - 1])
    assert patient_quantile(scores, np.arange(n), coverage) == expected


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), min_size=1, max_size=40),
    st.sampled_from([0.5, 0.75, 0.9]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=200)
def test_a_patient_weighs_the_same_however_many_films(films, coverage, random):
    """By the definition: the least score at which the weights of `metrics` reach the level."""
    films = list(films)
    random.shuffle(films)
    scores = np.array([s for s, _ in films], float)
    patients = np.array([p for _, p in films])
    known, sizes = np.unique(patients, return_counts=True)
    size = dict(zip(known.tolist(), sizes.tolist(), strict=True))
    # in whole numbers: 60 / m is one for m up to 6
    unit = math.lcm(*size.values())
    expected = None
    for score in sorted(set(scores.tolist())):
        reached = sum(unit // size[p] for s, p in films if s <= score)
        if reached >= round(coverage * 100) * (len(known) + 1) * unit / 100:
            expected = score
            break
    assert patient_quantile(scores, patients, coverage) == expected


def test_too_few_patients_leave_everything_in():
    y, p = np.zeros(8, np.int64), np.full((8, 3), 1 / 3, np.float32)
    (level,) = fit_levels(y, p, np.arange(8), CLASSES, coverage=0.9)
    assert (level.level, level.patients, level.spread_low) == (None, 8, None)
    assert within(p, "lac", [level.level]).all()
    (level,) = fit_levels(np.zeros(9, int), p[:1].repeat(9, 0), np.arange(9), CLASSES, coverage=0.9)
    assert level.level is not None  # 1 / 0.1 − 1 are enough
    # many films do not make up for patients
    many = np.zeros(400, np.int64)
    (level,) = fit_levels(many, p[:1].repeat(400, 0), many, CLASSES, coverage=0.9)
    assert level.level is None


def test_by_class_a_missing_class_is_in_every_set():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 100)
    p = softmax(rng.normal(size=(100, 3)), axis=1).astype(np.float32)
    levels = fit_levels(y, p, np.arange(100), CLASSES, coverage=0.9, by_class=True)
    assert [level.of_class for level in levels] == list(CLASSES)
    assert levels[2].level is None
    assert levels[2].films == 0
    assert within(p, "lac", [level.level for level in levels])[:, 2].all()
    own = 1 - p[y == 1, 1].astype(float)
    assert levels[1].level == patient_quantile(own, np.arange(len(own)), 0.9)


@pytest.mark.parametrize("coverage", [0.0, 0.4, 1.0, 1.5, float("nan")])
def test_a_coverage_that_makes_no_sets_is_refused(coverage):
    with pytest.raises(UsageError):
        fit_levels(np.zeros(5, int), np.ones((5, 3)), np.arange(5), CLASSES, coverage=coverage)


@pytest.mark.parametrize(("n", "coverage"), [(9, 0.9), (60, 0.8), (1000, 0.95)])
def test_the_spread_is_the_beta_distributions(n, coverage):
    outside = math.floor(round((1 - coverage) * (n + 1), 9))
    expected = beta.ppf([0.025, 0.975], n + 1 - outside, outside)
    assert coverage_spread(n, coverage) == pytest.approx(tuple(expected), rel=1e-9)


# ── what sets did ──────────────────────────────────────────────────────────────────────────────


def some_sets(n=200, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    p = softmax(rng.normal(size=(n, 3)) + 2 * (y[:, None] == np.arange(3)), axis=1)
    inside = p > 0.25
    inside[:5] = False
    return y, p, inside, np.arange(n) // 3


def test_a_report_counts_what_can_be_counted():
    y, p, inside, patients = some_sets()
    pred = p.argmax(axis=1)
    report = check_sets(y, inside, patients, CLASSES, 0.9, QUICK, y_pred=pred, y_prob=p)
    hit = inside[np.arange(200), y]
    assert report.coverage == proportion(hit, patients, "", 0.95)
    assert [c.films for c in report.by_class] == np.bincount(y).tolist()
    assert report.by_class[1].coverage == proportion(hit[y == 1], patients[y == 1], "", 0.95)
    width = inside.sum(axis=1)
    assert {s.size: s.films for s in report.sizes} == dict(
        zip(*map(np.ndarray.tolist, np.unique(width, return_counts=True)), strict=True)
    )
    assert report.mean_size.value == pytest.approx(width.mean(), rel=1e-12)
    assert report.mean_size.low < width.mean() < report.mean_size.high
    alone = (width == 1) & inside[np.arange(200), pred]
    assert report.referred.value == (~alone).mean()
    assert report.error_answered.value == (pred != y)[alone].mean()
    assert report.error_answered.n == alone.sum()
    assert report.error_all.value == (pred != y).mean()
    assert report.error_referred.value == (pred != y)[~alone].mean()
    assert report.error_answered.value < report.error_all.value


def test_the_risk_curve_ends_with_all_films_and_keeps_ties_together():
    y, p, inside, patients = some_sets()
    p = p.round(1)
    pred = p.argmax(axis=1)
    curve = check_sets(y, inside, patients, CLASSES, None, QUICK, y_pred=pred, y_prob=p).curve
    assert curve[-1].answered == 1.0
    assert curve[-1].error.value == (pred != y).mean()
    assert all(a.answered < b.answered for a, b in pairwise(curve))
    sure = p.max(axis=1)
    for point in curve:
        assert point.answered == (sure >= point.least).mean()
        assert point.error.value == (pred != y)[sure >= point.least].mean()


def test_without_answers_only_sets_of_one_are_answers():
    y, _, inside, patients = some_sets()
    report = check_sets(y, inside, patients, CLASSES, 0.9, QUICK)
    one = inside.sum(axis=1) == 1
    assert report.referred.value == (~one).mean()
    assert report.error_answered.value == (~inside[np.arange(200), y])[one].mean()
    assert report.error_all.value is None
    assert "not known" in report.error_all.reason
    assert report.curve == ()


def test_films_sent_to_a_person_can_be_told():
    y, p, inside, patients = some_sets()
    away = np.arange(200) < 50
    report = check_sets(
        y, inside, patients, CLASSES, 0.9, QUICK, y_pred=p.argmax(axis=1), abstain=away
    )
    assert report.referred.value == 0.25
    assert report.error_answered.n == 150


def test_a_shift_is_said():
    y, _, inside, patients = some_sets()
    assert check_sets(y, inside, patients, CLASSES, 0.5, QUICK).sentences == ()
    (said,) = check_sets(y, ~inside, patients, CLASSES, 0.9, QUICK).sentences
    assert "unlike" in said


def test_no_films_and_one_patient():
    y, _, inside, patients = some_sets()
    none = check_sets(y[:0], inside[:0], patients[:0], CLASSES, 0.9, QUICK, y_pred=y[:0])
    for estimate in (none.coverage, none.mean_size, none.referred, none.error_all):
        assert estimate.value is None
    assert none.sizes == none.curve == ()
    one = check_sets(y[:9], inside[:9], y[:9] * 0, CLASSES, 0.9, QUICK, y_pred=y[:9])
    assert one.coverage.value is not None
    for estimate in (one.coverage, one.mean_size, one.referred):
        assert estimate.low is None
        assert "patients" in estimate.interval_reason


def test_the_order_of_rows_changes_no_number():
    y, p, inside, patients = some_sets()
    order = np.random.default_rng(5).permutation(200)
    pred = p.argmax(axis=1)
    one = check_sets(y, inside, patients, CLASSES, 0.9, QUICK, y_pred=pred, y_prob=p)
    other = check_sets(
        y[order], inside[order], patients[order], CLASSES, 0.9, QUICK,
        y_pred=pred[order], y_prob=p[order],
    )  # fmt: skip
    assert one == other


# ── columns ────────────────────────────────────────────────────────────────────────────────────


def test_sets_are_read_as_predict_writes_them():
    task = Task("label", TaskKind.MULTICLASS, CLASSES)
    entry = TaskCard(task, conformal={"score": "lac", "coverage": 0.9, "levels": [0.7]})
    prob = np.random.default_rng(0).dirichlet(np.ones(3), 30).astype(np.float32)
    rows = [(str(i), Row(i, 0, FilmStatus.OK, "", p.tobytes())) for i, p in enumerate(prob)]
    rows.append(("bad", Row(30, 0, FilmStatus.CORRUPT, "why")))
    for entries in ([entry], [entry, TaskCard(replace(task, name="other"))]):
        several = len(entries) > 1
        if several:
            rows = [(p, replace(r, values=2 * r.values)) for p, r in rows]
        columns = Columns(entries, seen=False)
        cells = [[cell or "" for cell in row] for row in columns.cells_of(rows)]
        table = pd.DataFrame(cells, columns=columns.names, dtype=str)
        found, away = read_sets(table, task, several)
        assert np.array_equal(found[:30], sets(prob, entry))
        assert np.array_equal(away[:30], abstains(found[:30], prob.argmax(axis=1)))
        assert not found[30].any()
        assert not away[30]
    assert read_sets(table, replace(task, name="other"), True) is None


@pytest.mark.parametrize(
    ("column", "cell", "match"), [("set", "a|d", "'a|d'"), ("abstain", "maybe", "'maybe'")]
)
def test_sets_that_were_edited_are_refused(column, cell, match):
    task = Task("label", TaskKind.MULTICLASS, CLASSES)
    table = pd.DataFrame({"set": ["a", "b"], "abstain": ["0", "1"]}, dtype=str)
    table.loc[1, column] = cell
    with pytest.raises(InputError, match=re.escape(match)):
        read_sets(table, task, False)
    assert read_sets(table[["set"]].iloc[:1], task, False)[1] is None


def test_a_table_with_sets_has_the_tasks_it_had():
    names = ["path", "status", "label", "prob.a", "prob.b", "set", "abstain", "error"]
    (task,) = infer_tasks(names, positive="b")
    assert (task.name, task.classes) == ("label", ("a", "b"))
