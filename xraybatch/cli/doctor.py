"""``xraybatch doctor``."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from xraybatch.models.doctor.report import Diagnosis, Finding


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(as_json: bool) -> None:
    """Examine this machine: what works, and what to type where it does not.

    Looks at Python, packages, GPU and driver, cores, memory, disks, image readers and plugins, and
    runs the demonstration model on every device. What is wrong comes with the line to type. The
    page names no person, host or folder of films: send it along when you report a fault.

    Leaves with exit code 4 where prediction does not work here.

    \b
    Examples:
      xraybatch doctor
      xraybatch doctor --json > doctor.json
    """
    from xraybatch.core.errors import BarMissed
    from xraybatch.models.doctor.examine import examine

    diagnosis = examine(_cache_folder)
    if as_json:
        import json

        click.echo(json.dumps(diagnosis.to_dict(), indent=2))
    else:
        from xraybatch.cli.console import stdout

        show(diagnosis, stdout())
    if diagnosis.problems:
        count = len(diagnosis.problems)
        raise BarMissed(
            f"{count} problem{'s' if count > 1 else ''} found.", "Each says above what to do."
        )


def show(diagnosis: Diagnosis, console: Console) -> None:
    """Print versions, findings with what to type, and the line that says what works."""
    from rich.text import Text

    versions = " · ".join(f"{one.name} {one.version}" for one in diagnosis.packages if one.version)
    for line in textwrap.wrap(versions, console.width - 1, break_on_hyphens=False):
        console.print(Text(line, style="dim"))
    console.print()
    for finding in diagnosis.findings:
        _show_finding(finding, console)
    console.print()
    console.print(Text(_plain(diagnosis.summary), style="bold"))


_MARKS = {
    "ok": ("ok     ", "green"),
    "note": ("note   ", "yellow"),
    "problem": ("PROBLEM", "bold red"),
}
_INDENT = " " * 22


def _show_finding(finding: Finding, console: Console) -> None:
    from rich.text import Text

    mark, style = _MARKS[finding.verdict]
    words = _plain(f"{finding.sentence} {finding.hint}".strip())
    width = max(20, console.width - len(_INDENT) - 1)
    lines = textwrap.wrap(words, width, break_on_hyphens=False) or [""]
    head = ((mark, style), " ", (f"{_plain(finding.topic):13.13}", "bold"), " ", lines[0])
    console.print(Text.assemble(*head))
    for line in lines[1:]:
        console.print(Text(_INDENT + line))
    for line in finding.commands:
        # not broken into lines, so that it can be copied
        console.print(Text(f"    {_plain(line)}", style="cyan"), soft_wrap=True)


def _plain(text: str) -> str:
    from xraybatch.cli.console import printable

    return printable(text)


def _cache_folder() -> Path:
    from xraybatch.training.store import cache_folder

    return cache_folder()
