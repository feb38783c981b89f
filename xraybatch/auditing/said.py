"""What an audit says in sentences: what nobody may overlook, and how to read the rest."""

from __future__ import annotations

from xraybatch.auditing.record import Audit

_MANY_CULPRITS = 4


def sentences(audit: Audit) -> tuple[str, ...]:
    """What nobody may overlook, the worst first."""
    return tuple(filter(None, (*_leaks(audit), _conflicts(audit), _shortcut(audit), _lost(audit))))


def notes(audit: Audit, *, near: bool) -> tuple[str, ...]:
    """How to read it, and what was not looked for."""
    said = []
    if audit.not_there:
        said.append(f"Rows of the labels whose film is not there: {audit.not_there:,}.")
    if not audit.classes:
        said.append(
            "There are no labels, so nothing was compared with them; --labels names a table."
        )
    elif audit.unlabelled:
        said.append(f"Films without a label: {audit.unlabelled:,}.")
    if not audit.leak.parts:
        said.append("There is no split, so none can leak.")
    elif not audit.patients:
        said.append("Patients are not known: only copies were looked for across the split.")
    if not near:
        said.append("Changed copies (mirrored, re-encoded, moved) were not looked for.")
    if audit.inverted or audit.written:
        said.append(
            "Negatives and writing are found by rough measures; look before you leave films out."
        )
    return tuple(said)


def _leaks(audit: Audit) -> list[str]:
    leak = audit.leak
    said = []
    if leak.groups:
        exact = f" ({leak.exact_groups:,} of them identical)" if leak.exact_groups else ""
        said.append(
            f"The split leaks: {_count(leak.groups, 'film has', 'films have')} copies in several "
            f"parts{exact}. A score on such a split is too good."
        )
    if leak.patients:
        said.append(
            f"The split leaks: {_count(leak.patients, 'patient has', 'patients have')} films in "
            "several parts. A score on such a split is too good."
        )
    return said


def _conflicts(audit: Audit) -> str:
    if not audit.conflicts:
        return ""
    return (
        f"{_count(audit.conflicts, 'film has', 'films have')} copies with different labels: of "
        "each film one label at most is right."
    )


def _shortcut(audit: Audit) -> str:
    asked = audit.shortcut
    if not asked.found:
        return ""
    how = ", ".join(asked.culprits[:_MANY_CULPRITS])
    alone = f" Alone does it: {how}." if how else " No property does it alone."
    return (
        f"The files give the label away without a look at the film: balanced accuracy "
        f"{asked.balanced_accuracy.value:.2f}, chance {asked.chance:.2f} (p = {asked.p:.3f})."
        f"{alone} A network may learn that in place of the disease."
    )


def _lost(audit: Audit) -> str:
    lost = sum(row.films for row in audit.unreadable)
    if not lost:
        return ""
    gone = [
        name
        for k, (name, films) in enumerate(audit.classes.items())
        if films and sum(row.by_class[k] for row in audit.unreadable) == films
    ]
    worst = f" No film is left of the class {', '.join(gone)}." if gone else ""
    return f"{_count(lost, 'film', 'films')} of {audit.films:,} cannot be read.{worst}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
