"""One-against-one AUC, top-k, counts at every threshold: against scikit-learn and by definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from xraybatch.evaluation.curves import MAX_CORNERS
from xraybatch.evaluation.pairwise import ovo_auc
from xraybatch.evaluation.threshold_counts import precision_recall_curve, threshold_counts, top_k

NAMES = ("a", "b", "c", "d")


def softmax(rng, n, classes, digits=2):
    p = rng.dirichlet(np.ones(classes), n).round(digits)
    return p / p.sum(1, keepdims=True)


@given(seed=st.integers(0, 9999), classes=st.integers(3, 4))
@settings(max_examples=40, deadline=None)
def test_one_against_one_equals_scikit_learn(seed, classes):
    rng = np.random.default_rng(seed)
    y_true = np.r_[np.arange(classes), np.arange(classes), rng.integers(0, classes, 40)]
    p = softmax(rng, len(y_true), classes)
    found = ovo_auc(y_true, p, np.arange(len(y_true)), NAMES[:classes])
    theirs = metrics.roc_auc_score(y_true, p, multi_class="ovo")
    assert found.value == pytest.approx(theirs, abs=1e-12)
    assert found.low < found.value < found.high
    assert found.n == len(y_true)


def test_a_class_without_films_leaves_one_against_one_undefined():
    p = softmax(np.random.default_rng(0), 10, 3)
    found = ovo_auc(np.zeros(10, int) + np.arange(10) % 2, p, np.arange(10), NAMES[:3])
    assert (found.value, found.reason) == (None, "no film is of 'c'")
    assert ovo_auc(np.zeros(0, int), p[:0], np.arange(0), NAMES[:3]).value is None


@given(seed=st.integers(0, 9999), k=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_top_k_equals_scikit_learn(seed, k):
    rng = np.random.default_rng(seed)
    y_true, p = rng.integers(0, 4, 60), rng.random((60, 4))
    theirs = metrics.top_k_accuracy_score(y_true, p, k=k, labels=range(4))
    assert top_k(y_true, p, k).mean() == theirs


def test_of_tied_classes_the_first_is_on_top_as_in_the_answers():
    p = np.array([[0.25, 0.25, 0.25, 0.25]] * 4)
    assert top_k(np.arange(4), p, 1).tolist() == [True, False, False, False]
    assert top_k(np.arange(4), p, 2).tolist() == [True, True, False, False]


@given(seed=st.integers(0, 9999))
@settings(max_examples=40, deadline=None)
def test_counts_are_those_of_a_comparison_as_float32(seed):
    rng = np.random.default_rng(seed)
    positive = rng.random(50) < 0.4
    scores = rng.choice([0.0, 0.1, 0.3, 1 / 3, 0.7, 0.999, 1.0], 50)
    found = threshold_counts(positive, scores, "a")
    assert found.thresholds[:2] == (0.0, 0.001)
    assert found.thresholds[-1] == 1.0
    for i in (0, 100, 300, 333, 334, 700, 1000):
        called = scores.astype(np.float32) >= np.float32(found.thresholds[i])
        assert found.true_positives[i] == (called & positive).sum()
        assert found.false_positives[i] == (called & ~positive).sum()
    assert (found.positives, found.negatives) == (positive.sum(), (~positive).sum())


@given(seed=st.integers(0, 9999))
@settings(max_examples=40, deadline=None)
def test_precision_and_recall_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    positive = np.r_[True, False, rng.random(40) < 0.3]
    scores = rng.random(42).round(1)
    found = precision_recall_curve(positive, scores, "a")
    precision, recall, _ = metrics.precision_recall_curve(positive, scores)
    np.testing.assert_allclose(found.precision, precision[:-1][::-1], atol=1e-12)
    np.testing.assert_allclose(found.recall, recall[:-1][::-1], atol=1e-12)
    assert found.prevalence == positive.mean()


def test_a_long_curve_keeps_its_ends_and_a_one_sided_one_is_said():
    rng = np.random.default_rng(1)
    positive = rng.random(5000) < 0.3
    found = precision_recall_curve(positive, rng.random(5000), "a")
    assert len(found.recall) <= MAX_CORNERS
    assert found.recall[-1] == 1.0
    assert found.precision[-1] == pytest.approx(positive.mean())
    assert list(found.recall) == sorted(found.recall)
    assert precision_recall_curve(np.zeros(3, bool), np.ones(3), "a") is None
    assert precision_recall_curve(np.ones(3, bool), np.ones(3), "a").precision == (1.0, 1.0)
