"""``inspect RESULTS --recompute N``: rows of an old table done again; does it still hold?"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from xraybatch.core.counting import counted, verb
from xraybatch.core.errors import InputError
from xraybatch.core.files import sha256_of
from xraybatch.core.progress import SILENT, Progress
from xraybatch.models.model import Model
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.reading import read_rows
from xraybatch.prediction.record import PredictionRecord
from xraybatch.prediction.rows import Columns
from xraybatch.prediction.run import predict_items
from xraybatch.prediction.then_and_now import Comparison, side_by_side
from xraybatch.prediction.whereabouts import Whereabouts, as_it_is, may_be_there
from xraybatch.sources.fetch import AnyFetch, IoOptions
from xraybatch.sources.item import Item

_TOLERANCE = 2e-4  # of probabilities, where the model's card has no self-test that says one
_FORBIDDEN = "Set the credentials that the run had. Signatures of addresses are kept nowhere: name "
_FORBIDDEN += "a list that is signed anew, --films @list.txt."


@dataclass(frozen=True)
class Recomputed:
    """What came of doing rows of a table again.

    Attributes
    ----------
    rows : int
        Of the table.
    recomputed : int
    same : int
        Rows with the same status, the same answers and the same bytes of probabilities.
    close : int
        Rows that are the same within `tolerance`; only where processor or versions are others than
        those of the run, else they count as different.
    different : int
    undecided : int
        Rows whose status depended on the day then, and is another now; and those of films that are
        forbidden to us now.
    changed_classes : int
        Rows of which an answer (class, finding, set) is another; among `different`.
    changed_statuses : dict of str to int
        ``ok → truncated``; those that are undecided too.
    largest_difference : float
        Between two probabilities, from 0 to 1.
    tolerance : float
    films_changed, films_missing : int
        Films that have another size or time than then, and those that are no longer there; of
        which the state of the run knows.
    elsewhere : list of str
        What differs between this machine and that of the run, a sentence each.
    notes : list of str
    examples : list of str
        Paths of a few rows that are different.
    """

    rows: int
    recomputed: int
    same: int = 0
    close: int = 0
    different: int = 0
    undecided: int = 0
    changed_classes: int = 0
    changed_statuses: dict[str, int] = field(default_factory=dict)
    largest_difference: float = 0.0
    tolerance: float = _TOLERANCE
    films_changed: int = 0
    films_missing: int = 0
    elsewhere: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether no row is different."""
        return self.different == 0

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain JSON values."""
        return {"schema": "1.0", "holds": self.holds, **asdict(self)}


def recompute(
    table: Path,
    record: PredictionRecord,
    model: Model,
    count: int,
    *,
    films: Sequence[str | Path] = (),
    seed: int = 0,
    device: str = "",
    io: IoOptions | None = None,
    progress: Progress = SILENT,
) -> Recomputed:
    """Do rows of a results table again, as the run did them, and compare.

    Parameters
    ----------
    table : Path
    record : PredictionRecord
        Of the table.
    model : Model
        That of the record.
    count : int
        How many rows: one at random from each of so many equal parts of the table.
    films : sequence of str or Path
        Where the films lie now, as they were given to `predict`; none: where the state of the run
        beside the table has them.
    seed : int
    device : str
        Where to compute; empty: on the kind of device of the run.
    io : IoOptions, optional
        How films at addresses are asked for.
    progress : Progress

    Raises
    ------
    InputError
        If the table is not as `predict` writes it, it is not known where the films lie, or none of
        them is given to us.
    """
    notes = []
    if sha256_of(table) != record.results_sha256:
        notes.append("The table is not byte for byte as the run wrote it.")
    total = _count(table)
    if not total:
        raise InputError(f"{table} has no row that could be computed again.")
    chosen = evenly_at_random(total, count, seed)
    keys = list(dict.fromkeys(row["path"] for row in _rows_at(table, chosen)))
    io = io or IoOptions()
    places = Whereabouts(table, record, films, io=io)
    items, changed, missing = _films_of(keys, table, places)
    options = PredictOptions(
        device=device or ("cpu" if record.device == "cpu" else "auto"),
        batch_size=record.batch_size,
        timeout=record.options["timeout"],
        max_pixels=record.options["max_pixels"],
        frames=record.options["frames"],
    )
    with tempfile.TemporaryDirectory(prefix="xraybatch-") as nowhere:
        again = Path(nowhere) / "again.csv"
        fetch = AnyFetch(io, places.signed)
        now = predict_items(items, model, again, options=options, progress=progress, fetch=fetch)
        elsewhere = _elsewhere(record, now)
        test = model.card.self_test
        comparison = Comparison(
            Columns(model.card.tasks, seen=False),
            tolerance=_TOLERANCE if test is None else test.tolerance,
            exact=not elsewhere,
        )
        for old, new in side_by_side(_rows_at(table, chosen), read_rows(again), table):
            comparison.add(old, new)
    if lost := comparison.forbidden:
        said = f"{counted(lost, 'row')} {verb('is', lost)} of films that are forbidden to us now"
        if not comparison.compared:
            raise InputError(f"{said}, and no other can be computed again.", _FORBIDDEN)
        notes.append(f"{said}: nothing is known of them. {_FORBIDDEN}")
    return Recomputed(
        rows=total,
        recomputed=len(chosen),
        **comparison.found(),
        films_changed=changed,
        films_missing=missing,
        elsewhere=elsewhere,
        notes=notes,
    )


def evenly_at_random(total: int, count: int, seed: int) -> list[int]:
    """One index from each of `count` equal parts of ``range(total)``, in order."""
    chance = random.Random(seed)  # noqa: S311 - a sample
    count = min(count, total)
    return [chance.randrange(i * total // count, (i + 1) * total // count) for i in range(count)]


def _count(table: Path) -> int:
    return sum(1 for _ in read_rows(table))


def _rows_at(table: Path, chosen: Sequence[int]) -> Iterator[dict[str, str]]:
    """The rows of these indices, which are in order."""
    rows, at = read_rows(table), 0
    for index in chosen:
        yield from islice(rows, index - at, index - at + 1)
        at = index + 1


def _films_of(keys: Sequence[str], table: Path, places: Whereabouts) -> tuple[list[Item], int, int]:
    """The films to read, and how many of them changed or are gone since the run, where known."""
    known = places.then(keys)
    there = places.now(keys)
    if not there:
        raise places.none_found()
    if not places.moved:
        there = {key: as_it_is(item) for key, item in there.items()}
    missing = [key for key in keys if key not in there or not may_be_there(there[key])]
    changed = sum(
        (now.size, now.mtime_ns) != (known[key].size, known[key].mtime_ns)
        for key, now in there.items()
        if key in known and not now.member and key not in missing
    )
    # what is not there has a row that says so
    nowhere = str(table) + "/nowhere"
    return [there.get(key, Item(key, nowhere, 0, 0)) for key in keys], changed, len(missing)


def _elsewhere(record: PredictionRecord, now: PredictionRecord) -> list[str]:
    """How this machine differs from the one of the run."""
    said = []
    if record.mixed:
        said.append("Rows may be of another processor or other versions than the run record says.")
    if record.processor != now.processor:
        said.append(f"The processor is {now.processor}; it was {record.processor}.")
    if record.batch_size != now.batch_size:
        said.append(f"A batch has {now.batch_size} films; it had {record.batch_size}.")
    for name in sorted({*record.versions, *now.versions}):
        was, is_now = record.versions.get(name), now.versions.get(name)
        if was != is_now:
            said.append(f"{name} is {is_now or 'not installed'}; it was {was or 'not installed'}.")
    return said
