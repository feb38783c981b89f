"""What a comparison says, as sections of text: Markdown renders these, the console its tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from xraybatch.core.tasks import TaskKind
from xraybatch.evaluation.candidates import Cost
from xraybatch.evaluation.comparison import ComparedModel, Comparison
from xraybatch.evaluation.estimate import FEW, Estimate
from xraybatch.reports import words
from xraybatch.reports.comparison_methods import comparison_methods, comparison_references
from xraybatch.reports.pairs import numbers, pair_sections
from xraybatch.reports.sections import Bullets, Section, Table, Warned

BEST = "▲"
_FEW = 500  # films: fewer do not outweigh the start of decoding processes
LEGEND = (
    f"{BEST} before a value: the best, which may be chance; whether models can be told apart is "
    "said by their difference. Every interval is of that model alone."
)
FEW_BEHIND = (
    f"{words.UNRELIABLE} behind an interval: from fewer than {FEW} patients with such films, "
    "unreliable."
)


def comparison_sections(found: Comparison) -> Iterator[Section]:
    """A comparison from top to bottom."""
    yield Section("", tuple(Warned(sentence) for sentence in found.sentences))
    yield films_section(found)
    for t, task in enumerate(found.models[0].tasks):
        said = (*found.tasks[t].verdicts, *found.tasks[t].sentences)
        side_by_side = numbers_section(found, t)
        blocks = (*_bullets(said), *side_by_side.blocks)
        yield Section(words.task_title(task), blocks)
        yield from pair_sections(found, found.tasks[t])
    yield from cost_sections(found)
    yield Section("How it was made", (Bullets(tuple(closing(found))),))
    yield methods_section(found)


def films_section(found: Comparison) -> Section:
    """How the common films found their labels."""
    films = Table(("", ""), tuple(words.join_rows(found.join)))
    return Section("Films", (films, *_bullets(found.join.sentences)))


def numbers_section(found: Comparison, t: int) -> Section:
    """Every number of a task, a column a model, and how to read them."""
    names = numbers(found, found.tasks[t], terminal=False)
    rows = tuple(
        (words.title(name), *(_cell(found, t, name, i) for i in range(len(found.models))))
        for name in names
    )
    notes = _bullets(task_notes(found, t, names))
    return Section("Side by side", (Table(_head(found), rows), *notes))


def cost_sections(found: Comparison) -> Iterator[Section]:
    """What the models cost, where anything is known of it."""
    if costs := tuple(cost_rows(found)):
        yield Section("What they cost", (Table(_head(found), costs), *_bullets(cost_notes(found))))


def methods_section(found: Comparison) -> Section:
    """What was done, ready to paste, and what it rests on."""
    paragraph = comparison_methods(found)
    return Section("Methods, to paste", (paragraph, *_bullets(tuple(comparison_references(found)))))


def cost_rows(found: Comparison) -> Iterator[tuple[str, ...]]:
    """Name and each model's cost, a row a kind; kinds that no model knows are left out."""
    costs = [model.cost for model in found.models]
    for title, of in (
        ("Parameters", _parameters),
        ("Epochs to the best", _epochs),
        ("Training seconds", _seconds),
        ("Films/s", lambda cost: _speed(cost.films_per_second)),
        ("Films/s, network", lambda cost: _speed(cost.network_films_per_second)),
    ):
        row = tuple(map(of, costs))
        if set(row) != {words.NO_VALUE}:
            yield (title, *row)


def cost_notes(found: Comparison) -> tuple[str, ...]:
    """What must be known to read the costs."""
    said = []
    measured = [model.cost for model in found.models if model.cost.films_per_second]
    if measured:
        said.append("Films/s as each prediction measured it, decoding included.")
    if len({cost.device for cost in measured}) > 1:
        said.append("They were measured on different processors, and do not compare.")
    elif any(cost.films is not None and cost.films < _FEW for cost in measured):
        said.append(
            f"Of fewer than {_FEW} films most of that is the start of the program: the network's "
            "own figure says more."
        )
    said += [
        f"{model.name}: the best of {model.cost.tries:,} settings, whose epochs took "
        f"{_seconds_of(model.cost.seconds_of_tries)} seconds in all; `xraybatch compare` of this "
        "run alone shows them."
        for model in found.models
        if model.cost.tries
    ]
    return tuple(said)


def task_notes(found: Comparison, t: int, names: Sequence[str]) -> tuple[str, ...]:
    """How to read the numbers of a task that are shown, and why some lack value or interval."""
    task = found.models[0].tasks[t]
    binary = (
        (f"Sensitivity is the recall of '{task.positive}', PPV its precision.",)
        if task.kind == TaskKind.BINARY
        else ()
    )
    lacking: dict[str, list[str]] = {}
    for model in found.models:
        for sentence in missing_in(model, t, names):
            lacking.setdefault(sentence, []).append(model.name)
    missing = (f"{', '.join(models)}: {sentence}" for sentence, models in lacking.items())
    unreliable = any(m.tasks[t].estimates[n].is_unreliable for m in found.models for n in names)
    return (LEGEND, *((FEW_BEHIND,) if unreliable else ()), *binary, *missing)


def missing_in(model: ComparedModel, t: int, names: Sequence[str]) -> list[str]:
    """A sentence for every one of these numbers of a task that lacks value or interval."""
    return words.missing(replace(model.tasks[t], by_class=(), findings=()), names)


def is_best(found: Comparison, t: int, name: str, model: int) -> bool:
    """Whether a model alone has the best value of a number, in the digits that are shown."""
    best = found.best[found.models[0].tasks[t].task].get(name, ())
    shown = [words.value(one.tasks[t].estimates[name]) for one in found.models]
    return model in best and shown.count(shown[model]) == 1


def closing(found: Comparison) -> list[str]:
    """What the numbers depend on besides the tables."""
    s = found.settings
    return [f"Intervals: {s.clustering}; {s.resamples:,} resamples, seed {s.seed}."]


def _head(found: Comparison) -> tuple[str, ...]:
    return ("", *(model.name for model in found.models))


def _cell(found: Comparison, t: int, name: str, model: int) -> str:
    estimate = _estimate(found.models[model], t, name)
    mark = f"{BEST} " if is_best(found, t, name, model) else ""
    known = estimate.low is not None
    return mark + words.value(estimate) + (f" ({words.interval(estimate)})" if known else "")


def _estimate(model: ComparedModel, t: int, name: str) -> Estimate:
    return model.tasks[t].estimates[name]


def _parameters(cost: Cost) -> str:
    return words.NO_VALUE if cost.parameters is None else f"{cost.parameters:,}"


def _epochs(cost: Cost) -> str:
    if cost.epochs is None:
        return words.NO_VALUE
    return f"not known, of {cost.epochs}" if cost.best_epoch is None else (
        f"{cost.best_epoch} of {cost.epochs}")  # fmt: skip


def _seconds(cost: Cost) -> str:
    return _seconds_of(cost.training_seconds)


def _seconds_of(seconds: float | None) -> str:
    return words.NO_VALUE if seconds is None else f"{seconds:,.1f}"


def _speed(films_per_second: float | None) -> str:
    return words.NO_VALUE if films_per_second is None else f"{films_per_second:,.1f}"


def _bullets(sentences: tuple[str, ...]) -> tuple[Bullets, ...]:
    return (Bullets(sentences),) if sentences else ()
