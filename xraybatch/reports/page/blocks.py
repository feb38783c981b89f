"""The sections of a report as parts of a page: the same text, with tables that are easy to read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import TaskReport
from xraybatch.reports import words
from xraybatch.reports.html_text import row, text
from xraybatch.reports.sections import Block, Bullets, Table, Warned

_SHORT = 50  # characters of what names the table below it
_DIGEST = 64  # hexadecimal digits of a SHA-256
_OTHER_SCALES = {
    "lr_positive", "lr_negative", "log_loss", "observed_expected", "calibration_slope",
    "calibration_intercept", "brier_multiclass", "mean_grade_error",
}  # fmt: skip
# a number, perhaps marked as the best, with its interval or share, perhaps with its p
_WITH_INTERVAL = re.compile(r"((?:[▲*] )?\S+) (\([^()]+\)(?:, p \S+)?)")


def blocks_html(blocks: tuple[Block, ...], task: TaskReport | None = None) -> Iterator[str]:
    """Blocks of a section; those of a task with its intervals and its matrix drawn.

    Parameters
    ----------
    blocks : tuple of Block
    task : TaskReport, optional
        Whose section it is.
    """
    for is_family, run in groupby(enumerate(blocks), lambda one: _is_numbers(one[1], task)):
        if is_family:
            yield '<div class="wide families">'
        for i, block in run:
            before = blocks[i - 1] if i else ""
            after = blocks[i + 1] if i + 1 < len(blocks) else ""
            if _is_matrix(block, task):
                assert isinstance(block, Table)
                yield _matrix(task, before if isinstance(before, str) else "", block.head[-1])
            elif isinstance(block, str) and _is_matrix(after, task):
                pass  # the caption of the matrix
            elif isinstance(block, str) and isinstance(after, Table) and _is_title(block):
                yield f'<h4 class="named">{text(block.removesuffix("."))}</h4>'
            else:
                yield _block(block, task)
        if is_family:
            yield "</div>"


def plain_table(table: Table) -> str:
    """A table as text, headings and cells."""
    head = f"<thead>{_head(table.head)}</thead>" if any(table.head) else ""
    body = "".join(_named_row(cells) for cells in table.rows)
    return f'<div class="wide"><table>{head}<tbody>{body}</tbody></table></div>'


def _is_matrix(block: Block | None, task: TaskReport | None) -> bool:
    if task is None or task.confusion is None or not isinstance(block, Table):
        return False
    return block.head[1:-1] == task.confusion.classes


def _is_title(sentence: str) -> bool:
    return len(sentence) < _SHORT and ". " not in sentence


def _is_numbers(block: Block, task: TaskReport | None) -> bool:
    return task is not None and isinstance(block, Table) and block.head[1:2] == ("value",)


def _block(block: Block, task: TaskReport | None) -> str:
    match block:
        case Table():
            return (
                _estimates(block, task) if task and _is_numbers(block, task) else plain_table(block)
            )
        case Warned():
            return f'<p class="warned">{text(block.sentence)}</p>'
        case Bullets():
            return f'<ul class="said">{"".join(f"<li>{text(s)}" for s in block.sentences)}</ul>'
        case str():
            return f'<p class="said">{text(block)}</p>'


def _head(cells: tuple[str, ...]) -> str:
    return row("th", cells).replace("<th>", '<th scope="col">')


def _named_row(cells: tuple[str, ...]) -> str:
    first, *others = cells
    return f'<tr><th scope="row">{text(first)}</th>{"".join(map(_cell, others))}</tr>'


def _cell(cell: str) -> str:
    if len(cell) == _DIGEST:
        return f'<td class="digest">{text(cell)}</td>'
    if known := _WITH_INTERVAL.fullmatch(cell):
        return f"<td>{text(known[1])} <small>{text(known[2])}</small></td>"
    return f"<td>{text(cell)}</td>"


def _estimates(table: Table, task: TaskReport) -> str:
    """A family of numbers; beside those of the task within 0 and 1, the interval on a line."""
    drawable = {n: e for n, e in task.estimates.items() if n not in _OTHER_SCALES}
    known = {words.title(name): estimate for name, estimate in drawable.items()}
    body = []
    for cells in table.rows:
        estimate = known.get(cells[0])
        # another number of the same name has another value or interval
        its = estimate and cells[1:3] == (words.value(estimate), words.interval(estimate))
        drawn = _whisker(estimate) if estimate and its else ""
        rest = "".join(f"<td>{text(c)}</td>" for c in cells[1:])
        body.append(
            f'<tr><th scope="row">{text(cells[0])}</th>'
            f'<td class="whisker" aria-hidden="true">{drawn}</td>{rest}</tr>'
        )
    first, *others = table.head
    head = "".join(f'<th scope="col">{text(c)}</th>' for c in others)
    scale = '<th class="whisker" aria-hidden="true"><span>0</span><span>1</span></th>'
    return (
        '<table class="numbers"><thead>'
        f'<tr><th scope="col">{text(first)}</th>{scale}{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _whisker(estimate: Estimate) -> str:
    ends = (estimate.value, estimate.low, estimate.high)
    if any(end is not None and not 0 <= end <= 1 for end in ends) or estimate.value is None:
        return ""
    line = ""
    if estimate.low is not None and estimate.high is not None:
        width = estimate.high - estimate.low
        line = f'<i style="left:{100 * estimate.low:.1f}%;width:{100 * width:.1f}%"></i>'
    return f'<div>{line}<b style="left:{100 * estimate.value:.1f}%"></b></div>'


def _matrix(task: TaskReport | None, caption: str, counted: str) -> str:
    assert task is not None
    assert task.confusion is not None
    matrix = task.confusion
    names = matrix.classes
    columns = "".join(f'<th scope="col">{text(name)}</th>' for name in names)
    rows = []
    for i, (name, counts) in enumerate(zip(names, matrix.counts, strict=True)):
        films = sum(counts)
        cells = "".join(
            matrix_cell(count, films, "right" if i == j else "wrong")
            for j, count in enumerate(counts)
        )
        rows.append(f'<tr><th scope="row">{text(name)}</th>{cells}<td>{films:,}</td></tr>')
    return (
        f'<div class="wide square"><table class="matrix"><caption>{text(caption)}</caption>'
        f'<thead><tr><td></td><th colspan="{len(names)}" scope="colgroup">predicted</th><td></td>'
        f'</tr><tr><th scope="col">truth</th>{columns}<th '
        f'scope="col">{text(counted)}</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def matrix_cell(count: int, films: int, kind: str) -> str:
    """A cell of a matrix: the count, its share of the row, and that share as shade."""
    share = count / films if films else 0.0
    return (
        f'<td class="{kind}" style="--share:{share:.3f}"><b>{count:,}</b>'
        f"<small>{words.percent(count, films)}</small></td>"
    )
