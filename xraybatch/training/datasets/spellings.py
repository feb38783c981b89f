"""Two spellings of one class: asked about, never guessed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from xraybatch.core.counting import counted
from xraybatch.core.errors import UsageError
from xraybatch.core.names import number_of, same_word
from xraybatch.core.progress import Progress
from xraybatch.training.datasets.films import Row
from xraybatch.training.datasets.forms import listed
from xraybatch.training.datasets.options import ASK, KEEP

Ask = Callable[[str], bool]

_NOT = re.compile(r"(?:non|not|no|without)[ _-]+|(?:non|not)(?=[a-z]{4})|un(?=[a-z]{6})")


def one_spelling(
    rows: Sequence[Row], spellings: str, ask: Ask | None, progress: Progress
) -> tuple[Row, ...]:
    """Give classes that look like one in two spellings one name, if a person says so.

    Parameters
    ----------
    rows : sequence of Row
    spellings : str
        ``ask``, ``merge`` or ``keep``.
    ask : callable, optional
        Is asked a question that has yes or no for an answer.
    progress : Progress

    Raises
    ------
    UsageError
        If there is something to ask, and nobody.
    """
    for task in range(len(rows[0].labels)):
        films = Counter(row.labels[task] for row in rows if row.labels[task])
        names: dict[str, str] = {}
        for alike in _alike(sorted(films)):
            alike.sort(key=lambda name: (-films[name], name))
            if _is_one(alike, films, spellings, ask):
                names |= dict.fromkeys(alike, alike[0])
                progress.note(f"Taken as one class, '{alike[0]}': {listed(alike)}.")
            else:
                progress.note(f"Kept as classes of their own: {listed(alike)}.")
        if names:
            rows = [_renamed(row, task, names) for row in rows]
    return tuple(rows)


def _is_one(alike: list[str], films: Counter[str], spellings: str, ask: Ask | None) -> bool:
    if spellings != ASK:
        return spellings != KEEP
    counts = " and ".join(f"'{name}' ({counted(films[name], 'film')})" for name in alike)
    if ask is None:
        raise UsageError(
            f"Are {counts} one class?",
            "`xraybatch prepare` takes --merge-classes (one) or --keep-classes (several).",
        )
    return ask(f"Are {counts} one class?")


def _alike(names: Sequence[str]) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[_same(name)].append(name)
    return [group for group in groups.values() if len(group) > 1]


def _same(name: str) -> str:
    """What two spellings share: no capitals, blanks, ``_``, ``-`` and plural s; one "not".

    Accents are composed, and a number has one form.
    """
    plain = same_word(name)
    if number_of(name) is not None:
        return plain
    plain = _NOT.sub("not!", plain, count=1) if _NOT.match(plain) else plain
    plain = re.sub(r"[\s_-]+", "", plain)
    return plain.removesuffix("s") if len(plain) > 2 else plain


def _renamed(row: Row, task: int, names: dict[str, str]) -> Row:
    label = names.get(row.labels[task], row.labels[task])
    return replace(row, labels=(*row.labels[:task], label, *row.labels[task + 1 :]))
