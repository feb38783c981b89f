"""The sections of a report as parts of a page: the same text, with tables that are easy to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import TaskReport
from xraybatch.reports import words
from xraybatch.reports.html_text import row, text
from xraybatch.reports.sections import Block, Bullets, Table, Warned

_DIGEST = 64  # hexadecimal digits of a SHA-256


def blocks_html(blocks: tuple[Block, ...], task: TaskReport | None = None) -> Iterator[str]:
    """Blocks of a section; those of a task with its intervals and its matrix drawn.

    Parameters
    ----------
    blocks : tuple of Block
    task : TaskReport, optional
        Whose section it is.
    """
    for i, block in enumerate(blocks):
        after = blocks[i + 1] if i + 1 < len(blocks) else None
        match block:
            case Table() if _is_matrix(block, task):
                said = blocks[i - 1] if i else ""
                yield _matrix(task, said if isinstance(said, str) else "")
            case str() if _is_matrix(after, task):
                pass  # the caption of the matrix
            case Table():
                yield _table(block, task)
            case Warned():
                yield f'<p class="warned">{text(block.sentence)}</p>'
            case Bullets():
                yield f'<ul class="said">{"".join(f"<li>{text(s)}" for s in block.sentences)}</ul>'
            case str():
                yield f'<p class="said">{text(block)}</p>'


def plain_table(table: Table) -> str:
    """A table as text, headings and cells."""
    head = f"<thead>{_head(table.head)}</thead>" if any(table.head) else ""
    body = "".join(_named_row(cells) for cells in table.rows)
    return f'<div class="wide"><table>{head}<tbody>{body}</tbody></table></div>'


def _is_matrix(block: Block | None, task: TaskReport | None) -> bool:
    if task is None or task.confusion is None or not isinstance(block, Table):
        return False
    return block.head[1:-1] == task.confusion.classes


def _table(table: Table, task: TaskReport | None) -> str:
    if task and table.head[1:3] and table.head[1] == "value":
        return _estimates(table, {words.title(n): e for n, e in task.estimates.items()})
    return plain_table(table)


def _head(cells: tuple[str, ...]) -> str:
    return row("th", cells).replace("<th>", '<th scope="col">')


def _named_row(cells: tuple[str, ...]) -> str:
    first, *others = cells
    rest = "".join(
        f'<td class="digest">{text(c)}</td>' if len(c) == _DIGEST else f"<td>{text(c)}</td>"
        for c in others
    )
    return f'<tr><th scope="row">{text(first)}</th>{rest}</tr>'


def _estimates(table: Table, known: Mapping[str, Estimate]) -> str:
    """The numbers of a task; beside those within 0 and 1, the interval on a line."""
    body = []
    for cells in table.rows:
        estimate = known.get(cells[0])
        drawn = _whisker(estimate) if estimate else ""
        rest = "".join(f"<td>{text(c)}</td>" for c in cells[1:])
        body.append(
            f'<tr><th scope="row">{text(cells[0])}</th>'
            f'<td class="whisker" aria-hidden="true">{drawn}</td>{rest}</tr>'
        )
    head = "".join(f'<th scope="col">{text(c)}</th>' for c in table.head[1:])
    scale = '<th class="whisker" aria-hidden="true"><span>0</span><span>1</span></th>'
    return (
        '<div class="wide main"><table class="numbers"><thead>'
        f"<tr><td></td>{scale}{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
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


def _matrix(task: TaskReport | None, caption: str) -> str:
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
        f'</tr><tr><th scope="col">truth</th>{columns}<th scope="col">films</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def matrix_cell(count: int, films: int, kind: str) -> str:
    """A cell of a matrix: the count, its share of the row, and that share as shade."""
    share = count / films if films else 0.0
    deep = " deep" if share > 0.55 else ""
    return (
        f'<td class="{kind}{deep}" style="--share:{share:.3f}"><b>{count:,}</b>'
        f"<small>{words.percent(count, films)}</small></td>"
    )
