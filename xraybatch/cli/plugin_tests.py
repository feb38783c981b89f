"""``xraybatch plugins --test``: which records a name means, and their checks as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from xraybatch.cli.console import ConsoleProgress, printable, stdout
from xraybatch.cli.plugin_guard import finished
from xraybatch.core.errors import BarMissed, PluginError, UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.core.progress import Progress
from xraybatch.extension.hookspecs import HOOKS
from xraybatch.extension.registry import PluginRow, Registry, registry
from xraybatch.testing.runner import CONTRACTS, CheckResult, Verdict, checks_of, run_contract

_SHOWN = {Verdict.PASSED: "[green]ok[/]", Verdict.FAILED: "[red]failed[/]"}


@dataclass(frozen=True)
class Target:
    """A record that is tested."""

    kind: str
    name: str
    owner: str


def run_tests(asked: str, kind: str | None, examples: Sequence[Path], *, as_json: bool) -> None:
    """Run the suites of what was asked for and print their checks.

    Raises
    ------
    UsageError
        If nothing is called so, or several kinds of record are.
    PluginError
        If the plugin is broken or blocked, or its name is claimed twice.
    BarMissed
        If a check failed.
    """
    targets = find_targets(registry(), asked, kind)
    progress = ConsoleProgress()
    found: list[dict[str, Any]] = []
    failed: list[str] = []
    for target in targets:
        results = _run(target, examples, progress)
        failed += [f"{target.name}: {r.name}" for r in results if r.verdict is Verdict.FAILED]
        found.append({**asdict(target), "checks": [asdict(result) for result in results]})
        if not as_json:
            stdout().print(_table(target, results))
    if as_json:
        import json

        click.echo(json.dumps(found, indent=2))
    finished()
    if failed:
        count = sum(len(entry["checks"]) for entry in found)
        raise BarMissed(
            f"{len(failed)} of {count} checks failed: {', '.join(failed)}.",
            "Subclass the suite in a pytest file to see where: plugins/README.md, 'Test it'.",
        )


def find_targets(known: Registry, asked: str, kind: str | None = None) -> list[Target]:
    """The records that a name means: ``NAME``, ``KIND:NAME`` or ``DISTRIBUTION:ENTRY_POINT``.

    Raises
    ------
    UsageError
        If nothing is called so, or several kinds of record are, or it has no suite.
    PluginError
        If it is a plugin that is broken or blocked, or two plugins claim the name.
    """
    for row in known.rows:
        if row.owner == asked:
            return _all_of(row, kind)
    prefix, colon, rest = asked.partition(":")
    name = rest if colon and prefix in HOOKS else asked
    kinds = [prefix] if name is not asked else [kind] if kind else list(HOOKS)
    held = {
        word: [
            (row.owner, record.name) for row in known.rows for record in row.records.get(word, [])
        ]
        for word in kinds
    }
    having = [word for word, records in held.items() if any(name == own for _, own in records)]
    if len(having) > 1:
        words = " or ".join(f"{word}:{name}" for word in having)
        raise UsageError(f"'{name}' is the name of more than one record.", f"Say which: {words}.")
    if not having:
        _raise_unknown(known, asked, {own for records in held.values() for _, own in records})
    (word,) = having
    if word not in CONTRACTS:
        raise UsageError(f"There is no suite for a {word}.", "Test the architecture it trains.")
    owner = known.get(HOOKS[word][1], name).owner  # raises where two claim it
    return [Target(word, name, owner)]


def _all_of(row: PluginRow, kind: str | None) -> list[Target]:
    _check_usable(row)
    found = [
        Target(word, record.name, row.owner)
        for word, records in row.records.items()
        if word in CONTRACTS and kind in (None, word)
        for record in records
    ]
    if not found:
        raise UsageError(f"The plugin '{row.owner}' registers nothing that has a suite.")
    return found


def _check_usable(row: PluginRow) -> None:
    if row.status != "ok":
        raise PluginError(
            f"The plugin '{row.owner}' is {row.status}: {row.reason}",
            "It must load before it can be tested."
            if row.status == "broken"
            else "Change XRAYBATCH_BLOCK to test it.",
        )


def _raise_unknown(known: Registry, asked: str, names: set[str]) -> None:
    for row in known.rows:
        if asked in (*row.owner.split(":", 1), row.owner):  # what is broken has no records
            _check_usable(row)
    hint = did_you_mean(asked, names | {row.owner for row in known.rows})
    broken = [row.owner for row in known.rows if row.status == "broken"]
    if broken:
        hint += f" Broken plugins ({', '.join(broken)}) may have it: see `xraybatch plugins`."
    raise UsageError(f"There is nothing called '{asked}' to test.", hint)


def _run(target: Target, examples: Sequence[Path], progress: Progress) -> list[CheckResult]:
    checks = checks_of(CONTRACTS[target.kind])
    given = examples if target.kind == "reader" else ()
    running = run_contract(target.kind, target.name, owner=target.owner, examples=given)
    found: list[CheckResult] = []
    with progress.stage(f"{target.kind} {target.name}", len(checks), unit="checks") as stage:
        for check in checks:
            stage.advance(0, detail=check.name.replace("_", " "))
            found.append(next(running))
            stage.advance()
        running.close()
    return found


def _table(target: Target, results: Sequence[CheckResult]) -> Table:
    title = f"{target.kind} {target.name} ({target.owner})"
    table = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD)
    table.add_column("what must hold", overflow="fold", ratio=3)
    table.add_column("")
    table.add_column("s", justify="right")
    table.add_column("figure or reason", overflow="fold", ratio=2)
    for result in results:
        table.add_row(
            escape(result.sentence.replace("`", "")),
            _SHOWN.get(result.verdict, "[yellow]skipped[/]"),
            f"{result.seconds:.1f}",
            escape(printable(result.reason)),
        )
    return table
