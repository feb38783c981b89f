"""Counts as people write them: ``1000000``, ``1_000_000``, ``1e6``, ``100M``."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import click

_TIMES = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
_COUNT = re.compile(r"(\d+(?:_\d+)*(?:\.\d+)?(?:e\+?\d{1,2})?)([kmg]?)", re.IGNORECASE)


class Count(click.ParamType[int]):
    """A whole number from 1 on; thousands may be written as powers of ten or by k, M and G.

    Parameters
    ----------
    unit : str
        What is counted, for the sentence that refuses a text.
    """

    name = "count"

    def __init__(self, unit: str) -> None:
        self._unit = unit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; refuses what is none, has a fraction, or is below 1."""
        if isinstance(value, int):
            return value
        found = _COUNT.fullmatch(str(value).strip())
        try:  # not float, which has no more than 53 bits
            number = Decimal(found[1]) * _TIMES[found[2].lower()] if found else Decimal()
        except InvalidOperation:
            number = Decimal()
        if number < 1 or number % 1:
            self.fail(
                f"'{value}' is no number of {self._unit}. Write it as 1000000, 1e6 or 100M.",
                param,
                ctx,
            )
        return int(number)
