"""What is known of films before they are read: their classes, patients and parts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """What a table or the folders say, one entry a film; empty: nothing.

    Attributes
    ----------
    labels, patients, parts : tuple of str
        Class, patient, and part of the split: ``train``, ``val`` or ``test``.
    source : str
        Where it comes from, in words; empty: nothing is known.
    labelled_twice : tuple of int
        Films that a table names twice, with different labels; their label here is the first.
    not_there : int
        Rows of a table whose film was not found.
    notes : tuple of str
        What a person must know of that.
    """

    labels: tuple[str, ...]
    patients: tuple[str, ...]
    parts: tuple[str, ...]
    source: str = ""
    labelled_twice: tuple[int, ...] = ()
    not_there: int = 0
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes there are, sorted."""
        return tuple(sorted(set(self.labels) - {""}))


def nothing_known(films: int) -> Known:
    """Of films without labels."""
    none = ("",) * films
    return Known(none, none, none)
