"""One network, built and taught, from films that are dealt to parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.progress import Progress
from xraybatch.core.tasks import TaskKind
from xraybatch.extension.records import Architecture, Network
from xraybatch.extension.registry import Owned
from xraybatch.training.augment import augmenter
from xraybatch.training.backend import precision, set_seed, sharing
from xraybatch.training.features import Bank
from xraybatch.training.fit import Material, Stored, Taught, fit
from xraybatch.training.heads import Head, head_for
from xraybatch.training.imbalance import oversampled
from xraybatch.training.network import Assembly, assemble
from xraybatch.training.options import TrainOptions
from xraybatch.training.part_names import TRAIN, VALIDATION
from xraybatch.training.prepare import Prepared
from xraybatch.training.settings import Settings
from xraybatch.training.weights import LoadedWeights, build_network

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOCUS = 2.0  # of focal loss, as its authors recommend
_LISTED = 12  # classes
_ALIKE = 0.01  # between class weights of which nothing need be said


@dataclass(frozen=True)
class Workshop:
    """What all networks of a run share.

    Attributes
    ----------
    options : TrainOptions
    architecture : Owned of Architecture
    bank : Bank
        Features of frozen backbones.
    building : Path
        Where the run is built.
    name : str
        Of the run.
    progress : Progress
    devices : tuple of str
        That share each batch; empty: one alone.
    typed : TrainOptions or None
        As a person gave them, where `options` say something else of where the films lie.
    """

    options: TrainOptions
    architecture: Owned[Architecture]
    bank: Bank
    building: Path
    name: str
    progress: Progress
    devices: tuple[str, ...] = ()
    typed: TrainOptions | None = None


@dataclass(frozen=True)
class Learned:
    """A network that has learned."""

    assembly: Assembly
    weights: LoadedWeights
    frozen: bool
    taught: Taught


def learn(shop: Workshop, prepared: Prepared, settings: Settings, state: Path | None) -> Learned:
    """Build and train a network.

    Parameters
    ----------
    shop : Workshop
    prepared : Prepared
    settings : Settings
    state : Path or None
        Folder of where training stands; what lies there is gone on with. None: kept nowhere.
    """
    options, progress = shop.options, shop.progress
    set_seed(options.seed)
    gamma = FOCUS if settings.imbalance == "focal" else 0.0
    smoothing = settings.label_smoothing

    def assembled(network: Network, augmentation: Any = None) -> tuple[list[Head], Assembly]:
        heads = [head_for(task, gamma=gamma, smoothing=smoothing) for task in prepared.tasks]
        rule, dropout = settings.rule, settings.dropout
        return heads, assemble(
            network,
            heads,
            height=rule.height,
            width=rule.width,
            dropout=dropout,
            augmentation=augmentation,
        )

    key = (repr(settings.values), settings.augment, settings.flip, settings.views)
    with sharing(shop.devices):
        with precision(mixed=options.mixed_precision):
            network, weights = build_network(
                shop.architecture.record, settings, options.weights, progress
            )
        augmentation = augmenter(settings.augment, flip=settings.flip, seed=options.seed)
        _say_views(settings, frozen=network.pretrained, progress=progress)
        heads, assembly = assembled(network, augmentation)
        material = _material(prepared, heads, settings, augmentation, options.seed)
        if settings.monitor != "loss" and not len(material.val):
            progress.note(
                f"--monitor {settings.monitor} changes nothing: there are no validation films, so "
                "the best epoch is that of the least training loss."
            )
        _say_balance(settings, prepared, material, progress)
        taught = fit(
            assembly,
            heads,
            material,
            settings,
            frozen=network.pretrained,
            seed=options.seed,
            stored=Stored(shop.bank, key),
            state=state,
            progress=progress,
        )
    if options.mixed_precision or shop.devices:
        # the same network once more, in float32 on one device: what is exported
        plain, _ = build_network(shop.architecture.record, settings, "none", progress)
        learned = assembly.inference.get_weights()
        _, assembly = assembled(replace(plain, pretrained=network.pretrained))
        assembly.inference.set_weights(learned)
    return Learned(assembly, weights, network.pretrained, taught)


def _say_views(settings: Settings, *, frozen: bool, progress: Progress) -> None:
    if not frozen:
        for name, value, usual in (
            ("views", settings.views, 1),
            ("fine-tune", settings.fine_tune, 0),
        ):
            if value != usual:
                progress.note(
                    f"--{name} {value} changes nothing: it is for a frozen backbone, and this "
                    "network is trained as a whole."
                )
        return
    if settings.augment == "none" and not settings.flip:
        return
    seen = f"{settings.views} views of each film" if settings.views > 1 else "each film as it is"
    progress.note(
        f"The backbone is frozen and sees {seen}"
        + (", one of them as it is." if settings.views > 1 else "; --views N adds augmented views.")
    )


def _say_balance(
    settings: Settings, prepared: Prepared, material: Material, progress: Progress
) -> None:
    """What is done about rare classes, in figures of the training films."""
    films = prepared.split.where(TRAIN)
    for task in prepared.tasks:
        if task.kind is TaskKind.MULTILABEL:
            continue
        codes, weights = prepared.codes[task.name], material.weights[task.name]
        if settings.imbalance == "oversample":
            shown = np.bincount(codes[material.train][codes[material.train] >= 0])
            had = np.bincount(codes[films][codes[films] >= 0], minlength=len(shown))
            by_class = [
                f"{name} {before:,} → {after:,}"
                for name, before, after in zip(task.classes, had, shown, strict=False)
            ]
            what = f"Oversampled in training only, films an epoch of '{task.name}'"
        elif settings.imbalance == "class-weights":
            present = [k for k in range(len(task.classes)) if (codes[films] == k).any()]
            weight = {k: float(weights[films[codes[films] == k][0]].max()) for k in present}
            if max(weight.values(), default=1.0) - min(weight.values(), default=1.0) < _ALIKE:
                continue
            by_class = [f"{task.classes[k]} {weight[k]:.2f}" for k in present]
            what = f"Class weights of '{task.name}'"
        else:
            continue
        more = " …" if len(by_class) > _LISTED else ""
        progress.note(f"{what}: {', '.join(by_class[:_LISTED])}{more}.")


def _material(
    prepared: Prepared, heads: Sequence[Any], settings: Settings, augmentation: Any, seed: int
) -> Material:
    codes = prepared.codes
    train = prepared.split.where(TRAIN)

    def weights(*, balanced: bool) -> dict[str, NDArray[Any]]:
        return {h.task.name: h.weights(codes[h.task.name], train, balanced=balanced) for h in heads}

    if settings.imbalance == "oversample":
        train = oversampled(train, weights(balanced=True), codes, seed)
    return Material(
        films=prepared.films,
        targets={h.task.name: h.targets(codes[h.task.name]) for h in heads},
        weights=weights(balanced=settings.imbalance == "class-weights"),
        train=train,
        val=prepared.split.where(VALIDATION),
        codes=codes,
        rows=prepared.films.rows,
        augmentation=augmentation,
    )
