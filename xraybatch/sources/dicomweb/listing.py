"""The films of a PACS, listed by DICOMweb queries: days, then series, then their instances.

Series and not studies are asked for, because a series has one modality; days, because the answers
to one are few. Needs the extra ``pacs``.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator

from xraybatch.core.counting import counted
from xraybatch.core.counting import films as so_many_films
from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.interrupts import in_order
from xraybatch.core.progress import SILENT, Progress
from xraybatch.sources.dicomweb.address import Place, is_uid
from xraybatch.sources.dicomweb.fetch import turns_of
from xraybatch.sources.dicomweb.manners import Manners
from xraybatch.sources.dicomweb.queries import Instance, Queries, Series
from xraybatch.sources.dicomweb.query import Query, sop_class_words
from xraybatch.sources.discover import Discovery
from xraybatch.sources.item import Item
from xraybatch.sources.items import Items

_NO_UID = "instance without a UID that can be asked for"
_NOT_ASKED = "series that does not fit the query"


def list_instances(
    place: Place, query: Query, manners: Manners, *, progress: Progress = SILENT
) -> Discovery:
    """Ask a PACS for its films.

    Parameters
    ----------
    place : Place
        The service; or a study or a series of it.
    query : Query
    manners : Manners
    progress : Progress
        Told of each day that was asked for.

    Returns
    -------
    Discovery
        Items whose keys are ``studies/S/series/E/instances/I``, and how many instances were left
        out, by their kind.

    Raises
    ------
    UsageError
        If a whole PACS is asked for, without days; or one instance.
    InputError
        If it cannot be asked, knows no such study, or has no film that fits.
    """
    if place.instance:
        raise UsageError(
            "The address names one instance, which needs no list.",
            "Give a study, a series or the service.",
        )
    if not (query.days or place.study):
        raise UsageError(
            "Which days of the PACS are meant is not said.",
            "Give --study-date 20240101-20240131, or the address of one study.",
        )
    try:
        queries = Queries(place, manners, turns_of(place, manners))
        return _Listing(place, query, queries, manners, progress).all()
    finally:
        shutil.rmtree(manners.turns, ignore_errors=True)


class _Listing:
    """Collects items, and counts what is left out."""

    def __init__(
        self, place: Place, query: Query, queries: Queries, manners: Manners, progress: Progress
    ) -> None:
        self._place, self._query, self._queries = place, query, queries
        self._at_once = manners.connections
        self._progress = progress
        self._items = Items()
        self._skipped: Counter[str] = Counter()
        self._series: set[tuple[str, str]] = set()
        self._lost_by_pages = 0
        self._said, self._named = 0, 0  # instances: of their series, and one by one

    def all(self) -> Discovery:
        days = self._query.days or ("",)
        with self._progress.stage("asking", len(days), "days") as stage:
            for day in days:
                series = list(self._series_of(day))
                # several at once, as many as there may be connections
                answers = in_order(self._queries.instances, series, self._at_once)
                for one, (instances, lost) in zip(series, answers, strict=True):
                    self._lost_by_pages += lost
                    self._take(one, instances)
                stage.advance(1, so_many_films(len(self._items)))
        self._tell()
        self._items.sort()
        return Discovery(self._items, dict(sorted(self._skipped.items())))

    def _series_of(self, day: str) -> Iterator[Series]:
        """Those of a day that fit, each once."""
        for modality in self._query.modalities:
            for part in self._query.body_parts or ("",):
                filters = {"Modality": modality, "StudyDate": day, "BodyPartExamined": part}
                found, lost = self._queries.series(**{k: v for k, v in filters.items() if v})
                self._lost_by_pages += lost
                for series in found:
                    if not (is_uid(series.study) and is_uid(series.uid)):
                        self._skipped[_NO_UID] += series.instances or 1
                    elif not _fits(series, day, modality, part):  # it does not know that filter
                        self._skipped[_NOT_ASKED] += 1
                    elif (series.study, series.uid) not in self._series:
                        self._series.add((series.study, series.uid))
                        yield series

    def _take(self, series: Series, instances: list[Instance]) -> None:
        self._said += len(instances) if series.instances is None else series.instances
        self._named += len(instances)
        for instance in instances:
            if not is_uid(instance.uid):
                self._skipped[_NO_UID] += 1
            elif instance.sop_class and instance.sop_class not in self._query.sop_classes:
                self._skipped[sop_class_words(instance.sop_class)] += 1
            else:
                of = Place(self._place.service, series.study, series.uid, instance.uid)
                self._items.append(Item(of.key, of.address, 0, 0))

    def _tell(self) -> None:
        """Say what was found; the counts are for a person to compare with what the PACS says."""
        if not self._series and self._place.study:
            raise InputError(
                f"The PACS at {self._place.host} knows no such study, or no series of it that fits "
                f"({', '.join(self._query.modalities)}).",
                "Compare the UID, and give --modality where it is another.",
            )
        studies = len({study for study, _ in self._series})
        found = f"{counted(studies, 'study')} with {len(self._series):,} series"
        if not len(self._items):
            left = ", ".join(f"{count:,} {why}" for why, count in sorted(self._skipped.items()))
            raise InputError(
                f"There is no film among {found} of the PACS at {self._place.host}"
                + (f" ({left})." if left else "."),
                "Look at --study-date and --modality, or take more kinds of objects with "
                "--sop-class.",
            )
        self._progress.note(f"The PACS names {so_many_films(len(self._items))} in {found}.")
        if self._said != self._named:
            self._progress.warn(
                "Counts",
                f"The PACS says that these series hold {self._said:,} instances, and names "
                f"{self._named:,} of them.",
            )
        if self._lost_by_pages:
            self._progress.warn(
                "Pages",
                f"The PACS does not turn its pages right: {self._lost_by_pages:,} of its answers "
                "were found only by asking without pages.",
            )


def _fits(series: Series, day: str, modality: str, part: str) -> bool:
    """What a series says of itself is believed; what it does not say is the service's word."""
    return (
        series.study_date in ("", day or series.study_date)
        and series.modality in ("", modality)
        and series.body_part.upper() in ("", part or series.body_part.upper())
    )
