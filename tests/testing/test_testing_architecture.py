"""The suite of architectures sees each fault of a stranger by the check that is for it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from unittest import SkipTest

import pytest

from xraybatch.extension.registry import Owned
from xraybatch.testing import ArchitectureContract, Broken

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

_spec = importlib.util.spec_from_file_location(
    "strange_architectures",
    Path(__file__).resolve().parent / "strangers" / "strange_architectures.py",
)
strange = sys.modules["strange_architectures"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(strange)


@pytest.mark.parametrize(
    ("record", "raised", "words"),
    [
        (strange.SQUARE, SkipTest, r"It refuses 56x24: .*films must be square"),
        (strange.SQUARED, Broken, r"\(56, 56, 1\); asked for were films of \(56, 24, 1\)"),
    ],
    ids=["refuses", "ignores"],
)
def test_another_size_may_be_refused_but_not_ignored(strangers, record, raised, words):
    content = {"find": lambda self: Owned("tests:square", record), "sizes": (24,)}
    suite = type("TestSquare", (ArchitectureContract,), content)
    try:
        with pytest.raises(raised, match=words):
            suite().test_follows_the_film_size()
    finally:
        suite.teardown_class()


@pytest.mark.parametrize("fault", strange.BAD)
def test_a_fault_is_seen_by_its_check_alone(failures_in, fault):
    failed = failures_in(ArchitectureContract, strange.BAD[fault], sizes=(24,))
    assert list(failed) == [fault.partition(",")[0]], failed
