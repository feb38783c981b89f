"""What a person asks of the headers of films: which to take, which tags, whose hashes.

It reaches the reader of a header without being part of what every reader is handed, because few
formats have such headers, and because the salt is nobody else's.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.names import listed_words, same_word
from xraybatch.core.status import FilmError, FilmStatus

PATIENT, STUDY = "patient", "study"
BETWEEN_VALUES = "\\"  # as DICOM writes several values of one tag
SALT_VARIABLE = "XRAYBATCH_SALT"
SHORTEST_SALT = 16  # bytes; a shorter one can be found by trying

_MAKE_ONE = (
    'Make one and keep it to yourself: python -c "import secrets; print(secrets.token_hex(32))" '
    "> salt.txt"
)

Where = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Asked:
    """Questions to the header of every film.

    Attributes
    ----------
    where : tuple of (str, tuple of str)
        Keywords, and the values of which a film must have one; an empty value also takes films
        without that tag.
    tags : tuple of str
        Keywords whose values are wanted.
    salt : bytes
        With which patients and studies are hashed; empty: they are not asked for.
    survey : bool
        Whether everything about the film and its file is wanted, as an audit wants it.
    hashed : bool
        Whether a survey tells the SHA-256 of each file, too.
    """

    where: Where = ()
    tags: tuple[str, ...] = ()
    salt: bytes = field(default=b"", repr=False)
    survey: bool = False
    hashed: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the facts that are wanted, in the order of their columns."""
        return (*self.tags, *self.identifiers)

    @property
    def identifiers(self) -> tuple[str, ...]:
        """``patient`` and ``study`` where they are asked for."""
        return (PATIENT, STUDY) if self.salt else ()

    @property
    def keywords(self) -> tuple[str, ...]:
        """Tags that must be looked up."""
        return (*self.tags, *(keyword for keyword, _ in self.where))

    @property
    def salt_check(self) -> str:
        """Tells two salts apart, without telling either."""
        if not self.salt:
            return ""
        return hmac.new(self.salt, b"xraybatch: which salt", hashlib.sha256).hexdigest()[:16]

    def check(self, facts: Mapping[str, str], *, dicom: bool = True) -> None:
        """Raise `FilmError` with ``left_out`` unless a film with these facts is asked for."""
        for keyword, wanted in self.where:
            words = {same_word(value) for value in wanted}
            found = facts.get(keyword, "").split(BETWEEN_VALUES)
            if words.isdisjoint(map(same_word, found)):
                raise FilmError(FilmStatus.LEFT_OUT, _why(keyword, wanted, found, dicom=dicom))

    def wanted(self, facts: Mapping[str, str]) -> dict[str, str]:
        """Those of a film's facts that are asked for."""
        return {name: facts[name] for name in self.columns if name in facts}


NOTHING = Asked()
_current: ContextVar[tuple[Asked, dict[str, str]]] = ContextVar("asked", default=(NOTHING, {}))


def current() -> Asked:
    """What is asked of the film that this thread reads."""
    return _current.get()[0]


def answer(facts: Mapping[str, str]) -> None:
    """Tell what the header says, whatever becomes of the pixels after it."""
    asked, told = _current.get()
    told.update(asked.wanted(facts))


@contextmanager
def asking(asked: Asked) -> Iterator[dict[str, str]]:
    """Ask this of the film that is read within the block; it gives where the answers are put."""
    told: dict[str, str] = {}
    token = _current.set((asked, told))
    try:
        yield told
    finally:
        _current.reset(token)


def parse_where(texts: Iterable[str]) -> Where:
    """Conditions as typed, ``Modality=CR,DX``; those of one keyword are put together.

    Raises
    ------
    UsageError
        If one has another form, or a keyword that may not be asked for.
    """
    found: dict[str, dict[str, None]] = {}
    for text in texts:
        keyword, equals, values = text.partition("=")
        if not equals:
            raise UsageError(
                f"--where '{text}' is no condition.", "Write it as --where Modality=CR,DX."
            )
        wanted = found.setdefault(keyword.strip(), {})
        wanted.update(dict.fromkeys(value.strip() for value in values.split(",")))
    return where_of(found)


def where_of(conditions: Mapping[str, Iterable[str]]) -> Where:
    """Conditions by keyword, checked and in one order."""
    from xraybatch.images.readers.dicom_tags import check_keywords

    check_keywords(conditions, "--where")
    return tuple((keyword, tuple(sorted(conditions[keyword]))) for keyword in sorted(conditions))


def parse_tags(text: str) -> tuple[str, ...]:
    """Keywords as typed, with commas between; see `tags_of`."""
    return tags_of(listed_words(text, "--tags"))


def tags_of(keywords: Iterable[str]) -> tuple[str, ...]:
    """Keywords, in the order of their columns.

    Raises
    ------
    UsageError
        If one may not be asked for or stands twice.
    """
    from xraybatch.images.readers.dicom_tags import check_keywords

    tags = tuple(keywords)
    check_keywords(tags, "--tags")
    twice = sorted({tag for tag in tags if tags.count(tag) > 1})
    if twice:
        raise UsageError(f"--tags names '{twice[0]}' twice.", "Leave one out.")
    return tags


def read_salt(file: Path | None) -> bytes:
    """The salt in a file, or in the environment variable ``XRAYBATCH_SALT``.

    Raises
    ------
    UsageError
        If there is none, or one that is too short.
    InputError
        If the file cannot be read.
    """
    if file is not None:
        try:
            salt, place = file.read_bytes()[: 1 << 16], f"The salt in {file}"
        except OSError as error:
            raise InputError(f"{file} cannot be read: {error.strerror or error}.") from None
    else:
        salt, place = os.fsencode(os.environ.get(SALT_VARIABLE, "")), f"The salt in {SALT_VARIABLE}"
    salt = salt.strip()
    if not salt and file is None:
        raise UsageError(
            f"--dicom-ids needs a salt of your own, in {SALT_VARIABLE} or by --salt-file.",
            _MAKE_ONE,
        )
    if len(salt) < SHORTEST_SALT:
        raise UsageError(
            f"{place} has {len(salt)} bytes; {SHORTEST_SALT} are the least.", _MAKE_ONE
        )
    return salt


def _why(keyword: str, wanted: tuple[str, ...], found: list[str], *, dicom: bool) -> str:
    if found == [""]:
        return f"no {keyword} in the header" if dicom else f"no DICOM, so no {keyword}"
    some = " or ".join(filter(None, wanted))
    return f"{keyword} is not {some}" if some else f"{keyword} is given"
