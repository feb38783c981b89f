"""Completion, asked for in real shells, and what it loads."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from xraybatch.cli.app import OURS, app

SHELLS = ("bash", "zsh", "fish")
HEAVY = (
    "numpy pandas pyarrow PIL pydicom onnxruntime sklearn scipy altair rich pebble tensorflow keras"
)
ARCHITECTURES = ("cnn", "narrow", "resnet50")

_RC = {
    "bash": """
PS1='$ '
for setting in 'show-all-if-ambiguous on' 'bell-style none' 'enable-bracketed-paste off' \\
    'completion-query-items 0' 'page-completions off'; do bind "set $setting"; done
source ./complete.bash
show() { printf 'LINE<%s>\\n' "$READLINE_LINE"; READLINE_LINE=; READLINE_POINT=0; }
bind -x '"\\C-t": show'
echo READY
""",
    "zsh": """
PROMPT='$ ' LISTMAX=0
autoload -Uz compinit && compinit -D -u
source ./complete.zsh
show() { print; print -r -- "LINE<$BUFFER>"; BUFFER=; zle reset-prompt }
zle -N show
bindkey -e '^T' show
echo READY
""",
}
_START = {"bash": ["bash", "--rcfile", "rc", "-i"], "zsh": ["zsh", "-d", "-i"]}


def needs(shell: str) -> pytest.MarkDecorator:
    missing = shutil.which(shell) is None
    return pytest.mark.skipif(missing, reason=f"{shell} is not installed: apt install {shell}")


in_bash_and_zsh = pytest.mark.parametrize(
    "shell", [pytest.param(shell, marks=needs(shell)) for shell in ("bash", "zsh")]
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two runs, a model file, films and a folder with a blank."""
    for run in ("2026-01-05-cnn-1", "2026-02-03-narrow-1", ".2026-03-01-cnn-1.partial"):
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / "model.onnx").touch()
    (tmp_path / "knee.onnx").touch()
    (tmp_path / "films" / "deep").mkdir(parents=True)
    (tmp_path / "my films").mkdir()
    (tmp_path / "labels.csv").touch()
    monkeypatch.chdir(tmp_path)
    for name, value in _environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    for shell in SHELLS:
        monkeypatch.setenv("_XRAYBATCH_COMPLETE", f"{shell}_source")
        done = subprocess.run(["xraybatch"], capture_output=True, text=True, check=True)
        (tmp_path / f"complete.{shell}").write_text(done.stdout)
    monkeypatch.delenv("_XRAYBATCH_COMPLETE")
    return tmp_path


def _environment(home: Path) -> dict[str, str]:
    beside_python = str(Path(sys.executable).parent)
    return {
        "HOME": str(home),
        "ZDOTDIR": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local"),
        "PATH": os.pathsep.join([beside_python, os.environ["PATH"]]),
        "TERM": "vt100",
        "LC_ALL": "C.UTF-8",
    }


class Terminal:
    """An interactive shell on a terminal of its own."""

    def __init__(self, shell: str, home: Path) -> None:
        import fcntl
        import pty
        import struct
        import termios

        (home / {"bash": "rc", "zsh": ".zshrc"}[shell]).write_text(_RC[shell])
        self._side, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self._shell = subprocess.Popen(
            _START[shell], stdin=other, stdout=other, stderr=other, start_new_session=True
        )
        os.close(other)
        self._wait(r"READY")

    def type(self, keys: str) -> tuple[str, str]:
        """What is shown after `keys`, and the line that the shell has in the end."""
        os.write(self._side, keys.encode() + b"\x14")
        shown = self._wait(r"LINE<([^>]*)>")
        line = re.findall(r"LINE<([^>]*)>", shown)[-1]
        return shown.partition("LINE<")[0], line

    def close(self) -> None:
        self._shell.kill()
        self._shell.wait()
        os.close(self._side)

    def _wait(self, pattern: str, seconds: float = 60) -> str:
        until, shown = time.monotonic() + seconds, ""
        while not re.search(pattern, shown):
            ready, _, _ = select.select([self._side], [], [], until - time.monotonic())
            assert ready, f"{pattern} did not come: {shown!r}"
            shown += os.read(self._side, 65536).decode(errors="replace")
        return shown


TYPED = (
    ("xraybatch tr\t", "xraybatch train "),
    ("xraybatch --de\t", "xraybatch --debug "),
    ("xraybatch train --plugin nar\t", "xraybatch train --plugin narrow "),
    ("xraybatch train --dev\tc\t", "xraybatch train --device cpu "),
    ("xraybatch train --data fi\t", "xraybatch train --data films/"),
    ("xraybatch train --data lab\t", "xraybatch train --data labels.csv "),
    ("xraybatch train --data my\t", "xraybatch train --data my\\ films/"),
    ("xraybatch train --labels lab\t", "xraybatch train --labels labels.csv "),
    ("xraybatch train --weights imag\t", "xraybatch train --weights imagenet "),
    ("xraybatch train --weights lab\t", "xraybatch train --weights labels.csv "),
    ("xraybatch export runs/2026-02\t", "xraybatch export runs/2026-02-03-narrow-1 "),
    ("xraybatch export knee.onnx --to o\t", "xraybatch export knee.onnx --to onnx "),
    ("xraybatch inspect kn\t", "xraybatch inspect knee.onnx "),
    ("xraybatch plugins exp\t", "xraybatch plugins exporter "),
    ("xraybatch predict fi\t", "xraybatch predict films/"),
    ("xraybatch predict films --device cp\t", "xraybatch predict films --device cpu "),
    ("xraybatch predict films --model kn\t", "xraybatch predict films --model knee.onnx "),
    ("xraybatch score results.csv lab\t", "xraybatch score results.csv labels.csv "),
    ("xraybatch no-command x\t", "xraybatch no-command x"),
)


@in_bash_and_zsh
def test_a_shell_completes(home: Path, shell: str) -> None:
    terminal = Terminal(shell, home)
    try:
        for typed, line in TYPED:
            shown, found = terminal.type(typed)
            # zsh keeps the blank to itself until it is needed
            assert (typed, found.rstrip()) == (typed, line.rstrip()), shown
            assert "Error" not in shown
    finally:
        terminal.close()


@in_bash_and_zsh
def test_a_shell_lists_what_there_is(home: Path, shell: str) -> None:
    terminal = Terminal(shell, home)
    try:
        commands, _ = terminal.type("xraybatch \t")
        plugins, _ = terminal.type("xraybatch train --plugin \t")
        models, _ = terminal.type("xraybatch inspect \t")
    finally:
        terminal.close()
    assert [name for name in OURS if name not in commands] == []
    assert [name for name in ARCHITECTURES if name not in plugins] == []
    assert models.index("2026-02-03-narrow-1") < models.index("2026-01-05-cnn-1")  # newest first
    assert "knee.onnx" in models
    assert "partial" not in models


@needs("fish")
def test_fish_completes(home: Path) -> None:
    def ask(line: str) -> list[str]:
        script = f"source ./complete.fish; complete --do-complete {line!r}"
        done = subprocess.run(
            ["fish", "--no-config", "-c", script], capture_output=True, text=True, timeout=120
        )
        assert done.stderr == ""
        return [row.split("\t")[0] for row in done.stdout.splitlines()]

    assert set(OURS) <= set(ask("xraybatch "))
    assert ask("xraybatch --de") == ["--debug"]
    assert set(ARCHITECTURES) <= set(ask("xraybatch train --plugin "))
    assert ask("xraybatch train --plugin nar") == ["narrow"]
    assert set(ask("xraybatch train --device ")) == {"auto", "cpu", "gpu", "gpu:all"}
    assert ask("xraybatch train --data fi") == ["films/"]
    assert ask("xraybatch train --data lab") == ["labels.csv"]
    assert ask("xraybatch train --labels lab") == ["labels.csv"]
    assert ask("xraybatch plugins exp") == ["exporter"]
    models = {"runs/2026-02-03-narrow-1", "runs/2026-01-05-cnn-1", "knee.onnx"}
    assert set(ask("xraybatch inspect ")) == models
    assert ask("xraybatch no-command x") == []


LINES = (
    "xraybatch ",
    "xraybatch train --",
    "xraybatch train --plugin ",
    "xraybatch train --config config.toml --plugin cnn --resize ",
    "xraybatch predict films --",
    "xraybatch predict films --model ",
    "xraybatch predict films --device ",
    "xraybatch score results.csv ",
    "xraybatch export runs",
    "xraybatch export knee.onnx --to ",
    "xraybatch inspect ",
    "xraybatch plugins ",
)


def test_completing_loads_nothing_heavy(home: Path) -> None:
    (home / "config.toml").write_text("epochs = 3\n")
    program = (
        "import os, sys\n"
        "from xraybatch.cli.app import main\n"
        "try:\n"
        "    main([])\n"
        "except SystemExit as leave:\n"
        f"    loaded = [m for m in {HEAVY.split()!r} if m in sys.modules]\n"
        "    print(loaded, leave.code, file=sys.stderr)\n"
    )
    for line in LINES:
        asked = {
            "_XRAYBATCH_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        }
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            env={**os.environ, **asked},
        )
        assert done.stderr == "[] 0\n", (line, done.stderr)


def ask(*arguments: str, incomplete: str = "") -> list[str]:
    """What is offered, without a shell."""
    found = ShellComplete(app, {}, "xraybatch", "_XRAYBATCH_COMPLETE").get_completions(
        list(arguments), incomplete
    )
    return [str(item.value) for item in found if item.type == "plain"]


def test_what_is_offered_is_what_is_taken() -> None:
    from xraybatch.images.rule import RESIZES
    from xraybatch.training.backend import DEVICES
    from xraybatch.training.options import GROUPINGS, WEIGHTS

    assert ask("train", "--resize") == list(RESIZES)
    assert ask("train", "--device") == [
        d for d in DEVICES if d != "cpu:all"
    ]  # that one is for tests
    assert ask("train", "--group-by") == list(GROUPINGS)
    assert ask("train", "--weights") == list(WEIGHTS)


@pytest.mark.train
def test_the_optimizers_offered_are_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    from xraybatch.training.backend import load_keras
    from xraybatch.training.optimizer import check_optimizer

    load_keras()
    offered = ask("train", "--optimizer")
    assert "adam" in offered
    for name in offered:
        check_optimizer(name)


def test_names_that_a_shell_must_quote_are_left_to_it(home: Path) -> None:
    assert ask("inspect", incomplete="kn") == ["knee.onnx"]
    (home / "knee (old).onnx").touch()
    (home / "knée.onnx").touch()
    assert ask("inspect", incomplete="kn") == ["knee.onnx", "knée.onnx"]
    assert ask("inspect", incomplete="./kn") == []
    assert ask("inspect", incomplete="films/") == []


def test_a_plugin_that_prints_does_not_end_among_the_completions(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "loud.py").write_text(
        "import os\nprint('LOUD')\nos.write(1, b'FD1')\nos.write(2, b'FD2')\n"
        "raise ValueError('and broken')\n"
    )
    about = home / "loud-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[xraybatch]\nloud = loud\n\n[xraybatch.commands]\nzz = loud:command\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(home))
    for line, offered in (
        ("xraybatch train --plugin narr", "plain,narrow\n"),
        ("xraybatch z", "plain,zz\n"),
    ):
        monkeypatch.setenv("_XRAYBATCH_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        done = subprocess.run(["xraybatch"], capture_output=True, text=True)
        assert (done.stdout, done.stderr, done.returncode) == (offered, "", 0)
