"""What an architecture promises: features of films, at any size, that train, export and predict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar
from unittest import SkipTest

import numpy as np

from xraybatch.core.errors import UsageError, XraybatchError
from xraybatch.core.progress import SILENT
from xraybatch.extension.records import Architecture, Network
from xraybatch.models.model import Model
from xraybatch.testing import films, networks
from xraybatch.testing.contract import (
    Broken,
    Contract,
    Shared,
    check_callable,
    check_options,
    sentence,
)
from xraybatch.testing.sealed import check_results, check_scores, seal_exported
from xraybatch.testing.spread import check_spread, check_told_apart, spread_heads
from xraybatch.testing.statistics import take_statistics
from xraybatch.training.backend import check_installed, choose_device, set_seed
from xraybatch.training.features import Bank
from xraybatch.training.fit import Stored, fit
from xraybatch.training.gate import keras_answers
from xraybatch.training.heads import Head, head_for
from xraybatch.training.network import Assembly, assemble
from xraybatch.training.optimizer import check_optimizer
from xraybatch.training.options import TrainOptions
from xraybatch.training.settings import Settings, parse_values, settle
from xraybatch.training.weights import build_network

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SEED = 11


@dataclass(frozen=True)
class Built:
    """A network, the size it was built for, and the weights that it began with."""

    network: Network
    settings: Settings
    weights: dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Learned:
    """A network with a head for each kind of task that was trained for two steps."""

    assembly: Assembly
    heads: list[Head]
    losses: list[float]
    moved: int
    able: int


class ArchitectureContract(Contract):
    """The suite of an architecture; subclass it as ``TestMine`` and say which by `name`.

    Attributes
    ----------
    sizes : tuple of int
        Film sizes that are tried, smallest first, so that the suite is quick; the architecture's
        own size is tried last.
    """

    kind = "architecture"
    sizes: ClassVar[tuple[int, ...]] = (64, 96, 128)

    def check_record(self, record: Architecture) -> None:
        """Options and training defaults."""
        check_callable(record, "build")
        check_options(record.options)
        wanted = record.defaults
        if not (8 <= wanted.height <= 8192 and 8 <= wanted.width <= 8192):
            raise Broken(f"The default film size is {wanted.height}x{wanted.width}.")
        if min(wanted.epochs, wanted.batch_size, wanted.patience) < 1 or wanted.learning_rate <= 0:
            raise Broken("Epochs, batch size, patience and learning rate must be above 0.")
        if not (0 <= wanted.val_split < 1 and 0 <= wanted.dropout < 1 and wanted.fine_tune >= 0):
            raise Broken("Shares must lie within 0 and 1, and fine_tune not be negative.")
        if record.pretrained_on not in ("", "imagenet"):
            raise Broken(f"pretrained_on is '{record.pretrained_on}'; known is 'imagenet'.")

    def test_options_are_read_as_declared(self) -> None:
        """-O takes the defaults as they are listed, and no unknown option or value."""
        options = self.owned.record.options
        given = tuple(f"{option.name}={option.default}" for option in options)
        if parse_values(given, options) != {option.name: option.default for option in options}:
            raise Broken("A default that is given by -O is read as another value.")
        wrong = ["no-such-option=1"]
        wrong += [f"{option.name}=no such value" for option in options if _is_checked(option)]
        for text in wrong:
            try:
                parse_values((text,), options)
            except UsageError:
                continue
            raise Broken(f"-O {text} is taken.")

    @Shared
    def built(self) -> Built:
        """The network at the smallest of `sizes` that it takes, from seeded random weights."""
        check_installed()
        choose_device("cpu")  # where the file that is compared with it runs, too
        record = self.owned.record
        for size in self.sizes:
            try:
                return self._build(f"{size}")
            except XraybatchError:
                continue
        return self._build(f"{record.defaults.height}x{record.defaults.width}")

    def test_builds(self) -> None:
        """`build` makes a Network from random weights, at a small film size."""
        rule = self.built.settings.rule
        self.figure = f"{rule.height}x{rule.width}, {networks.count(self.built.network):,} weights"

    @Shared
    def sound(self) -> Built:
        """The network, known to have the inputs and outputs that are promised."""
        rule = self.built.settings.rule
        networks.check_parts(self.built.network, rule.height, rule.width)
        return self.built

    def test_takes_films_and_gives_one_vector_each(self) -> None:
        """Inputs are float32 `films` 0–255 or `maps`; the neck ends in one vector a film."""
        width = self.sound.network.neck.output_shape[-1]
        self.figure = f"an embedding of {width}"

    def test_ends_in_features_not_in_answers(self) -> None:
        """The neck does not end in a head: no softmax, no sigmoid, no rows that sum to 1."""
        rule = self.sound.settings.rule
        networks.check_no_head(self.sound.network, films.many_films(rule.height, rule.width))

    def test_follows_the_film_size(self) -> None:
        """It builds at its own default size, and at one that is not square."""
        defaults, rule = self.owned.record.defaults, self.sound.settings.rule
        for height, width in (
            (defaults.height, defaults.width),
            (rule.height + 32, rule.width),
        ):
            if (height, width) == (rule.height, rule.width):
                continue
            try:
                other = self._build(f"{height}x{width}")
            except XraybatchError as error:
                if (height, width) == (defaults.height, defaults.width):
                    raise
                raise SkipTest(f"It refuses {height}x{width}: {sentence(error)}") from None
            networks.check_parts(other.network, height, width)

    def test_says_honestly_whether_it_is_pretrained(self) -> None:
        """Without weights `pretrained` is False; a weights file that is not there is not loaded."""
        if self.sound.network.pretrained is not False:
            raise Broken("It says `pretrained` although no weights were asked for.")
        settings = self.sound.settings
        options = networks.build_options(settings, str(self.folder / "no such file.weights.h5"))
        try:
            network = self.owned.record.build(options)
        except Exception:
            return
        if network.pretrained:
            raise Broken("It says `pretrained` of a weights file that does not exist.")

    def test_begins_anew_from_a_seed(self) -> None:
        """The same seed gives the same first weights, another seed gives others."""
        rule, first = self.sound.settings.rule, self.sound.weights
        size = f"{rule.height}x{rule.width}"
        if networks.differ(first, self._build(size).weights):
            raise Broken("Two networks from the same seed begin with different weights.")
        if not networks.differ(first, self._build(size, seed=SEED + 1).weights):
            raise Broken("Networks from different seeds begin with the same weights.")

    @Shared
    def learned(self) -> Learned:
        """One network for every kind of task at once, after two steps."""
        network, settings = self.sound.network, self.sound.settings
        rule = settings.rule
        check_optimizer(settings.optimizer)
        set_seed(SEED)
        heads = [head_for(task) for task in films.TASKS]
        assembly = assemble(
            network, heads, height=rule.height, width=rule.width, dropout=settings.dropout
        )
        material = films.material_of(films.many_films(rule.height, rule.width), heads)
        before = networks.trainable(network)
        rows = fit(
            assembly,
            heads,
            material,
            replace(settings, optimizer="sgd"),  # without memory of its own: half the tracing
            frozen=False,
            seed=SEED,
            stored=Stored(Bank(self.folder, material.rows), "learned"),
            state=None,
            progress=SILENT,
        ).history
        after = networks.trainable(network)
        if not all(np.isfinite(values).all() for values in after.values()):
            raise Broken("After two steps of training a weight is no number.")
        moved = sum(not np.array_equal(before[name], after[name]) for name in before)
        losses = [float(value) for name, value in rows[-1].items() if name.endswith("loss")]
        return Learned(assembly, heads, losses, moved, len(before))

    def test_learns_every_kind_of_task_at_once(self) -> None:
        """Two steps with a head of every kind of task: the loss is finite, weights move."""
        learned = self.learned
        if not np.isfinite(learned.losses).all():
            raise Broken("The loss of a task is no number.")
        if learned.able and not learned.moved:
            raise Broken("No weight of the network moved.")
        self.figure = f"{learned.moved} of {learned.able} weight tensors moved"

    def test_a_frozen_backbone_stays_as_it_is(self) -> None:
        """Features that are computed once and stored give the same answers; frozen weights stay."""
        network, settings = self.sound.network, self.sound.settings
        if network.backbone is None:
            raise SkipTest("It has no backbone: nothing of it is ever frozen.")
        self.learned  # noqa: B018 - what was trained comes first
        rule = settings.rule
        heads = [head_for(task) for task in films.TASKS]
        frozen = assemble(
            replace(network, pretrained=True), heads, height=rule.height, width=rule.width
        )
        pictures = films.many_films(rule.height, rule.width)
        networks.check_stored_features(frozen, pictures)
        before = networks.weights_of(network.backbone)
        material = films.material_of(pictures, heads)
        fit(
            frozen,
            heads,
            material,
            replace(settings, fine_tune=0),
            frozen=True,
            seed=SEED,
            stored=Stored(Bank(self.folder, material.rows), "frozen"),
            state=None,
            progress=SILENT,
        )
        if networks.differ(before, networks.weights_of(network.backbone)):
            raise Broken("Weights of the frozen backbone changed while the head was trained.")

    @Shared
    def telling(self) -> dict[str, NDArray[np.float32]]:
        """Probabilities of very different films, by task, that differ as much."""
        rule, learned = self.sound.settings.rule, self.learned
        pictures = films.many_films(rule.height, rule.width)
        take_statistics(learned.assembly, pictures)
        embed = learned.assembly.inference.predict_on_batch
        embeddings = np.asarray(embed(pictures)["embedding"])
        spread_heads(embeddings, learned.heads)
        check_told_apart(embeddings, np.asarray(embed(pictures[::-1])["embedding"])[::-1])
        answers = keras_answers(learned.assembly.inference, pictures, films.TASK_CARDS)
        check_spread(answers)
        return answers

    def test_tells_films_apart(self) -> None:
        """Very different films get different features, so that probabilities can spread."""
        self.figure = f"probabilities spread over {check_spread(self.telling):.2f}"

    @Shared
    def model(self) -> tuple[Model, str]:
        """The sealed model file, after the parity gate; and what the gate said."""
        assembly, answers = self.learned.assembly, self.telling
        return seal_exported(self.folder, assembly, answers, self.sound.settings.rule, self.name)

    def test_exports_and_answers_alike(self) -> None:
        """The ONNX file answers as Keras does, for every kind of task, on answers that spread."""
        self.figure = self.model[1]

    @Shared
    def results(self) -> Path:
        """The results table of a folder of films."""
        return check_results(self.folder, self.model[0], self.telling)

    def test_predicts_a_row_for_every_film(self) -> None:
        """`predict` with its model gives every film of a folder its row, and Keras' answers."""
        self.results  # noqa: B018 - the work is the check

    def test_its_results_can_be_scored(self) -> None:
        """`score` of its results against its own answers finds them all right."""
        check_scores(self.results, self.telling)

    def _build(self, size: str, seed: int = SEED) -> Built:
        record = self.owned.record
        asked = TrainOptions(record.name, image_size=size, epochs=1, batch_size=12, weights="none")
        settings = settle(asked, record)
        set_seed(seed)
        network, _ = build_network(record, settings, "none", SILENT)
        networks.check_is_network(network)
        return Built(network, settings, networks.weights_of(network.backbone, network.neck))


def _is_checked(option: Any) -> bool:
    return bool(option.choices) or option.type is not str
