"""A store that only fails stops the run: better one sentence now than a row for each film."""

from __future__ import annotations

from xraybatch.core.errors import InputError
from xraybatch.core.status import FilmStatus

IN_A_ROW = 32  # films that could not be fetched, and none in between that could


class Breaker:
    """Counts the films in a row that were to be fetched and are `unavailable`."""

    def __init__(self) -> None:
        self._failed = 0

    def count(self, status: FilmStatus, sentence: str) -> InputError | None:
        """Count a film that was to be fetched.

        Parameters
        ----------
        status : FilmStatus
            Any but ``unavailable``: its store answered.
        sentence : str
            Why it is not ``ok``.

        Returns
        -------
        InputError or None
            With which the run is to stop.
        """
        self._failed = self._failed + 1 if status is FilmStatus.UNAVAILABLE else 0
        if self._failed < IN_A_ROW:
            return None
        return InputError(
            f"Stopped: {self._failed} films in a row could not be fetched. Of the last: {sentence}",
            "What was done is kept; when the store answers again, the same command goes on and "
            "tries those films too.",
        )
