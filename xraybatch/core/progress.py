"""How a use case tells a person what it does, without knowing the console.

The command line implements `Progress` with rich; callers from Python pass their own or none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Stage(Protocol):
    """One long piece of work that is under way."""

    def advance(self, steps: int = 1, detail: str = "") -> None:
        """Report that `steps` more units are done; `detail` is a few words shown beside the bar."""


class Progress(Protocol):
    """What a use case may say while it works."""

    def stage(
        self, label: str, total: int | None, unit: str = "films"
    ) -> AbstractContextManager[Stage]:
        """Open a stage of `total` units (None: not known), for use in a ``with`` statement."""

    def note(self, sentence: str) -> None:
        """Say something that a person should know; one sentence, one line."""

    def warn(self, title: str, sentence: str) -> None:
        """Say something that nobody may overlook (a fallback, weights that are missing)."""


class _SilentStage:
    def advance(self, steps: int = 1, detail: str = "") -> None:
        pass


class _Silent:
    @contextmanager
    def stage(self, label: str, total: int | None, unit: str = "films") -> Iterator[Stage]:
        yield _SilentStage()

    def note(self, sentence: str) -> None:
        pass

    def warn(self, title: str, sentence: str) -> None:
        pass


# the progress of a caller who passed none
SILENT: Progress = _Silent()
