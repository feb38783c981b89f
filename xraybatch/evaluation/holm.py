"""Several tests at once: Holm's correction (1979, Scand J Statist 6:65)."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value, corrected so that none of them is wrongly small more often than it says.

    Parameters
    ----------
    p_values : sequence of float
        Of one family of tests, each within 0 and 1.

    Returns
    -------
    list of float
        In the same order, not below the given ones and not above 1.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted
