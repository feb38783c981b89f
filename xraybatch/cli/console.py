"""Progress on a console: bars on a terminal, plain lines elsewhere, warnings nobody overlooks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from xraybatch.core.counting import one_of


def printable(text: str, keep: str = "") -> str:
    """`text` without what a terminal would execute."""
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)


_PLAIN_SECONDS = 10.0  # between two lines of a stage that is not on a terminal


class _Results(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # `| head` has read enough: rich would leave with exit code 1


class _Talk(Console):
    def on_broken_pipe(self) -> None:
        self.quiet = True  # whoever listened is gone; the work goes on


def stdout() -> Console:
    """The console that results go to."""
    return _Results(highlight=False)


class ConsoleProgress:
    """`xraybatch.core.progress.Progress` on standard error.

    Parameters
    ----------
    quiet : bool
        No bars and no notes; warnings are shown all the same.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = _Talk(stderr=True, highlight=False)
        self._quiet = quiet

    @contextmanager
    def stage(self, label: str, total: int | None, unit: str = "films") -> Iterator[_Stage]:
        """Show a bar, or now and then a line."""
        if self._quiet or not self._console.is_terminal:
            plain = _PlainStage(self._console, label, total, unit, quiet=self._quiet)
            yield plain
            plain.finish()
            return
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn(unit if total != 1 else one_of(unit)),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[detail]}"),
            console=self._console,
            transient=True,
            expand=True,
        ) as bars:
            task = bars.add_task(label, total=total, detail="")
            begin = time.monotonic()
            bar = _BarStage(bars, task)
            yield bar
        seconds = time.monotonic() - begin
        said = f": {_steps(bar.done, unit)} in" if bar.done or total is not None else ","
        self._console.print(f"[green]✓[/] {escape(label)}{said} {seconds:.1f} s")

    def note(self, sentence: str) -> None:
        """One line."""
        if not self._quiet:
            self._console.print(f"[dim]•[/] {escape(printable(sentence))}")

    def warn(self, title: str, sentence: str) -> None:
        """A panel."""
        self._console.print(
            Panel(
                escape(printable(sentence, keep="\n")),
                title=escape(title),
                border_style="yellow",
                expand=False,
            )
        )


class _BarStage:
    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars = bars
        self._task = task
        self.done = 0

    def advance(self, steps: int = 1, detail: str = "") -> None:
        self.done += steps
        if detail:
            self._bars.update(self._task, advance=steps, detail=detail)
        else:
            self._bars.advance(self._task, steps)


class _PlainStage:
    def __init__(
        self, console: Console, label: str, total: int | None, unit: str, *, quiet: bool
    ) -> None:
        self._console, self._label, self._total, self._unit = console, label, total, unit
        self._quiet = quiet
        self._begin = self._said = time.monotonic()
        self.done = 0

    def advance(self, steps: int = 1, detail: str = "") -> None:
        self.done += steps
        now = time.monotonic()
        if now - self._said >= _PLAIN_SECONDS:
            self._said = now
            self._say(now, detail)

    def finish(self) -> None:
        self._say(time.monotonic(), "")

    def _say(self, now: float, detail: str) -> None:
        if self._quiet:
            return
        tail = f", {detail}" if detail else ""
        said = ""  # what has no number of steps, and took none, is told by its time alone
        if self._total is not None:
            said = f": {self.done:,} of {_steps(self._total, self._unit)}"
        elif self.done:
            said = f": {_steps(self.done, self._unit)}"
        line = f"{self._label}{said}, {now - self._begin:.0f} s{tail}"
        self._console.print(escape(line), soft_wrap=True)


def _steps(count: int, units: str) -> str:
    return f"{count:,} {one_of(units) if count == 1 else units}"


_Stage = _BarStage | _PlainStage
