"""What a report takes over from the header of its film: whose it is, and which study it is of.

Headers are filled in by people and by those who mean harm. What names a patient or a study is taken
as it stands or the film gets no report, because a name that was mended is somebody else's. What
only describes is cleaned of control characters; a date that is none stays empty.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta, timezone
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID

from xraybatch.reports.structured.left_out import NO_IMAGE, LeftOut

_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+", re.ASCII)
_LONGEST_UID = 64
_UIDS = {
    "StudyInstanceUID": "no Study Instance UID",
    "SeriesInstanceUID": "no Series Instance UID",
    "SOPInstanceUID": "no SOP Instance UID",
    "SOPClassUID": "no SOP Class UID",
}
_OF_IMAGES = "Image Storage"  # in the name of every class of images of the standard
_IDENTITY = ("PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyID")
_WORDS = ("PatientName", "StudyDescription", "ReferringPhysicianName")
_DATES = ("PatientBirthDate", "StudyDate")
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?")
_OFFSET = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d)")
_LONGEST = 1024  # characters of a value; the standard has 64, and devices write more
_CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})  # what no value of these kinds may hold
_UNREADABLE = "\ufffd"  # what stands where bytes are none of the character set
_NO_ONE = re.compile(rf"[{_UNREADABLE}\\]")  # not to be read, or several values
_ALWAYS = ("PatientID", "PatientName", "AccessionNumber", "StudyID", "ReferringPhysicianName")
_MOST = 2**31 - 1


@dataclass(frozen=True)
class SourceFilm:
    """A film as a report refers to it.

    Attributes
    ----------
    copied : Dataset
        What the report takes over, as Unicode.
    frames : int
        Images in the object.
    number : int
        Of the instance in its series; 1 where the header says none.
    clock : timezone or None
        What the header's times are of; None where it does not say.
    """

    copied: Dataset = field(repr=False)
    frames: int
    number: int
    clock: timezone | None

    def uid(self, keyword: str) -> str:
        """One of its four identifiers: that of the study, the series, the object or its class."""
        return str(self.copied[keyword].value)


def source_film(header: Dataset) -> SourceFilm:
    """Take from a header what a report needs.

    Raises
    ------
    LeftOut
        If it lacks what ties a report to its film, or holds an identifier that cannot be copied as
        it is. A film without a patient's ID is taken.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings quote the header
        return _source_film(header)


def _source_film(header: Dataset) -> SourceFilm:
    found = Dataset()
    found.SpecificCharacterSet = "ISO_IR 192"  # classes may have names of any script
    for keyword, why in _UIDS.items():
        uid = _plain(header, keyword)
        if not uid:
            raise LeftOut(why)
        if len(uid) > _LONGEST_UID or not _UID.fullmatch(uid):
            raise LeftOut("an identifier in the header that is no UID")
        setattr(found, keyword, uid)
    if _OF_IMAGES not in UID(found.SOPClassUID).name:
        raise LeftOut(NO_IMAGE)
    for keyword in _IDENTITY:
        text = _plain(header, keyword)
        if len(text) > _LONGEST or text != _without_control(text) or _NO_ONE.search(text):
            raise LeftOut("an identifier of patient or study that cannot be read")
        if text or keyword in _ALWAYS:
            setattr(found, keyword, text)
    for keyword in _WORDS:
        text = _without_control(_plain(header, keyword)).replace("\\", " ")
        text = " ".join(text.split())[:_LONGEST]
        if text or keyword in _ALWAYS:
            setattr(found, keyword, text)
    for keyword in _DATES:
        setattr(found, keyword, _date(_plain(header, keyword)))
    time = _plain(header, "StudyTime")
    found.StudyTime = time if _TIME.fullmatch(time) else ""
    sex = _plain(header, "PatientSex").upper()
    found.PatientSex = sex if sex in ("M", "F", "O") else ""
    clock = _clock(_plain(header, "TimezoneOffsetFromUTC"))
    if clock is not None:
        found.TimezoneOffsetFromUTC = _plain(header, "TimezoneOffsetFromUTC")
    return SourceFilm(
        found,
        frames=_number(header, "NumberOfFrames"),
        number=_number(header, "InstanceNumber"),
        clock=clock,
    )


def _plain(header: Dataset, keyword: str) -> str:
    """A value as text; empty where it is missing or damaged beyond reading."""
    try:
        value: Any = header[keyword].value if keyword in header else None
        if value is None:
            return ""
        if isinstance(value, bytes):  # of an element whose kind is not known
            return _UNREADABLE
        is_one = isinstance(value, str) or not isinstance(value, Iterable)
        # names of persons are no strings, and iterate over their letters
        parts = [value] if is_one or hasattr(value, "components") else value
        return "\\".join(str(part) for part in parts).strip(" \0")
    except KeyboardInterrupt:
        raise
    except Exception:  # a damaged element breaks in as many ways as there are kinds
        return _UNREADABLE


def _without_control(text: str) -> str:
    return "".join(" " if unicodedata.category(c) in _CONTROL else c for c in text)


def _date(text: str) -> str:
    parts = _DATE.fullmatch(text)
    try:
        return text if parts and date(*map(int, parts.groups())) else ""
    except ValueError:  # the 31st of February
        return ""


def _clock(text: str) -> timezone | None:
    parts = _OFFSET.fullmatch(text)
    if parts is None:
        return None
    ahead = timedelta(hours=int(parts[2]), minutes=int(parts[3]))
    return timezone(-ahead if parts[1] == "-" else ahead)


def _number(header: Dataset, keyword: str) -> int:
    """A number of one and more; 1 where it is none."""
    text = _plain(header, keyword)
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 1
    return number if 1 <= number <= _MOST else 1
