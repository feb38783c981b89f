"""The suite of metrics passes good strangers, and sees each fault by the check that is for it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from xraybatch.testing import MetricContract, Verdict

_spec = importlib.util.spec_from_file_location(
    "strange_metrics", Path(__file__).resolve().parent / "strangers" / "strange_metrics.py"
)
strange = sys.modules["strange_metrics"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(strange)


@pytest.mark.parametrize("record", [strange.GOOD, strange.ALSO_GOOD], ids=["labels", "probs"])
def test_a_good_metric_passes_every_check(found_in, record):
    results = found_in(MetricContract, record)
    assert [r for r in results.values() if r.verdict is not Verdict.PASSED] == []


@pytest.mark.parametrize("fault", strange.BAD)
def test_a_fault_is_seen_by_its_check_alone(failures_in, fault):
    failed = failures_in(MetricContract, strange.BAD[fault])
    assert list(failed) == [fault.partition(",")[0]], failed


def test_what_depends_on_a_failed_check_is_skipped_with_its_reason(found_in):
    results = found_in(MetricContract, strange.BAD["computes_a_number, exit"])
    assert results["computes_a_number"].reason == "SystemExit: I leave"
    assert results["takes_part_in_score"].verdict is Verdict.SKIPPED
    assert "SystemExit: I leave" in results["takes_part_in_score"].reason
