"""docs/cli.md says what the program says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import click
import pytest

from xraybatch.cli.app import OURS
from xraybatch.core import errors

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "cli.md"
TEXT = PAGE.read_text(encoding="utf-8")


def cog(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cogapp", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("columns", ["40", "200"])
def test_the_help_texts_are_those_of_the_program(columns: str) -> None:
    done = cog("--check", "--diff", "docs/cli.md", COLUMNS=columns)
    assert done.returncode == 0, f"make docs\n{done.stdout}{done.stderr}"


def test_an_old_help_text_is_noticed(tmp_path: Path) -> None:
    copy = tmp_path / "cli.md"
    copy.write_text(TEXT.replace("--max-failures N", "--max-failures K"), encoding="utf-8")
    assert cog("--check", str(copy)).returncode != 0
    assert cog("-r", str(copy)).returncode == 0
    assert copy.read_text(encoding="utf-8") == TEXT


def test_every_command_is_on_the_page() -> None:
    assert re.findall(r"^### xraybatch (\w+)$", TEXT, re.M) == list(OURS)


@pytest.mark.parametrize("name", OURS)
def test_every_example_in_a_help_text_is_a_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "runs" / "2026-11-21-cnn-1" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('plugin = "cnn"\n')
    text = (import_module(f"xraybatch.cli.{name}").command.help or "").replace("\\\n", " ")
    examples = re.findall(r"^ *xraybatch (\w+)(.*)$", text.partition("\b\n")[2], re.M)
    assert examples
    for called, rest in examples:
        command = import_module(f"xraybatch.cli.{called}").command
        with suppress(click.exceptions.Exit):
            command.make_context(called, shlex.split(rest.partition(" > ")[0]))


def test_the_exit_codes_are_those_of_the_program() -> None:
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert {int(code) for code in re.findall(r"^\| (\d) \|", TEXT, re.M)} == codes


def test_every_variable_that_the_program_reads_is_on_the_page() -> None:
    read = set()
    for path in (ROOT / "xraybatch").rglob("*.py"):
        read |= set(re.findall(r"\"(XRAYBATCH_[A-Z_]+)\"", path.read_text(encoding="utf-8")))
    told = set(re.findall(r"^\| `(XRAYBATCH_[A-Z_]+)`", TEXT, re.M))
    assert read == told


@pytest.mark.parametrize(
    ("shell", "before", "after"),
    [
        ("bash", "", "complete -p xraybatch"),
        ("zsh", "autoload -Uz compinit; compinit -D -u", "print -r -- $_comps[xraybatch]"),
        ("fish", "", "exec fish -c 'complete -C \"xraybatch tra\"'"),
    ],
)
def test_what_the_page_tells_shells_gives_completion(
    shell: str, before: str, after: str, tmp_path: Path
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: apt install {shell}")
    block = re.search(rf"```{shell}\n(.*?)```", TEXT, re.DOTALL)
    assert block
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [shell, "-c", "\n".join([before, block[1], after])],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": path, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
    )
    assert done.stderr == ""
    assert {"fish": "train"}.get(shell, "_xraybatch_completion") in done.stdout
