"""QIDO-RS: series and instances of a DICOMweb service, as its answers to queries have them.

Needs the extra ``pacs``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests
from dicomweb_client.api import DICOMwebClient

from xraybatch.core.errors import InputError
from xraybatch.sources.dicomweb.address import Place
from xraybatch.sources.dicomweb.credentials import refused
from xraybatch.sources.dicomweb.http import NoAnswer, TooMuch, open_session
from xraybatch.sources.dicomweb.manners import Manners
from xraybatch.sources.dicomweb.pages import Answer, NotTaken, every_answer
from xraybatch.sources.dicomweb.turns import Turns

_MOST = 1 << 28  # bytes of an answer
_FIELDS = ("StudyDate", "Modality", "BodyPartExamined", "NumberOfSeriesRelatedInstances")
_NOT_TAKEN = frozenset({400, 406, 413, 414, 422})

# it would print what a server says to standard error, and log addresses
logging.getLogger("dicomweb_client").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Series:
    """A series that a query found; texts are empty and counts None where nothing is said.

    Attributes
    ----------
    study, uid : str
    study_date, modality, body_part : str
    instances : int or None
    """

    study: str
    uid: str
    study_date: str = ""
    modality: str = ""
    body_part: str = ""
    instances: int | None = None


@dataclass(frozen=True)
class Instance:
    """An instance of a series; empty where nothing is said.

    Attributes
    ----------
    uid, sop_class : str
    """

    uid: str
    sop_class: str


class Queries:
    """Asks one service.

    Parameters
    ----------
    place : Place
        With a study, or a series, only that is asked for.
    manners : Manners
    turns : Turns
    """

    def __init__(self, place: Place, manners: Manners, turns: Turns) -> None:
        self._place = place
        self._manners = manners
        self._turns = turns

    def series(self, **filters: str) -> tuple[list[Series], int]:
        """Series that fit, and how many of them no page of the service had.

        Parameters
        ----------
        **filters : str
            DICOM keywords and the values that they must have.

        Raises
        ------
        InputError
            If the service cannot be asked, or does not know the study.
        """
        client, place = self._client(), self._place
        if place.series:
            filters["SeriesInstanceUID"] = place.series

        def ask(limit: int | None, offset: int) -> list[Answer]:
            return self._asked(
                lambda: client.search_for_series(
                    study_instance_uid=place.study or None,
                    search_filters=dict(filters),
                    fields=_FIELDS,
                    limit=limit,
                    offset=offset if limit is not None else None,
                ),
                limit,
            )

        found = every_answer(ask, lambda answer: (_study(answer), _text(answer, _SERIES)))
        return [self._series(answer) for answer in found.all], found.lost_by_pages

    def instances(self, series: Series) -> tuple[list[Instance], int]:
        """Instances of a series, and how many of them no page of the service had."""
        client = self._client()

        def ask(limit: int | None, offset: int) -> list[Answer]:
            return self._asked(
                lambda: client.search_for_instances(
                    study_instance_uid=series.study,
                    series_instance_uid=series.uid,
                    limit=limit,
                    offset=offset if limit is not None else None,
                ),
                limit,
            )

        found = every_answer(ask, lambda answer: _text(answer, _INSTANCE), series.instances)
        all_of_them = [Instance(_text(a, _INSTANCE), _text(a, _SOP_CLASS)) for a in found.all]
        return all_of_them, found.lost_by_pages

    def _client(self) -> DICOMwebClient:
        session = open_session(self._manners, self._turns, _MOST)
        client = DICOMwebClient(self._place.service, session=session, permissive_uid=True)
        client.set_http_retry_params(retry=False)  # the session knows when
        return client

    def _asked(self, call: Any, limit: int | None) -> list[Answer]:
        host = self._place.host
        try:
            answers = call()
        except requests.HTTPError as error:
            status = 0 if error.response is None else error.response.status_code
            if limit is None and status in _NOT_TAKEN:
                raise NotTaken from error
            if status == HTTPStatus.FORBIDDEN:
                raise refused(host, status) from error
            if status == HTTPStatus.NOT_FOUND and not self._place.study:
                raise InputError(
                    f"There is no DICOMweb service at {self._place.service} (404).",
                    "Ask for the address of the service: its root is often /dicom-web.",
                ) from error
            if status == HTTPStatus.NOT_FOUND:
                return []
            raise InputError(
                f"The DICOMweb service at {host} answers a query with {status}.",
                "Ask who runs it whether it takes queries of series (QIDO-RS).",
            ) from error
        except (NoAnswer, TooMuch) as error:
            why = str(error) or "its answer is too long"
            raise InputError(
                f"The DICOMweb service at {host} does not answer a query: {why}.",
                "Ask for a shorter --study-date; or give the same command again.",
            ) from error
        except (ValueError, RecursionError) as error:
            raise self._nonsense() from error
        if not isinstance(answers, list) or not all(isinstance(one, dict) for one in answers):
            raise self._nonsense()
        return answers

    def _nonsense(self) -> InputError:
        return InputError(
            f"What answers at {self._place.host} is no DICOMweb service: its answer is no DICOM "
            "JSON.",
            "Ask for the address of the service: its root is often /dicom-web.",
        )

    def _series(self, answer: Answer) -> Series:
        count = _text(answer, _COUNT)
        return Series(
            _study(answer) or self._place.study,
            _text(answer, _SERIES),
            _text(answer, _STUDY_DATE),
            _text(answer, _MODALITY),
            _text(answer, _BODY_PART),
            # of a series that it names, a service that says 0 did not count
            (int(count) or None) if count.isdecimal() else None,
        )


_SERIES, _INSTANCE, _SOP_CLASS = "0020000E", "00080018", "00080016"
_STUDY_DATE, _MODALITY, _BODY_PART, _COUNT = "00080020", "00080060", "00180015", "00201209"


def _study(answer: Answer) -> str:
    return _text(answer, "0020000D")


def _text(answer: Answer, tag: str) -> str:
    """The first value of a tag as text; empty where there is none."""
    element = answer.get(tag)
    values: Sequence[Any] = element.get("Value") or () if isinstance(element, dict) else ()
    value = values[0] if isinstance(values, list) and values else ""
    return str(value).strip() if isinstance(value, str | int) else ""
