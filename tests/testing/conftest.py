"""Strangers with one fault each, and what a suite says of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xraybatch.extension.registry import Owned
from xraybatch.testing import CheckResult, Contract, Verdict, run_checks

STRANGERS = Path(__file__).resolve().parent / "strangers"


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of modules with strange records, on the path of this and of fresh interpreters."""
    monkeypatch.syspath_prepend(STRANGERS)
    return STRANGERS


@pytest.fixture
def found_in(strangers: Path, empty_folder: Path) -> Callable[..., dict[str, CheckResult]]:
    """Run a suite on a record that is not installed: results by name of check."""

    def run(suite: type[Contract], record: Any, **more: Any) -> dict[str, CheckResult]:
        content = {"find": lambda self: Owned("tests:stranger", record), "name": record.name}
        contract = type("TestStranger", (suite,), content | more)
        return {result.name: result for result in run_checks(contract)}

    return run


@pytest.fixture
def failures_in(found_in: Callable[..., dict[str, CheckResult]]) -> Callable[..., dict[str, str]]:
    """The reasons of the checks that failed, by name."""

    def run(*arguments: Any, **more: Any) -> dict[str, str]:
        # starts interpreters, and has tests of its own
        more.setdefault("test_imports_in_milliseconds", lambda contract: None)
        results = found_in(*arguments, **more).values()
        return {r.name: r.reason for r in results if r.verdict is Verdict.FAILED}

    return run
