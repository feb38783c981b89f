from __future__ import annotations

import errno
import subprocess
import sys
from importlib import import_module

import click
import pytest
from click.testing import CliRunner

from xraybatch.cli.app import OURS, app, main

HEAVY = (
    "numpy pandas pyarrow PIL pydicom onnxruntime sklearn scipy altair pluggy rich pebble "
    "tensorflow keras"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xraybatch", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["predict", "--help"], ["train", "--help"], ["--version"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from xraybatch.cli.app import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "except SystemExit as leave:\n"
        f"    print([m for m in {HEAVY.split()!r} if m in sys.modules], leave.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[] 0", done.stdout + done.stderr


@pytest.mark.parametrize("name", OURS)
def test_the_table_of_commands_says_what_the_commands_say(name: str) -> None:
    command = import_module(f"xraybatch.cli.{name}").command
    assert isinstance(command, click.Command)
    assert command.help
    assert " ".join(command.help.split("\n\n")[0].split()) == OURS[name]
    assert "xraybatch " + name in command.help, "no example in its help"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name} has no help"


def test_help_fits_one_screen() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    assert len(text.splitlines()) <= 38
    assert all(name in text for name in OURS)


def test_a_mistyped_command_gets_the_nearest() -> None:
    done = run("predct", "x")
    assert done.returncode == 2
    assert "'predict'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistyped_option_is_wrong_usage() -> None:
    done = run("predict", "x", "--outt", "y")
    assert done.returncode == 2
    assert "--out" in done.stderr


def test_an_error_is_a_message_a_hint_and_an_exit_code() -> None:
    done = run("predict", "nowhere", "--out", "results.csv")
    assert done.returncode == 3
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
    shown = run("--debug", "predict", "nowhere", "--out", "results.csv")
    assert "Traceback" in shown.stderr


def test_a_fault_of_ours_is_said_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr(app, "main", broken)
    with pytest.raises(SystemExit) as left:
        main(["predict"])
    assert left.value.code == 1
    assert "ZeroDivisionError: boom" in capsys.readouterr().err


def test_a_full_disk_is_no_fault_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "audit.csv")

    monkeypatch.setattr(app, "main", full)
    with pytest.raises(SystemExit) as left:
        main(["audit"])
    assert left.value.code == 3
    said = capsys.readouterr().err
    assert "audit.csv: No space left on device." in said
    assert "fault" not in said
