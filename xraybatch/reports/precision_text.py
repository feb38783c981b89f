"""What a model's precision changed, in words: of the card's ``precision``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_PARTS = {"val": "validation", "train": "training"}


def gate_sentence(gate: Mapping[str, Any]) -> str:
    """What the gate of precision found.

    Parameters
    ----------
    gate : mapping
        ``films``, ``part``, ``changed_films``, ``limit``, ``mean_shift``, ``largest_shift`` and
        ``accuracy``, as the card holds them.
    """
    part = _PARTS.get(gate["part"], gate["part"])
    said = [
        f"{gate['changed_films']} of {gate['films']} {part} films get another class than in fp32 "
        f"(allowed: {gate['limit']}); probabilities move {gate['mean_shift']:.2g} on average, "
        f"{gate['largest_shift']:.2g} at most."
    ]
    for task, found in gate["accuracy"].items():
        name = f"{found['metric'].replace('_', ' ').capitalize()} of '{task}'"
        if found["change"] is None:
            said.append(f"{name}: {found['reason']}.")
        else:
            figures = f"{found['before']:.3f}, now {found['after']:.3f}; {found['change']:+.3f}"
            said.append(f"{name}: {figures} {_interval(found)}.")
    return " ".join(said)


def precision_lines(precision: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and texts of what a card says of its precision; nothing where it says nothing."""
    if not precision:
        return
    told, gate = str(precision.get("format", "")), precision.get("gate")
    if not isinstance(gate, Mapping):
        yield "precision", told
        return
    layers, kept = precision.get("layers", 0), precision.get("in_float") or []
    films = precision.get("calibration_films")
    on = f", ranges measured on {films} training films" if told == "int8" and films else ""
    yield "precision", f"{told}, {layers - len(kept)} of {layers} layers{on}"
    if kept:
        yield "layers in float", ", ".join(map(short, kept))
    try:
        yield "gate of precision", gate_sentence(gate)
    except (KeyError, TypeError, ValueError, AttributeError):  # a card of another program
        yield "gate of precision", str(dict(gate))
    for word in ("doubt", "fitted"):
        if precision.get(word):
            yield "", str(precision[word])


def short(layer: str) -> str:
    """A layer's name without the parts that tracing puts around it."""
    parts = [part for part in layer.split("/") if not part.startswith("inference")]
    return "/".join(parts[-3:]) or layer


def _interval(found: Mapping[str, Any]) -> str:
    if found["low"] is None or found["high"] is None:
        return f"(no interval: {found['reason']})"
    return f"[{found['low']:+.3f} to {found['high']:+.3f}]"
