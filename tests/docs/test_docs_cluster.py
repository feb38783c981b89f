"""The Slurm script and the Kubernetes Job of docs/cluster.md are what xraybatch takes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path

import click
import pytest

from xraybatch.prediction.sharding.shards import Shard, parse_shard

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


def block(language: str, word: str) -> str:
    (found,) = [text for name, text in BLOCKS if name == language and word in text]
    return str(found)


def parsed(line: list[str]) -> dict[str, object]:
    program, name, *arguments = line
    assert program == "xraybatch"
    command: click.Command = import_module(f"xraybatch.cli.{name}").command
    return dict(command.make_context(name, arguments).params)


def test_the_script_of_slurm_is_one_and_its_command_parses(tmp_path: Path) -> None:
    script = block("bash", "#SBATCH")
    (tmp_path / "predict.sh").write_text(script)
    subprocess.run(["bash", "-n", tmp_path / "predict.sh"], check=True)
    (line,) = [line for line in script.splitlines() if "xraybatch predict" in line]
    given = parsed(shlex.split(line.removeprefix("srun ")))
    first, last = re.search(r"--array=(\d+)-(\d+)", script).groups()  # type: ignore[union-attr]
    count = int(last) - int(first) + 1
    told = {
        "SLURM_ARRAY_TASK_ID": last,
        "SLURM_ARRAY_TASK_COUNT": str(count),
        "SLURM_ARRAY_TASK_MIN": first,
    }
    assert parse_shard(str(given["shard"]), told) == Shard(count - 1, count)


def test_a_task_of_slurm_that_was_stopped_asks_to_be_started_again(tmp_path: Path) -> None:
    """The script runs here, with programs in place of the cluster's that say what they are told."""
    script = tmp_path / "predict.sh"
    script.write_text(block("bash", "#SBATCH"))
    for name, body in (("srun", "exit $CODE"), ("scontrol", 'echo "$@"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    for code, said in ((5, "requeue 12_3\n"), (0, ""), (3, "")):
        told = {"CODE": str(code), "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3"}
        done = subprocess.run(
            ["bash", script],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", **told},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (code, said), done.stderr


def test_the_job_of_kubernetes_parses() -> None:
    job = block("yaml", "kind: Job")
    (words,) = re.findall(r"command: (\[.*?\])", job, re.DOTALL)
    given = parsed(json.loads(words))
    (completions,) = re.findall(r"^  completions: (\d+)$", job, re.MULTILINE)
    (told,) = re.findall(r'name: JOB_COMPLETIONS, value: "(\d+)"', job)
    assert told == completions
    environment = {"JOB_COMPLETION_INDEX": "0", "JOB_COMPLETIONS": told}
    assert parse_shard(str(given["shard"]), environment) == Shard(0, int(completions))


@pytest.mark.parametrize(
    ("films_per_second", "hours"), [(529, 5.3), (476, 5.8), (63, 44.1), (506, 5.5), (10, 277.8)]
)
def test_the_arithmetic_holds(films_per_second: int, hours: float) -> None:
    assert 1e7 / films_per_second / 3600 == pytest.approx(hours, rel=0.02)
    assert f"| {films_per_second} |" in PAGE
