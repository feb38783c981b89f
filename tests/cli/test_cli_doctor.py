"""``xraybatch doctor``: what a person sees, what a program reads, and the exit code."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from xraybatch.cli.doctor import command, show
from xraybatch.core.errors import EXIT_BAR_MISSED, BarMissed
from xraybatch.models.doctor import examine as examination
from xraybatch.models.doctor.report import Diagnosis, Finding, Package, Verdict

LINE = "pip install 'onnxruntime-gpu[cuda,cudnn]>=1.26,<1.27' --some-long-option-so-that-it-breaks"


def diagnosis(*findings: Finding) -> Diagnosis:
    return Diagnosis(
        "1.0",
        "2026-11-21T00:00:00+00:00",
        (Package("numpy", "2.4.6", "prediction"), Package("keras", "", "training")),
        ("CPUExecutionProvider",),
        (),
        findings,
        "Prediction works here on cpu with 2 cores; training is not installed.",
    )


NOTE = Finding("cuda", Verdict.NOTE, "The driver is [old]. " * 6, "Type:", (LINE,))
PROBLEM = Finding("packages", Verdict.PROBLEM, "numpy\x1b[31m is missing.")


def shown(found: Diagnosis, width: int) -> str:
    file = io.StringIO()
    show(found, Console(file=file, width=width, highlight=False))
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 100])
def test_nothing_is_cut_and_lines_to_type_stay_whole(width: int) -> None:
    text = shown(diagnosis(NOTE, PROBLEM), width)
    assert f"    {LINE}\n" in text
    assert "…" not in text
    assert "\x1b" not in text
    flat = " ".join(text.split())
    assert flat.count("[old].") == 6
    assert "PROBLEM packages" in flat
    assert all(len(row) <= width for row in text.splitlines() if LINE not in row)


def test_packages_that_are_not_there_are_not_listed() -> None:
    assert "keras" not in shown(diagnosis(), 80)


def answer(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    monkeypatch.setattr(examination, "examine", lambda cache: diagnosis(*findings))


def test_notes_are_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, NOTE)
    assert CliRunner().invoke(command, []).exit_code == 0


def test_problems_have_an_exit_code_after_everything_was_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer(monkeypatch, NOTE, PROBLEM)
    result = CliRunner().invoke(command, ["--json"])
    assert isinstance(result.exception, BarMissed)
    assert result.exception.exit_code == EXIT_BAR_MISSED
    found = json.loads(result.stdout)
    assert [one["verdict"] for one in found["findings"]] == ["note", "problem"]
    assert found["findings"][0]["commands"] == [LINE]


def test_this_machine_as_json(tmp_path: Path) -> None:
    """Standard output is one JSON document, and the trainer's libraries are not loaded for it."""
    code = (
        "import sys\n"
        "from xraybatch.cli.app import main\n"
        "try:\n"
        "    main(['doctor', '--json'])\n"
        "except SystemExit as leave:\n"
        "    print([m for m in ('tensorflow', 'keras', 'onnxruntime') if m in sys.modules],"
        " leave.code, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    found = json.loads(done.stdout)
    assert found["devices"][0]["state"] == "works"
    assert found["summary"].startswith("Prediction works here on")
    assert done.stderr.split("\n")[-2] == "[] 0"
    assert list(tmp_path.iterdir()) == []
