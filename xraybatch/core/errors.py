"""Every error a person can meet: one sentence that says what happened, one that says what to do.

The command line prints both without a traceback and leaves with the error's exit code.
Mistakes of programming (a wrong type, a broken invariant) stay builtin exceptions.
"""

from __future__ import annotations

EXIT_DONE = 0
EXIT_FAULT = 1
EXIT_USAGE = 2
EXIT_INPUT = 3
EXIT_BAR_MISSED = 4
EXIT_INTERRUPTED = 5


class XraybatchError(Exception):
    """Base of all errors that are meant for a person.

    Parameters
    ----------
    message : str
        What happened, one sentence, naming the file, column or option.
    hint : str
        What to do about it; empty where nothing can be done.
    """

    exit_code = EXIT_INPUT

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[XraybatchError], tuple[str, str]]:
        return type(self), (self.message, self.hint)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(XraybatchError):
    """The command or call itself is wrong: an unknown name, two options that exclude each other."""

    exit_code = EXIT_USAGE


class InputError(XraybatchError):
    """Films, tables or folders that cannot be used as they are."""


class ModelError(XraybatchError):
    """A model that cannot be trusted or run: no card, broken seal, failed self-test."""


class PluginError(XraybatchError):
    """A plugin that is broken or whose name is claimed twice."""


class MissingExtra(XraybatchError):
    """Something that an optional part of the installation brings is not there."""


class BarMissed(XraybatchError):
    """A bar that was set was not reached: ``--fail-under``, ``--max-failures``, a gate."""

    exit_code = EXIT_BAR_MISSED


class Interrupted(XraybatchError):
    """Stopped by a person or the system; the same command goes on."""

    exit_code = EXIT_INTERRUPTED


class XraybatchWarning(UserWarning):
    """What nobody may overlook (a fallback, a demonstration model), for callers from Python."""
