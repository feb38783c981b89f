"""From two tables to a report: what ``xraybatch score`` and ``xraybatch.score`` call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch.core.counting import counted, verb
from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.files import write_text
from xraybatch.core.label_maps import parse_label_map
from xraybatch.core.log import log_note, logged
from xraybatch.core.names import no_formula
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.tasks import Task, TaskRequest
from xraybatch.evaluation.aggregation import MEAN
from xraybatch.evaluation.answers import Answers
from xraybatch.evaluation.cuts import Chosen
from xraybatch.evaluation.join import check_order
from xraybatch.evaluation.joined import Joined, checked_films, seen_films
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.report import JoinReport, Report, Source
from xraybatch.evaluation.scoring import answers_by_task, evaluate, join_for
from xraybatch.evaluation.studies import FILM, Grouping
from xraybatch.evaluation.thresholds import parse_rule
from xraybatch.extension.registry import registry
from xraybatch.reports.given import Given
from xraybatch.reports.model_facts import model_facts, stated_coverage, task_thresholds
from xraybatch.reports.recorded import recorded_tasks, tasks_of, warnings_of

if TYPE_CHECKING:
    import pandas as pd


def score_options(
    *,
    label_map: str | None = None,
    by: str = FILM,
    by_column: str | None = None,
    aggregate: str = MEAN,
    thresholds: Sequence[str] = (),
    slices: Sequence[str] = (),
    readers: Sequence[str] = (),
    **values: Any,
) -> ScoreOptions:
    """Options as a person gives them, with the metrics of every plugin.

    Parameters
    ----------
    label_map : str, optional
        As `xraybatch.core.label_maps.parse_label_map` reads it.
    by, aggregate, by_column : str, optional
        Unit, rule and column of a `Grouping`.
    thresholds : sequence of str
        Rules, as `xraybatch.evaluation.thresholds.parse_rule` reads them.
    slices, readers : sequence of str
        Columns. One that is named twice, as a rule, counts once.
    **values
        The other fields of `ScoreOptions`.

    Raises
    ------
    UsageError
        If a value is of no use.
    PluginError
        If two plugins register one metric.
    """
    if by == FILM and (by_column is not None or aggregate != MEAN):
        raise UsageError(
            "--by-column and --aggregate are for films that are put together.", "Add --by study."
        )
    classes = parse_label_map(label_map) if label_map else {}
    return ScoreOptions(
        label_map=classes,
        metrics=registry().metrics(),
        grouping=Grouping(by, aggregate, by_column),
        rules=tuple(dict.fromkeys(parse_rule(text) for text in thresholds)),
        slices=tuple(dict.fromkeys(slices)),
        readers=tuple(dict.fromkeys(readers)),
        **values,
    )


def score_tables(
    results: Given,
    labels: Given,
    *,
    requests: Sequence[TaskRequest] = (),
    positive: str | None = None,
    options: ScoreOptions | None = None,
    chosen_on: tuple[Given, Given] | None = None,
    aggregated: Path | None = None,
    progress: Progress = SILENT,
) -> Report:
    """Score results against labels.

    Parameters
    ----------
    results, labels : Given
        The tasks are read from the results' run record, else from the columns.
    requests : sequence of TaskRequest
        Tasks as a person names them; given, the run record is not asked.
    positive : str, optional
        The positive class of the binary tasks; goes before the run record's.
    options : ScoreOptions, optional
    chosen_on : tuple of Given, optional
        Results and labels that the rules for thresholds choose on.
    aggregated : Path, optional
        Where the answers to studies are written, if studies are scored.
    progress : Progress
        Is told where films are that stand in one table only.

    Raises
    ------
    InputError
        If the two do not fit each other.
    UsageError
        If the tasks need more than the tables say.
    """
    chosen, progress = options or ScoreOptions(), logged(progress)
    check_order(results.table, labels.table)
    sentences = (*warnings_of(results), *_seen(results.table))
    for sentence in sentences:  # the person reads them above the numbers
        log_note(sentence)
    if not results.record:
        progress.note("No run record lies with the results: nothing is known of their model.")
    tasks = tasks_of(results, requests, positive)
    chosen = replace(
        chosen,
        thresholds=task_thresholds(results.record, tasks),
        levels=stated_coverage(results.record),
    )
    joined, told = join_for(results.table, labels.table, tasks, chosen)
    if aggregated is not None and joined.aggregated is not None:
        table = joined.aggregated.copy()
        # no spreadsheet shall execute the name of a study
        table.iloc[:, 0] = [no_formula(name) for name in table.iloc[:, 0]]
        write_text(aggregated, table.to_csv(index=False, lineterminator="\n"))
    _tell_examples(joined, results, labels, progress)
    roles = [("results", results), ("labels", labels)]
    if chosen_on is not None:
        films, said = _films_to_choose_on(*chosen_on, tasks, chosen, joined, results)
        chosen, sentences = replace(chosen, chosen_on=films), (*sentences, *said)
        roles += zip(("thresholds chosen on", "its labels"), chosen_on, strict=True)
    report = evaluate(joined, told, tasks, chosen)
    sources = tuple(
        Source(role, given.name, given.digest) for role, given in roles if given.is_file
    )
    facts = model_facts(results.record)
    if facts is not None:
        checked = int(checked_films(results.table).sum())
        facts = replace(facts, checked=checked, seen=int(seen_films(results.table).sum()))
    return replace(report, sources=sources, sentences=sentences, model=facts)


def _films_to_choose_on(
    results: Given,
    labels: Given,
    tasks: Sequence[Task],
    options: ScoreOptions,
    scored: Joined,
    scored_by: Given,
) -> tuple[Chosen, tuple[str, ...]]:
    """The films that thresholds are chosen on, and what keeps them from being other films."""
    joined, told, given = _answers_to_choose_on(results, labels, tasks, options)
    shared = len(set(joined.results["path"]) & set(scored.results["path"]))
    people = len(joined.names & scored.names)
    said = [
        sentence if sentence.startswith(results.name) else f"{results.name}: {sentence}"
        for sentence in warnings_of(results)
    ]
    seen = int(seen_films(joined.results).sum())
    if seen:
        said.append(
            f"{seen:,} of the films that thresholds were chosen on {verb('was', seen)} seen in "
            "training: the thresholds flatter the model and may be wrong for others."
        )
    if told.only_in_results:
        said.append(
            f"{counted(told.only_in_results, 'film')} of {results.name} "
            f"{verb('has', told.only_in_results)} no row of labels and chose no threshold."
        )
    seals = [_seal(given) for given in (scored_by, results)]
    if all(seals) and seals[0] != seals[1]:
        said.append(
            f"{results.name} is of another model (seal {seals[1][:12]}) than the scored results "
            f"({seals[0][:12]}): its thresholds mean nothing here."
        )
    if shared:
        said.append(
            f"{shared:,} of the scored films {verb('was', shared)} also used to choose thresholds: "
            "the operating points are optimistic."
        )
    elif people:
        said.append(
            f"{counted(people, 'patient')} {verb('has', people)} films here and among those that "
            "thresholds were chosen on: the operating points are optimistic."
        )
    elif not (joined.names and scored.names):
        said.append(
            "Whether patients stand both here and among the films that thresholds were chosen on "
            "is not known."
        )
    return Chosen(results.name, given), tuple(said)


def _answers_to_choose_on(
    results: Given, labels: Given, tasks: Sequence[Task], options: ScoreOptions
) -> tuple[Joined, JoinReport, dict[str, Answers]]:
    recorded = {task.name: task for task in recorded_tasks(results, ())}
    for task in tasks:
        other = recorded.get(task.name)
        if other is not None and set(other.classes) != set(task.classes):
            raise InputError(
                f"{results.name}, to choose thresholds on, answers other classes than the scored "
                f"results: {', '.join(other.classes)}.",
                f"Give results of the same model; here the classes are {', '.join(task.classes)}.",
            )
    try:
        check_order(results.table, labels.table)
        joined, told = join_for(results.table, labels.table, tasks, options)
        return joined, told, answers_by_task(joined, tasks, options)
    except InputError as error:
        # nobody shall look for the mistake in the tables that are scored
        raise InputError(
            f"Of the films to choose thresholds on ({results.name}, {labels.name}): "
            f"{error.message}",
            error.hint,
        ) from None


def _seal(given: Given) -> str:
    model = given.record.get("model")
    seal = model.get("seal") if isinstance(model, dict) else ""
    return seal if isinstance(seal, str) else ""


def _seen(results: pd.DataFrame) -> tuple[str, ...]:
    """Films that the model was trained on make it look better than it is."""
    seen = int(seen_films(results).sum())
    if not seen:
        return ()
    return (
        f"{seen:,} of {counted(len(results), 'film')} {verb('was', seen)} seen in training: these "
        "numbers flatter the model. Score films that it has not seen; those that training held "
        "back are in its run folder, predictions-test.csv, and their score is on its card "
        "(xraybatch inspect).",
    )


def _tell_examples(joined: Joined, results: Given, labels: Given, progress: Progress) -> None:
    # rows and no paths: a path can be the name of a patient, and notes go to logs
    for name, rows in (
        (results.name, joined.only_in_results),
        (labels.name, joined.only_in_labels),
    ):
        if rows:
            listed = ", ".join(f"{row:,}" for row in rows)
            progress.note(f"Only in {name}, for example: row {listed} (the header is 1).")
