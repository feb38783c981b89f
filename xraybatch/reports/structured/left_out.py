"""Why a row gets no report: a reason that is counted, and says nothing of a patient."""

from __future__ import annotations

from xraybatch.core.status import FilmError, FilmStatus

GONE = "the film is gone"
CHANGED = "the film changed since the run"
NO_DICOM = "no DICOM"
NO_IMAGE = "an object of no class of images"
OTHER_CONTENT = "the folder holds a report of the same film and model that says something else"
UNDESCRIBED = "a header that no report can be made of"

_OF_STATUS = {
    FilmStatus.UNSUPPORTED: NO_DICOM,
    FilmStatus.UNREADABLE: "the film cannot be read",
    FilmStatus.MISSING: GONE,
    FilmStatus.FORBIDDEN: "the film may not be read",
    FilmStatus.UNAVAILABLE: "the film could not be fetched",
    FilmStatus.TIMEOUT: "the film could not be fetched",
}


class LeftOut(Exception):
    """A row that gets no report; `reason` is one of a few, in words.

    Parameters
    ----------
    reason : str
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def no_answer(status: str) -> str:
    """The reason of a row that has another status than ``ok``."""
    return f"no answer: {status}"


def no_header(error: FilmError) -> str:
    """The reason of a film whose header cannot be had."""
    return _OF_STATUS.get(error.status, "the header is damaged")
