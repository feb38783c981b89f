"""What can become of a film: one enum, and the one exception that carries it.

Readers raise `FilmError`; nothing else decides a film's status.
"""

from __future__ import annotations

from enum import StrEnum


class FilmStatus(StrEnum):
    """The status column of a results table; `OK` alone comes with probabilities.

    `LEFT_OUT` is in no table: the film was read and is not among those that a person asked for.
    """

    OK = "ok"
    EMPTY = "empty"
    UNSUPPORTED = "unsupported"
    CORRUPT = "corrupt"
    TRUNCATED = "truncated"
    NO_PIXELS = "no_pixels"
    TOO_LARGE = "too_large"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    NO_ANSWER = "no_answer"
    UNREADABLE = "unreadable"
    UNAVAILABLE = "unavailable"
    MISSING = "missing"
    FORBIDDEN = "forbidden"
    LEFT_OUT = "left_out"


# These depend on the day, not on the film's bytes: a second try may end otherwise. What a server
# forbids is among them, because credentials that are refused make every film so until somebody
# sees it.
DEPENDS_ON_THE_DAY = frozenset(
    {
        FilmStatus.TIMEOUT,
        FilmStatus.CRASHED,
        FilmStatus.UNREADABLE,
        FilmStatus.UNAVAILABLE,
        FilmStatus.FORBIDDEN,
    }
)

SENTENCE_LIMIT = 300


class FilmError(Exception):
    """A film that cannot be classified, with its status and one sentence for the ``error`` column.

    Parameters
    ----------
    status : FilmStatus
        Anything but `FilmStatus.OK`.
    sentence : str
        Why, for a person. Cut to 300 characters, line breaks and control characters removed:
        the words of a library, or of a hostile file, end in a table.
    shape : (int, int), optional
        Rows and columns, where it was refused for what its header says of them.
    """

    def __init__(
        self, status: FilmStatus, sentence: str, shape: tuple[int, int] | None = None
    ) -> None:
        clean = " ".join("".join(c if c.isprintable() else " " for c in sentence).split())
        if len(clean) > SENTENCE_LIMIT:
            clean = clean[: SENTENCE_LIMIT - 1] + "…"
        super().__init__(clean)
        self.status = status
        self.sentence = clean
        self.shape = shape

    def __reduce__(
        self,
    ) -> tuple[type[FilmError], tuple[FilmStatus, str, tuple[int, int] | None]]:
        return type(self), (self.status, self.sentence, self.shape)
