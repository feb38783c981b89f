"""Training, the use case: films and labels to a run folder with a sealed model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import as_file
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch.core.errors import Interrupted
from xraybatch.core.files import write_text
from xraybatch.core.log import log_to, logged
from xraybatch.core.progress import SILENT, Progress
from xraybatch.evaluation.report import Report
from xraybatch.extension.records import Architecture
from xraybatch.extension.registry import Owned, registry
from xraybatch.models.card import Card
from xraybatch.models.model import load_model, with_card
from xraybatch.models.runs import MODEL_FILE
from xraybatch.training import artefacts
from xraybatch.training.augment import augmenter
from xraybatch.training.backend import check_installed, choose_device, set_seed
from xraybatch.training.card_of_run import scores_for_card
from xraybatch.training.config import write_config
from xraybatch.training.data_source import with_folder
from xraybatch.training.fit import History, Material, check_optimizer, fit
from xraybatch.training.folder import LOG, run_folder
from xraybatch.training.heads import head_for
from xraybatch.training.held_back import CHOSEN_ON, HELD_BACK, judged_part, score_part
from xraybatch.training.imbalance import oversampled
from xraybatch.training.labels import TEST, TRAIN, VALIDATION
from xraybatch.training.model_file import Trained, write_model_file
from xraybatch.training.network import assemble
from xraybatch.training.options import TrainOptions
from xraybatch.training.prepare import Prepared, find, prepare
from xraybatch.training.settings import Settings, settle
from xraybatch.training.weights import build_network

if TYPE_CHECKING:
    import pandas as pd

CONFIG = "config.toml"
FOCUS = 2.0  # of focal loss, as its authors recommend
SAMPLES = "No --data: the synthetic sample films are used. This is a demonstration."


@dataclass(frozen=True)
class Run:
    """A finished training run.

    Attributes
    ----------
    folder : Path
    model : Path
        Of the sealed model file.
    card : Card
    report : Report or None
        Scores of the held-back part, else of the validation part; None where there is neither.
    """

    folder: Path
    model: Path
    card: Card
    report: Report | None


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
        If stopped; nothing of the run is kept but the decoded films.
    """
    architecture = registry().get(Architecture, options.plugin)
    check_installed()
    settings = settle(options, architecture.record)
    try:
        with run_folder(options.out, options.plugin, _today()) as (building, final):
            run = _train(options, settings, architecture, building, final, progress)
    except KeyboardInterrupt:
        raise Interrupted(
            "Training was stopped; no run folder was kept.",
            "The decoded films were, so the same command begins faster.",
        ) from None
    return run


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
        options = with_folder(options, told)
        folder = stack.enter_context(_films_folder(options, told))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=building)))
        found = find(folder, options, told)  # what is mistyped is told before TensorFlow starts
        _say_device(options.device, told)
        check_optimizer(settings.optimizer)
        prepared = prepare(
            found, options, settings, cache=scratch if options.no_cache else None, progress=told
        )
        _say_parts(prepared, told)
        artefacts.write_split(building, prepared)
        artefacts.write_calibration(building, prepared, options.seed)

        set_seed(options.seed)
        network, weights = build_network(architecture.record, settings, options.weights, told)
        gamma = FOCUS if settings.imbalance == "focal" else 0.0
        smoothing = settings.label_smoothing
        heads = [head_for(task, gamma=gamma, smoothing=smoothing) for task in prepared.tasks]
        augmentation = augmenter(settings.augment, flip=settings.flip, seed=options.seed)
        _say_views(settings, frozen=network.pretrained, progress=told)
        assembly = assemble(
            network,
            heads,
            height=settings.rule.height,
            width=settings.rule.width,
            dropout=settings.dropout,
            augmentation=augmentation,
        )
        history = fit(
            assembly,
            heads,
            _material(prepared, heads, settings, augmentation, options.seed),
            settings,
            frozen=network.pretrained,
            seed=options.seed,
            scratch=scratch,
            progress=told,
        )
        artefacts.write_history(building, _as_table(history))
        loaded = options.weights if weights.loaded == weights.asked else weights.loaded
        write_text(building / CONFIG, write_config(options, settings, loaded))

        made = Trained(assembly.inference, assembly.outputs, options, settings, weights)
        card = write_model_file(made, prepared, architecture, building, final.name, told)
        card, report = _judge(building, card, prepared, told)
        artefacts.write_card_texts(building, card)
    return Run(final, final / MODEL_FILE, card, report)


@contextmanager
def _films_folder(options: TrainOptions, progress: Progress) -> Iterator[Path | None]:
    if options.data is not None or options.labels is not None:
        yield options.data
        return
    from xraybatch_samples import films_folder

    progress.note(SAMPLES)
    with as_file(films_folder()) as folder:
        yield folder


def _say_device(asked: str, progress: Progress) -> None:
    device = choose_device(asked)
    progress.note(f"Training runs on {device.name}.")
    if device.note:
        progress.warn("GPU unused", device.note)


def _say_parts(prepared: Prepared, progress: Progress) -> None:
    for task in prepared.tasks:
        progress.note(f"Task '{task.name}', {task.kind}: {', '.join(task.classes)}.")
    counts = [f"{part} {len(prepared.split.where(part)):,}" for part in (TRAIN, VALIDATION, TEST)]
    progress.note(f"Films: {', '.join(counts)} ({prepared.split.how}; {prepared.split.overlap}).")


def _say_views(settings: Settings, *, frozen: bool, progress: Progress) -> None:
    if not frozen or (settings.augment == "none" and not settings.flip):
        return
    seen = f"{settings.views} views of each film" if settings.views > 1 else "each film as it is"
    progress.note(
        f"The backbone is frozen and sees {seen}"
        + (", one of them as it is." if settings.views > 1 else "; --views N adds augmented views.")
    )


def _material(
    prepared: Prepared, heads: Sequence[Any], settings: Settings, augmentation: Any, seed: int
) -> Material:
    training = prepared.split.part == TRAIN
    codes = prepared.codes

    def weights(*, balanced: bool) -> dict[str, Any]:
        return {
            h.task.name: h.weights(codes[h.task.name], training, balanced=balanced) for h in heads
        }

    train = prepared.split.where(TRAIN)
    if settings.imbalance == "oversample":
        train = oversampled(train, weights(balanced=True), codes, seed)
    return Material(
        films=prepared.films,
        targets={h.task.name: h.targets(codes[h.task.name]) for h in heads},
        weights=weights(balanced=settings.imbalance == "class-weights"),
        train=train,
        val=prepared.split.where(VALIDATION),
        codes=codes,
        augmentation=augmentation,
    )


def _judge(
    building: Path, card: Card, prepared: Prepared, progress: Progress
) -> tuple[Card, Report | None]:
    """Score the held-back part with the finished file, and write the scores into its card."""
    part = judged_part(prepared)
    if not part:
        progress.note("No film was held back, so there is no score.")
        return card, None
    model = load_model(building / MODEL_FILE)
    name = "predictions-test.csv" if part == TEST else "predictions-validation.csv"
    report = score_part(model, prepared, part, building / name, progress)
    artefacts.write_scores(building, report)
    told = HELD_BACK if part == TEST else CHOSEN_ON
    card = replace(card, scores=scores_for_card(report, told))
    with_card(model, card, model.path)
    return card, report


def _as_table(history: History) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(history)


def _today() -> Any:
    return datetime.now(UTC).date()
