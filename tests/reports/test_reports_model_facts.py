"""What a report says of the model, read from a record that anybody may have written."""

from __future__ import annotations

import pytest

from xraybatch.reports.model_facts import model_facts


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
