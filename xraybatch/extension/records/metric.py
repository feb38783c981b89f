"""What a plugin brings to evaluation: numbers beside our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from xraybatch.core.tasks import TaskKind


@dataclass(frozen=True)
class Undefined:
    """A number that does not exist, and why: "no film of class 'severe'"."""

    reason: str


@dataclass(frozen=True)
class Metric:
    """A number that ``score`` computes beside its own: returned by ``register_metrics``.

    Attributes
    ----------
    name, summary : str
    needs : {"labels", "probabilities"}
        What the second argument of `compute` is.
    kinds : tuple of TaskKind
        Tasks it is defined for.
    higher_is_better : bool
    compute : callable
        ``compute(y_true, y, weights) -> float or Undefined``. `y_true`: int64 ``(n,)`` class
        indices (``(n, K)`` of 0 and 1 for multilabel). `y`: the same form for "labels", float64
        ``(n, K)`` for "probabilities". `weights`: int64 ``(n,)``, how often each row counts in a
        resample.
    """

    name: str
    summary: str
    needs: Literal["labels", "probabilities"]
    kinds: tuple[TaskKind, ...]
    higher_is_better: bool
    compute: Callable[..., float | Undefined]
