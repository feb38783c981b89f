"""What a report says of the model, read from a record that anybody may have written."""

from __future__ import annotations

import pytest

from xraybatch.reports.model_facts import model_facts
from xraybatch.reports.model_words import model_rows


def record(*calibrations):
    tasks = [{"name": f"t{k}", "calibration": found} for k, found in enumerate(calibrations)]
    return {"card": {"name": "m", "tasks": tasks, "probabilities": {"class_weights": True}}}


PLATT = {"method": "platt", "slope": [1], "intercept": [0]}


@pytest.mark.parametrize(
    ("calibrations", "warned"),
    [
        ([None], True),
        ([PLATT], False),
        ([PLATT, {"method": "isotonic"}], False),
        ([PLATT, None], True),
        ([{"method": "temperature"}], True),  # surer or less sure, but not higher or lower
        ([{"method": ["platt"]}], True),
        (["platt"], True),
        ([], True),
    ],
)
def test_class_weights_are_told_until_the_probabilities_are_mended(calibrations, warned):
    facts = model_facts(record(*calibrations))
    assert facts is not None
    assert bool(facts.distortion) is warned


ON = {"table": "fit.csv", "films": 232, "patients": 169}
CARD = {
    "name": "m",
    "data": {
        "films": 2424,
        "patients": 1691,
        "films_by_split": {"train": 1697, "val": 242, "test": 485},
    },
    "tasks": [
        {
            "name": "label",
            "kind": "binary",
            "classes": ["no", "yes"],
            "positive": "yes",
            "thresholds": [0.4687703],
            "threshold_origin": "sensitivity>=0.95 on fit.csv",
            "calibration": {**PLATT, "fitted_on": ON},
            "conformal": {"coverage": 0.9, "score": "lac", "levels": [0.4], "fitted_on": ON},
        }
    ],
}


def test_what_calibration_did_is_told():
    rows = dict(model_rows(model_facts({"card": CARD})))
    assert rows["threshold"] == "0.4688 for yes: sensitivity>=0.95 on fit.csv"
    fitted = "fitted on fit.csv, 232 films of 169 patients"
    assert rows["calibration"] == f"Platt scaling, {fitted}"
    assert rows["sets"] == f"LAC, stated coverage 0.9 (alpha 0.1), {fitted}"
    assert rows["its films"] == (
        "2,424 films of 1,691 patients: trained on 1,697, validated on 242, kept 485 for the test"
    )


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"kind": "binary", "classes": ["a", "b"], "positive": "b"}, "0.5 for b: default"),
        ({"kind": "multilabel", "classes": ["x", "y"]}, "0.5 for every finding: default"),
        (
            {"kind": "multilabel", "classes": ["x", "y"], "thresholds": [0.25, 0.5]},
            "0.25 for x, 0.5 for y: default",
        ),
        ({"kind": "multiclass", "classes": ["a", "b", "c"]}, None),
        ({"kind": "binary", "classes": "ab", "positive": 3, "thresholds": "0.4"}, None),
    ],
)
def test_the_default_threshold_is_told_too(task, said):
    origin = "default: 0.5, or the most probable class"
    facts = model_facts({"card": {"tasks": [{"name": "t", "threshold_origin": origin, **task}]}})
    assert dict(model_rows(facts)).get("threshold") == said


@pytest.mark.parametrize("bad", [None, 3, "x", [], {"table": 3, "films": "9"}])
def test_a_record_that_makes_no_sense_says_nothing(bad):
    task = {"name": "t", "calibration": bad, "conformal": {"coverage": bad}, "thresholds": bad}
    data = {"films": 3, "films_by_split": bad}
    rows = dict(model_rows(model_facts({"card": {"tasks": [task], "data": data}})))
    assert not {"threshold", "calibration", "sets"} & set(rows)
    assert rows["its films"] == "3 films, patients not known"
