"""Metrics of plugins, evaluated like ours; one that fails is undefined with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.evaluation.answers import Answers
from xraybatch.evaluation.bootstrap import Sample, Sampling, patient_weights
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.single_label import NO_FILMS, NO_PROBABILITIES
from xraybatch.extension.records import Metric, Undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray


def evaluate(metric: Metric, given: Answers, sampling: Sampling) -> Estimate:
    """Value and percentile interval of one plugin metric.

    Parameters
    ----------
    metric : Metric
        Of a kind that fits the task.
    given : Answers
    sampling : Sampling

    Returns
    -------
    Estimate
        Undefined where the metric says so, raises, or returns what is no finite number.
    """
    n = len(given.y_true)
    answers: NDArray[Any] | None = given.y_pred if metric.needs == "labels" else given.y_prob
    if answers is None:
        return Estimate.undefined(NO_PROBABILITIES, n)
    if n == 0:
        return Estimate.undefined(NO_FILMS)
    value = value_of(metric, given.y_true, answers, np.ones(n, np.int64))
    if isinstance(value, Undefined):
        return Estimate.undefined(value.reason, n)
    _, owner = np.unique(given.patients, return_inverse=True)
    patients = int(owner.max()) + 1
    drawn: list[float] = []
    if patients > 1:
        for weights in patient_weights(patients, sampling.resamples, sampling.seed):
            resampled = value_of(metric, given.y_true, answers, weights[owner])
            drawn.append(np.nan if isinstance(resampled, Undefined) else resampled)
    return Sample(value, np.array(drawn)).estimate("", n, sampling.confidence)


def value_of(
    metric: Metric, y_true: NDArray[Any], answers: NDArray[Any], weights: NDArray[np.int64]
) -> float | Undefined:
    """What a metric says of films that count `weights` times; its mistakes are `Undefined`."""
    try:
        value = metric.compute(y_true, answers, weights)
        if isinstance(value, Undefined):
            return value
        number = float(value)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's mistake is a row of the report
        words = " ".join(str(error).split())[:200]
        return Undefined(f"'{metric.name}' failed: {type(error).__name__}: {words}")
    if not np.isfinite(number):
        return Undefined(f"'{metric.name}' returned {number}")
    return number
