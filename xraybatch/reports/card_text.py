"""A model's card as Markdown and as HTML; whatever it holds is shown as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xraybatch.core.counting import verb
from xraybatch.models.card import Card, TaskCard
from xraybatch.reports.html_text import row as _row
from xraybatch.reports.html_text import text
from xraybatch.reports.markdown import escape
from xraybatch.reports.origin import origin_words
from xraybatch.reports.precision_text import precision_lines

Row = tuple[str, ...]

_NUMBERS = {"temperature": ("temperature",), "platt": ("slope", "intercept")}

DEMONSTRATION = (
    "Trained on synthetic sample films: a demonstration. Its answers mean nothing for real films."
)
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem}"
    "td,th{border-bottom:1px solid #ccc;padding:.25rem .75rem;text-align:left;vertical-align:top}"
    ".warn{border-left:4px solid #d55e00;padding:.5rem 1rem;background:#fff4ec}"
)


def card_markdown(card: Card) -> str:
    """The card as Markdown with tables (GitHub's dialect)."""
    lines = [f"# Model card: {escape(card.name)}", ""]
    if card.demonstration:
        lines += [f"> **{DEMONSTRATION}**", ""]
    for title, head, rows in _sections(card):
        lines += [f"## {escape(title)}", "", _line(head), _line(["---"] * len(head))]
        lines += [_line([escape(cell) for cell in row]) for row in rows]
        lines.append("")
    return "\n".join(lines)


def card_html(card: Card) -> str:
    """The card as one HTML page without any script or outside file."""
    head = f'<meta charset="utf-8"><title>{text(card.name)}</title>\n<style>{_STYLE}</style>'
    body = card_fragment(card)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def card_fragment(card: Card) -> str:
    """The card as one ``<div>``, as a notebook shows it."""
    parts = [f"<div>\n<h1>Model card: {text(card.name)}</h1>"]
    if card.demonstration:
        parts.append(f'<p class="warn"><strong>{DEMONSTRATION}</strong></p>')
    for title, head, rows in _sections(card):
        parts.append(f"<h2>{text(title)}</h2>\n<table>")
        if any(head):
            parts.append(_row("th", head))
        parts += [_row("td", row) for row in rows]
        parts.append("</table>")
    return "\n".join([*parts, "</div>"])


def _sections(card: Card) -> Iterator[tuple[str, Row, list[Row]]]:
    """Title, head and rows of each section that has something to say."""
    yield "Use", ("", ""), _named({"intended use": card.intended_use, "limits": card.limits})
    yield (
        "Answers",
        ("task", "kind", "classes", "threshold", "calibration", "sets"),
        [_task(entry) for entry in card.tasks],
    )
    rule = card.rule
    yield (
        "Films",
        ("", ""),
        _named(
            {
                "size": f"{rule.height} × {rule.width} pixels, {rule.resize}",
                "decoding rule": f"version {rule.version}",
            }
        ),
    )
    if card.origin:
        yield "Origin", ("", ""), list(origin_words(card))
    if card.data:
        words = (
            *("films", "patients", "films_without_patient", "left_out", "split", "overlap"),
            *("source", "licence", "citation"),
        )
        told = {word: card.data[word] for word in words if card.data.get(word)}
        yield "Training data", ("", ""), _named(told)
    if counts := list(_counts(card.data)):
        yield "Films by class", ("task", "class", "train", "val", "test"), counts
    for task, found in card.scores.items():
        if isinstance(found, Mapping):
            title = f"Scores of '{task}': {card.scores.get('part', '')}"
            yield title, ("", "value", "interval"), list(_scores(found))
    if len(lines := list(precision_lines(card.precision))) > 1:
        yield "Precision", ("", ""), [tuple(line) for line in lines]
    yield (
        "Making",
        ("", ""),
        _named(
            {
                "made": card.created,
                "preset": card.settings.get("preset"),
                "plugin": card.plugin,
                "weights": card.weights,
                "probabilities": card.probabilities,
                f"parity with {card.parity.get('reference', 'Keras')}": card.parity,
                "precision": card.precision.get("format"),
                "settings": card.settings,
                "versions": card.versions,
            }
        ),
    )


def _task(entry: TaskCard) -> Row:
    task = entry.task
    positive = f" (positive: {task.positive})" if task.positive else ""
    classes = ", ".join(task.classes) + positive
    known = (threshold_words(entry), calibration_words(entry), sets_words(entry))
    return task.name, task.kind.value, classes, *known


def threshold_words(entry: TaskCard) -> str:
    """Where the thresholds come from, and what they are where there are some."""
    if entry.thresholds is None:
        return entry.threshold_origin
    return f"{', '.join(f'{t:.4g}' for t in entry.thresholds)}: {entry.threshold_origin}"


def calibration_words(entry: TaskCard) -> str:
    """``temperature 1.42, fitted on val.csv, …``; ``none``."""
    if entry.calibration is None:
        return "none"
    numbers = "".join(
        f", {part} {' '.join(f'{value:.3g}' for value in entry.calibration[part])}"
        for part in _NUMBERS.get(entry.calibration["method"], ())
    )
    words = f"{entry.calibration['method']}{numbers}".removeprefix("temperature, ")
    return f"{words}{_fitted_on(entry.calibration)}"


def sets_words(entry: TaskCard) -> str:
    """``lac, 90 % coverage, by class, fitted on val.csv, …``; ``none``."""
    if entry.conformal is None:
        return "none"
    found = entry.conformal
    by_class = " of each class" if len(found["levels"]) > 1 else ""
    return f"{100 * found['coverage']:.4g} % coverage{by_class}, {found['score']}" + _fitted_on(
        found
    )


def _fitted_on(part: Mapping[str, Any]) -> str:
    source = part.get("fitted_on")
    if not isinstance(source, Mapping):
        return ""
    patients = (
        f" of {source['patients']} {verb('patient', source['patients'])}"
        if source.get("patients")
        else ""
    )
    digest = f" (sha256 {str(source.get('sha256'))[:12]})" if source.get("sha256") else ""
    seen = source.get("seen_in_training")
    trained = f", {seen} of them seen in training" if seen else ""
    films = f"{source.get('films')} {verb('film', source.get('films', 0))}{patients}{trained}"
    return f", fitted on {source.get('table')}{digest}, {films}"


def _counts(data: Mapping[str, Any]) -> Iterator[Row]:
    for task, classes in dict(data.get("counts") or {}).items():
        for name, parts in classes.items():
            yield task, name, *(str(parts.get(part, "")) for part in ("train", "val", "test"))


def _scores(found: Mapping[str, Any]) -> Iterator[Row]:
    for name, value in found.items():
        if value is None:  # patients that are not known
            continue
        if not isinstance(value, Mapping):
            yield name, _text(value), ""
        elif "undefined" in value:
            yield name, "–", str(value["undefined"])
        else:
            ends = [value.get("low"), value.get("high")]
            known = None not in ends
            yield name, _text(value["value"]), "–".join(map(_text, ends)) if known else ""


def _named(values: Mapping[str, Any]) -> list[Row]:
    return [(name.replace("_", " "), _text(value)) for name, value in values.items() if value]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_text(entry)}" for key, entry in value.items() if entry != "")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_text, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
