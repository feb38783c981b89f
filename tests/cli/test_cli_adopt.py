"""``xraybatch adopt`` as it is typed; what it does is tested in ``tests/training``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from xraybatch.cli.adopt import command
from xraybatch.models.model import load_model

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'xraybatch[adopt]'")

FOREIGN = Path(__file__).parents[1] / "training" / "foreign"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--mean", "x,y"], "no list of numbers"),
        (["--size", "224y"], "no size"),
        (["--range", "0-2"], "none of 0-255, 0-1, -1-1"),
        (["--preset", "imagnet"], "imagenet"),
        (["--classes", "a,b"], None),
        ([], "--out"),
    ],
)
def test_what_is_mistyped_is_said_with_the_option(
    typed: list[str], words: str | None, empty_folder: Path
) -> None:
    out = ["--out", "m.onnx"] if typed else []
    arguments = ["adopt", str(FOREIGN / "torchvision.onnx"), *out, *typed]
    done = subprocess.run(
        [sys.executable, "-m", "xraybatch", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert (words or "3 number(s) for a film, and 2 class(es)") in done.stderr
    assert list(empty_folder.iterdir()) == []


def test_values_that_begin_with_a_minus_are_values(empty_folder: Path) -> None:
    typed = "--task grade:ordinal=0,1,2 --range -1..1 --mean -0.5 --std 2 --resize pad -q --name n"
    arguments = [str(FOREIGN / "torchvision.onnx"), "--out", "m.onnx", *typed.split()]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert (done.exit_code, done.output) == (0, "")
    card = load_model(empty_folder / "m.onnx").card
    said = {what: one["value"] for what, one in card.origin["said"].items()}
    assert (said["range"], said["mean"], said["std"]) == (*("-1-1", "-0.5, -0.5, -0.5", "2, 2, 2"),)
    assert card.tasks[0].task.classes == ("0", "1", "2")
    assert card.name == "n"
