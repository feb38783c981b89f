"""What of a DICOM's header may leave its reader: an allow-list on which nobody can be identified.

No name, date, identifier, UID, place or free text is on it. A value is written only in the form
that its tag has (a word, a number, an age), because headers are filled in by people and by those
who mean harm. Patients and studies leave the reader as keyed hashes alone, and when asked for.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from xraybatch.core.errors import UsageError
from xraybatch.core.names import nearest, nearest_few, number_of
from xraybatch.images.asked import BETWEEN_VALUES, PATIENT, STUDY, answer, current

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_WORDS = (
    # what was taken of what, and from where
    *("Modality", "BodyPartExamined", "ViewPosition", "Laterality", "ImageLaterality"),
    *("PatientOrientation", "PatientPosition", "PatientSex", "PositionerType"),
    # what kind of picture it is
    *("ImageType", "PresentationIntentType", "ConversionType", "BurnedInAnnotation"),
    *("PhotometricInterpretation", "PresentationLUTShape", "VOILUTFunction"),
    *("LossyImageCompression", "LossyImageCompressionMethod"),
    # with what it was taken: the kind of machine, never which one
    *("Manufacturer", "ManufacturerModelName", "DetectorType", "FieldOfViewShape"),
    *("FilterMaterial", "Grid"),
)
_NUMBERS = (
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation"),
    *("SamplesPerPixel", "NumberOfFrames", "PixelSpacing", "ImagerPixelSpacing"),
    *("WindowCenter", "WindowWidth", "LossyImageCompressionRatio"),
    *("KVP", "ExposureTime", "XRayTubeCurrent", "Exposure", "RelativeXRayExposure", "Sensitivity"),
    *("ExposureIndex", "TargetExposureIndex", "DeviationIndex", "FocalSpots"),
    *("DistanceSourceToDetector", "DistanceSourceToPatient", "FieldOfViewDimensions"),
    *("PositionerPrimaryAngle", "PositionerSecondaryAngle", "BodyPartThickness"),
    "CompressionForce",
)
_AGES = ("PatientAge",)

ALLOWED_TAGS = frozenset((*_WORDS, *_NUMBERS, *_AGES))

_LONGEST = 64  # characters of a value
_MOST_VALUES = 16
_AGE = re.compile(r"\d{3}[DWMY]")
_OLDEST = 90  # years: those who are older are few enough to be known by it
_MARKS = frozenset(" _-./+()")  # besides letters and digits, in a word; names of persons have ^
_MARKS_OF_MAKERS = frozenset(",&")
_WHY_NOT = {
    "PN": "holds a person's name",
    **dict.fromkeys(("DA", "DT", "TM"), "holds a date or time, by which an examination is found"),
    "UI": "holds an identifier",
    **dict.fromkeys(("LO", "SH", "LT", "ST", "UC", "UT"), "holds an identifier or free text"),
}


def facts_of(header: Dataset) -> dict[str, str]:
    """Those tags of a header that are asked for, and hashes of patient and study.

    To be called by a reader as soon as it has the header: a film that `--where` leaves out costs
    no more than that.

    Parameters
    ----------
    header : Dataset

    Returns
    -------
    dict of str to str
        By keyword; several values are joined by ``\\``. A tag that is absent, empty, or of another
        form than its standard says is not in it. An age of 90 years and more is ``090Y``.

    Raises
    ------
    FilmError
        ``left_out`` if the film is not among those that are asked for.
    """
    asked = current()
    found = {}
    for keyword in ALLOWED_TAGS.intersection(asked.keywords):
        if keyword in header and (text := _text(keyword, _value(header, keyword))):
            found[keyword] = text
    asked.check(found)
    if asked.salt:
        found |= _hashed(header, asked.salt)
    answer(found)
    return found


def check_keywords(keywords: Iterable[str], option: str) -> None:
    """Refuse what is not on the allow-list.

    Raises
    ------
    UsageError
        Saying why a tag of DICOM is refused, or which allowed one is nearest to a mistyped one.
    """
    for keyword in keywords:
        if keyword in ALLOWED_TAGS:
            continue
        if why := _why_refused(keyword):
            said = f"{option}: '{keyword}' is never read out, because it {why}."
            raise UsageError(said, _which_can(keyword))
        raise UsageError(
            f"{option}: '{keyword}' is no tag that can be read out.",
            nearest(keyword, ALLOWED_TAGS) or _which_can(keyword),
        )


def _which_can(keyword: str) -> str:
    listed = f"All {len(ALLOWED_TAGS)} that can be read out stand in docs/archive.md."
    near = nearest_few(keyword, ALLOWED_TAGS)
    return f"Near to it: {', '.join(near)}. {listed}" if near else listed


def _why_refused(keyword: str) -> str:
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    if tag_for_keyword(keyword) is None:
        return ""
    return _WHY_NOT.get(
        dictionary_VR(keyword), "is not on the list of tags by which nobody is identified"
    )


def _value(header: Dataset, keyword: str) -> Any:
    try:
        return header[keyword].value
    except KeyboardInterrupt:
        raise
    except Exception:  # a damaged element that no pixel needs
        return None


def _text(keyword: str, value: object) -> str:
    values = [value] if isinstance(value, str | int | float) else value
    if value is None or isinstance(values, bytes) or not hasattr(values, "__iter__"):
        return ""
    parts: list[str] = []
    for one in values:
        part = " ".join(str(one)[:256].split())
        if len(parts) == _MOST_VALUES or (part and not (part := _fitting(keyword, part))):
            return ""
        parts.append(part)
    return BETWEEN_VALUES.join(parts) if any(parts) else ""


def _fitting(keyword: str, text: str) -> str:
    """A value as it may be written; empty where it has not the form of its tag."""
    if keyword in _AGES:
        if not _AGE.fullmatch(text):
            return ""
        return f"{_OLDEST:03}Y" if text[3] == "Y" and int(text[:3]) >= _OLDEST else text
    if keyword in _NUMBERS:
        return text if len(text) <= _LONGEST and number_of(text) is not None else ""
    marks = _MARKS | _MARKS_OF_MAKERS if keyword.startswith("Manufacturer") else _MARKS
    is_word = all(c.isalnum() or c in marks for c in text)
    return text if is_word and len(text) <= _LONGEST else ""


def _hashed(header: Dataset, salt: bytes) -> dict[str, str]:
    patient, issuer, study = (
        _identifier(_value(header, keyword))
        for keyword in ("PatientID", "IssuerOfPatientID", "StudyInstanceUID")
    )
    if patient and issuer:
        patient = f"{patient}{BETWEEN_VALUES}{issuer}"  # which no identifier holds itself
    named = {PATIENT: patient, STUDY: study}
    return {
        word: hmac.new(salt, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:32]
        for word, text in named.items()
        if text
    }


def _identifier(value: object) -> str:
    parts = [value] if isinstance(value, str) else value
    if isinstance(parts, bytes) or not isinstance(parts, Iterable):
        return ""
    return BETWEEN_VALUES.join(str(part) for part in parts).strip(" \0")
