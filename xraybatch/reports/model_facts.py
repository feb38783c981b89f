"""What a results table's run record says of the model that answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from xraybatch.core.counting import counted
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.calibration import distortion
from xraybatch.evaluation.report import AnswerFacts, ModelFacts
from xraybatch.models.calibration_checks import ISOTONIC, PLATT, TEMPERATURE

_CALIBRATIONS = {
    TEMPERATURE: "temperature scaling",
    PLATT: "Platt scaling",
    ISOTONIC: "isotonic regression",
}


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
        answers=tuple(
            _answers(task)
            for task in map(_mapping, tasks if isinstance(tasks, list) else [])
            if _text(task.get("name"))
        ),
        films_by_part=_films_by_part(data),
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


def _answers(task: Mapping[str, Any]) -> AnswerFacts:
    classes, positive, bars = task.get("classes"), task.get("positive"), task.get("thresholds")
    named = [c for c in classes if isinstance(c, str)] if isinstance(classes, list) else []
    if task.get("kind") == TaskKind.BINARY:
        cut = [positive] if isinstance(positive, str) else []
    else:
        cut = named if task.get("kind") == TaskKind.MULTILABEL else []
    values = bars if isinstance(bars, list) and all(map(_is_number, bars)) else [0.5] * len(cut)
    return AnswerFacts(
        _text(task.get("name")),
        dict(zip(cut, map(float, values), strict=False)),
        _text(task.get("threshold_origin")),
        _calibration(_mapping(task.get("calibration"))),
        _sets(_mapping(task.get("conformal"))),
    )


def _calibration(found: Mapping[str, Any]) -> str:
    """``Platt scaling, fitted on val.csv, 232 films of 169 patients``."""
    method = _text(found.get("method"))
    return f"{_CALIBRATIONS.get(method, method)}{_fitted_on(found)}" if method else ""


def _sets(found: Mapping[str, Any]) -> str:
    """``LAC, stated coverage 0.9 (alpha 0.1), fitted on …``."""
    coverage = found.get("coverage")
    if not _is_number(coverage) or not 0 < coverage < 1:
        return ""
    score, levels = _text(found.get("score")).upper(), found.get("levels")
    by_class = " of each class" if isinstance(levels, list) and len(levels) > 1 else ""
    stated = f"stated coverage{by_class} {coverage:.4g} (alpha {1 - coverage:.4g})"
    return f"{score + ', ' if score else ''}{stated}{_fitted_on(found)}"


def _fitted_on(part: Mapping[str, Any]) -> str:
    on = _mapping(part.get("fitted_on"))
    counts = [
        counted(number, thing)
        for thing in ("film", "patient")
        if (number := _count(on.get(f"{thing}s"))) is not None
    ]
    said = ", ".join(filter(None, (_text(on.get("table")), " of ".join(counts))))
    return f", fitted on {said}" if said else ""


def _films_by_part(data: Mapping[str, Any]) -> dict[str, int]:
    found = _mapping(data.get("films_by_split"))
    counts = {part: _count(found.get(part)) for part in ("train", "val", "test")}
    return {part: count for part, count in counts.items() if count is not None}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
