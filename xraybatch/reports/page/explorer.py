"""The threshold explorer: one slider moves the matrix, the numbers and the point on the curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xraybatch.evaluation.curves import ThresholdCounts
from xraybatch.evaluation.operating_point import OperatingPoint
from xraybatch.reports.html_text import text
from xraybatch.reports.page.blocks import matrix_cell
from xraybatch.reports.words import NO_VALUE

START = 0.5
_NUMBERS = (
    ("sensitivity", "Sensitivity"),
    ("specificity", "Specificity"),
    ("ppv", "PPV"),
    ("npv", "NPV"),
    ("net_benefit", "Net benefit"),
)


def explorer_data(found: Sequence[ThresholdCounts]) -> list[dict[str, Any]]:
    """What the script chooses from: counts at every threshold, no film's score."""
    return [
        {
            "name": counts.name,
            "thresholds": counts.thresholds,
            "positives": counts.positives,
            "negatives": counts.negatives,
            "tp": counts.true_positives,
            "fp": counts.false_positives,
        }
        for counts in found
    ]


def explorer_html(
    found: Sequence[ThresholdCounts], name: str, points: Sequence[OperatingPoint] = ()
) -> str:
    """The panel of one task at its first threshold; a script makes it move.

    Parameters
    ----------
    found : sequence of ThresholdCounts
        At least one; the person chooses among them.
    name : str
        What the ids of its parts begin with.
    points : sequence of OperatingPoint
        That of the first class is where the slider starts; otherwise `START`.
    """
    first = found[0]
    asked = [p.threshold for p in points if p.name == first.name and p.threshold is not None]
    start = asked[0] if asked else START
    at = min(range(len(first.thresholds)), key=lambda i: abs(first.thresholds[i] - start))
    choose = ""
    if len(found) > 1:
        options = "".join(f'<option value="{i}">{text(c.name)}' for i, c in enumerate(found))
        choose = (
            f'<label class="choose">Class, against the rest <select id="{name}-class">{options}'
            "</select></label>"
        )
    numbers = numbers_at(first, at)
    shown = "".join(
        f'<div><dt>{title}</dt><dd data-number="{key}">{_said(numbers[key])}</dd></div>'
        for key, title in _NUMBERS
    )
    return f"""<div class="explorer" id="{name}">
<h4>Threshold explorer</h4>
{choose}
<div class="slider"><label for="{name}-at">Positive from a probability of</label>
<output for="{name}-at" data-threshold>{first.thresholds[at]:.3f}</output>
<input type="range" id="{name}-at" min="0" max="{len(first.thresholds) - 1}" value="{at}"></div>
<table class="matrix two"><thead><tr><td></td><th scope="col">called positive</th>
<th scope="col">called negative</th></tr></thead><tbody aria-live="polite">{_two_by_two(first, at)}
</tbody></table>
<dl class="numbers-at">{shown}</dl>
<p class="aside">Without intervals: a threshold that is chosen by looking at these films flatters
the model. Choose it on other films.</p>
</div>"""


def numbers_at(counts: ThresholdCounts, at: int) -> dict[str, float | None]:
    """The numbers of one threshold; None where there is nothing to divide by.

    Parameters
    ----------
    counts : ThresholdCounts
    at : int
        Which of its thresholds.
    """
    tp, fp = counts.true_positives[at], counts.false_positives[at]
    fn, tn = counts.positives - tp, counts.negatives - fp
    threshold, films = counts.thresholds[at], counts.positives + counts.negatives
    benefit = None
    if films and threshold < 1:
        benefit = tp / films - fp / films * threshold / (1 - threshold)
    return {
        "sensitivity": _share(tp, tp + fn),
        "specificity": _share(tn, tn + fp),
        "ppv": _share(tp, tp + fp),
        "npv": _share(tn, tn + fn),
        "net_benefit": benefit,
    }


def _two_by_two(counts: ThresholdCounts, at: int) -> str:
    tp, fp = counts.true_positives[at], counts.false_positives[at]
    p, n = counts.positives, counts.negatives
    return (
        f'<tr><th scope="row" data-class>{text(counts.name)}</th>'
        f"{matrix_cell(tp, p, 'right')}{matrix_cell(p - tp, p, 'wrong')}</tr>"
        f'<tr><th scope="row">others</th>{matrix_cell(fp, n, "wrong")}'
        f"{matrix_cell(n - fp, n, 'right')}</tr>"
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _said(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.3f}"
