"""A model's card on the console."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from xraybatch.core.counting import counted, verb
from xraybatch.models.card import Card, TaskCard
from xraybatch.models.model import Model
from xraybatch.reports.card_text import calibration_words, sets_words, threshold_words
from xraybatch.reports.origin import origin_words
from xraybatch.reports.precision_text import precision_lines

if TYPE_CHECKING:
    from rich.text import Text


def card_tables(model: Model) -> Iterator[RenderableType | Text]:
    """What the card says, as things rich can print: the seal first, then one table."""
    card = model.card
    if model.broken_seal:
        yield Panel(escape(model.broken_seal), title="seal broken", border_style="red")
    if card.demonstration:
        yield Panel(
            "Trained on synthetic sample films; its answers mean nothing for real films.",
            title="demonstration, synthetic",
            border_style="yellow",
        )
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _lines(model, card):
        table.add_row(name, escape(text))
    yield table


def _lines(model: Model, card: Card) -> Iterator[tuple[str, str]]:
    yield "model", card.name or model.path.name
    yield "made", card.created
    yield "seal", "broken" if model.broken_seal else f"holds  {model.seal}"
    for entry in card.tasks:
        yield f"task {entry.task.name}", _task(entry)
        if entry.calibration:
            yield "", f"calibration: {calibration_words(entry)}"
        if entry.conformal:
            yield "", f"sets: {sets_words(entry)}"
    rule = card.rule
    yield "decoding", f"{rule.height}x{rule.width}, {rule.resize}, rule version {rule.version}"
    if card.plugin:
        yield "plugin", f"{card.plugin.get('name')}  ({card.plugin.get('owner')})"
    if card.weights:
        yield "weights", _flat(card.weights)
    yield from origin_words(card)
    data = card.data
    if data:
        yield "films", _films(data)
        for task, classes in dict(data.get("counts") or {}).items():
            for name, splits in classes.items():
                yield "", f"{task} = {name}: {_flat(splits)}"
        for word in ("split", "overlap", "source", "licence", "citation"):
            if data.get(word):
                yield word, str(data[word])
    if card.parity:
        yield "parity", _flat(card.parity)
    yield from precision_lines(card.precision)
    for task, scores in card.scores.items():
        if isinstance(scores, Mapping):
            yield from _scores(task, scores)
    yield "self-test", counted(card.self_test.films, "film") if card.self_test else "none"
    if card.versions:
        yield "versions", _flat(card.versions)
    yield "intended use", card.intended_use
    if card.limits:
        yield "limits", card.limits


def _task(entry: TaskCard) -> str:
    task = entry.task
    positive = f"; positive: {task.positive}" if task.positive else ""
    return f"{task.kind}: {', '.join(task.classes)}{positive}; threshold {threshold_words(entry)}"


def _films(data: Mapping[str, Any]) -> str:
    patients, without = data.get("patients"), data.get("films_without_patient")
    whose = f"of {patients} {verb('patient', patients)}" if patients else "patients not known"
    more = f", {without} without a patient" if without else ""
    return f"{data.get('films')}{' ' if patients else ', '}{whose}{more}"


def _flat(data: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key.replace('_', ' ')} {_short(value)}" for key, value in data.items() if value != ""
    )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _scores(task: str, scores: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    first = f"scores {task}"
    for name, value in scores.items():
        if not isinstance(value, Mapping):
            text = _short(value)
        elif value.get("value") is None:
            text = str(value.get("undefined") or value.get("reason") or "undefined")
        elif value.get("low") is None:
            text = _short(value["value"])
        else:
            text = f"{value['value']:.3f}  [{value['low']:.3f}–{value['high']:.3f}]"
        yield first, f"{name.replace('_', ' ')} {text}"
        first = ""
