"""The suite of readers passes a good stranger, and sees each fault by the check that is for it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from xraybatch.testing import ReaderContract, Verdict

_spec = importlib.util.spec_from_file_location(
    "strange_readers", Path(__file__).resolve().parent / "strangers" / "strange_readers.py"
)
strange = sys.modules["strange_readers"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(strange)


def test_a_good_reader_passes_every_check(found_in, tmp_path):
    path = tmp_path / "film.grey"
    path.write_bytes(strange.example())
    results = found_in(ReaderContract, strange.GOOD, examples=(path, strange.example(9, 31)))
    assert [r for r in results.values() if r.verdict is not Verdict.PASSED] == []
    assert results["reads_its_files"].reason == "uint8 24x20"


@pytest.mark.parametrize("fault", strange.BAD)
def test_a_fault_is_seen_by_its_check_alone(failures_in, fault):
    record = strange.BAD[fault]
    examples = () if ".png" in record.suffixes else (strange.example(),)
    failed = failures_in(ReaderContract, record, examples=examples, patience=0.2)
    assert list(failed) == [fault.partition(",")[0]], failed
    if record.read is strange.endless:
        strange.RELEASE.set()
        assert "is still read after 0.2 s" in failed[fault]


def test_without_an_example_it_says_so_and_tests_the_rest(found_in):
    results = found_in(ReaderContract, strange.GOOD)
    assert results["leaves_other_files_alone"].verdict is Verdict.PASSED
    assert results["reads_its_files"].verdict is Verdict.SKIPPED
    assert "--example" in results["reads_its_files"].reason
