"""What a report says: the tree of TID 1500, made with highdicom's templates.

One measurement group (TID 1501) a task: the probability of each class as a number, the decision as
a code, and who computed them (TID 4019). Numbers and decisions are those of the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes

from xraybatch.core.tasks import TaskKind
from xraybatch.models.choice import DEMONSTRATION
from xraybatch.reports.structured.answers import Answer
from xraybatch.reports.structured.codes import ABSTAINS, IN_SET, Coded
from xraybatch.reports.structured.maker import PROGRAM, Maker
from xraybatch.reports.structured.source import SourceFilm

NOT_FOR_DIAGNOSIS = "NOT FOR DIAGNOSIS"
_WHY_NOT = (
    "research only. Computed by a program that is no medical device; nobody has looked at this "
    "report. A person who reads the images decides."
)


def measurement_report(
    film: SourceFilm, frame: int | None, answers: Sequence[Answer], maker: Maker
) -> MeasurementReport:
    """The content of one report.

    Parameters
    ----------
    film : SourceFilm
    frame : int or None
        From 1; None where the object has one image only.
    answers : sequence of Answer
    maker : Maker
    """
    report = MeasurementReport(
        observation_context=_observer(maker),
        procedure_reported=codes.SCT.PlainRadiography,
        imaging_measurements=[_group(film, frame, answer, maker) for answer in answers],
        title=codes.DCM.ImagingMeasurementReport,
    )
    items = report[0].ContentSequence
    # read before any number is
    items.insert(len(items) - 1, _comment(maker))
    return report


def _comment(maker: Maker) -> TextContentItem:
    said = [f"{NOT_FOR_DIAGNOSIS}: {_WHY_NOT}"]
    if maker.card.intended_use:
        said.append(f"Intended use of the model: {maker.card.intended_use}")
    if maker.card.limits:
        said.append(f"Its limits: {maker.card.limits}")
    if maker.card.demonstration:
        said.append(DEMONSTRATION)
    return TextContentItem(codes.DCM.Comment, " ".join(said), "CONTAINS")


def _observer(maker: Maker) -> ObservationContext:
    attributes = DeviceObserverIdentifyingAttributes(
        uid=maker.uid("device"),
        name=PROGRAM,
        manufacturer_name=PROGRAM,
        model_name=maker.name,
        serial_number=maker.seal,
    )
    return ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, attributes))


def _group(
    film: SourceFilm, frame: int | None, answer: Answer, maker: Maker
) -> MeasurementsAndQualitativeEvaluations:
    task = answer.entry.task
    named = [_concept(maker.codes.of_class(task.name, name)) for name in task.classes]
    algorithm = AlgorithmIdentification(
        name=maker.name,
        version=maker.model_version,
        parameters=list(_parameters(answer, maker)),
        family=codes.DCM.ArtificialIntelligence,
    )
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=maker.uid("task", film.uid("SOPInstanceUID"), frame, task.name),
            identifier=task.name,
        ),
        algorithm_id=algorithm,
        measurements=[
            Measurement(
                name=concept,
                value=probability,
                unit=codes.UCUM.NoUnits,
                derivation=codes.DCM.Probability,
            )
            for concept, probability in zip(named, answer.probabilities, strict=True)
        ],
        qualitative_evaluations=list(_evaluations(answer, named, maker)),
        source_images=[
            SourceImageForMeasurementGroup(
                referenced_sop_class_uid=film.uid("SOPClassUID"),
                referenced_sop_instance_uid=film.uid("SOPInstanceUID"),
                referenced_frame_numbers=None if frame is None else [frame],
            )
        ],
    )


def _evaluations(
    answer: Answer, named: Sequence[CodedConcept], maker: Maker
) -> Iterator[QualitativeEvaluation]:
    task = answer.entry.task
    if task.kind is TaskKind.MULTILABEL:
        for concept, is_there in zip(named, answer.present, strict=True):
            yield QualitativeEvaluation(
                concept, codes.SCT.Present if is_there else codes.SCT.Absent
            )
    else:
        decided = named[task.classes.index(answer.decision)]
        yield QualitativeEvaluation(_concept(maker.codes.task(task.name)), decided)
    for name in answer.inside or ():
        yield QualitativeEvaluation(_concept(IN_SET), named[task.classes.index(name)])
    if answer.abstains is not None:
        yield QualitativeEvaluation(
            _concept(ABSTAINS), codes.SCT.Yes if answer.abstains else codes.SCT.No
        )


def _parameters(answer: Answer, maker: Maker) -> Iterator[str]:
    """What turned the network's numbers into this answer, a line each."""
    entry = answer.entry
    yield f"seal of the model: {maker.seal}"
    yield f"run: {PROGRAM} {maker.version}, finished {maker.finished.isoformat()}"
    yield f"task: {entry.task.name}, {entry.task.kind.value}"
    if entry.task.kind is TaskKind.ORDINAL:
        yield f"grades from lowest to highest: {', '.join(entry.task.classes)}"
    if entry.thresholds is not None:
        of = (entry.task.positive,) if entry.task.positive else entry.task.classes
        bars = ", ".join(
            f"{name} {bar:.6g}" for name, bar in zip(of, entry.thresholds, strict=True)
        )
        yield f"threshold: {bars}"
    yield f"decision: {entry.threshold_origin}"
    if entry.calibration is not None:
        yield f"probabilities: calibrated ({entry.calibration['method']})"
    else:
        yield "probabilities: as the network gives them, not calibrated"
    if entry.conformal is not None:
        yield f"set of classes: stated coverage {entry.conformal['coverage']:g}"


def _concept(code: Coded) -> CodedConcept:
    return CodedConcept(code.value, code.scheme, code.meaning)
