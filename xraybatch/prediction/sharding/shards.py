"""Shards: a run over one manifest, divided among machines that know nothing of each other.

Shard ``i/n`` is the chunks k with k mod n = i, so that every film is in one shard, and in the chunk
that it would be in without shards. Each has its own table, job and run record, named after it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from xraybatch.core.counting import counted
from xraybatch.core.errors import UsageError

AUTO = "auto"
MOST = 100_000  # shards: each is a file beside the others
_TYPED = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
_ENDING = re.compile(r"\.shard-\d+-of-\d+$")
_AN_EXAMPLE = "Write 0/4, 1/4, 2/4 and 3/4 for four machines, or auto inside a job array."


@dataclass(frozen=True)
class Shard:
    """One part of a run.

    Attributes
    ----------
    index : int
        From 0.
    count : int
        How many parts there are.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def ending(self) -> str:
        """What the names of its files end in."""
        return f".shard-{self.index}-of-{self.count}"

    def place(self, out: Path) -> Path:
        """Where its part of `out` is written."""
        return out.with_name(out.name + self.ending)

    def job_place(self, job: Path) -> Path:
        """Its own state of the run, where a person named one: with the same suffix."""
        return job.with_name(f"{job.stem}{self.ending}{job.suffix}")

    def whole_job(self, job: Path) -> Path:
        """The way back: what was named for all shards."""
        return job.with_name(f"{job.stem.removesuffix(self.ending)}{job.suffix}")


def whole_of(out: Path) -> Path:
    """The file that this one is a shard of; itself where it is none."""
    return out.with_name(_ENDING.sub("", out.name))


def written_form(out: Path) -> str:
    """The suffix that says in which form a file is written, also of a shard: ``.csv``."""
    return whole_of(out).suffix.lower()


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """Read ``0/4``, or ``auto`` from what a scheduler tells its tasks.

    Parameters
    ----------
    text : str
    environment : mapping of str to str

    Raises
    ------
    UsageError
        If it is neither, there is no such part, or no scheduler says which part this is.
    """
    text = text.strip()
    if text == AUTO:
        return _of_scheduler(environment)
    found = _TYPED.fullmatch(text)
    if not found:
        raise UsageError(f"--shard '{text}' is no part of a run.", _AN_EXAMPLE)
    return _checked(int(found[1]), int(found[2]), f"--shard {text}")


def _checked(index: int, count: int, said: str) -> Shard:
    if count < 1:
        raise UsageError(f"{said} divides the films among no machine.", _AN_EXAMPLE)
    if count > MOST:
        raise UsageError(f"{said} divides the films among more than {MOST:,} parts.", _AN_EXAMPLE)
    if not 0 <= index < count:
        raise UsageError(
            f"{said} is not one of {count} parts: they are counted from 0 to {count - 1}.",
            _AN_EXAMPLE,
        )
    return Shard(index, count)


def _of_scheduler(environment: Mapping[str, str]) -> Shard:
    """The part of this task; the first scheduler that says something is the one that runs it."""
    for variable, read in (
        ("SLURM_ARRAY_TASK_ID", _of_slurm),
        ("LSB_JOBINDEX", _of_lsf),
        ("JOB_COMPLETION_INDEX", _of_kubernetes),
    ):
        # LSF numbers a job that is no array 0
        if environment.get(variable, "") not in ("", "0" if variable == "LSB_JOBINDEX" else ""):
            return read(environment)
    raise UsageError(
        "--shard auto: no job array of Slurm, LSF or Kubernetes tells which part this is "
        "(SLURM_ARRAY_TASK_ID, LSB_JOBINDEX, JOB_COMPLETION_INDEX).",
        _AN_EXAMPLE,
    )


def _of_slurm(environment: Mapping[str, str]) -> Shard:
    index = _number(environment, "SLURM_ARRAY_TASK_ID")
    count = _number(environment, "SLURM_ARRAY_TASK_COUNT")
    first = _number(environment, "SLURM_ARRAY_TASK_MIN")
    last = _number(environment, "SLURM_ARRAY_TASK_MAX", first + count - 1)
    step = _number(environment, "SLURM_ARRAY_TASK_STEP", 1)
    has_gaps = step != 1 or last - first + 1 != count
    if has_gaps or first > 1 or count == 1:  # as where some tasks of an array are submitted again
        why = "has gaps" if has_gaps else "may be a part of another"
        raise UsageError(
            f"--shard auto: the array has {counted(count, 'task')} from {first} to {last}; it "
            f"{why}, and does not say how many parts there are.",
            "Submit it as --array=0-15, or write --shard $SLURM_ARRAY_TASK_ID/16.",
        )
    return _checked(index - first, count, f"--shard auto: task {index} of {first} to {last}")


def _of_lsf(environment: Mapping[str, str]) -> Shard:
    index = _number(environment, "LSB_JOBINDEX")
    count = _number(environment, "LSB_JOBINDEX_END")
    step = _number(environment, "LSB_JOBINDEX_STEP", 1)
    if step != 1:
        raise UsageError(
            f"--shard auto: the array goes in steps of {step}, so it does not say how many parts "
            "there are.",
            'Submit it as -J "name[1-16]".',
        )
    return _checked(index - 1, count, f"--shard auto: job {index} of 1 to {count}")


def _of_kubernetes(environment: Mapping[str, str]) -> Shard:
    index = _number(environment, "JOB_COMPLETION_INDEX")
    count = _number(environment, "JOB_COMPLETIONS")
    return _checked(index, count, f"--shard auto: pod {index} of {count}")


def _number(environment: Mapping[str, str], variable: str, default: int | None = None) -> int:
    text = environment.get(variable, "")
    if not text and default is not None:
        return default
    if not text.isascii() or not text.isdigit():
        why = f"is '{text}', which is no number" if text else "is not set"
        hint = (
            "Give the pod the number of completions of its Job as JOB_COMPLETIONS."
            if variable == "JOB_COMPLETIONS"
            else "Write the part and how many there are: --shard 0/4."
        )
        raise UsageError(f"--shard auto: {variable} {why}.", hint)
    return int(text)
