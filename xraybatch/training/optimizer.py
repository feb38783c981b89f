"""Keras' optimizers by name, with the course of the learning rate."""

from __future__ import annotations

from inspect import signature
from typing import Any

from xraybatch.core.errors import UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.training.settings import Settings


def check_optimizer(name: str) -> None:
    """Raise `UsageError` if Keras has no optimizer of that name."""
    known = sorted(_kinds())
    if name not in known:
        raise UsageError(f"Keras has no optimizer '{name}'.", did_you_mean(name, known))


def make_optimizer(settings: Settings, factor: float, steps: int, *, scaled: bool = False) -> Any:
    """A Keras optimizer.

    Parameters
    ----------
    settings : Settings
    factor : float
        By which the learning rate is multiplied.
    steps : int
        Training steps of all epochs, over which a cosine falls.
    scaled : bool
        Whether gradients are too small for their type, as in float16, and are scaled.
    """
    from keras import optimizers

    rate: Any = settings.learning_rate * factor
    if settings.schedule == "cosine":
        rate = optimizers.schedules.CosineDecay(rate, decay_steps=steps)
    config: dict[str, Any] = {"learning_rate": rate}
    if settings.weight_decay:
        config["weight_decay"] = settings.weight_decay
    # not by `get`, which wants a schedule as a dictionary
    found = _kinds()[settings.optimizer](**config)
    return optimizers.LossScaleOptimizer(found) if scaled else found


def _kinds() -> dict[str, Any]:
    from keras import optimizers

    def takes_a_rate(kind: type) -> bool:  # not what wraps others, nor what all inherit from
        return next(iter(signature(kind).parameters)) == "learning_rate"

    return {
        entry.lower(): kind
        for entry, kind in vars(optimizers).items()
        if isinstance(kind, type) and issubclass(kind, optimizers.Optimizer) and takes_a_rate(kind)
    }
