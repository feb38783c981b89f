"""An option of a plugin's record, which a person gives by ``-O name=value``."""

from __future__ import annotations

from dataclasses import dataclass

OptionValue = bool | int | float | str


@dataclass(frozen=True)
class Option:
    """An option of an architecture or exporter, given on the command line by ``-O name=value``.

    Attributes
    ----------
    name : str
        Lower case with hyphens.
    type : type
        `bool`, `int`, `float` or `str`.
    default : OptionValue
    help : str
        One sentence.
    choices : tuple of str
        The values allowed; empty: any.
    """

    name: str
    type: type[bool] | type[int] | type[float] | type[str]
    default: OptionValue
    help: str
    choices: tuple[str, ...] = ()
