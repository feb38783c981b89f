"""Films that models answered differently, as a table that a person asked for."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.files import write_text
from xraybatch.core.log import is_open_log
from xraybatch.core.names import no_formula
from xraybatch.core.tasks import TaskKind
from xraybatch.evaluation.candidates import SideBySide
from xraybatch.evaluation.disagreement import disagreements

_SUFFIX = ".csv"


def check_table_path(path: Path, *, overwrite: bool) -> None:
    """Say before any number is made that the table cannot be written.

    Raises
    ------
    UsageError
        If it is not to be a ``.csv``.
    InputError
        If something is there already that may not be overwritten.
    """
    if path.suffix.lower() != _SUFFIX:
        raise UsageError(f"--disagreements {path.name}: its name must end in {_SUFFIX}.")
    if is_open_log(path):
        raise UsageError(
            "--log-file and --disagreements name the same file.", "Choose another name."
        )
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} is there already and is not overwritten.",
            "Choose another --disagreements, or allow it with --overwrite.",
        )


def write_disagreements(joint: SideBySide, path: Path) -> None:
    """Write every film that not all models answered alike, as `disagreements` has them.

    ``frame``, ``task`` and ``finding`` are left out where no film, or no model, has several.
    """
    first = joint.models[0]
    rows = [
        row
        for task in joint.tasks
        for row in disagreements(
            task,
            first.joined.results,
            {one.candidate.name: one.answers[task.name] for one in joint.models},
        )
    ]
    some = ["path"]
    some += ["frame"] if "frame" in first.joined.results else []
    some += ["task"] if len(joint.tasks) > 1 else []
    some += ["finding"] if any(t.kind is TaskKind.MULTILABEL for t in joint.tasks) else []
    names = [f"answer.{one.candidate.name}" for one in joint.models]
    text = io.StringIO()
    table = csv.DictWriter(text, [*some, "truth", *names, "right"], extrasaction="ignore")
    table.writeheader()
    for row in rows:
        named = {name: no_formula(row[name]) for name in ("path", "right")}
        table.writerow({**row, **named})
    write_text(path, text.getvalue())
