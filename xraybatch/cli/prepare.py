"""``xraybatch prepare``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xraybatch.cli import completion
from xraybatch.cli.options import log_file, quiet_option
from xraybatch.cli.outputs import OutputPath
from xraybatch.core.counting import counted, verb

if TYPE_CHECKING:
    from xraybatch.training.datasets.record import PreparedData

_A_PATH = click.Path(path_type=Path)
_GUESSED = "  [default: guessed from usual names]"
_FORMS = ("class-folders", "split-folders", "split-in-class-folders", "mura", "table")


@click.command()
@click.argument("source", shell_complete=completion.paths)
@click.option(
    "-o",
    "--out",
    type=OutputPath(),
    required=True,
    shell_complete=completion.folders,
    help="Folder to make: labels.csv, dataset.json and, out of an archive, the films.",
)
@click.option(
    "--data",
    type=_A_PATH,
    shell_complete=completion.folders,
    help="Folder of the films, where SOURCE is a table.  [default: the table's]",
)
@click.option(
    "--form",
    metavar="|".join(_FORMS),
    shell_complete=completion.words(*_FORMS),
    help="How to read SOURCE.  [default: found in it, and said]",
)
@click.option(
    "--classes",
    metavar="CLASS,…",
    help="Classes that must be there, these and no others; capitals do not count.",
)
@click.option("--merge-classes", is_flag=True, help="Take two spellings of a class as one.")
@click.option("--keep-classes", is_flag=True, help="Take two spellings of a class as two.")
@click.option("--path-column", help=f"Column of the paths in a table.{_GUESSED}")
@click.option("--label-column", help=f"Column of the classes in a table.{_GUESSED}")
@click.option("--patient-column", help=f"Column of the patients in a table.{_GUESSED}")
@click.option(
    "--label-map",
    metavar="VALUE=CLASS,…",
    help="Classes that the values of a table mean; nothing after '=': left out.",
)
@click.option(
    "--patient-from",
    metavar="REGEX",
    help="Regular expression whose group is the patient, searched in the path of each film.",
)
@click.option(
    "--val-split",
    type=float,
    default=0.15,
    show_default=True,
    help="Share of the films for validation, where SOURCE has no such part.",
)
@click.option(
    "--test-split",
    type=float,
    default=0.2,
    show_default=True,
    help="Share of the films held back, where SOURCE has no such part.",
)
@click.option(
    "--folds", type=int, metavar="K", help="A column 'fold' (0 to K-1) in place of the split."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the split.")
@click.option("--sha256", default="", metavar="HEX", help="Hash that the archive must have.")
@click.option(
    "--max-gigabytes",
    type=click.FloatRange(0, min_open=True),
    default=100,
    show_default=True,
    help="Largest download, and most that an archive may hold unpacked.",
)
@click.option(
    "--max-entries",
    type=click.IntRange(1),
    default=1_000_000,
    show_default=True,
    help="Most files in an archive.",
)
@click.option(
    "--max-ratio",
    type=click.FloatRange(1),
    default=200,
    show_default=True,
    help="Most bytes that a byte of an archive may unpack to.",
)
@click.option(
    "--max-depth",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Archives inside archives.",
)
@click.option("--source-name", default="", help="Where the films come from.  [default: asked]")
@click.option("--licence", default="", help="Licence of the films.  [default: asked]")
@click.option("--citation", default="", help="What to cite for the films.  [default: asked]")
@quiet_option
@log_file
def command(
    source: str,
    out: Path,
    classes: str | None,
    merge_classes: bool,
    keep_classes: bool,
    max_gigabytes: float,
    max_entries: int,
    max_ratio: float,
    max_depth: int,
    quiet: bool,
    **values: Any,
) -> None:
    """Make data as they are distributed ready for train.

    SOURCE is the address of an archive, an archive (ZIP, TAR; archives inside archives), a folder
    of films or of archives, or a table of labels. Class folders, train and test folders with
    classes below or above them, the tree of MURA, and a table beside the films are recognised.
    Parts as distributed are kept; what is missing is drawn, stratified and with patients whole. A
    folder's films stay where they are.

    \b
    Examples:
      xraybatch prepare knee.zip --out data/knee --classes normal,osteopenia,osteoporosis
      xraybatch prepare ./chest --out data/chest --patient-from '(person\\d+_[a-z]+)'
      xraybatch prepare ./MURA-v1.1 --out data/mura
      xraybatch prepare hospital.csv --data ./films --out data/hospital --folds 5
      xraybatch prepare https://example.org/knee.zip --out data/knee --sha256 \\
          9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    """
    from xraybatch.cli.console import ConsoleProgress
    from xraybatch.core.errors import UsageError
    from xraybatch.core.log import log_result, logged
    from xraybatch.sources.archives.budget import ArchiveLimits
    from xraybatch.training.datasets.options import ASK, KEEP, MERGE, PrepareOptions
    from xraybatch.training.datasets.prepare import prepare_data

    if merge_classes and keep_classes:
        raise UsageError("--merge-classes and --keep-classes exclude each other.", "Give one.")
    options = PrepareOptions(
        classes=tuple(name.strip() for name in classes.split(",")) if classes else (),
        spellings=MERGE if merge_classes else KEEP if keep_classes else ASK,
        limits=ArchiveLimits(int(max_gigabytes * (1 << 30)), max_ratio, max_entries, max_depth),
        **values,
    )
    on_terminal = _on_terminal() and not quiet
    if on_terminal:
        options = _with_origin(options)
    prepared = prepare_data(
        source,
        out,
        options,
        progress=logged(ConsoleProgress(quiet=quiet)),
        ask=_ask if on_terminal else None,
    )
    log_result(counted(prepared.films, "film"), form=prepared.form)
    if not quiet:
        show_prepared(prepared, out)


def show_prepared(prepared: PreparedData, out: Path) -> None:
    """Print counts by class and part, what was left out, and what to do next."""
    from rich.markup import escape
    from rich.table import Table

    from xraybatch.cli.console import printable, stdout

    console = stdout()
    named = [s if not s.isdigit() else f"fold {s}" for s in prepared.sides]
    for task, classes in prepared.counts.items():
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column(task if len(prepared.counts) > 1 else "class", overflow="fold")
        for name in (*named, "all"):
            table.add_column(name, justify="right")
        rows = {name: [films[side] for side in prepared.sides] for name, films in classes.items()}
        for name, films in rows.items():
            cells = [f"{n:,}" for n in (*films, sum(films))]
            table.add_row(escape(printable(name)), *cells)
        totals = [sum(column) for column in zip(*rows.values(), strict=True)]
        table.add_row("all", *(f"{n:,}" for n in (*totals, sum(totals))), style="bold")
        console.print()
        console.print(table)
    console.print()
    patients = f"{prepared.patients:,}" if prepared.patients else "not known"
    contradictions = (
        f"; {prepared.contradictions:,} of these have different labels"
        if prepared.contradictions
        else ""
    )
    lines = {
        "Films": f"{prepared.films:,}",
        "Patients": patients,
        "Split": f"{prepared.how}; {prepared.overlap}",
        "Copies": f"{counted(prepared.copied_films, 'film')} "
        f"{'is a copy' if prepared.copied_films == 1 else 'are copies'} of "
        f"{counted(prepared.copies, 'file')}, byte for byte, and "
        f"{verb('stays', prepared.copied_films)} on one side{contradictions}"
        if prepared.copies
        else "none (compared byte by byte)",
        "Left out": "; ".join(f"{why}: {count:,}" for why, count in prepared.skipped.items())
        or "nothing",
        "Licence": prepared.licence or "not stated",
    }
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for word, text in lines.items():
        facts.add_row(word, escape(printable(text)))
    console.print(facts)
    console.print()
    console.print(f"[bold]Table:[/] {escape(str(out / prepared.labels.name))}", soft_wrap=True)
    tasks = "".join(f" --task {task}" for task in prepared.tasks) if prepared.tasks[1:] else ""
    console.print(
        f"[dim]Next:[/] xraybatch train --plugin narrow --data {escape(str(out))}{tasks}",
        soft_wrap=True,
    )


def _with_origin(options: Any) -> Any:
    """Ask for what is not given; Enter leaves it open."""
    from dataclasses import replace

    questions = {
        "source_name": "Where do the films come from",
        "licence": "Their licence",
        "citation": "What to cite for them",
    }
    said = {
        name: click.prompt(f"{text} (Enter: not stated)", default="", show_default=False, err=True)
        for name, text in questions.items()
        if not getattr(options, name)
    }
    return replace(options, **{name: text.strip() for name, text in said.items()})


def _ask(question: str) -> bool:
    return click.confirm(question, default=None, err=True)


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
