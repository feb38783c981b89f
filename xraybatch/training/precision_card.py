"""The card of a model in another precision: what passed its gate, and what was fitted before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xraybatch.core.errors import UsageError
from xraybatch.core.progress import Progress
from xraybatch.core.versions import versions_of
from xraybatch.extension.records import Exporter, ExportJob
from xraybatch.models.card import Card
from xraybatch.models.model import Model, load_model
from xraybatch.models.seal import write_sealed
from xraybatch.models.selftest import record_self_test
from xraybatch.models.session import Session
from xraybatch.reports.precision_text import short
from xraybatch.training.artefacts import Gate
from xraybatch.training.lower_precision import lower
from xraybatch.training.part_names import TRAIN, VALIDATION
from xraybatch.training.precision_gate import PrecisionGate, answers_of

if TYPE_CHECKING:
    from xraybatch.training.gate import Predict

FP32 = "fp32"
# another version or device may round the last of eight bits otherwise, in every layer
SELF_TEST_TOLERANCE = 1e-2
_MADE_WITH = ("xraybatch", "onnx", "onnxruntime-gpu", "onnxruntime")
_FITTED_BEFORE = (
    "Scores, thresholds, calibration and sets are those of the fp32 model; `xraybatch calibrate` "
    "fits the last three anew."
)


@dataclass(frozen=True)
class WithCard:
    """What passed its gate, and the card it gets."""

    card: Card
    gate: PrecisionGate


def check_source(model: Model) -> None:
    """Raise `UsageError` if a model is in another precision than fp32 already."""
    given = model.card.precision.get("format", FP32)
    if given != FP32:
        raise UsageError(
            f"{model.path.name} is in {given}; another precision is made of the fp32 model.",
            "Name the run folder, or its model.onnx.",
        )


def write_lowered(
    exporter: Exporter, job: ExportJob, model: Model, gate: Gate, limit: int, progress: Progress
) -> WithCard:
    """Write `job.target` through the gate of precision, and make its card.

    Parameters
    ----------
    exporter : Exporter
    job : ExportJob
    model : Model
        The fp32 model that it is made of.
    gate : Gate
    limit : int
        Films that may get another class.
    progress : Progress

    Raises
    ------
    BarMissed
        If more films do, whatever stays in float.
    """
    tasks = model.card.tasks
    by_split = model.card.data.get("films_by_split") or {}
    part = VALIDATION if by_split.get(VALIDATION) else TRAIN
    before = answers_of(Session(model, device="cpu").predict, gate.films, tasks)
    plain = replace(model.card, self_test=None)

    def opened() -> Predict:
        return _predict(exporter, job, plain)

    lowered = lower(
        exporter, job, before, gate, tasks, opened, limit=limit, part=part, progress=progress
    )
    progress.note(lowered.gate.sentence())
    if lowered.in_float:
        names = ", ".join(map(short, lowered.in_float))
        progress.note(f"{len(lowered.in_float)} of {lowered.layers} layers stay in float: {names}.")
    doubt = lowered.gate.doubt()
    if doubt:
        progress.warn("small gate", doubt)
    precision = {
        "format": exporter.precision,
        "exporter": exporter.name,
        "options": dict(job.values),
        "made_of": model.seal,
        "calibration_films": 0 if job.calibration is None else len(job.calibration),
        **lowered.to_dict(),
        "doubt": doubt,
        "fitted": _FITTED_BEFORE,
    }
    card = replace(
        plain,
        precision=precision,
        versions={**model.card.versions, **versions_of(_MADE_WITH)},
    )
    rule = card.rule
    test = record_self_test(
        opened(),
        rule.height,
        rule.width,
        tolerance=SELF_TEST_TOLERANCE,
    )
    return WithCard(replace(card, self_test=test), lowered.gate)


def _predict(exporter: Exporter, job: ExportJob, card: Card) -> Predict:
    """What answers: the session of every prediction, where it opens the file."""
    if not exporter.metadata_inside:
        predict = exporter.open(job.target)
        return lambda films: answers_of(predict, films, card.tasks)
    assert job.work is not None
    sealed = job.work / "sealed.onnx"
    write_sealed(job.target.read_bytes(), card.to_json(), sealed)
    return Session(load_model(sealed), device="cpu").predict
