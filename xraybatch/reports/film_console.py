"""A film on a terminal: a small picture where there are colours, and probabilities as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from xraybatch.reports.console import bullets, heading, text
from xraybatch.reports.film import answer_rows, answer_words, notes, with_heat
from xraybatch.viewing.view import Answer, View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BAR = 30
_WIDEST, _HIGHEST = 40, 24  # cells of the small picture
_EIGHTHS = " ▏▎▍▌▋▊▉"
_COLOURS = ("truecolor", "256")


def print_view(view: View, console: Console) -> None:
    """Print what a model says of a film; names go out as plain text."""
    facts = view.facts
    rows, columns = facts.upright
    console.print(heading(view.name))
    console.print(text(f"{facts.format}, {columns}×{rows} pixels, {facts.bits_stored} bits", "dim"))
    if console.is_terminal and console.color_system in _COLOURS:
        console.print(small_picture(with_heat(view)))
    for answer in view.answers:
        console.print()
        console.print(text(answer_words(answer), "bold"))
        console.print(_bars(answer))
    console.print()
    console.print(bullets(notes(view)))


def small_picture(pixels: NDArray[np.uint8]) -> Text:
    """A film in half blocks: each cell of the terminal has two places, one above the other.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (rows, columns, 3)
    """
    import numpy as np
    from PIL import Image

    rows, columns = pixels.shape[:2]
    scale = min(_WIDEST / columns, 2 * _HIGHEST / rows)
    size = max(1, round(columns * scale)), 2 * max(1, round(rows * scale / 2))
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    found = Text(no_wrap=True)
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            found.append("▀", Style.parse(f"rgb({_rgb(above)}) on rgb({_rgb(below)})"))
        found.append("\n")
    found.right_crop(1)
    return found


def _rgb(colour: list[int]) -> str:
    return ",".join(map(str, colour))


def _bars(answer: Answer) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(overflow="fold", max_width=28)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for name, probability, is_found in answer_rows(answer):
        style = "bold" if is_found else ""
        full, rest = divmod(round(probability * _BAR * 8), 8)
        bar = "█" * full + (_EIGHTHS[rest] if rest else "")
        mark = Text("▸" if is_found else " ", style="bold")
        table.add_row(mark, text(name, style), text(f"{probability:.3f}", style), text(bar))
    return table
