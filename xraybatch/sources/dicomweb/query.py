"""Which films of a PACS are asked for: modality, days, part of the body, kind of object."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from xraybatch.core.errors import UsageError
from xraybatch.core.names import listed_words, nearest_few

# what is taken unless a person asks for more: SOP class UID → keyword
RADIOGRAPHS = {
    "1.2.840.10008.5.1.4.1.1.1": "ComputedRadiographyImageStorage",
    "1.2.840.10008.5.1.4.1.1.1.1": "DigitalXRayImageStorageForPresentation",
}
_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})")


@dataclass(frozen=True)
class Query:
    """What is asked.

    Attributes
    ----------
    modalities : tuple of str
        As DICOM has them: ``DX``, ``CR``.
    days : tuple of str
        ``YYYYMMDD``, of the study; empty: any, of a study that the address names.
    body_parts : tuple of str
        ``CHEST``; empty: any.
    sop_classes : frozenset of str
        UIDs of the kinds of object that are taken.
    """

    modalities: tuple[str, ...] = ("DX", "CR")
    days: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    sop_classes: frozenset[str] = frozenset(RADIOGRAPHS)


def parse_query(
    modality: str | None,
    study_date: str | None,
    body_part: str | None,
    sop_classes: tuple[str, ...],
) -> Query | None:
    """What is asked, from words as typed; None where nothing was.

    Raises
    ------
    UsageError
        If a word cannot be what it is given for.
    """
    if modality is study_date is body_part is None and not sop_classes:
        return None
    return Query(
        Query.modalities if modality is None else parse_codes(modality, "--modality"),
        () if study_date is None else parse_days(study_date),
        () if body_part is None else parse_codes(body_part, "--body-part"),
        parse_sop_classes(sop_classes),
    )


def parse_codes(text: str, option: str) -> tuple[str, ...]:
    """``DX,CR``, in any case.

    Raises
    ------
    UsageError
        If one is no code of DICOM, as a name with ``*`` is none.
    """
    codes = listed_words(text.upper(), option)
    if wrong := [code for code in codes if not _CODE.fullmatch(code)]:
        raise UsageError(f"{option} '{wrong[0]}' is no code of DICOM.", "Write it as DX,CR.")
    return codes


def parse_days(text: str) -> tuple[str, ...]:
    """``20240101`` or ``20240101-20240131``: each day of it.

    Raises
    ------
    UsageError
        If it is neither, a day is none of the calendar, or the end is before the beginning.
    """
    first, dash, last = text.strip().partition("-")
    begin = _day(first, text)
    end = _day(last, text) if dash else begin
    if end < begin:
        raise UsageError(f"--study-date {text} ends before it begins.", "Turn the two days round.")
    count = (end - begin).days + 1
    return tuple(f"{begin + timedelta(number):%Y%m%d}" for number in range(count))


def parse_sop_classes(texts: tuple[str, ...]) -> frozenset[str]:
    """Kinds of object beside those of radiographs: UIDs, or the names that the standard gives them.

    Raises
    ------
    UsageError
        If one is neither.
    """
    if not texts:
        return frozenset(RADIOGRAPHS)
    from pydicom import uid as uids

    known = {
        name: str(uid)
        for name, uid in vars(uids).items()
        if "ImageStorage" in name and isinstance(uid, uids.UID)
    }
    for text in texts:
        if text not in known and not _UID.fullmatch(text):
            near = ", ".join(nearest_few(text, known)) or "DigitalXRayImageStorageForProcessing"
            raise UsageError(f"--sop-class '{text}' is not known.", f"Known are such as: {near}.")
    return frozenset(RADIOGRAPHS) | {known.get(text, text) for text in texts}


def sop_class_words(uid: str) -> str:
    """What a person calls a kind of object."""
    from pydicom.uid import UID

    name = UID(uid).name
    return f"objects of the class {uid}" if name == uid else name


def _day(text: str, typed: str) -> date:
    found = _DAY.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        return date(*map(int, found.groups()))
    except ValueError:
        raise UsageError(
            f"--study-date '{typed}' is no day and no range of days.",
            "Write 20240131, or 20240101-20240131.",
        ) from None
