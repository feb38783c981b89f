"""A model file that was read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xraybatch.core.errors import ModelError
from xraybatch.models.card import Card, card_from_json
from xraybatch.models.seal import read_sealed, seal_of, write_sealed


@dataclass(frozen=True)
class Model:
    """A model file in memory: the bytes that were checked are the bytes that run.

    Attributes
    ----------
    path : Path
    card : Card
    seal : str
        64 hexadecimal digits; empty where the file has none.
    broken_seal : str
        Why the seal does not hold; empty where it does. Only with ``allow_broken_seal``.
    content : bytes
        The ONNX file.
    """

    path: Path
    card: Card
    seal: str
    broken_seal: str
    content: bytes

    def __repr__(self) -> str:
        tasks = "; ".join(f"{t.task.name}: {', '.join(t.task.classes)}" for t in self.card.tasks)
        return f"<Model {self.path.name} ({tasks}), seal {self.seal[:12] or 'none'}>"


def load_model(path: Path | str, *, allow_broken_seal: bool = False) -> Model:
    """Read a model file, its card and its seal.

    Raises
    ------
    ModelError
        If it cannot be read, is no model of ours, or its seal does not hold and
        `allow_broken_seal` is not set.
    """
    path = Path(path)
    file = read_sealed(path)
    if file.broken and not allow_broken_seal:
        raise ModelError(
            file.broken,
            "Copy it again from its run folder; --allow-broken-seal runs it all the same.",
        )
    return Model(path, card_from_json(file.card), file.seal, file.broken, file.content)


def as_sealed(model: Model, seal: str, card: Mapping[str, Any]) -> Model | None:
    """The model under the card that it had when its seal was `seal`; None if it never had it.

    A model gets another card, and with it another seal, when it is calibrated and when training
    adds its scores. That its graph and a recorded card have the seal of the record together shows
    that it is the model of that record.

    Parameters
    ----------
    model : Model
    seal : str
        64 hexadecimal digits.
    card : mapping
        As a run record has it: without the hashes of training films, which no new card changes.
    """
    if model.seal == seal:
        return model
    try:
        text = json.dumps(
            {**card, "hashes": model.card.hashes},
            sort_keys=True,
            separators=(",", ":"),
            allow_nan=False,
        )
        if seal_of(model.content, text) != seal:
            return None
        return replace(model, card=card_from_json(text), seal=seal)
    except (ModelError, TypeError, ValueError):  # what is no card
        return None


def doubts(model: Model) -> list[str]:
    """What keeps a person from trusting a model that runs: a sentence each."""
    said = [model.broken_seal] if model.broken_seal else []
    if model.card.self_test is None:
        said.append("The model carries no self-test: whether it answers rightly here is unknown.")
    if not model.card.decoder:
        said.append("The model does not say how the reference films decode: not compared.")
    return said


def with_card(model: Model, card: Card, target: Path) -> Model:
    """Write the same graph with another card and a new seal to `target`, and return that model."""
    write_sealed(model.content, card.to_json(), target)
    return replace(load_model(target), path=target)
