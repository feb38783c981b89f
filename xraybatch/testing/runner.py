"""Running a suite without pytest: the same methods, a result for each as soon as it is there."""

from __future__ import annotations

import inspect
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from unittest import SkipTest

from xraybatch.testing.architecture import ArchitectureContract
from xraybatch.testing.contract import THROWN, Contract, sentence
from xraybatch.testing.exporter import ExporterContract
from xraybatch.testing.metric import MetricContract
from xraybatch.testing.reader import ReaderContract

CONTRACTS: dict[str, type[Contract]] = {
    contract.kind: contract
    for contract in (ArchitectureContract, ExporterContract, MetricContract, ReaderContract)
}
_PREFIX = "test_"


class Verdict(StrEnum):
    """What came of a check; `SKIPPED` says nothing about the plugin, its reason says why."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One check of a suite: its name, and the sentence that says what must hold."""

    name: str
    sentence: str


@dataclass(frozen=True)
class CheckResult:
    """What came of one check.

    Attributes
    ----------
    name : str
        Of the check: its method's without ``test_``.
    sentence : str
        What must hold.
    verdict : Verdict
    reason : str
        Why it failed or was skipped; where it passed, the figure that it measured, if any.
    seconds : float
    """

    name: str
    sentence: str
    verdict: Verdict
    reason: str
    seconds: float


def checks_of(contract: type[Contract]) -> list[Check]:
    """The checks of a suite, in the order they are run."""
    found: dict[str, Any] = {}
    for base in reversed(contract.__mro__):
        for name, method in vars(base).items():
            if name.startswith(_PREFIX) and callable(method):
                found[name] = getattr(contract, name)
    return [
        Check(name.removeprefix(_PREFIX), (inspect.getdoc(method) or name).splitlines()[0])
        for name, method in found.items()
    ]


def run_contract(
    kind: str, name: str, *, owner: str = "", examples: Sequence[bytes | Path] = ()
) -> Generator[CheckResult, None, None]:
    """Run the suite of a kind on a record that is installed.

    Parameters
    ----------
    kind : str
        ``architecture``, ``exporter``, ``metric`` or ``reader``.
    name : str
        Of the record.
    owner : str
        ``distribution:entry_point``; needed where two plugins claim the name.
    examples : sequence of bytes or Path
        For a reader: files that it must read.

    Yields
    ------
    CheckResult
        As soon as the check has ended. Nothing that the plugin raises comes out of here.
    """
    content: dict[str, Any] = {"name": name, "owner": owner}
    if examples:
        content["examples"] = tuple(examples)
    return run_checks(type(f"Test_{name}", (CONTRACTS[kind],), content))


def run_checks(contract: type[Contract]) -> Generator[CheckResult, None, None]:
    """Run every check of a suite, as `run_contract` does; close it to stop before the end."""
    try:
        for check in checks_of(contract):
            instance = contract()
            begin = time.perf_counter()
            verdict, reason = Verdict.PASSED, ""
            try:
                getattr(instance, _PREFIX + check.name)()
                reason = instance.figure
            except SkipTest as skip:
                verdict, reason = Verdict.SKIPPED, sentence(skip)
            except THROWN as error:
                verdict, reason = Verdict.FAILED, sentence(error)
            seconds = time.perf_counter() - begin
            yield CheckResult(check.name, check.sentence, verdict, reason, seconds)
    finally:
        contract.teardown_class()
