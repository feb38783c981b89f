"""Calibrating: a model, what it answered to films, and their truth, to a new sealed file.

The graph is not touched and nothing is computed with it: only the card is written anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.log import log_note, logged
from xraybatch.core.names import did_you_mean
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.core.versions import versions_of
from xraybatch.evaluation.answers import answers
from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.calibrating import Asked, calibrate_task
from xraybatch.evaluation.calibration_report import CalibrationReport, TaskCalibration
from xraybatch.evaluation.columns import label_columns
from xraybatch.evaluation.conformal import SCORES
from xraybatch.evaluation.join import INDEPENDENT
from xraybatch.evaluation.joined import Joined, seen_films
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.recalibration import LINES, METHODS, NotFitted
from xraybatch.evaluation.report import Settings, Source
from xraybatch.evaluation.scoring import BY_PATIENT, join_for
from xraybatch.evaluation.thresholds import ThresholdRule, parse_rule
from xraybatch.models.calibration_checks import BETWEEN_CLASSES, PLATT
from xraybatch.models.card import TaskCard
from xraybatch.models.choice import named_model
from xraybatch.models.model import Model, as_sealed, load_model, with_card
from xraybatch.reports.given import Given
from xraybatch.reports.recorded import warnings_of
from xraybatch.training.calibration_origin import dropped, scores_before, source, with_origin

NONE = "none"
_PACKAGES = ("xraybatch", "numpy", "pandas", "scipy")
_LEFT_OUT = "Films without an answer are left out."


@dataclass(frozen=True)
class CalibrateOptions:
    """What to fit, and how to read the tables.

    Attributes
    ----------
    method : str
        ``temperature``, ``platt`` (binary and multilabel tasks), ``isotonic`` or ``none``.
    threshold : str or None
        A rule, as `xraybatch.evaluation.thresholds.parse_rule` reads it; for binary and multilabel
        tasks.
    coverage : float or None
        Of conformal sets; for tasks that are not multilabel.
    sets : str
        ``lac`` or ``aps``.
    by_class : bool
        A conformal level for each class.
    tasks : sequence of str
        Names; none: all tasks of the model. The others stay as they are.
    allow_seen : bool
        Fit on films that the model was trained on, too.
    overwrite : bool
        Replace a model file that is there.
    scoring : ScoreOptions
        How the labels are read, and how intervals are made.
    """

    method: str = METHODS[0]
    threshold: str | None = None
    coverage: float | None = None
    sets: str = SCORES[0]
    by_class: bool = False
    tasks: Sequence[str] = ()
    allow_seen: bool = False
    overwrite: bool = False
    scoring: ScoreOptions = field(default_factory=ScoreOptions)

    def __post_init__(self) -> None:
        for word, value, known in (
            ("method", self.method, (*METHODS, NONE)),
            ("sets", self.sets, SCORES),
        ):
            if value not in known:
                raise UsageError(f"There is no --{word} {value}.", did_you_mean(value, known))
        if self.method == NONE and self.threshold is None and self.coverage is None:
            raise UsageError(
                "With --method none and nothing else there is nothing to fit.",
                "Give --threshold or --coverage too.",
            )
        if self.by_class and self.coverage is None:
            raise UsageError("--by-class is about sets.", "Give their --coverage, such as 0.9.")
        if self.coverage is not None and not 0.5 <= self.coverage < 1:
            raise UsageError(
                f"A coverage of {self.coverage:g} makes no sets.", "Give 0.9, or 0.5 to 1."
            )
        if self.threshold is not None:
            parse_rule(self.threshold)


def calibrate(
    model: Path,
    results: Given,
    labels: Given,
    out: Path,
    *,
    options: CalibrateOptions | None = None,
    progress: Progress = SILENT,
) -> tuple[Model, CalibrationReport]:
    """Fit calibration, thresholds and conformal levels, and write the model with them.

    Parameters
    ----------
    model : Path
        A model file or a run folder.
    results : Given
        What this model answered to films that it was not trained on, with the run record.
    labels : Given
        Their truth.
    out : Path
        The new model file: the same graph, another card, a seal of its own.
    options : CalibrateOptions, optional
    progress : Progress

    Raises
    ------
    InputError
        If the results are of another model, are calibrated already, or were seen in training; if
        they do not carry what was asked for; if `out` is there.
    UsageError
        If tasks and options do not fit.
    ModelError
        If the model cannot be read.
    """
    asked, progress = options or CalibrateOptions(), logged(progress)
    check_may_write(out, overwrite=asked.overwrite)
    given = load_model(named_model(model))
    _check_record(results, given)
    entries = _chosen(given.card.tasks, asked.tasks)
    joined, told = join_for(results.table, labels.table, [e.task for e in entries], asked.scoring)
    seen = _check_seen(joined, asked)
    sentences = list(warnings_of(results))
    if not given.card.hashes:
        sentences.append(
            "The model does not say which films it was trained on: whether these were among them "
            "is not known."
        )
    if seen:
        sentences.append(
            f"{seen:,} of these films were seen in training, where a model is surer than it is of "
            "new ones: what was fitted on them is wrong for those."
        )
    new: dict[str, TaskCard] = {}
    found: list[TaskCalibration] = []
    homes = label_columns(
        joined.labels.columns, [e.task for e in entries], asked.scoring.label_column
    )
    several = len(given.card.tasks) > 1
    rule = None if asked.threshold is None else parse_rule(asked.threshold)
    sampling = Sampling(asked.scoring.confidence, asked.scoring.resamples, asked.scoring.seed)
    for entry in entries:
        task = entry.task
        films = answers(joined, task, several, homes[task.name], asked.scoring.label_map)
        wanted = _asked(task, asked, rule, alone=len(entries) == 1)
        if wanted is None:
            sentences.append(f"Task '{task.name}' takes none of what was asked for: as it was.")
            continue
        try:
            fitted, report = calibrate_task(task, films, wanted, sampling)
        except NotFitted as error:
            raise InputError(
                f"Task '{task.name}' is not calibrated: {error}.",
                "Give more films, leave out what these do not carry, or name other tasks with "
                "--task.",
            ) from None
        came_from = source(results, labels, films, joined, seen)
        new[task.name] = with_origin(fitted, wanted.rule, report, joined, came_from)
        found.append(report)
        sentences += dropped(entry, fitted)
    for sentence in sentences:
        log_note(sentence)
    card = replace(
        given.card,
        tasks=tuple(new.get(entry.task.name, entry) for entry in given.card.tasks),
        scores=scores_before(given.card.scores),
    )
    written = with_card(given, card, out)
    return written, CalibrationReport(
        join=told,
        tasks=tuple(found),
        model=given.path.name,
        seal=given.seal,
        written=out.name,
        new_seal=written.seal,
        settings=Settings(
            confidence=asked.scoring.confidence,
            resamples=asked.scoring.resamples,
            seed=asked.scoring.seed,
            clustering=BY_PATIENT if joined.patients_known else INDEPENDENT,
            failed_films=_LEFT_OUT,
        ),
        versions=versions_of(_PACKAGES),
        sources=tuple(
            Source(role, table.name, table.digest)
            for role, table in (("results", results), ("labels", labels))
            if table.is_file
        ),
        sentences=tuple(sentences),
    )


def check_may_write(out: Path, *, overwrite: bool) -> None:
    """Raise unless a model file may be written there."""
    if out.suffix.lower() != ".onnx":
        raise UsageError(f"A model is not written as '{out.name}'.", "End the name with .onnx.")
    if out.is_dir():
        raise UsageError(f"{out} is a folder.", "Give the name of a file for the model.")
    if out.exists() and not overwrite:
        raise InputError(
            f"{out} is there already and is not overwritten.",
            "Choose another --out, or allow it with --overwrite.",
        )


def _check_record(results: Given, model: Model) -> None:
    """The table must be this model's own answers, as its graph gave them."""
    record = results.record
    if not record:
        raise InputError(
            f"No run record lies with {results.name}, so nobody knows which model made it.",
            f"Predict with {model.path.name}, and keep RESULTS.run.json beside the table.",
        )
    ran = record.get("model")
    ran = ran if isinstance(ran, Mapping) else {}
    seal, card = str(ran.get("seal") or ""), record.get("card")
    card = card if isinstance(card, Mapping) else {}
    same = as_sealed(model, seal, card)
    if ran.get("broken_seal") or same is None or same.card.rule != model.card.rule:
        raise InputError(
            f"{results.name} was predicted with another model (seal {seal[:12] or 'none'}; "
            f"{model.path.name} has {model.seal[:12]}).",
            f"Predict the films with {model.path.name}, or name the model that made the table.",
        )
    tasks = record.get("tasks")
    entries = tasks if isinstance(tasks, list) else []
    if any(isinstance(entry, Mapping) and entry.get("calibration") for entry in entries):
        raise InputError(
            f"The probabilities of {results.name} are calibrated already.",
            "Calibration is fitted on what the graph says: predict with the model as it was "
            "before it was calibrated, and give that model or this one.",
        )


def _chosen(entries: Sequence[TaskCard], names: Sequence[str]) -> list[TaskCard]:
    known = [entry.task.name for entry in entries]
    for name in names:
        if name not in known:
            raise UsageError(f"The model has no task '{name}'.", did_you_mean(name, known))
    return [entry for entry in entries if not names or entry.task.name in names]


def _check_seen(joined: Joined, asked: CalibrateOptions) -> int:
    seen = int(seen_films(joined.results).sum())
    if seen and not asked.allow_seen:
        raise InputError(
            f"{seen:,} of {len(joined.results):,} labelled films were seen in training: what is "
            "fitted on them is wrong for new ones.",
            "Give films that training held back, or, knowing this, --allow-seen.",
        )
    return seen


def _asked(
    task: Task, options: CalibrateOptions, rule: ThresholdRule | None, *, alone: bool
) -> Asked | None:
    """What of the options is for this task; None: nothing."""
    has_threshold = task.kind in (TaskKind.BINARY, TaskKind.MULTILABEL)
    has_sets = task.kind is not TaskKind.MULTILABEL
    if alone and rule is not None and not has_threshold:
        raise UsageError(
            f"Task '{task.name}' is {task.kind}: the most probable class wins, without threshold.",
            "Leave out --threshold.",
        )
    if alone and options.coverage is not None and not has_sets:
        raise UsageError(
            f"Task '{task.name}' is {task.kind}: several findings at once make no set of classes.",
            "Leave out --coverage; --threshold 'sensitivity>=0.95' holds for each finding.",
        )
    method = None if options.method == NONE else options.method
    if method == PLATT and task.kind not in LINES:
        if alone:
            raise UsageError(
                f"Task '{task.name}' is {task.kind}: Platt's line is for one class against the "
                "rest.",
                "Give --method temperature or isotonic.",
            )
        method = None
    has_sets = has_sets and options.coverage is not None
    if has_sets and (odd := [c for c in task.classes if BETWEEN_CLASSES in c]):
        raise UsageError(
            f"The class '{odd[0]}' has a {BETWEEN_CLASSES}, which joins the classes of a set.",
            "Leave out --coverage.",
        )
    found = Asked(
        method,
        rule if has_threshold else None,
        options.coverage if has_sets else None,
        options.sets,
        options.by_class,
    )
    return None if found.method is None and found.rule is None and not has_sets else found
