"""A report on a terminal: the join first, then each task; readable from 60 columns, and in grey."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, Group
from rich.panel import Panel
from rich.rule import Rule
from rich.style import Style
from rich.table import Table
from rich.text import Text

from xraybatch.core.counting import many
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import ConfusionMatrix, JoinReport, ModelFacts, Report, TaskReport
from xraybatch.reports import words
from xraybatch.reports.closer import Look, looks
from xraybatch.reports.families import Family, families, left_out
from xraybatch.reports.model_words import model_rows

_WIDE = 92  # from here on the headline table has room for the methods
_NAME = 22  # columns that a class name may take
_CELL = 14  # columns of "0.801–0.922" and its padding
_COUNT = 7  # columns of a count in the confusion matrix, with padding
_MOST_CONFUSED = 10


def print_report(report: Report, console: Console) -> None:
    """Print a report; everything from tables goes out as plain text, whatever it contains."""
    for sentence in report.sentences:
        console.print(Panel(text(sentence), border_style="yellow", expand=False))
    console.print(heading("Films"))
    console.print(films_table(report.join, report.model))
    for task in report.tasks:
        console.print()
        _print_task(task, report, console)
    console.print()
    for sentence in words.closing(report):
        console.print(text(sentence, "dim"))


def _print_task(task: TaskReport, report: Report, console: Console) -> None:
    console.print(heading(words.task_title(task)))
    console.print(text(words.result(task, report), "bold"))
    console.print(text(words.task_films(task, report)))
    for sentence in task.sentences:
        console.print(text(sentence, "yellow"))
    shown_families = families(task, terminal=True)
    console.print(_numbers(shown_families, report, wide=console.width >= _WIDE))
    if table := words.by_class(task, unit=report.settings.unit):
        console.print(*_by_class(table, console.width), sep="")
    if task.confusion:
        console.print(_confusion(task.confusion, console.width, report.settings.unit))
    shown = list(looks(task, narrow=True, unit=report.settings.unit))
    for i, look in enumerate(shown):
        if i and shown[i - 1].sentences:
            console.print()
        console.print(text(look.title, "bold"))
        console.print(_look(look))
        if look.sentences:
            console.print(bullets(look.sentences))
    names = [name for family in shown_families for name in family.estimates]
    beside = [pair for look in shown for pair in look.estimates]
    notes = words.stars([*words.of_task(task, names), *beside])
    notes += [*words.missing(task, names), *words.reasons(beside)]
    if console.width < _WIDE:
        notes += words.methods(task, names)
    if hidden := left_out(task):
        notes.append(f"{hidden} further numbers stand in files: --report score.md, .html or .json.")
    if notes:  # an empty table would print an empty line
        console.print(bullets(notes))


def _look(look: Look) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, title in enumerate(look.head):
        table.add_column(
            title, justify="center" if i else "left", overflow="fold",
            max_width=None if i else _NAME,
        )  # fmt: skip
    for row in look.rows:
        table.add_row(*(_cell(c) if isinstance(c, Estimate) else text(c) for c in row))
    return table


def films_table(join: JoinReport, model: ModelFacts | None = None) -> Group:
    """How the tables found each other, and what is to be said of it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, sentence in (*words.join_rows(join), *model_rows(model)):
        table.add_row(name, text(sentence))
    said = [*join.sentences, *([model.distortion] if model and model.distortion else [])]
    return Group(table, *([bullets(said)] if said else []))


def _numbers(found: Sequence[Family], report: Report, *, wide: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    table.add_column("value", justify="right", style="bold", no_wrap=True)
    table.add_column(words.confidence(report), justify="center", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    if wide:
        table.add_column("interval by", style="dim", overflow="fold")
    for i, family in enumerate(found):
        if i:
            table.add_row()
        table.add_row(text(family.title, "dim italic"))
        for name, estimate in family.estimates.items():
            numbers = [words.value(estimate), words.interval(estimate), f"{estimate.n:,}"]
            method = [estimate.method or words.NO_VALUE] if wide else []
            table.add_row(text(words.title(name)), *numbers, *method)
    return table


def _by_class(found: words.ByClass, width: int) -> Iterable[Table]:
    # as many columns as fit beside the names; the rest in a table below
    longest = max(len(words.printable(name)) for name, *_ in found.rows)
    names = min(_NAME, max(longest, len(found.heading)))
    fits = max(1, (width - names - 11) // _CELL)
    tables = -(-len(found.columns) // fits)
    each = -(-len(found.columns) // tables)
    for begin in range(0, len(found.columns), each):
        some = found.columns[begin : begin + each]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column(found.heading, max_width=_NAME, overflow="fold")
        table.add_column(found.counted, justify="right", no_wrap=True)
        for column in some:
            table.add_column(words.title(column), justify="center", no_wrap=True)
        for name, films, estimates in found.rows:
            table.add_row(text(name), f"{films:,}", *(_cell(estimates[c]) for c in some))
        yield table


def _cell(estimate: Estimate) -> Text:
    cell = Text(words.value(estimate), style="bold", justify="center")
    if estimate.low is not None:
        cell.append(f"\n{words.interval(estimate)}", style="not bold dim")
    return cell


def _confusion(matrix: ConfusionMatrix, width: int, unit: str) -> Table | Group:
    size = len(matrix.classes)
    names = [words.printable(name) for name in matrix.classes]
    longest = max(len(name) for name in names)
    room = width - min(longest, _NAME) - 4
    if size * _COUNT + 10 > room:
        return _most_confused(matrix, unit)
    # names above the columns where they fit, else the numbers that stand before the names
    numbered = size * (max(longest, _COUNT - 2) + 2) + 10 > room
    if numbered:
        names = [f"{i} {name}" for i, name in enumerate(names, start=1)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="truth ↓  predicted →")
    table.title_style, table.title_justify = "dim", "left"
    table.add_column("", max_width=_NAME, overflow="fold", style="bold")
    for i, name in enumerate(names, start=1):
        table.add_column(text(str(i) if numbered else name), justify="right", no_wrap=True)
    table.add_column(many(unit), justify="right", style="dim", no_wrap=True)
    for name, row in zip(names, matrix.counts, strict=True):
        films = sum(row)
        cells = [_shaded(count, films) for count in row]
        table.add_row(text(name), *cells, f"{films:,}")
    return table


def _shaded(count: int, films: int) -> Text:
    share = count / films if films else 0.0
    # from nothing to deep blue; the percentages say the same without colour
    ground = Style.parse(
        f"on rgb({int(60 - 40 * share)},{int(70 + 20 * share)},{int(90 + 110 * share)})"
    )
    style = Style.parse("bright_white") + ground if share >= 0.005 else Style()
    return Text(f"{count:,}\n{words.percent(count, films)}", style=style, justify="right")


def _most_confused(matrix: ConfusionMatrix, unit: str) -> Group:
    found = sorted(
        (
            (-count, truth, guess)
            for truth, row in enumerate(matrix.counts)
            for guess, count in enumerate(row)
            if truth != guess and count
        )
    )[:_MOST_CONFUSED]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("truth", "predicted"):
        table.add_column(heading, overflow="fold")
    table.add_column(many(unit), justify="right", no_wrap=True)
    for count, truth, guess in found:
        table.add_row(text(matrix.classes[truth]), text(matrix.classes[guess]), f"{-count:,}")
    sentence = (
        f"The matrix of {len(matrix.classes)} classes is too wide here; these confusions are the "
        "most frequent. --report score.md has them all."
    )
    return Group(text(sentence), table)


def bullets(sentences: Iterable[str]) -> Table:
    """Sentences, one below the other."""
    table = Table.grid(padding=(0, 1))
    for sentence in sentences:
        table.add_row(text("•", "dim"), text(sentence, "dim"))
    return table


def heading(title: str) -> Rule:
    """A title with a line behind it."""
    return Rule(text(title, "bold"), align="left", style="dim")


def text(content: str, style: str = "") -> Text:
    """Text, not markup: what stands in a table is never an instruction to the console."""
    return Text(words.printable(content), style=style)


def render(report: Report, width: int = 80) -> str:
    """The report as plain text of a given width."""
    console = Console(width=width, color_system=None, force_terminal=False, highlight=False)
    with console.capture() as captured:
        print_report(report, console)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"
