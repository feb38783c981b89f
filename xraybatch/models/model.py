"""A model file that was read and checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from xraybatch.core.errors import ModelError
from xraybatch.models.card import Card, card_from_json
from xraybatch.models.seal import read_sealed, write_sealed


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
