"""What stands first on a page: the result in a sentence, and where every film went."""

from __future__ import annotations

from xraybatch.core.counting import counted
from xraybatch.evaluation.places import PATIENT
from xraybatch.evaluation.report import Report, TaskReport
from xraybatch.reports import words
from xraybatch.reports.html_text import text


def result_html(report: Report) -> str:
    """One sentence a task, with its interval and what it rests on."""
    return "".join(f'<p class="result">{_result(task, report)}</p>' for task in report.tasks)


def flow_html(report: Report) -> str:
    """Where the films went, step by step, as a list that CSS draws as a flow."""
    join = report.join
    answered = join.matched - sum(join.failed.values())
    steps = [
        _step("in the results", join.results_films, [(join.only_in_results, "not in the labels")]),
        _step(
            f"matched with labels by {join.matched_by}",
            join.matched,
            [(count, status.replace("_", " ")) for status, count in join.failed.items()],
        ),
    ]
    one = report.tasks[0] if len(report.tasks) == 1 else None
    out = [(one.unlabelled, "without a label")] if one else []
    steps.append(_step("with an answer", answered, out))
    scored = ""
    for task in report.tasks:
        whose = "" if one else f" for {task.task}"
        of = f" of {_patients(task.patients)}" if join.patients is not None else ""
        scored += f"<p><b>{task.films:,}</b> {text(f'scored{whose}{of}')}</p>"
    steps.append(f"<li><div>{scored}</div></li>")
    labels = (
        f'<p class="aside">The labels have {counted(join.labels_films, "row")}'
        + (
            f", {join.only_in_labels:,} of them not in the results"
            if join.only_in_labels
            else ", all of them in the results"
        )
        + (f"; {join.duplicates:,} repeated rows were counted once" if join.duplicates else "")
        + ".</p>"
    )
    return f'<ol class="flow">{"".join(steps)}</ol>{labels}'


def _result(task: TaskReport, report: Report) -> str:
    name, estimate = next(iter(task.estimates.items()), ("", None))
    about = f" for {task.positive}" if task.positive else ""
    whose = f"{task.task}: " if len(report.tasks) > 1 else ""
    several = report.join.patients is not None and report.settings.unit != PATIENT
    of = f" of {_patients(task.patients)}" if several else ""
    where = f" on {counted(task.films, report.settings.unit)}{of}."
    if estimate is None:
        return f"{text(whose)}No number{text(where)}"
    if estimate.value is None:
        said = f"{whose}{words.title(name)}{about} is undefined{where[:-1]}: {estimate.reason}."
        return text(said)
    level = words.confidence(report)
    known = (
        f" ({level} {words.interval(estimate)})"
        if estimate.low is not None
        else f" (no interval: {estimate.interval_reason})"
    )
    return (
        f"{text(whose + words.title(name) + about)} <strong>{words.value(estimate)}</strong>"
        f"{text(known + where).replace(' %', '&nbsp;%')}"
    )


def _step(what: str, count: int, left_out: list[tuple[int, str]]) -> str:
    out = "".join(_left_out(n, why) for n, why in left_out if n)
    side = f'<ul aria-label="left out here">{out}</ul>' if out else ""
    return f"<li><div><b>{count:,}</b> {text(what)}</div>{side}</li>"


def _left_out(count: int, why: str) -> str:
    return f"<li>− {count:,} {text(why)}</li>"


def _patients(count: int) -> str:
    return counted(count, "patient")
