"""Who registered what: loading plugins one by one, and asking for a record by kind and name.

A broken plugin is a row with its reason, never the end of the program; a name that two plugins
claim is an error only when that name is asked for. Our own distribution is loaded first, under the
same rules as everybody's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, overload

import pluggy

from xraybatch.core.errors import PluginError, UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.extension import hookspecs
from xraybatch.extension.records import Architecture, Exporter, ImageReader, Metric, Preset

GROUP = "xraybatch"
OURS = "xraybatch"
BLOCK_VARIABLE = "XRAYBATCH_BLOCK"

Record = TypeVar("Record", Architecture, Preset, Exporter, Metric, ImageReader)


@dataclass(frozen=True)
class Owned(Generic[Record]):
    """A record and who registered it: ``distribution:entry_point``."""

    owner: str
    record: Record


@dataclass(frozen=True)
class PluginRow:
    """One plugin in the listing.

    Attributes
    ----------
    owner : str
        ``distribution:entry_point``.
    status : str
        ``ok``, ``broken`` or ``blocked``.
    reason : str
        Why it is not ok, or which of its records are blocked; else empty.
    seconds : float
        What its import and hooks took.
    records : dict of str to list
        Its records by kind.
    """

    owner: str
    status: str
    reason: str
    seconds: float
    records: dict[str, list[Any]] = field(default_factory=dict)


class Registry:
    """The records of every plugin that could be loaded, by kind, and a row for every plugin.

    Parameters
    ----------
    rows : list of PluginRow
    blocked_in_vain : sequence of str
        What `BLOCK_VARIABLE` names and nobody is called.
    blocked : sequence of str
        All that it named when the plugins were loaded.
    """

    def __init__(
        self,
        rows: list[PluginRow],
        blocked_in_vain: Sequence[str] = (),
        blocked: Sequence[str] = (),
    ) -> None:
        self.rows = rows
        self.blocked_in_vain = tuple(blocked_in_vain)
        self.blocked = tuple(blocked)

    def metrics(self) -> list[Metric]:
        """Every metric; all take part in every score.

        Raises
        ------
        PluginError
            If two plugins register one name: the numbers of one would replace the other's.
        """
        found = self.records(Metric)
        for owned in found:
            self.get(Metric, owned.record.name)
        return [owned.record for owned in found]

    def sentences(self) -> list[str]:
        """What a person should know before a run: plugins that are broken, and what is blocked."""
        return [
            *(
                f"The plugin {row.owner} cannot be used: {row.reason}"
                if row.status == "broken"
                else f"Of the plugin {row.owner}: {row.reason}."
                for row in self.rows
                if row.reason
            ),
            *(
                f"{BLOCK_VARIABLE} names {name}, which is not here."
                for name in self.blocked_in_vain
            ),
        ]

    @overload
    def records(self, kind: type[Architecture]) -> list[Owned[Architecture]]: ...
    @overload
    def records(self, kind: type[Preset]) -> list[Owned[Preset]]: ...
    @overload
    def records(self, kind: type[Exporter]) -> list[Owned[Exporter]]: ...
    @overload
    def records(self, kind: type[Metric]) -> list[Owned[Metric]]: ...
    @overload
    def records(self, kind: type[ImageReader]) -> list[Owned[ImageReader]]: ...
    def records(self, kind: type[Any]) -> list[Any]:
        """All records of a kind with their owners, our own first, then by owner's name."""
        word = _word(kind)
        return [
            Owned(row.owner, record) for row in self.rows for record in row.records.get(word, [])
        ]

    @overload
    def get(self, kind: type[Architecture], name: str) -> Owned[Architecture]: ...
    @overload
    def get(self, kind: type[Preset], name: str) -> Owned[Preset]: ...
    @overload
    def get(self, kind: type[Exporter], name: str) -> Owned[Exporter]: ...
    @overload
    def get(self, kind: type[Metric], name: str) -> Owned[Metric]: ...
    @overload
    def get(self, kind: type[ImageReader], name: str) -> Owned[ImageReader]: ...
    def get(self, kind: type[Any], name: str) -> Any:
        """The one record of that kind and name.

        Raises
        ------
        UsageError
            If nobody registered it; the hint has the nearest name, and any broken plugin that
            might have.
        PluginError
            If two plugins did; the message names both and the setting that blocks one.
        """
        word = _word(kind)
        found = [owned for owned in self.records(kind) if owned.record.name == name]
        if len(found) > 1:
            owners = " and ".join(f"'{owned.owner}'" for owned in found)
            raise PluginError(
                f"The {word} '{name}' is registered by {owners}.",
                f"Uninstall one of them, or set {BLOCK_VARIABLE}={found[-1].owner}:{name}.",
            )
        if not found:
            hint = did_you_mean(name, {owned.record.name for owned in self.records(kind)})
            broken = [row.owner for row in self.rows if row.status == "broken"]
            if broken:
                hint += (
                    f" Broken plugins ({', '.join(broken)}) may have it: see `xraybatch plugins`."
                )
            raise UsageError(f"There is no {word} called '{name}'.", hint)
        return found[0]


@lru_cache(maxsize=1)
def registry() -> Registry:
    """The registry of this installation, loaded at first use and kept for the process."""
    blocked = os.environ.get(BLOCK_VARIABLE, "").replace(",", " ").split()
    return load(entry_points(group=GROUP), blocked=blocked)


def load(found: Iterable[EntryPoint], blocked: Iterable[str] = ()) -> Registry:
    """Load entry points one by one and call each of their hooks.

    Parameters
    ----------
    found : iterable of EntryPoint
    blocked : iterable of str
        Owners (``distribution:entry_point``) that are not loaded, and records
        (``distribution:entry_point:name``) that are left out.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    unwanted = set(blocked)
    ordered = sorted(found, key=lambda e: (_distribution(e) != OURS, _distribution(e), e.name))
    rows: list[PluginRow] = []
    seen: set[str] = set()
    for entry in ordered:
        owner = f"{_distribution(entry)}:{entry.name}"
        if owner in seen:  # an editable install beside a stale one lists the same plugin twice
            continue
        seen.add(owner)
        if owner in unwanted:
            rows.append(PluginRow(owner, "blocked", f"blocked by {BLOCK_VARIABLE}", 0.0))
        else:
            row = _load_one(manager, owner, entry)
            seen |= {f"{owner}:{r.name}" for records in row.records.values() for r in records}
            rows.append(_without(row, unwanted))
    return Registry(rows, sorted(unwanted - seen), sorted(unwanted))


def _without(row: PluginRow, unwanted: set[str]) -> PluginRow:
    kept = {
        word: [r for r in records if f"{row.owner}:{r.name}" not in unwanted]
        for word, records in row.records.items()
    }
    left_out = [
        record.name
        for word, records in row.records.items()
        for record in records
        if record not in kept[word]
    ]
    if not left_out:
        return row
    return replace(row, reason=f"{', '.join(left_out)} blocked by {BLOCK_VARIABLE}", records=kept)


def _load_one(manager: pluggy.PluginManager, owner: str, entry: EntryPoint) -> PluginRow:
    begin = time.perf_counter()
    records: dict[str, list[Any]] = {}
    reason = ""
    try:
        plugin = entry.load()
        manager.register(plugin, name=owner)
        reason = _unknown_hook(manager, plugin)
        if not reason:
            records = _call_hooks(manager, plugin)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger that exits at import must not end us
        reason = _first_line(error)
    if reason:
        if manager.has_plugin(owner):
            manager.unregister(name=owner)
        records = {}
    seconds = time.perf_counter() - begin
    return PluginRow(owner, "broken" if reason else "ok", reason, seconds, records)


def _unknown_hook(manager: pluggy.PluginManager, plugin: object) -> str:
    # check_pending stops at the first plugin and suggests nothing: look at this plugin alone
    known = {hook for hook, _ in hookspecs.HOOKS.values()}
    for caller in manager.get_hookcallers(plugin) or []:
        if caller.spec is None:
            return f"unknown hook {caller.name}. {did_you_mean(caller.name, known)}"
    return ""


def _call_hooks(manager: pluggy.PluginManager, plugin: object) -> dict[str, list[Any]]:
    records: dict[str, list[Any]] = {}
    for word, (hook, kind) in hookspecs.HOOKS.items():
        caller = getattr(manager.hook, hook)
        for implementation in caller.get_hookimpls():
            if implementation.plugin is not plugin:
                continue
            returned = implementation.function()
            if not isinstance(returned, list | tuple):
                raise TypeError(
                    f"{hook} returned {type(returned).__name__}, not a list of {kind.__name__}"
                )
            for record in returned:
                if not isinstance(record, kind):
                    raise TypeError(
                        f"{hook} returned a {type(record).__name__} among its {kind.__name__}s"
                    )
                _check(record, hook)
            records[word] = list(returned)
    return records


def _check(record: Any, hook: str) -> None:
    """A record of the wrong content would end a command that only looks through all of them."""
    for name in ("name", "summary"):
        if not isinstance(getattr(record, name), str) or not record.name:
            raise TypeError(f"{hook} returned a record whose {name} is no text")
    for name in ("suffixes", "kinds", "options"):
        given = getattr(record, name, ())
        if not isinstance(given, tuple | list | set | frozenset):
            raise TypeError(f"{hook} returned '{record.name}' whose {name} are no list")
    if not all(isinstance(suffix, str) for suffix in getattr(record, "suffixes", ())):
        raise TypeError(f"{hook} returned '{record.name}' with a suffix that is no text")


def _word(kind: type) -> str:
    return next(word for word, (_, record) in hookspecs.HOOKS.items() if record is kind)


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "unknown"


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    if isinstance(error, pluggy.PluginValidationError):
        text = [" ".join(line.strip() for line in text)]  # what is wrong stands in the last line
    return f"{type(error).__name__}: {text[0]}"[:300] if text else type(error).__name__
