"""A report as a DICOM object: whose it is, what it says of itself, and its bytes."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import ComprehensiveSR
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import PersonName

from xraybatch.reports.structured.answers import Answer
from xraybatch.reports.structured.codes import SCHEME, SCHEME_NAME
from xraybatch.reports.structured.content import NOT_FOR_DIAGNOSIS, measurement_report
from xraybatch.reports.structured.identifiers import derived_uid
from xraybatch.reports.structured.left_out import UNDESCRIBED, LeftOut
from xraybatch.reports.structured.maker import PROGRAM, Maker
from xraybatch.reports.structured.source import SourceFilm

_SERIES_NUMBER = 9000  # behind what devices number
_LONGEST = 64  # characters of a description or a name
_IMPLEMENTATION = derived_uid("implementation")

# it would quote names of patients in its warnings
logging.getLogger("highdicom").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Report:
    """A report as it is written.

    Attributes
    ----------
    uid : str
        Its SOP Instance UID.
    content : bytes
        A DICOM file, Explicit VR Little Endian.
    """

    uid: str
    content: bytes


def report(film: SourceFilm, frame: int | None, answers: Sequence[Answer], maker: Maker) -> Report:
    """Make a report; the same film, answers and maker give the same bytes.

    Parameters
    ----------
    film : SourceFilm
    frame : int or None
        From 0, as the table has it; None where the film was read as one image.
    answers : sequence of Answer
    maker : Maker

    Raises
    ------
    LeftOut
        If the film's class of objects is not one that highdicom knows.
    """
    # without a frame in the table, the first was read
    number = (frame or 0) + 1 if film.frames > 1 else None
    uid = maker.uid("report", film.uid("SOPInstanceUID"), number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings quote the header
        try:
            document = _document(film, number, answers, maker, uid)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise LeftOut(UNDESCRIBED) from None
        if all(_is_plain(element.value) for element in document.iterall()):
            # some readers warn of Unicode where there is none
            del document.SpecificCharacterSet
        file = io.BytesIO()
        document.save_as(file, enforce_file_format=True)
    return Report(uid, file.getvalue())


def _document(
    film: SourceFilm, frame: int | None, answers: Sequence[Answer], maker: Maker, uid: str
) -> ComprehensiveSR:
    when = maker.finished.astimezone(film.clock or UTC)
    day, time = when.strftime("%Y%m%d"), when.strftime("%H%M%S")
    document = ComprehensiveSR(
        evidence=[film.copied],
        content=measurement_report(film, frame, answers, maker),
        series_instance_uid=maker.uid("series", film.uid("StudyInstanceUID")),
        series_number=_SERIES_NUMBER,
        series_description=_text(f"{NOT_FOR_DIAGNOSIS}: {PROGRAM} {maker.name}"),
        sop_instance_uid=uid,
        instance_number=frame or film.number,
        manufacturer=PROGRAM,
        manufacturer_model_name=_text(maker.name),
        device_serial_number=maker.seal,
        software_versions=_text(maker.version) or None,
        is_complete=False,
        is_final=False,
        is_verified=False,
        content_date=day,
        content_time=time,
        coding_schemes=[
            CodingSchemeIdentificationItem(
                SCHEME, name=SCHEME_NAME, responsible_organization=PROGRAM
            )
        ],
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    document.InstanceCreationDate, document.InstanceCreationTime = day, time
    if film.clock is not None:
        document.TimezoneOffsetFromUTC = film.copied.TimezoneOffsetFromUTC
    # which version of a library wrote it, and when, is no part of what it says
    if "ContributingEquipmentSequence" in document:
        del document.ContributingEquipmentSequence
    document.file_meta.ImplementationClassUID = _IMPLEMENTATION
    document.file_meta.ImplementationVersionName = PROGRAM.upper()
    return document


def _is_plain(value: object) -> bool:
    return not isinstance(value, str | PersonName) or str(value).isascii()


def _text(text: str) -> str:
    """A text as DICOM's descriptions may be: of one line and value, not too long."""
    clean = "".join(c if c.isprintable() else " " for c in text.replace("\\", "/"))
    return clean if len(clean) <= _LONGEST else clean[: _LONGEST - 1] + "…"
