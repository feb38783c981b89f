"""What a results table's run record says of the model that answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xraybatch.core.tasks import Task
from xraybatch.evaluation.calibration import distortion
from xraybatch.evaluation.report import ModelFacts
from xraybatch.models.calibration_checks import ISOTONIC, PLATT


def model_facts(record: Mapping[str, Any]) -> ModelFacts | None:
    """Facts for a report; None where the record says nothing of a model.

    A record is a file that anybody may have written: what is not of the right type is left out.
    """
    card, model = _mapping(record.get("card")), _mapping(record.get("model"))
    if not card and not model:
        return None
    data = _mapping(card.get("data"))
    tasks = card.get("tasks")
    folds = model.get("folds")
    return ModelFacts(
        name=_text(model.get("name")) or _text(card.get("name")),
        seal=_text(model.get("seal")),
        created=_text(card.get("created")),
        split=_text(data.get("split")),
        overlap=_text(data.get("overlap")),
        films=_count(data.get("films")),
        patients=_count(data.get("patients")),
        thresholds={
            _text(task.get("name")): _text(task.get("threshold_origin"))
            for task in (tasks if isinstance(tasks, list) else [])
            if isinstance(task, dict) and _text(task.get("name"))
        },
        folds=len(folds) if isinstance(folds, list) else 0,
        distortion="" if _mended(tasks) else distortion(_mapping(card.get("probabilities"))),
    )


def task_thresholds(
    record: Mapping[str, Any], tasks: Sequence[Task]
) -> dict[str, tuple[float, ...]]:
    """By task, the thresholds behind the answers, 0.5 where the record says of none.

    Tasks that the record does not know, or whose positive class is another there, are left out.
    """
    found = {}
    entries = record.get("tasks")
    known = {_text(e.get("name")): e for e in map(_mapping, entries)} if (
        isinstance(entries, list)) else {}  # fmt: skip
    for task in tasks:
        entry = known.get(task.name)
        if entry is None or entry.get("positive") != task.positive:
            continue
        bars = entry.get("thresholds")
        if isinstance(bars, list) and all(isinstance(bar, int | float) for bar in bars):
            found[task.name] = tuple(map(float, bars))
        else:
            found[task.name] = (0.5,) * len(task.classes)
    return found


def _mended(tasks: object) -> bool:
    """Whether every task is calibrated by what can move all its probabilities up or down."""
    entries = [_mapping(task) for task in tasks] if isinstance(tasks, list) else []
    methods = [_mapping(entry.get("calibration")).get("method") for entry in entries]
    return bool(methods) and all(method in (PLATT, ISOTONIC) for method in methods)


def stated_coverage(record: Mapping[str, Any]) -> dict[str, float]:
    """By task, the coverage that its sets of classes were fitted for; tasks without lack."""
    found = {}
    tasks = record.get("tasks")
    for task in tasks if isinstance(tasks, list) else []:
        level = _mapping(_mapping(task).get("conformal")).get("coverage")
        if isinstance(level, float) and 0 < level < 1:
            found[_text(task.get("name"))] = level
    return found


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
