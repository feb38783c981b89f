"""Several tests at once: Holm's step-down adjustment."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """P-values that keep the chance of any false finding (Holm 1979, Scand J Statist 6:65).

    Parameters
    ----------
    p_values : sequence of float or None
        None: no test was made; it stays None and does not count.

    Returns
    -------
    tuple of float or None
        In the order given; not below what was given, not above 1.
    """
    found: list[float | None] = [None] * len(p_values)
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    largest = 0.0
    for rank, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        found[i] = largest
    return tuple(found)
