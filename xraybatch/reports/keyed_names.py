"""Tables of a score without names: paths, patients and studies as keyed hashes.

A name becomes its rank among all names and the beginning of an HMAC: the rank keeps the order of
films and patients, on which the draws of the bootstrap rest, so that the numbers stay the same.
Without the key nobody can test whether a name he knows is among them; the rank says the order of
the names, and no more.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch.core.errors import InputError
from xraybatch.core.files import sha256_of, write_text
from xraybatch.core.names import plain_name
from xraybatch.core.tables import read_table
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.columns import answer_column, label_columns
from xraybatch.evaluation.join import join
from xraybatch.evaluation.joined import SEEN
from xraybatch.evaluation.places import PATIENT, STUDY, with_places
from xraybatch.prediction.record import record_path

if TYPE_CHECKING:
    import pandas as pd

_KEY_BYTES, _SHOWN = 32, 16
# of a run record: what a score reads; the rest has folders and file names of a machine
_OF_RECORD = ("schema", "tasks", "card", "rule", "versions", "device", "processor")
Pair = tuple[Path, Path]


def read_key(path: Path) -> bytes:
    """The key in a file; where there is none, a new one is written, for its owner only.

    Raises
    ------
    InputError
        If the file holds no key.
    """
    try:
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(_KEY_BYTES) + "\n", encoding="ascii")
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise InputError(
            f"The key {path} cannot be read or written: {error.strerror or error}."
        ) from None
    except ValueError:
        key = b""
    if len(key) < _KEY_BYTES:
        raise InputError(
            f"{path} holds no key of {2 * _KEY_BYTES} hexadecimal digits.",
            "Name a file that is not there yet, and keep what is written into it.",
        )
    return key


def without_names(
    pairs: Sequence[Pair],
    folder: Path,
    key: bytes,
    tasks: Sequence[Task],
    asked: Mapping[str, Any],
) -> list[Pair]:
    """Write results and labels again, in `folder`, with hashes for names.

    Parameters
    ----------
    pairs : sequence of tuple of Path
        Results and labels; of the first pair the scored ones, of a second those that thresholds
        are chosen on.
    folder : Path
        Empty.
    key : bytes
    tasks : sequence of Task
    asked : mapping
        Options as the command line has them; columns that none of them names are left out.

    Returns
    -------
    list of tuple of Path
        In the order of `pairs`; the same labels twice stay one file.
    """
    read = {path: read_table(path) for path in dict.fromkeys(p for pair in pairs for p in pair)}
    for results, labels in pairs:
        read[results] = with_places(
            read[results], (PATIENT, STUDY, *asked["slices"]), read[labels].columns
        )
    path_column = str(asked["path_column"])
    homes = label_columns(read[pairs[0][1]].columns, tasks, asked["label_column"])
    truth = [column for columns in homes.values() for column in columns]
    alike: dict[str, str] = {}
    for results, labels in pairs:
        joined, _ = join(
            read[results], read[labels], truth, path_column=path_column,
            patient_column=asked["patient_column"],
        )  # fmt: skip
        alike |= dict(zip(joined.labels[path_column], joined.results["path"], strict=True))
    paths = _Names(key, "f", (p for r, _ in pairs for p in read[r]["path"]))
    people = {str(asked["patient_column"] or PATIENT), PATIENT}
    groups = {str(asked["by_column"] or STUDY), STUDY} - people
    names = {column: _Names(key, column[0], _cells(read.values(), [column])) for column in groups}
    names |= dict.fromkeys(people, _Names(key, "p", _cells(read.values(), people)))
    of_options = {*asked["slices"], *asked["readers"], *names}
    answers = _answers(tasks)
    written: dict[Path, Path] = {}
    for number, (results, labels) in enumerate(pairs):
        if results not in written:
            kept = {"path", "frame", "status", SEEN, *answers, *of_options}
            table = _kept(read[results], kept, names)
            table["path"] = [paths(path) for path in read[results]["path"]]
            written[results] = _write(table, folder / f"results-{number}.csv")
            _write_record(results, written[results])
        if labels not in written:
            table = _kept(read[labels], {path_column, "frame", *truth, *of_options}, names)
            table[path_column] = [paths(alike.get(p, p)) for p in read[labels][path_column]]
            written[labels] = _write(table, folder / f"labels-{number}.csv")
    return [(written[results], written[labels]) for results, labels in pairs]


def _cells(tables: Iterable[pd.DataFrame], columns: Iterable[str]) -> Iterator[str]:
    wanted = list(columns)
    for table in tables:
        for column in wanted:
            if column in table:
                yield from map(plain_name, table[column])


class _Names:
    """Names to tokens; equal names have equal tokens, the empty name stays empty."""

    def __init__(self, key: bytes, letter: str, names: Iterable[str]) -> None:
        self._key, self._letter = key, letter
        different = {name.removeprefix("./") for name in names} - {""}
        ordered = sorted(different, key=lambda name: name.encode("utf-8", "surrogatepass"))
        self._rank = {name: rank for rank, name in enumerate(ordered)}

    def __call__(self, name: str) -> str:
        name = name.removeprefix("./")
        if not name:
            return ""
        raw = name.encode("utf-8", "surrogatepass")
        digest = hmac.new(self._key, raw, "sha256").hexdigest()[:_SHOWN]
        rank = self._rank.get(name)
        return f"x-{digest}" if rank is None else f"{self._letter}{rank:08}-{digest}"


def _answers(tasks: Sequence[Task]) -> set[str]:
    several = len(tasks) > 1
    found = set()
    for task in tasks:
        prefix = f"{task.name}." if several else ""
        found |= {task.name, f"{prefix}set", f"{prefix}abstain"}
        parts = ("prob", "pred") if task.kind is TaskKind.MULTILABEL else ("prob",)
        found |= {answer_column(task, several, p, name) for p in parts for name in task.classes}
    return found


def _kept(table: pd.DataFrame, columns: set[str], names: Mapping[str, _Names]) -> pd.DataFrame:
    kept = table[[column for column in table.columns if column in columns]].copy()
    for column, of in names.items():
        if column in kept:
            kept[column] = [of(plain_name(cell)) for cell in kept[column]]
    return kept


def _write(table: pd.DataFrame, path: Path) -> Path:
    write_text(path, table.to_csv(index=False, lineterminator="\n"))
    return path


def _write_record(results: Path, target: Path) -> None:
    place = record_path(results)
    if not place.is_file():
        return
    record = json.loads(place.read_text(encoding="utf-8"))
    model = record.get("model")
    kept = {name: record[name] for name in _OF_RECORD if name in record}
    if isinstance(model, dict):
        kept["model"] = {k: model[k] for k in ("name", "seal", "broken_seal", "demonstration",
                         "folds") if k in model}  # fmt: skip
    untouched = record.get("results_sha256") in (None, sha256_of(results))
    # a table that was edited stays one that was edited
    kept["results_sha256"] = sha256_of(target) if untouched else record["results_sha256"]
    write_text(record_path(target), json.dumps(kept, indent=2, sort_keys=True) + "\n")
