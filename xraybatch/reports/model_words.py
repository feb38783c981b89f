"""What every medium says of the model behind the results: its films, and how it came to answers."""

from __future__ import annotations

from collections.abc import Iterator

from xraybatch.core.counting import counted, films, verb
from xraybatch.evaluation.report import AnswerFacts, ModelFacts
from xraybatch.reports.words import listed

_OF_FIRST = "of the first fold: "


def model_rows(model: ModelFacts | None) -> Iterator[tuple[str, str]]:
    """The model behind the results, and how its films were split."""
    if model is None:
        return
    made = f", made {model.created[:10]}" if model.created else ""
    seal = f", seal {model.seal[:12]}" if model.seal else ""
    yield "model", f"{model.name or 'without a name'}{made}{seal}"
    if model.films:
        people = (
            f" of {counted(model.patients, 'patient')}"
            if model.patients
            else ", patients not known"
        )
        yield "its films", f"{films(model.films)}{people}{_parts(model)}"
    if model.folds:
        yield (
            "folds",
            f"{model.folds}; each film answered by the model whose training left it out. Intervals "
            "do not say how other trainings would differ",
        )
    if model.split:
        tested = f"; {model.overlap}" if model.overlap else ""
        yield "their split", f"{_OF_FIRST * bool(model.folds)}{model.split}{tested}"
    if model.checked:
        yield (
            "seen before",
            f"{model.seen:,} of {films(model.checked)} {verb('was', model.seen)} used to train or "
            "validate the model (compared pixel for pixel)",
        )
    for one in model.answers:
        whose = f"{one.task}: " if len(model.answers) > 1 else ""
        for name, said in answer_rows(one):
            yield name, f"{whose}{said}"


def answer_rows(answers: AnswerFacts) -> Iterator[tuple[str, str]]:
    """How probabilities became answers, as far as the model's card says."""
    if answers.thresholds:
        yield "threshold", thresholds(answers)
    if answers.calibration:
        yield "calibration", answers.calibration
    if answers.sets:
        yield "sets", answers.sets


def thresholds(answers: AnswerFacts) -> str:
    """``0.469 for fractured: youden on val.csv``; ``0.5 for every finding: default``."""
    bars = answers.thresholds
    values = set(bars.values())
    if len(bars) > 1 and len(values) == 1:
        said = f"{values.pop():.4g} for every finding"
    else:
        said = listed([f"{bar:.4g} for {name}" for name, bar in bars.items()])
    # the default says its number too
    origin = "default" if answers.origin.startswith("default") else answers.origin
    return f"{said}: {origin}" if origin else said


def _parts(model: ModelFacts) -> str:
    """``: trained on 1,697, validated on 242, kept 485 for a test``, of the films of a model."""
    parts = model.films_by_part
    said = [
        f"{did} {parts[part]:,}{what}"
        for part, did, what in (
            ("train", "trained on", ""),
            ("val", "validated on", ""),
            ("test", "kept", " for the test"),
        )
        if parts.get(part)
    ]
    return f": {_OF_FIRST * bool(model.folds)}{', '.join(said)}" if said else ""
