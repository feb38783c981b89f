"""Whether what a card says of calibration and sets can be applied: it may come from anybody."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from xraybatch.core.errors import UsageError
from xraybatch.core.tasks import Task, TaskKind

TEMPERATURE = "temperature"
PLATT = "platt"
ISOTONIC = "isotonic"
LAC = "lac"
APS = "aps"
BETWEEN_CLASSES = "|"  # in the column of a set
LARGEST = 1000.0  # of a temperature, a slope, an intercept


def check_calibration(task: Task, data: Any) -> None:
    """Raise `UsageError` unless a card may hold this calibration for the task; None is none."""
    if data is None:
        return
    method = data.get("method") if isinstance(data, Mapping) else None
    classes = len(task.classes)
    if method == TEMPERATURE:
        wanted = classes if task.kind is TaskKind.MULTILABEL else 1
        found = _numbers(data.get("temperature"), 0, LARGEST)
        good = found is not None and len(found) == wanted and min(found) > 0
    elif method == PLATT and task.kind in (TaskKind.BINARY, TaskKind.MULTILABEL):
        wanted = 1 if task.kind is TaskKind.BINARY else classes
        lines = [_numbers(data.get(w), -LARGEST, LARGEST) for w in ("slope", "intercept")]
        good = all(line is not None and len(line) == wanted for line in lines)
        good = good and min(lines[0] or [0]) > 0
    elif method == ISOTONIC:
        wanted = 1 if task.kind is TaskKind.BINARY else classes
        knots = data.get("knots")
        good = isinstance(knots, list | tuple) and len(knots) == wanted and all(map(_line, knots))
    else:
        raise UsageError(
            f"The calibration of task '{task.name}' is of no method known here.",
            "Install the xraybatch that made the model.",
        )
    if not good:
        raise UsageError(f"The calibration of task '{task.name}' cannot be applied ({method}).")


def check_conformal(task: Task, data: Any) -> None:
    """Raise `UsageError` unless a card may hold these conformal levels for the task."""
    if data is None:
        return
    good = (
        isinstance(data, Mapping)
        and task.kind is not TaskKind.MULTILABEL
        and not any(BETWEEN_CLASSES in name for name in task.classes)
        and data.get("score") in (LAC, APS)
        and _numbers([data.get("coverage")], 0, 1) is not None
        and isinstance(data.get("levels"), list | tuple)
        and len(data["levels"]) in (1, len(task.classes))
        and _numbers([level for level in data["levels"] if level is not None], 0, 2) is not None
    )
    if not good:
        raise UsageError(f"The conformal levels of task '{task.name}' cannot be applied.")


def _numbers(given: Any, least: float, most: float) -> list[float] | None:
    """The numbers of a list, if all of them are some and lie within two others."""
    if not isinstance(given, list | tuple):
        return None
    plain = all(isinstance(v, int | float) and not isinstance(v, bool) for v in given)
    # compared before they become floats: a whole number can be too large for one
    if not plain or not all(least <= v <= most for v in given):
        return None
    found = [float(v) for v in given]
    return found if all(map(math.isfinite, found)) else None


def _line(knots: Any) -> bool:
    if not isinstance(knots, Mapping):
        return False
    x, y = (_numbers(knots.get(axis), 0, 1) for axis in "xy")
    if not x or not y or len(x) != len(y):
        return False
    rises = all(a < b for a, b in pairwise(x))
    return rises and all(a <= b for a, b in pairwise(y))
