"""Training, the use case: films and labels to a run folder with a sealed model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import as_file
from pathlib import Path
from typing import Any

from xraybatch.core.errors import Interrupted, XraybatchError
from xraybatch.core.log import log_to, logged
from xraybatch.core.progress import SILENT, Progress
from xraybatch.evaluation.report import Report
from xraybatch.extension.records import Architecture
from xraybatch.extension.registry import Owned, registry
from xraybatch.models.card import Card
from xraybatch.models.runs import MODEL_FILE
from xraybatch.reports.cross_validation import FoldLine
from xraybatch.training.backend import Device, be_deterministic, check_installed, choose_device
from xraybatch.training.config import check_names
from xraybatch.training.conflicts import check_leak, settle_conflicts
from xraybatch.training.data_source import how_prepared, is_distributed, with_folder
from xraybatch.training.features import Bank
from xraybatch.training.folder import LOG, STATE, reopened, run_folder
from xraybatch.training.folds import cross_validate
from xraybatch.training.gather import Gathered, find, gather
from xraybatch.training.learn import Workshop
from xraybatch.training.one_run import make_run
from xraybatch.training.optimizer import check_optimizer
from xraybatch.training.options import TrainOptions
from xraybatch.training.patients import patients_known
from xraybatch.training.prepare import Prepared, divide
from xraybatch.training.preview import check_preview, write_preview
from xraybatch.training.resume import (
    check_films,
    check_versions,
    find_unfinished,
    tell_unfinished,
    write_about,
)
from xraybatch.training.settings import Settings, settle
from xraybatch.training.split import AS_DISTRIBUTED, make_split
from xraybatch.training.tries import TryLine, grid

SAMPLES = "No --data: the synthetic sample films are used. This is a demonstration."
DETERMINISTIC = (
    "Deterministic: the same films, options and versions give the same weights on this kind of "
    "processor with as many cores; another processor, GPU or version may round otherwise."
)


@dataclass(frozen=True)
class Run:
    """A finished training run.

    Attributes
    ----------
    folder : Path
    model : Path or None
        Of the sealed model file; None for a cross-validation without a model of all films.
    card : Card or None
        Of that model.
    report : Report or None
        Scores of the held-back part, else of the validation part, or of all folds' held-back films
        together; None where there is none.
    folds : tuple of FoldLine
        The figures of each fold; empty without cross-validation.
    tries : tuple of TryLine
        The settings that were tried; empty where none were, or each fold chose for itself.
    """

    folder: Path
    model: Path | None
    card: Card | None
    report: Report | None
    folds: tuple[FoldLine, ...] = ()
    tries: tuple[TryLine, ...] = ()


def train(options: TrainOptions, progress: Progress = SILENT) -> Run:
    """Train a model and write its run folder.

    Parameters
    ----------
    options : TrainOptions
    progress : Progress

    Returns
    -------
    Run

    Raises
    ------
    UsageError, InputError, PluginError, MissingExtra
        If options, films, labels or the architecture cannot be used, or something is not installed.
    ModelError, BarMissed
        If training ran away, or the exported file does not answer as Keras does.
    Interrupted
        If stopped; once an epoch is done, `resume` goes on.
    """
    architecture = registry().get(Architecture, options.plugin)
    check_installed()
    settings = settle(options, architecture.record)
    check_names(options, settings)
    grid(options, architecture.record)  # what is mistyped there is told now
    if options.out is None:
        tell_unfinished(options, progress)
    with (
        _told_when_stopped() as place,
        run_folder(options.out, options.plugin, _today()) as (building, final),
    ):
        place += [building, final]
        write_about(building, final, options)
        return _train(options, settings, architecture, building, final, progress)


def resume(run: Path, progress: Progress = SILENT, *, tolerance: float | None = None) -> Run:
    """Go on with a run that was stopped, as it was asked for.

    Parameters
    ----------
    run : Path
        What its folder was to be called, or the folder that it is built in.
    progress : Progress
    tolerance : float, optional
        Of the parity gate, which changes nothing of what is learned; None: as it was asked for.

    Raises
    ------
    XraybatchError
        As `train`; `InputError` if there is no such run, or its films are not the same any more.
    """
    unfinished = find_unfinished(run)
    options, building, final = unfinished.options, unfinished.building, unfinished.final
    if tolerance is not None:
        options = replace(options, tolerance=tolerance)
    architecture = registry().get(Architecture, options.plugin)
    check_installed()
    settings = settle(options, architecture.record)
    with _told_when_stopped() as place, reopened(building, final):
        place += [building, final]
        check_versions(unfinished, progress)
        progress.note(f"Going on with {final.name}.")
        return _train(options, settings, architecture, building, final, progress)


def preview(options: TrainOptions, path: Path, progress: Progress = SILENT) -> None:
    """Draw what augmentation makes of training films, without training.

    Parameters
    ----------
    options : TrainOptions
    path : Path
        Of the PNG.
    progress : Progress

    Raises
    ------
    XraybatchError
        As `train`; `UsageError` if these options augment nothing.
    """
    architecture = registry().get(Architecture, options.plugin)
    check_installed()
    settings = settle(options, architecture.record)
    check_preview(path, settings)
    with ExitStack() as stack:
        options = with_folder(options, progress)
        folder = stack.enter_context(_films_folder(options, progress))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = find(folder, options, progress)
        choose_device("cpu")
        cache = scratch if options.no_cache else None
        given = gather(found, options, settings, cache=cache, progress=progress)
        prepared = _divided(given, options, settings)
        write_preview(path, prepared, settings, options.seed)


def _train(
    options: TrainOptions,
    settings: Settings,
    architecture: Owned[Architecture],
    building: Path,
    final: Path,
    progress: Progress,
) -> Run:
    with ExitStack() as stack:
        stack.enter_context(log_to(building / LOG))
        told = logged(progress)
        typed = options
        options = with_folder(typed, told)
        folder = stack.enter_context(_films_folder(options, told))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=building)))
        found = find(folder, options, told)  # what is mistyped is told before TensorFlow starts
        devices = _say_device(options.device, told).several
        if options.deterministic:
            be_deterministic()
            told.note(DETERMINISTIC)
        tried = grid(typed, architecture.record)
        for one in (settings, *(point.settings for point in tried)):
            check_optimizer(one.optimizer)
        cache = scratch if options.no_cache else None
        given = gather(found, options, settings, cache=cache, progress=told)
        check_films(building, given, settings)
        given = settle_conflicts(given, options.on_conflict, building, told)
        for task in given.tasks:
            told.note(f"Task '{task.name}', {task.kind}: {', '.join(task.classes)}.")
        bank = Bank(scratch, given.films.rows)
        shop = Workshop(options, architecture, bank, building, final.name, told, devices, typed)
        if options.folds:
            card, report, folds = cross_validate(shop, given, settings)
            model = None if card is None else final / MODEL_FILE
            return Run(final, model, card, report, folds)
        prepared = _divided(given, options, settings)
        made = make_run(shop, prepared, settings, building, final.name, building / STATE)
        if made.report is None:
            told.note("No film was held back, so there is no score.")
    return Run(final, final / MODEL_FILE, made.card, made.report, tries=made.tries)


def _divided(given: Gathered, options: TrainOptions, settings: Settings) -> Prepared:
    parts = list(given.table["split"])
    split = make_split(
        given.strata,
        given.groups,
        given=parts,
        val_split=settings.val_split,
        test_split=options.test_split,
        seed=options.seed,
        whole=given.whole,
        patients_known=patients_known(given.table),
        told=how_prepared(options) or AS_DISTRIBUTED,
        distributed=is_distributed(options),
    )
    check_leak(split, options.on_leak, given.whole)
    return divide(given, split, parts)


@contextmanager
def _told_when_stopped() -> Iterator[list[Path]]:
    """Turn Ctrl-C into a sentence, and let errors say what is kept.

    The block writes down where it builds and what it will be.
    """
    place: list[Path] = []
    try:
        yield place
    except XraybatchError as error:
        if place and place[0].exists():
            kept = f"What was learned is kept: `xraybatch train --resume {place[1]}` goes on."
            error.hint = f"{error.hint} {kept}".strip()
        raise
    except KeyboardInterrupt:
        if place and place[0].exists():
            raise Interrupted(
                "Training was stopped; what was learned so far is kept.",
                f"`xraybatch train --resume {place[1]}` goes on with it.",
            ) from None
        raise Interrupted(
            "Training was stopped; no run folder was kept.",
            "Give the same command again; films that were decoded already are not decoded again.",
        ) from None


@contextmanager
def _films_folder(options: TrainOptions, progress: Progress) -> Iterator[Path | None]:
    if options.data is not None or options.labels is not None:
        yield options.data
        return
    from xraybatch_samples import films_folder

    progress.note(SAMPLES)
    with as_file(films_folder()) as folder:
        yield folder


def _say_device(asked: str, progress: Progress) -> Device:
    device = choose_device(asked)
    progress.note(f"Training runs on {device.name}.")
    if device.note:
        progress.warn("GPU unused", device.note)
    return device


def _today() -> Any:
    return datetime.now(UTC).date()
