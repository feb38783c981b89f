"""The way from a results table to a folder of reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch.core.errors import InputError, MissingExtra, ModelError
from xraybatch.core.files import atomic_path, sha256_of
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.models.model import Model
from xraybatch.prediction.reading import read_rows
from xraybatch.prediction.record import PredictionRecord
from xraybatch.prediction.whereabouts import Whereabouts, as_it_is, may_be_there
from xraybatch.reports.structured.ahead import Located, Row, read_ahead
from xraybatch.reports.structured.answers import answers_of
from xraybatch.reports.structured.codes import codebook
from xraybatch.reports.structured.header import MOST_BYTES, header_of
from xraybatch.reports.structured.left_out import (
    CHANGED,
    GONE,
    OTHER_CONTENT,
    LeftOut,
    no_answer,
    no_header,
)
from xraybatch.reports.structured.maker import Maker, maker_of
from xraybatch.reports.structured.source import SourceFilm, source_film
from xraybatch.sources.fetch import AnyFetch, IoOptions
from xraybatch.sources.item import Item

if TYPE_CHECKING:
    from xraybatch.reports.structured.document import Report

SCHEMA = "1.0"
_AT_ONCE = 256  # rows whose films are looked up together


@dataclass(frozen=True)
class Reported:
    """What became of the rows of a table.

    Attributes
    ----------
    rows : int
    written : int
        Reports that are new.
    unchanged : int
        Reports that were there already, with the same bytes.
    left_out : dict of str to int
        Rows without a report, by reason.
    """

    rows: int
    written: int
    unchanged: int
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def reports(self) -> int:
        """Reports of this table that are in the folder now."""
        return self.written + self.unchanged

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain JSON values."""
        return {
            "schema": SCHEMA,
            "rows": self.rows,
            "written": self.written,
            "unchanged": self.unchanged,
            "left_out": self.left_out,
        }


def write_reports(
    table: Path,
    record: PredictionRecord,
    model: Model,
    out: Path,
    *,
    films: Sequence[str | Path] = (),
    manifest: Path | None = None,
    code: Iterable[str] = (),
    io: IoOptions | None = None,
    progress: Progress = SILENT,
) -> Reported:
    """Write a structured report for each film of a table that was answered.

    Parameters
    ----------
    table : Path
    record : PredictionRecord
        Of the table.
    model : Model
        That of the record.
    out : Path
        Folder: one file a report, ``<SOP Instance UID>.dcm``. What is there is never overwritten.
    films : sequence of str or Path
        Where the films lie now, as they were given to `predict`; none: where the state of the run
        beside the table has them.
    manifest : Path, optional
        That lists them instead.
    code : iterable of str
        ``CLASS=VALUE:SCHEME:MEANING``, as `codebook` takes them.
    io : IoOptions, optional
        How films at addresses are asked for.
    progress : Progress

    Raises
    ------
    MissingExtra
        If highdicom is not installed.
    ModelError
        If the run was made with a model whose seal did not hold.
    UsageError
        If a code cannot be understood.
    InputError
        If the table is not as the run wrote it, or it is not known where the films lie.
    """
    make = _report_maker()
    maker = maker_of(record, model, codebook(code, model.card.tasks))
    if record.model["broken_seal"]:
        raise ModelError(
            f"{table} was made with a model file that was changed since it was made.",
            "A report names its model by the seal: predict with a model whose seal holds.",
        )
    if sha256_of(table) != record.results_sha256:
        raise InputError(
            f"{table} is not byte for byte as the run wrote it, so no report is made of it.",
            "Somebody changed it, or the run record is of another table.",
        )
    io = io or IoOptions()
    places = Whereabouts(
        table, record, films, manifest, takes_manifest=True, io=io, progress=progress
    )
    fetch = AnyFetch(io, places.signed)
    left_out: Counter[str] = Counter()
    rows = written = unchanged = 0
    with progress.stage("reporting", record.films, "rows") as stage:
        located = _with_films(read_rows(table), places)
        for one in read_ahead(located, fetch, MOST_BYTES):
            rows += 1
            try:
                if _put(_report_of(one, maker, make), out):
                    written += 1
                else:
                    unchanged += 1
            except LeftOut as why:
                left_out[why.reason] += 1
            stage.advance()
    return Reported(rows, written, unchanged, dict(left_out.most_common()))


_Make = Callable[[SourceFilm, int | None, Sequence[Any], Maker], "Report"]


def _report_maker() -> _Make:
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            "Structured reports need the package highdicom, and "
            f"{error.name or 'it'} is not installed.",
            "Install it with: pip install 'xraybatch[pacs]'",
        ) from error
    from xraybatch.reports.structured.document import report

    return report


def _with_films(rows: Iterable[Row], places: Whereabouts) -> Iterator[tuple[Row, Item | str]]:
    """Rows with their films; in place of one that cannot be taken, why."""
    waiting = iter(rows)
    while some := list(islice(waiting, _AT_ONCE)):
        keys = list(dict.fromkeys(row["path"] for row in some))
        then = places.then(keys)
        now = places.now(keys)
        for row in some:
            yield row, _checked(now.get(row["path"]), then.get(row["path"]), places)


def _checked(item: Item | None, then: Item | None, places: Whereabouts) -> Item | str:
    """The film, or why it is not the one that was answered."""
    if item is None or not may_be_there(item):
        return GONE
    was = item if then is None and not places.moved else then
    if was is None:  # nobody knows what it was like
        return item
    found = as_it_is(item)
    same_time = places.moved or found.is_remote or found.mtime_ns == was.mtime_ns
    same_tag = found.etag == was.etag or not (found.etag and was.etag)
    return item if found.size == was.size and same_time and same_tag else CHANGED


def _report_of(located: Located, maker: Maker, make: _Make) -> Report:
    row = located.row
    if row["status"] != FilmStatus.OK:
        raise LeftOut(no_answer(row["status"]))
    if isinstance(located.film, str):
        raise LeftOut(located.film)
    answers = answers_of(row, maker.card.tasks)
    try:
        film = source_film(header_of(located.film, located.reading))
    except FilmError as error:
        raise LeftOut(no_header(error)) from None
    return make(film, int(row["frame"]) if row.get("frame") else None, answers, maker)


def _put(report: Report, out: Path) -> bool:
    """Write a report; False where it is there already."""
    target = out / f"{report.uid}.dcm"
    try:
        there = target.read_bytes()
    except FileNotFoundError:
        with atomic_path(target) as temporary:
            temporary.write_bytes(report.content)
        return True
    if there != report.content:
        raise LeftOut(OTHER_CONTENT)
    return False
