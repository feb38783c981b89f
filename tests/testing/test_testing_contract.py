"""What all suites have in common: work done once, what depends on it, imports, pytest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import SkipTest

import pytest

from xraybatch import Metric, Option, TaskKind
from xraybatch.core.errors import InputError, PluginError, UsageError
from xraybatch.extension.registry import Owned
from xraybatch.testing import Broken, Contract, MetricContract, Verdict, checks_of, run_checks
from xraybatch.testing.contract import Shared, check_options, sentence
from xraybatch.testing.fresh_import import import_cost
from xraybatch.testing.runner import CONTRACTS

DONE: list[str] = []


class Suite(Contract):
    kind = "metric"

    def find(self):
        return Owned("tests:suite", Metric("m", "s", "labels", (TaskKind.BINARY,), True, len))

    test_imports_in_milliseconds = lambda self: None  # noqa: E731

    @Shared
    def once(self):
        DONE.append("once")
        (self.folder / "made.txt").write_text("by the suite")
        return self.folder

    @Shared
    def leaves(self):
        DONE.append("leaves")
        raise SystemExit("bye\nand more")

    @Shared
    def behind(self):
        return self.leaves

    def test_a(self):
        """The first sentence.

        And more.
        """
        self.once  # noqa: B018
        self.figure = "12 ms"

    def test_b(self):
        assert (self.once / "made.txt").exists()

    def test_c(self):
        self.behind  # noqa: B018

    def test_d(self):
        self.behind  # noqa: B018

    def test_e(self):
        self.leaves  # noqa: B018

    def test_f(self):
        raise Broken("A promise in words.")

    def test_g(self):
        raise SkipTest("no need")


def test_work_is_shared_and_what_depends_on_a_failure_is_skipped():
    DONE.clear()
    folders = []

    class Watched(Suite):
        def test_z(self):
            folders.append(self.folder)

    results = {r.name: r for r in run_checks(Watched)}
    assert [(n, str(r.verdict), r.reason) for n, r in results.items() if len(n) == 1] == [
        ("a", "passed", "12 ms"),
        ("b", "passed", ""),
        ("c", "failed", "SystemExit: bye"),
        ("d", "skipped", "not tried, because: SystemExit: bye"),
        ("e", "skipped", "not tried, because: SystemExit: bye"),
        ("f", "failed", "A promise in words."),
        ("g", "skipped", "no need"),
        ("z", "passed", ""),
    ]
    assert results["a"].sentence == "The first sentence."
    assert DONE == ["once", "leaves"]
    assert not folders[0].exists(), "the suite leaves its folder behind"


def test_two_suites_share_nothing():
    class Other(Suite):
        pass

    DONE.clear()
    list(run_checks(Other))
    list(run_checks(Suite))
    assert DONE.count("once") == 2


def test_a_persons_interruption_is_no_failure_of_the_plugin():
    class Stopped(Suite):
        def test_a(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_checks(Stopped))


def test_an_error_is_one_sentence():
    assert sentence(ValueError("one\ntwo")) == "ValueError: one"
    assert sentence(ValueError()) == "ValueError"
    assert sentence(InputError("What happened.", "What to do.")) == "What happened."
    assert sentence(AssertionError("theirs")) == "AssertionError: theirs"


def test_every_check_says_what_must_hold():
    for contract in CONTRACTS.values():
        for check in checks_of(contract):
            assert check.sentence.endswith("."), check.name
            assert check.sentence != check.name


@pytest.mark.parametrize(
    "option",
    [
        Option("filters", int, 6.0, "Channels."),
        Option("filters", int, True, "Channels."),
        Option("Filters", int, 6, "Channels."),
        Option("filters", int, 6, ""),
        Option("kind", str, "a", "A kind.", choices=("b", "c")),
        Option("filters", list, [], "Channels."),  # type: ignore[arg-type]
    ],
)
def test_options_that_are_not_well_formed(option: Option):
    with pytest.raises(Broken):
        check_options((option,))
    check_options((Option("filters", int, 6, "Channels."),))


# ── imports ────────────────────────────────────────────────────────────────────────────────────

PLUGIN = """
from xraybatch import Metric, TaskKind, hookimpl

@hookimpl
def register_metrics():
    {hook}
    return [Metric("mine", "Mine.", "labels", (TaskKind.BINARY,), True, compute)]

def compute(y_true, y, weights):
    return 0.5

{body}
"""
BUSY = "import time\nend = time.process_time() + 0.08\nwhile time.process_time() < end: pass"


@pytest.fixture
def imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list]:
    """The import check alone, of a module with this body."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "torch.py").write_text("")

    def run(body: str = "", hook: str = "pass") -> list:
        (tmp_path / "mine_metrics.py").write_text(PLUGIN.format(body=body, hook=hook))
        record = Metric("mine", "Mine.", "labels", (TaskKind.BINARY,), True, lambda *_: 0.5)
        record.compute.__module__ = "mine_metrics"
        content = {"find": lambda self: Owned("tests:mine", record)}
        suite = type("TestMine", (MetricContract,), content)
        return [r for r in run_checks(suite) if r.name == "imports_in_milliseconds"]

    return run


def test_a_light_module_passes_and_its_figure_is_said(imports):
    (found,) = imports()
    assert found.verdict is Verdict.PASSED
    assert found.reason.endswith("ms of CPU")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (BUSY, "Importing it takes"),
        ("import torch", "Importing it loads torch"),
        ("raise SystemExit('I leave')", "I leave"),
        ("import no_such_library", "no_such_library"),
    ],
)
def test_a_heavy_module_fails_with_the_reason(imports, body, words):
    (found,) = imports(body)
    assert found.verdict is Verdict.FAILED
    assert words in found.reason


def test_a_hook_that_is_slow_counts_as_import(imports):
    (found,) = imports(hook=BUSY.replace("\n", "\n    "))
    assert "Importing it takes" in found.reason


def test_what_is_printed_at_import_does_not_hide_the_cost(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "loud.py").write_text("print('hello', end='')")
    assert import_cost("loud").heavy == ()


# ── as a stranger uses them ────────────────────────────────────────────────────────────────────


def test_suites_need_neither_pytest_nor_keras_to_be_imported():
    code = (
        "import sys, xraybatch.testing\n"
        "print([m for m in ('pytest', '_pytest', 'keras', 'tensorflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_pytest_collects_a_suite_of_three_lines(tmp_path: Path):
    (tmp_path / "test_mine.py").write_text(
        "from xraybatch.testing import ReaderContract\n"
        "class TestPng(ReaderContract):\n"
        '    name = "png"\n'
        "class TestNobody(ReaderContract):\n"
        '    name = "nobody"\n'
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    checks = len(checks_of(CONTRACTS["reader"]))
    assert f"{checks} passed" in done.stdout.replace("1 failed, ", ""), done.stdout
    assert "1 failed" in done.stdout  # the rest of nobody's is skipped, each with the reason
    assert f"{checks - 1} skipped" in done.stdout
    assert "There is no reader called 'nobody'" in done.stdout


def test_a_suite_without_a_name_or_of_a_stranger_says_so():
    for content, words in (
        ({}, "does not say which metric"),
        ({"name": "no-such"}, "There is no metric called 'no-such'"),
        ({"name": "png", "owner": "xraybatch:readers"}, "registers no metric called 'png'"),
    ):
        suite = type("TestNobody", (MetricContract,), content)
        with pytest.raises((Broken, UsageError, PluginError), match=words):
            suite().owned  # noqa: B018
