"""From a trained network to the sealed model file, by way of the parity gate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.errors import ModelError
from xraybatch.core.progress import Progress
from xraybatch.extension.records import Architecture, Exporter, ExportJob
from xraybatch.extension.registry import Owned, registry
from xraybatch.images.pool import DecodingPool, FilmSource
from xraybatch.models.card import Card, TaskCard
from xraybatch.models.model import load_model, with_card
from xraybatch.models.runs import MODEL_FILE
from xraybatch.models.seal import write_sealed
from xraybatch.models.selftest import record_self_test
from xraybatch.models.session import Session
from xraybatch.training import artefacts
from xraybatch.training.card_of_run import card_of_run
from xraybatch.training.gate import FILMS, check_parity, keras_answers
from xraybatch.training.labels import FILE
from xraybatch.training.options import TrainOptions
from xraybatch.training.part_names import TRAIN, VALIDATION
from xraybatch.training.patients import clusters_of, numbered
from xraybatch.training.prepare import Prepared, is_demonstration
from xraybatch.training.settings import Settings
from xraybatch.training.weights import LoadedWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "onnx"  # the exporter that writes model files
KERAS_FILE = "model.keras"
KEPT, KEPT_BYTES = 1000, 256 * 2**20  # films for later gates, of which Keras answers the first


@dataclass(frozen=True)
class Trained:
    """A network that has learned, and how it came to be.

    Attributes
    ----------
    inference : keras.Model
        uint8 films to a dict of outputs.
    outputs : tuple of str
        Names of its outputs, tasks first.
    options : TrainOptions
    settings : Settings
    weights : LoadedWeights
    chosen : str
        Of how many settings these were chosen, and by what; empty: of none.
    """

    inference: Any
    outputs: tuple[str, ...]
    options: TrainOptions
    settings: Settings
    weights: LoadedWeights
    chosen: str = ""


def write_model_file(
    trained: Trained,
    prepared: Prepared,
    architecture: Owned[Architecture],
    folder: Path,
    name: str,
    progress: Progress,
) -> Card:
    """Write ``model.keras``, ``gate.npz`` and the sealed ``model.onnx`` into a run's folder.

    Parameters
    ----------
    trained : Trained
    prepared : Prepared
    architecture : Owned of Architecture
    folder : Path
        Where the run is built.
    name : str
        Of the model.
    progress : Progress

    Returns
    -------
    Card
        As it stands in the file; it has no scores yet.

    Raises
    ------
    BarMissed, ModelError
        If the file does not answer as Keras does: then there is no model file.
    """
    rule = trained.settings.rule
    trained.inference.save(folder / KERAS_FILE)
    exporter = registry().get(Exporter, FORMAT).record
    numbers = gate_films(trained, prepared)
    tasks = [TaskCard(task) for task in prepared.tasks]
    kept = prepared.films[numbers]
    films = kept[:FILMS]
    answers = keras_answers(trained.inference, films, tasks)
    truth = {task.name: prepared.codes[task.name][numbers] for task in prepared.tasks}
    patients = numbered(clusters_of(prepared.table.iloc[numbers]))
    artefacts.write_gate(folder, artefacts.Gate(kept, answers, truth, patients))
    graph = folder / f"graph{exporter.suffix}"
    with progress.stage("exporting", None, unit="steps"):
        exporter.write(ExportJob(graph, trained.outputs, keras_model=trained.inference))
        parity = check_parity(
            answers, exporter.open(graph), films, tasks, tolerance=trained.options.tolerance
        )
    progress.note(parity.sentence())
    card = card_of_run(
        name,
        prepared,
        trained.options,
        trained.settings,
        architecture,
        trained.weights,
        parity,
        answers,
        demonstration=is_demonstration(prepared.films),
    )
    if trained.chosen:
        card = replace(card, settings={**card.settings, "chosen": trained.chosen})
    model = folder / MODEL_FILE
    write_sealed(graph.read_bytes(), card.to_json(), model)
    graph.unlink()
    session = Session(load_model(model), device="cpu")
    card = replace(card, self_test=record_self_test(session.predict, rule.height, rule.width))
    with_card(load_model(model), card, model)
    return card


def gate_films(trained: Trained, prepared: Prepared) -> NDArray[np.int64]:
    """Numbers of real films: of validation where there is one, else of training.

    The first `FILMS`, which the parity gate sees, were decoded from their files anew; the rest is
    for the gates of later exports.

    Raises
    ------
    ModelError
        If they are not the films that were trained on.
    """
    films = prepared.split.where(VALIDATION)
    if not len(films):
        films = prepared.split.where(TRAIN)
    rule = trained.settings.rule
    random = np.random.default_rng(trained.options.seed)
    most = min(KEPT, max(FILMS, KEPT_BYTES // (rule.height * rule.width)))
    films = random.permutation(films)[:most]
    films, more = np.sort(films[:FILMS]), np.sort(films[FILMS:])
    files = prepared.table[FILE].iloc[films]
    with DecodingPool(rule, workers=trained.options.workers) as pool:
        anew = [one.film for one in pool.decode(FilmSource(f, Path(f).name) for f in files)]
    decoded = [film for film in anew if film is not None]
    if len(decoded) < len(films) or not np.array_equal(
        np.stack(decoded)[..., None], prepared.films[films]
    ):
        raise ModelError(
            "Films do not decode to the pixels that were trained on.",
            "Did they change while the model was trained? Train again.",
        )
    return np.concatenate([films, more])
