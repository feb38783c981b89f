"""The card of a finished training: what the model is told of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.core.versions import versions_of
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import Report
from xraybatch.extension.records import Architecture
from xraybatch.extension.registry import Owned
from xraybatch.images.fingerprint import LIBRARIES, decoder_fingerprint
from xraybatch.images.greys import RARE, grey_counts, grey_distances
from xraybatch.models.card import Card, TaskCard, pack_hashes
from xraybatch.training.gate import Parity
from xraybatch.training.options import TrainOptions
from xraybatch.training.part_names import PARTS, TRAIN, VALIDATION
from xraybatch.training.patients import UNITS, patients_known
from xraybatch.training.prepare import Prepared
from xraybatch.training.settings import Settings
from xraybatch.training.weights import LoadedWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray

# what says where films lie on a person's disk has no place in a file that is handed on
_PRIVATE = ("data", "labels", "out", "weights", "workers", "tries")
_LIBRARIES = (
    *("xraybatch", "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime-gpu", "onnxruntime"),
    *(*LIBRARIES, "scikit-learn"),
)
_SCORES = 10
_SAMPLES = "synthetic sample films of xraybatch"
_SAMPLES_LICENCE = "CC0 1.0"


def card_of_run(
    name: str,
    prepared: Prepared,
    options: TrainOptions,
    settings: Settings,
    architecture: Owned[Architecture],
    weights: LoadedWeights,
    parity: Parity,
    scores: Mapping[str, NDArray[np.float32]],
    *,
    demonstration: bool,
) -> Card:
    """Everything that is known before the held-back part is scored.

    Parameters
    ----------
    name : str
        Of the run.
    prepared : Prepared
    options : TrainOptions
    settings : Settings
    architecture : Owned of Architecture
    weights : LoadedWeights
    parity : Parity
    scores : mapping of str to ndarray of float32
        Probabilities of the films that the gate saw, by task.
    demonstration : bool
        Trained on the sample films.
    """
    asked = {
        entry.name: getattr(options, entry.name)
        for entry in fields(options)
        if entry.name not in _PRIVATE and getattr(options, entry.name) not in (None, "", ())
    }
    learned = [prepared.digests[i] for i in prepared.split.where(TRAIN, VALIDATION)]
    return Card(
        tasks=tuple(TaskCard(task) for task in prepared.tasks),
        rule=settings.rule,
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        demonstration=demonstration,
        plugin={
            "name": architecture.record.name,
            "owner": architecture.owner,
            "options": dict(settings.values),
        },
        versions=versions_of(_LIBRARIES),
        decoder=decoder_fingerprint(),
        data=_data(prepared, options, scores, demonstration=demonstration),
        hashes="" if options.no_hashes else pack_hashes(learned),
        settings=asked | {k: v for k, v in asdict(settings).items() if k not in ("rule", "values")},
        weights=asdict(weights),
        probabilities={
            "class_weights": settings.imbalance == "class-weights",
            "oversampled": settings.imbalance == "oversample",
            "focal": settings.imbalance == "focal",
            "label_smoothing": settings.label_smoothing,
        },
        parity=parity.to_dict(),
        precision={"format": "fp32"},
        limits=_limits(prepared, demonstration=demonstration),
    )


def scores_for_card(report: Report, part: str) -> dict[str, Any]:
    """Scores with intervals, by task; ``part`` says which films."""
    found: dict[str, Any] = {"part": part}
    for task in report.tasks:
        found[task.task] = {"films": task.films, "patients": report.join.patients} | {
            name: _estimate(estimate) for name, estimate in task.estimates.items()
        }
    return found


def _estimate(estimate: Estimate) -> dict[str, Any]:
    if estimate.value is None:
        return {"undefined": estimate.reason}
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _data(
    prepared: Prepared,
    options: TrainOptions,
    scores: Mapping[str, NDArray[np.float32]],
    *,
    demonstration: bool,
) -> dict[str, Any]:
    patients = set(prepared.table["patient"]) - {""}
    without = sum(not name for name in prepared.table["patient"]) if patients else 0
    return {
        "films": len(prepared.table),
        "patients": len(patients) or None,
        **({"films_without_patient": without} if without else {}),
        "films_by_split": {part: len(prepared.split.where(part)) for part in PARTS},
        "left_out": prepared.left_out["reason"].value_counts().to_dict(),
        "counts": {task.name: _counts(task, prepared) for task in prepared.tasks},
        "split": prepared.split.how,
        "overlap": prepared.split.overlap,
        "labels_from": prepared.source,
        "source": options.source or (_SAMPLES if demonstration else ""),
        "licence": options.licence or (_SAMPLES_LICENCE if demonstration else ""),
        "citation": options.citation,
        **_greys(prepared),
        "score_histograms": _score_histograms(prepared.tasks, scores),
    }


def _counts(task: Task, prepared: Prepared) -> dict[str, dict[str, int]]:
    codes, part = prepared.codes[task.name], prepared.split.part
    found = {}
    for i, name in enumerate(task.classes):
        has = codes[:, i] == 1 if task.kind is TaskKind.MULTILABEL else codes == i
        found[name] = {p: int(np.count_nonzero(has & (part == p))) for p in PARTS}
    return found


def _greys(prepared: Prepared) -> dict[str, Any]:
    """Shares of pixels in steps of grey over the training films, and how far from it they are."""
    counts = np.concatenate(
        [grey_counts(prepared.films[np.array([i])][..., 0]) for i in prepared.split.where(TRAIN)]
    )
    shares = counts.sum(axis=0) / counts.sum()
    apart = grey_distances(counts, shares)
    return {
        "grey_histogram": [round(float(share), 5) for share in shares],
        "grey_bar": round(float(np.quantile(apart, 1 - RARE)), 5),
    }


def _score_histograms(
    tasks: tuple[Task, ...], scores: Mapping[str, NDArray[np.float32]]
) -> dict[str, dict[str, list[int]]]:
    """Films in ten steps of probability, by task and class."""
    return {
        task.name: {
            name: np.histogram(scores[task.name][:, i], bins=_SCORES, range=(0, 1))[0].tolist()
            for i, name in enumerate(task.classes)
        }
        for task in tasks
    }


def _limits(prepared: Prepared, *, demonstration: bool) -> str:
    said = ["Known to work on films like those it was trained on; anything else is untested."]
    if demonstration:
        said.append("Trained on synthetic films: its answers mean nothing for real ones.")
    if not patients_known(prepared.table):
        said.append("Patients were not known, so its score may be too good.")
    elif prepared.whole != "patient":
        said.append(
            f"Its films were split by {UNITS[prepared.whole]} although patients were known, so its "
            "score may be too good."
        )
    return " ".join(said)
