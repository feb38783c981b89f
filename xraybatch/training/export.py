"""A run's model in another format or precision, through a gate: what ``xraybatch export`` calls."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from xraybatch.core.errors import InputError, ModelError, UsageError
from xraybatch.core.files import remove, sha256_of, write_text
from xraybatch.core.progress import SILENT, Progress
from xraybatch.extension.records import Exporter, ExportJob, OptionValue
from xraybatch.extension.registry import registry
from xraybatch.models.card import Card
from xraybatch.models.choice import named_model
from xraybatch.models.model import Model, load_model
from xraybatch.models.seal import write_sealed
from xraybatch.training.artefacts import CALIBRATION, GATE, Gate, read_calibration, read_gate
from xraybatch.training.backend import load_keras
from xraybatch.training.gate import Parity, check_parity
from xraybatch.training.model_file import KERAS_FILE
from xraybatch.training.options import TOLERANCE
from xraybatch.training.precision_card import FP32, check_source, write_lowered
from xraybatch.training.precision_gate import MAX_CHANGED, PrecisionGate, allowed
from xraybatch.training.settings import parse_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Exported:
    """A model in another format or precision.

    Attributes
    ----------
    path : Path
        Of the file or folder.
    card : Card
        As written inside or beside it.
    parity : Parity or None
        What the parity gate found; None for another precision than fp32.
    precision : PrecisionGate or None
        What the gate of precision found; None for fp32.
    """

    path: Path
    card: Card
    parity: Parity | None = None
    precision: PrecisionGate | None = None


def export(
    run_or_model: Path,
    to: str,
    out: Path | None = None,
    *,
    values: tuple[str, ...] = (),
    tolerance: float = TOLERANCE,
    max_changed: str = MAX_CHANGED,
    progress: Progress = SILENT,
) -> Exported:
    """Write a run's model in another format or precision.

    Parameters
    ----------
    run_or_model : Path
        A run folder, or the model file in it.
    to : str
        Name of an exporter.
    out : Path, optional
        ``<run>/exports/model<suffix>`` if None; ``model-int8<suffix>`` for another precision.
    values : tuple of str
        ``key=value`` for the exporter.
    tolerance : float
        By which a probability may differ from Keras, in fp32.
    max_changed : str
        Films that may get another class in another precision: a number, or a share with ``%`` that
        allows one at least.
    progress : Progress

    Raises
    ------
    UsageError
        If there is no such exporter or option.
    UsageError
        If `out` does not end as files of this kind do.
    InputError
        If `out` is there already.
    ModelError
        If the run lacks what the gate or the exporter needs.
    BarMissed
        If the file does not answer as Keras did, or changes too many films; nothing is left of it.
    """
    exporter = registry().get(Exporter, to).record
    settings = parse_values(values, exporter.options)
    folder = run_or_model if run_or_model.is_dir() else run_or_model.parent
    model = load_model(named_model(run_or_model))
    gate = _gate(folder)
    lowered = exporter.precision != FP32
    limit = allowed(max_changed, len(gate.films))
    name = f"model-{exporter.precision}" if lowered else "model"
    out = out or folder / "exports" / f"{name}{exporter.suffix}"
    if exporter.suffix and out.suffix.lower() != exporter.suffix:
        raise UsageError(
            f"A file of '{to}' ends in {exporter.suffix}, and others do not open '{out.name}'.",
            f"Name it {out.stem}{exporter.suffix}.",
        )
    if out.exists():
        raise InputError(f"{out} is there already and is not overwritten.", "Choose another --out.")
    if lowered:
        check_source(model)
    out.parent.mkdir(parents=True, exist_ok=True)
    building = out.with_name(f".{out.name}.partial{exporter.suffix}")
    remove(building)
    try:
        if lowered:
            with TemporaryDirectory(prefix=".export-", dir=out.parent) as work:
                job = ExportJob(
                    building,
                    tuple(entry.task.name for entry in model.card.tasks),
                    onnx_file=model.path,
                    values=settings,
                    calibration=_calibration(folder),
                    work=Path(work),
                )
                found = write_lowered(exporter, job, model, gate, limit, progress)
            _seal(exporter, building, found.card, out)
            return Exported(out, found.card, precision=found.gate)
        with progress.stage(f"exporting to {to}", None, unit="steps"):
            exporter.write(_job(exporter, building, folder, model, settings))
            parity = check_parity(
                gate.answers,
                exporter.open(building),
                gate.films[: len(next(iter(gate.answers.values())))],
                model.card.tasks,
                tolerance=tolerance,
            )
        progress.note(parity.sentence())
        card = replace(model.card, parity=parity.to_dict())
        _seal(exporter, building, card, out)
    finally:
        remove(building)
    return Exported(out, card, parity)


def _job(
    exporter: Exporter, target: Path, folder: Path, model: Model, values: Mapping[str, OptionValue]
) -> ExportJob:
    tasks = tuple(entry.task.name for entry in model.card.tasks)
    if exporter.starts_from == "onnx":
        return ExportJob(target, tasks, onnx_file=model.path, values=values)
    keras_model = _keras_model(folder)
    outputs = tasks + tuple(name for name in keras_model.output if name not in tasks)
    return ExportJob(target, outputs, keras_model=keras_model, values=values)


def _calibration(folder: Path) -> NDArray[np.uint8]:
    try:
        return read_calibration(folder)
    except (OSError, ValueError, KeyError):
        raise ModelError(
            f"{folder} has no {CALIBRATION}, the films that ranges of values are measured on.",
            "Name the run folder that `xraybatch train` wrote.",
        ) from None


def _gate(folder: Path) -> Gate:
    try:
        return read_gate(folder)
    except (OSError, ValueError, KeyError):
        raise ModelError(
            f"{folder} has no {GATE}, the films that a new file is compared on.",
            "Name the run folder that `xraybatch train` wrote.",
        ) from None


def _keras_model(folder: Path) -> Any:
    keras = load_keras()
    path = folder / KERAS_FILE
    if not path.is_file():
        raise ModelError(f"{folder} has no {KERAS_FILE}.", "Name a whole run folder.")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise ModelError(
            f"{path} cannot be loaded: {str(error).splitlines()[0][:200]}",
            "Install the versions of Keras and TensorFlow that the model's card names.",
        ) from error


def _seal(exporter: Exporter, building: Path, card: Card, out: Path) -> None:
    """Put card and seal into the file, or beside it where the format has no room for them."""
    if exporter.metadata_inside:
        write_sealed(building.read_bytes(), card.to_json(), out)
        return
    seal = _digest(building)
    text = json.dumps(card.to_dict() | {"seal": seal}, sort_keys=True, indent=1, allow_nan=False)
    # first: a kill in between leaves a card alone, which the same command replaces
    write_text(out.with_name(f"{out.name}.card.json"), text + "\n")
    building.rename(out)


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files with their names, in order."""
    if path.is_file():
        return sha256_of(path)
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()
