"""What a card's calibration and conformal levels do to probabilities, and what a card may hold."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit, softmax

from xraybatch.core.errors import ModelError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.images.rule import DecodingRule
from xraybatch.models.calibration import abstains, calibrated, nonconformity, sets, within
from xraybatch.models.card import Card, TaskCard, card_from_json, decide

THREE = Task("label", TaskKind.MULTICLASS, ("a", "b", "c"))
BINARY = Task("label", TaskKind.BINARY, ("yes", "no"), "yes")
FINDINGS = Task("label", TaskKind.MULTILABEL, ("x", "y", "z"))


def tempered(task, *temperature):
    return TaskCard(task, calibration={"method": "temperature", "temperature": list(temperature)})


def with_knots(task, *lines):
    knots = [{"x": x, "y": y} for x, y in lines]
    return TaskCard(task, calibration={"method": "isotonic", "knots": knots})


def platt(task, slope, intercept):
    return TaskCard(task, calibration={"method": "platt", "slope": slope, "intercept": intercept})


def films(n=50, classes=3, seed=0, scale=4.0):
    logits = np.random.default_rng(seed).normal(size=(n, classes)) * scale
    return logits, softmax(logits, axis=1).astype(np.float32)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_a_temperature_divides_logits(temperature):
    logits, p = films()
    ours = calibrated(p, tempered(THREE, temperature))
    assert ours.dtype == np.float32
    assert ours == pytest.approx(softmax(logits / temperature, axis=1), rel=2e-5)
    two = p[:, :2] / p[:, :2].sum(axis=1, keepdims=True)
    odds = np.log(two[:, 0].astype(float) / two[:, 1])
    ours = calibrated(two, tempered(BINARY, temperature))[:, 0]
    assert ours == pytest.approx(expit(odds / temperature), rel=1e-5)


def test_each_finding_has_a_temperature_of_its_own():
    p = np.random.default_rng(0).random((40, 3)).astype(np.float32)
    ours = calibrated(p, tempered(FINDINGS, 0.5, 1.0, 3.0))
    theirs = expit(logit(p.astype(float)) / np.array([0.5, 1.0, 3.0]))
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_platts_line_moves_log_odds():
    _, p = films(classes=2)
    odds = np.log(p[:, 0].astype(float) / p[:, 1])
    ours = calibrated(p, platt(BINARY, [0.7], [-1.5]))
    assert ours[:, 0] == pytest.approx(expit(0.7 * odds - 1.5), rel=1e-5)
    assert ours[:, 1] == pytest.approx(expit(1.5 - 0.7 * odds), rel=1e-5)
    p = np.random.default_rng(0).random((40, 3)).astype(np.float32)
    ours = calibrated(p, platt(FINDINGS, [0.5, 1.0, 2.0], [0.0, 1.0, -1.0]))
    theirs = expit(logit(p.astype(float)) * [0.5, 1.0, 2.0] + np.array([0.0, 1.0, -1.0]))
    assert ours == pytest.approx(theirs, rel=1e-5)


@given(
    st.lists(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=6),
    st.floats(0.05, 20),
)
def test_a_film_is_calibrated_alike_alone_and_among_others(rows, temperature):
    p = np.float32(rows)
    knots = ([0.1, 0.5, 0.75], [0.0, 0.25, 1.0])
    for entry in (
        tempered(THREE, temperature),
        tempered(FINDINGS, temperature, 1.0, 2.0),
        platt(FINDINGS, [temperature, 1.0, 2.0], [3.0, -3.0, 1000.0]),
        with_knots(THREE, knots, knots, knots),
        with_knots(FINDINGS, knots, knots, knots),
    ):
        together = calibrated(p, entry)
        assert np.isfinite(together).all()
        assert ((together >= 0) & (together <= 1)).all()
        alone = np.concatenate([calibrated(row[None], entry) for row in p])
        assert np.array_equal(together, alone)
        # a column of a wider table, as the job keeps several tasks
        wide = np.concatenate([p, p], axis=1)[:, 3:]
        assert np.array_equal(together, calibrated(wide, entry))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_certainty_stays_a_number(value):
    p = np.float32([[value, 1 - value]])
    ours = calibrated(p, tempered(BINARY, 5.0))
    assert np.isfinite(ours).all()
    assert abs(ours[0, 0] - value) < 1e-6


def test_a_temperature_keeps_the_most_probable_class():
    _, p = films(500)
    ours = calibrated(p, tempered(THREE, 3.0))
    best = np.take_along_axis(ours, p.argmax(axis=1)[:, None], axis=1)[:, 0]
    assert np.array_equal(best, ours.max(axis=1))


def test_curves_are_followed_and_flat_beyond_their_ends():
    entry = with_knots(BINARY, ([0.2, 0.4, 0.8], [0.1, 0.1, 0.9]))
    p = np.float32([0.0, 0.2, 0.3, 0.6, 0.8, 1.0])
    ours = calibrated(np.stack([p, 1 - p], axis=1), entry)
    assert ours[:, 0] == pytest.approx([0.1, 0.1, 0.1, 0.5, 0.9, 0.9])
    assert ours.sum(axis=1) == pytest.approx(1)


def test_curves_of_several_classes_sum_to_one_even_where_all_are_zero():
    flat = ([0.0, 1.0], [0.0, 0.0])
    line = ([0.0, 1.0], [0.0, 0.5])
    _, p = films()
    assert calibrated(p, with_knots(THREE, line, line, line)) == pytest.approx(p, abs=1e-6)
    assert calibrated(p, with_knots(THREE, flat, flat, flat)) == pytest.approx(1 / 3)


def test_thresholds_meet_calibrated_probabilities_as_float32():
    entry = tempered(BINARY, 1.7)
    _, p = films(classes=2)
    shown = calibrated(p, entry)
    at = TaskCard(BINARY, (float(shown[7, 0]),), calibration=entry.calibration)
    assert decide(shown, at)[7] == 0  # reached
    above = TaskCard(BINARY, (float(np.nextafter(shown[7, 0], np.float32(1))),))
    assert decide(shown, above)[7] == 1


# ── sets ───────────────────────────────────────────────────────────────────────────────────────


def conformal(task, score, *levels):
    return TaskCard(task, conformal={"score": score, "coverage": 0.9, "levels": list(levels)})


def test_lac_takes_classes_from_a_probability():
    p = np.float32([[0.6, 0.3, 0.1], [0.34, 0.33, 0.33], [0.98, 0.01, 0.01]])
    found = sets(p, conformal(THREE, "lac", float(1 - np.float64(np.float32(0.33)))))
    assert found.tolist() == [[True, False, False], [True, True, True], [True, False, False]]
    by_class = sets(p, conformal(THREE, "lac", 0.5, 0.8, None))
    assert by_class.tolist() == [[True, True, True], [False, True, True], [True, False, True]]


def test_aps_takes_classes_in_order_and_never_none():
    p = np.float32([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3]])
    before = nonconformity(p, "aps")
    assert before == pytest.approx(np.array([[0, 0.5, 0.8], [0.8, 0, 0.5]]), abs=1e-7)
    assert within(p, "aps", [0.0]).tolist() == [[True, False, False], [False, True, False]]
    assert within(p, "aps", [0.6]).sum(axis=1).tolist() == [2, 2]
    equal = np.float32([[0.25, 0.25, 0.5]])
    assert within(equal, "aps", [0.5]).tolist() == [[True, False, True]]  # the first of equals


@given(
    st.lists(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3), min_size=1, max_size=6),
    st.sampled_from(["lac", "aps"]),
)
def test_a_level_taken_from_a_film_holds_for_that_film(rows, score):
    p = np.float32(rows)
    strange = nonconformity(p, score)
    for k in range(3):
        entry = conformal(THREE, score, json.loads(json.dumps(float(strange[0, k]))))
        assert sets(p, entry)[0, k]
        assert sets(p[:1], entry)[0, k]


def test_who_sends_a_film_to_a_person():
    inside = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]], bool)
    # one class; several; none; one, but not the one that is answered
    assert abstains(inside, np.array([0, 0, 0, 0])).tolist() == [False, True, True, True]


# ── cards ──────────────────────────────────────────────────────────────────────────────────────


def card_text(task, part, value):
    card = Card((TaskCard(task),), DecodingRule(32, 24)).to_dict()
    card["tasks"][0][part] = "HERE"
    return json.dumps(card).replace('"HERE"', value)


GOOD = [
    (THREE, "calibration", '{"method": "temperature", "temperature": [1.5], "more": {"a": 1}}'),
    (FINDINGS, "calibration", '{"method": "temperature", "temperature": [1, 2, 0.1]}'),
    (BINARY, "calibration", '{"method": "platt", "slope": [0.7], "intercept": [-1]}'),
    (BINARY, "calibration", '{"method": "isotonic", "knots": [{"x": [0.5], "y": [0.1]}]}'),
    (THREE, "conformal", '{"score": "lac", "coverage": 0.9, "levels": [0.4]}'),
    (THREE, "conformal", '{"score": "aps", "coverage": 0.9, "levels": [0.4, null, 1]}'),
]


@pytest.mark.parametrize(("task", "part", "value"), GOOD)
def test_a_good_card_is_read_and_written_back(task, part, value):
    card = card_from_json(card_text(task, part, value))
    assert getattr(card.tasks[0], part) == json.loads(value)
    assert card_from_json(card.to_json()) == card


@pytest.mark.parametrize(
    "value",
    [
        "[]",
        "7",
        '"temperature"',
        "{}",
        '{"method": "vector", "temperature": [1]}',
        '{"method": "platt", "slope": [0.7, 1, 1], "intercept": [-1, 0, 0]}',  # of three classes
        '{"method": ["temperature"], "temperature": [1]}',
        '{"method": "temperature"}',
        '{"method": "temperature", "temperature": 1}',
        '{"method": "temperature", "temperature": []}',
        '{"method": "temperature", "temperature": [1, 1]}',
        '{"method": "temperature", "temperature": [0]}',
        '{"method": "temperature", "temperature": [-1]}',
        '{"method": "temperature", "temperature": ["1"]}',
        '{"method": "temperature", "temperature": [true]}',
        '{"method": "temperature", "temperature": [null]}',
        '{"method": "temperature", "temperature": [NaN]}',
        '{"method": "temperature", "temperature": [1e400]}',
        '{"method": "temperature", "temperature": [1' + "0" * 400 + "]}",
        '{"method": "isotonic"}',
        '{"method": "isotonic", "knots": []}',
        '{"method": "isotonic", "knots": [{"x": [0.5], "y": [0.1]}]}',  # of three classes
        '{"method": "isotonic", "knots": [[0.5], [0.1], [0.2]]}',
    ],
)
def test_nonsense_for_a_calibration_is_refused(value):
    with pytest.raises(ModelError, match="card"):
        card_from_json(card_text(THREE, "calibration", value))


@pytest.mark.parametrize(
    ("slope", "intercept"),
    [([0], [1]), ([-1], [1]), ([1], []), ([1, 1], [1]), ([1], [None]), ([1], [1e4]), (1, 1)],
)
def test_a_line_that_falls_or_is_none_is_refused(slope, intercept):
    value = json.dumps({"method": "platt", "slope": slope, "intercept": intercept})
    with pytest.raises(ModelError):
        card_from_json(card_text(BINARY, "calibration", value))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([], []),
        ([0.1], [0.1, 0.2]),
        ([0.5, 0.1], [0.1, 0.2]),
        ([0.1, 0.1], [0.1, 0.2]),
        ([0.1, 0.2], [0.2, 0.1]),
        ([0.1, 1.2], [0.1, 0.2]),
        ([0.1, 0.2], [-0.1, 0.2]),
        ([0.1, None], [0.1, 0.2]),
        ("01", "01"),
    ],
)
def test_knots_that_do_not_rise_are_refused(x, y):
    value = json.dumps({"method": "isotonic", "knots": [{"x": x, "y": y}]})
    with pytest.raises(ModelError):
        card_from_json(card_text(BINARY, "calibration", value))


@pytest.mark.parametrize(
    "value",
    [
        "[]",
        "{}",
        '{"score": "raps", "coverage": 0.9, "levels": [0.4]}',
        '{"score": "lac", "coverage": "0.9", "levels": [0.4]}',
        '{"score": "lac", "coverage": 2, "levels": [0.4]}',
        '{"score": "lac", "coverage": 0.9, "levels": 0.4}',
        '{"score": "lac", "coverage": 0.9, "levels": []}',
        '{"score": "lac", "coverage": 0.9, "levels": [0.4, 0.5]}',
        '{"score": "lac", "coverage": 0.9, "levels": [-1]}',
        '{"score": "lac", "coverage": 0.9, "levels": [1e400]}',
        '{"score": "lac", "coverage": 0.9, "levels": ["x"]}',
    ],
)
def test_nonsense_for_sets_is_refused(value):
    with pytest.raises(ModelError, match="card"):
        card_from_json(card_text(THREE, "conformal", value))


def test_findings_and_classes_with_the_sign_between_have_no_sets():
    value = '{"score": "lac", "coverage": 0.9, "levels": [0.4]}'
    odd = Task("label", TaskKind.MULTICLASS, ("a|b", "c"))
    for task in (FINDINGS, odd):
        with pytest.raises(ModelError):
            card_from_json(card_text(task, "conformal", value))


def test_a_threshold_too_large_for_a_float_is_refused():
    with pytest.raises(ModelError):
        card_from_json(card_text(BINARY, "thresholds", "[1" + "0" * 400 + "]"))
