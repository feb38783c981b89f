"""What classes and tasks are called in a report: codes of a person, else those of a private scheme.

A private code is made from the name, so that it is the same in every report of every model. No
display knows it: what is shown is its meaning, the name itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from xraybatch.core.errors import UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.models.card import TaskCard

SCHEME = "99XRAYBATCH"  # 99 begins the designators of private schemes
SCHEME_NAME = "Tasks and classes of models run by xraybatch"

_LONGEST_VALUE, _LONGEST_SCHEME, _LONGEST_MEANING = 64, 16, 64  # characters
_FORM = "Write it as --code 'CLASS=VALUE:SCHEME:MEANING', such as 'fracture=72704001:SCT:Fracture'."


@dataclass(frozen=True, slots=True)
class Coded:
    """A code: its value, the scheme that it is of, and what it means in words."""

    value: str
    scheme: str
    meaning: str


# what every report says in codes of our own
IN_SET = Coded("IN-SET", SCHEME, "In the set of classes of stated coverage")
ABSTAINS = Coded("ABSTAINS", SCHEME, "The model abstains: for a person to decide")


@dataclass(frozen=True)
class Codebook:
    """The codes of a model's tasks and classes.

    Attributes
    ----------
    given : mapping
        What a person gave: (task, class) to code; the class is empty for the task itself.
    """

    given: Mapping[tuple[str, str], Coded] = field(default_factory=dict)

    def task(self, name: str) -> Coded:
        """The code of a task."""
        return self.given.get((name, ""), Coded(_private("T", name), SCHEME, _meaning(name)))

    def of_class(self, task: str, name: str) -> Coded:
        """The code of a class; a private one is the same in every task."""
        return self.given.get((task, name), Coded(_private("C", name), SCHEME, _meaning(name)))

    @property
    def told(self) -> tuple[tuple[str, str, str, str, str], ...]:
        """What was given, in one order: task, class, value, scheme and meaning."""
        return tuple(
            (task, name, code.value, code.scheme, code.meaning)
            for (task, name), code in sorted(self.given.items())
        )


def codebook(texts: Iterable[str], tasks: Sequence[TaskCard]) -> Codebook:
    """Codes as typed, ``CLASS=VALUE:SCHEME:MEANING``.

    Parameters
    ----------
    texts : iterable of str
        In front of the sign a class (of every task that has it), ``TASK.CLASS`` or a task.
    tasks : sequence of TaskCard
        Of the model.

    Raises
    ------
    UsageError
        If one has another form, names what the model has not, what may be two things, or what was
        named before.
    """
    known = _targets(tasks)
    given: dict[tuple[str, str], Coded] = {}
    for text in texts:
        # a class may hold '=' itself, and a code does not
        name, equals, code = text.rpartition("=")
        name = name.strip()
        if not equals or not name:
            raise UsageError(f"--code '{text}' names no code.", _FORM)
        targets = known.get(name)
        if targets is None:
            raise UsageError(
                f"--code '{text}': the model has no class '{name}'.", did_you_mean(name, known)
            )
        if len({not of_class for _, of_class in targets}) > 1:
            raise UsageError(
                f"--code '{text}': '{name}' is a task and a class.",
                f"Name the class with its task: {targets[0][0]}.{name}.",
            )
        parsed = _parsed(text, code)
        for target in targets:
            if target in given:
                raise UsageError(f"--code names '{name}' twice.", "Leave one out.")
            given[target] = parsed
    return Codebook(given)


def _targets(tasks: Sequence[TaskCard]) -> dict[str, list[tuple[str, str]]]:
    """What a person may name: (task, class) by name; the class is empty for a task."""
    known: dict[str, list[tuple[str, str]]] = {}
    for entry in tasks:
        task = entry.task.name
        known.setdefault(task, []).append((task, ""))
        for name in entry.task.classes:
            known.setdefault(name, []).append((task, name))
            known.setdefault(f"{task}.{name}", []).append((task, name))
    return known


def _parsed(text: str, code: str) -> Coded:
    parts = [part.strip() for part in code.split(":", 2)]
    if len(parts) != 3 or not all(parts):
        raise UsageError(f"--code '{text}' is no code.", _FORM)
    value, scheme, meaning = parts
    for what, part, longest in (
        ("value", value, _LONGEST_VALUE),
        ("scheme", scheme, _LONGEST_SCHEME),
        ("meaning", meaning, _LONGEST_MEANING),
    ):
        if len(part) > longest or not part.isprintable() or "\\" in part:
            raise UsageError(
                f"--code '{text}': the {what} is longer than {longest} characters, or holds one "
                "that DICOM does not allow.",
                _FORM,
            )
    if not (value + scheme).isascii():
        raise UsageError(f"--code '{text}': value and scheme are plain letters and digits.", _FORM)
    return Coded(value, scheme, meaning)


def _private(kind: str, name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{kind}-{digest[:12].upper()}"  # 16 characters are the most that a code has


def _meaning(name: str) -> str:
    """A name within what a code's meaning may be; the code is of the whole name."""
    clean = name.replace("\\", "/")
    return clean if len(clean) <= _LONGEST_MEANING else clean[: _LONGEST_MEANING - 1] + "…"
