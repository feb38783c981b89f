"""The shards of a table that lie beside it: found, whole, and of one run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xraybatch.core.counting import counted, verb
from xraybatch.core.errors import InputError
from xraybatch.core.files import sha256_of
from xraybatch.prediction.engine import CHUNK
from xraybatch.prediction.jobs.resuming import WORDS
from xraybatch.prediction.record import PredictionRecord, read_record, record_path
from xraybatch.prediction.sharding.facts import command_line, job_of
from xraybatch.prediction.sharding.shards import Shard
from xraybatch.sources.manifest import Manifest

_MOST_NAMED = 8


class MissingShards(InputError):
    """Shards that are not there, or not done.

    Parameters
    ----------
    message, hint : str
    commands : tuple of str
        A command for each, that makes it or goes on with it.
    """

    def __init__(self, message: str, hint: str, commands: tuple[str, ...]) -> None:
        super().__init__(message, hint)
        self.commands = commands

    def __reduce__(self) -> tuple[type[MissingShards], tuple[str, str, tuple[str, ...]]]:  # type: ignore[override]
        return type(self), (self.message, self.hint, self.commands)


@dataclass(frozen=True)
class Part:
    """What is kept of a shard until it is merged: little, since there are thousands.

    Attributes
    ----------
    table : Path
    shard : Shard
    items, left_out : int
        Of its films: how many, and of them those that ``--where`` left out, which have no row.
    """

    table: Path
    shard: Shard
    items: int
    left_out: int


@dataclass
class Parts:
    """All shards of one run.

    Attributes
    ----------
    parts : list of Part
        By index.
    first : PredictionRecord
        Of the first of them; all agree in what decides about results.
    embeddings : list of Path
        A file for each shard; empty where they were not asked for.
    embeddings_out : Path or None
        Where those of the whole are to lie.
    """

    parts: list[Part]
    first: PredictionRecord
    embeddings: list[Path] = field(default_factory=list)
    embeddings_out: Path | None = None


def find_shards(
    out: Path, manifest: Manifest | None, look: Callable[[PredictionRecord], None]
) -> Parts:
    """Every shard of `out`, checked.

    Parameters
    ----------
    out : Path
        Of the whole.
    manifest : Manifest or None
        That shards must be of; None: that of the first.
    look : callable
        Is shown the run record of each shard, in their order.

    Raises
    ------
    MissingShards
        If one is not there or not done.
    InputError
        If there is none; if there are some of two divisions; if they are not of one run; if a table
        is not as its run wrote it.
    """
    count = _how_many(out)
    shards = [Shard(index, count) for index in range(count)]
    tables = [shard.place(out) for shard in shards]
    there = [table.is_file() and record_path(table).is_file() for table in tables]
    if not all(there):
        raise _missing(out, None if manifest is None else manifest.path, shards, there)
    found: Parts | None = None
    for shard, table in zip(shards, tables, strict=True):
        record = read_record(table)
        if found is None:
            found = Parts([], record)
        if manifest is not None and record.manifest.get("sha256") != manifest.digest:
            raise InputError(
                f"{table.name} is of another manifest than {manifest.path}.",
                "Give the one that was given to predict; or delete "
                f"{deleted(record.shard, shard, table)} and its state, and make it again: "
                f"{_again(record.shard, shard, out, manifest.path)}",
            )
        _check(shard, table, record, found.first, out)
        _add(found, shard, table, record, out)
        look(record)
    assert found is not None
    return found


def _how_many(out: Path) -> int:
    """Of how many shards the files beside `out` are."""
    counts: dict[int, str] = {}
    for name in _names(out):
        _, _, count = name.rpartition("-of-")
        counts.setdefault(int(count), name)
    if not counts:
        raise InputError(
            f"Beside {out} lies no shard of it, such as {Shard(0, 4).place(out).name}.",
            f"Make each: xraybatch predict --manifest films.parquet --out {out} --shard 0/4.",
        )
    if len(counts) > 1:
        two = " and ".join(sorted(counts.values())[:2])
        raise InputError(
            f"Beside {out} lie shards of {len(counts)} divisions: {two}.",
            "Delete those that are not meant, with what lies beside them.",
        )
    return next(iter(counts))


def _names(out: Path) -> Iterator[str]:
    """Names of the shards of which a table, a state or a record is there."""
    shape = re.compile(re.escape(out.name) + r"\.shard-[0-9]+-of-[1-9][0-9]{0,5}")
    folder = out.parent
    for path in folder.iterdir() if folder.is_dir() else ():
        if (found := shape.match(path.name)) and path.name[found.end() :] in (
            *("", ".job", ".run.json"),
        ):
            yield found[0]


def _missing(
    out: Path, manifest: Path | None, shards: list[Shard], there: list[bool]
) -> InputError:
    lacking = [shard for shard, is_there in zip(shards, there, strict=True) if not is_there]
    command: list[str] = []
    for shard, is_there in zip(shards, there, strict=True):
        if is_there:
            command = read_record(shard.place(out)).shard.get("command", [])
            break
    begun = [one for one in lacking if job_of(command, one, one.place(out)).exists()]
    named = ", ".join(map(str, lacking[:_MOST_NAMED]))
    if len(lacking) > _MOST_NAMED:
        named += f" and {len(lacking) - _MOST_NAMED:,} more"
    message = (
        f"Of {counted(len(shards), 'shard')} of {out}, {len(lacking):,} "
        f"{verb('is', len(lacking))} not done: {named}."
    )
    if begun:
        message += f" Of these, {len(begun):,} began and can go on."
    if not command:
        return MissingShards(
            message, "The command that made the others makes each of them, with its --shard.", ()
        )
    lines = tuple(command_line(command, s.index, out=out, manifest=manifest) for s in lacking)
    salt = " (with the same salt)" if "--dicom-ids" in command else ""
    return MissingShards(message, f"To make or finish the first{salt}: {lines[0]}", lines)


def _check(
    shard: Shard, table: Path, record: PredictionRecord, first: PredictionRecord, out: Path
) -> None:
    """Raise `InputError` unless a shard is what its name says, and of the run of the first."""
    told, expected = record.shard, first.shard
    if (told.get("index"), told.get("count")) != (shard.index, shard.count):
        raise InputError(
            f"{table.name} is not what its name says: its run record tells of another part.",
            "Delete it with its record, and make it again.",
        )
    name = Shard(0, shard.count).place(out).name
    other = _disagreement(told, expected)
    if other or (record.model["seal"], told["columns"]) != (
        first.model["seal"],
        expected["columns"],
    ):
        raise InputError(
            f"{table.name} was made with another {other or 'model'} than {name}.",
            f"Delete {deleted(told, shard, table)} and its state, and make it as {name} was: "
            f"{_again(expected, shard, out)}",
        )
    chunks = range(shard.index, -(-told["manifest"] // CHUNK), shard.count)
    items = sum(min(CHUNK, told["manifest"] - chunk * CHUNK) for chunk in chunks)
    if told["items"] != items:
        raise InputError(
            f"{table.name} is of {told['items']:,} films, and its part of the manifest has "
            f"{items:,}.",
            f"Bring it up to date: {_again(told, shard, out)} --update",
        )
    if sha256_of(table) != record.results_sha256:
        raise InputError(
            f"{table.name} is not as its run wrote it.",
            f"Delete {deleted(told, shard, table)}, and make it again: {_again(told, shard, out)}",
        )


def _disagreement(told: dict[str, Any], expected: dict[str, Any]) -> str:
    """In what two shards do not agree, in words; empty where they agree in all."""
    words = {**WORDS, "manifest": "manifest", "embeddings": "--embeddings"}
    for word, phrase in words.items():
        if told["agree"].get(word) != expected["agree"].get(word):
            return phrase
    return ""


def _again(told: dict[str, Any], shard: Shard, out: Path, manifest: Path | None = None) -> str:
    return command_line(told["command"], shard.index, out=out, manifest=manifest)


def _add(found: Parts, shard: Shard, table: Path, record: PredictionRecord, out: Path) -> None:
    told = record.shard
    found.parts.append(Part(table, shard, told["items"], sum(record.skipped.values())))
    if told["embeddings"] is None:
        return
    whole = _of_whole(told, shard, out)
    if found.embeddings_out is None:
        found.embeddings_out = whole
    file = shard.place(whole)
    if not file.is_file() or sha256_of(file) != record.embeddings["sha256"]:
        raise InputError(
            f"{file}, the embeddings of shard {shard}, is not there as its run wrote it.",
            f"Delete {deleted(told, shard, table)}, and make it again: {_again(told, shard, out)}",
        )
    found.embeddings.append(file)


def deleted(told: dict[str, Any], shard: Shard, table: Path) -> str:
    """What must be gone before a shard is made again, which overwrites nothing."""
    if told["embeddings"] is None:
        return table.name
    return f"{table.name} and {_of_whole(told, shard, table).name}{shard.ending}"


def _of_whole(told: dict[str, Any], shard: Shard, table: Path) -> Path:
    """Where the embeddings of the whole are to lie: as typed, unless a shard's lie by its table."""
    typed = Path(told["embeddings"])
    return typed if shard.place(typed).is_file() else table.with_name(typed.name)
