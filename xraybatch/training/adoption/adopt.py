"""A foreign ONNX classifier to a sealed model file: what ``xraybatch adopt`` calls."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.errors import InputError, ModelError, UsageError
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.tasks import TaskKind
from xraybatch.core.versions import versions_of
from xraybatch.images.fingerprint import LIBRARIES, decoder_fingerprint
from xraybatch.models.card import Card, TaskCard
from xraybatch.models.model import load_model, with_card
from xraybatch.models.seal import write_sealed
from xraybatch.models.selftest import (
    LARGEST_TOLERANCE,
    are_probabilities,
    record_self_test,
    synthetic_films,
)
from xraybatch.models.session import INPUT, Session
from xraybatch.training.adoption.asked import LOGITS, PROBABILITIES, AdoptOptions
from xraybatch.training.adoption.batch import any_batch
from xraybatch.training.adoption.decide import Plan, decide
from xraybatch.training.adoption.foreign import Foreign, read_foreign
from xraybatch.training.adoption.front import with_front
from xraybatch.training.adoption.graph import Facts, read_facts
from xraybatch.training.adoption.original import Network, open_graph, prepare, probabilities
from xraybatch.training.adoption.question import ask_for
from xraybatch.training.adoption.ultralytics import Ultralytics, read_ultralytics
from xraybatch.training.gate import Parity, check_parity

if TYPE_CHECKING:
    from numpy.typing import NDArray

ORIGINAL = "the original"
_SEED = 21
_BLOCKS, _NOISE = 24, 8  # films of two kinds, on which the new file is compared
_SUM = 1e-3  # by which probabilities of half precision may miss one
_LIBRARIES = ("xraybatch", "onnx", "onnxruntime-gpu", "onnxruntime", *LIBRARIES)
_QUANTISED = frozenset({"DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger"})
_LIMITS = (
    "Made elsewhere and adopted: which films it was trained and tested on is not known here. Its "
    "parity says that it computes what the original does, not that films are prepared as they were "
    "for its training."
)


@dataclass(frozen=True)
class Adopted:
    """A foreign model that became one of ours.

    Attributes
    ----------
    path : Path
    card : Card
        `Card.origin` says where it comes from, and who said what.
    parity : Parity
        Between it and the original.
    """

    path: Path
    card: Card
    parity: Parity

    def __repr__(self) -> str:
        return f"<Adopted {self.path.name} from {self.card.origin['file']}>"


def adopt(file: Path, out: Path, *, options: AdoptOptions, progress: Progress = SILENT) -> Adopted:
    """Write a foreign ONNX classifier as a sealed model file.

    Parameters
    ----------
    file : Path
        An ONNX file.
    out : Path
        The new one.
    options : AdoptOptions
    progress : Progress

    Raises
    ------
    UsageError
        If something that has to be known is said by nobody, or said in two ways; if `out` does not
        end in ``.onnx``.
    InputError
        If `out` is there already.
    ModelError
        If the file cannot be used.
    BarMissed
        If the new graph answers otherwise than the old one; nothing is left of it.
    """
    if out.suffix.lower() != ".onnx":
        raise UsageError(
            f"A model file ends in .onnx, and others do not open '{out.name}'.",
            f"Name it {out.stem}.onnx.",
        )
    if out.exists():
        raise InputError(f"{out} is there already and is not overwritten.", "Choose another --out.")
    with progress.stage("reading", None, unit="steps"):
        foreign = read_foreign(file)
        metadata = read_ultralytics(foreign)
        facts = _counted(foreign, read_facts(foreign, options.output), metadata, options)
    plan = decide(file.name, facts, metadata, options)
    if not isinstance(plan, Plan):
        raise ask_for(str(file), plan, options)
    with progress.stage("comparing with the original", None, unit="steps"):
        films = _films(plan, facts.shape[0] or 1)
        pictures = prepare(films, plan, facts.type)
        proto, batch = any_batch(foreign, facts, pictures)
        original = Network(foreign.content, file.name, facts)
        raw = original.answers(pictures, facts.shape[0] or 1)
        _check_answers(file.name, raw, plan)
        expected = {plan.task.name: probabilities(raw, plan)}
        graph = with_front(proto, facts, plan, foreign.opset).SerializeToString()
        tasks = (TaskCard(plan.task),)
        parity = check_parity(
            expected,
            _predict(graph, file.name, plan),
            films,
            tasks,
            tolerance=options.tolerance,
            reference=ORIGINAL,
        )
    progress.note(parity.sentence())
    card = _card(foreign, facts, metadata, plan, options, batch, parity)
    return Adopted(out, _seal(graph, card, out), parity)


def _counted(
    foreign: Foreign, facts: Facts, metadata: Ultralytics | None, options: AdoptOptions
) -> Facts:
    """The facts with the number of classes; one that is not declared is seen in an answer."""
    if facts.output is None or facts.classes is not None:
        return facts
    side = options.size or (metadata.size if metadata else None)
    shape = [facts.shape[0] or 1, *facts.shape[1:]]
    channels_last = facts.shape[3] in (1, 3) or options.layout == "nhwc"
    open_sizes = iter([*side] if side else [])
    for at in (1, 2) if channels_last else (2, 3):
        shape[at] = shape[at] or next(open_sizes, None)
    at = 3 if channels_last else 1
    shape[at] = shape[at] or options.channels
    if None in shape:
        return facts
    blank = np.zeros([int(size or 0) for size in shape], facts.type)
    answers = Network(foreign.content, foreign.path.name, facts).answers(blank, len(blank))
    return replace(facts, classes=answers.shape[1])


def _films(plan: Plan, batch: int) -> NDArray[np.uint8]:
    """Films of blocks and of noise, (n, height, width, 1); as many as fill batches of `batch`."""
    height, width = plan.rule.height, plan.rule.width
    noise = _NOISE + -(_BLOCKS + _NOISE) % batch
    random = np.random.default_rng(_SEED).integers(0, 256, (noise, height, width, 1), np.uint8)
    return np.concatenate([synthetic_films(_SEED, _BLOCKS, height, width), random])


def _check_answers(file: str, raw: NDArray[np.float32], plan: Plan) -> None:
    """Whether answers are what the graph, or a person, says that they are.

    Raises
    ------
    ModelError
        If they are no numbers.
    UsageError
        If they are not of the classes, or probabilities where logits are said, or the other way.
    """
    if not np.isfinite(raw).all():
        raise ModelError(
            f"{file} answers synthetic films with no number (NaN or infinite).",
            "Is its range right? An export in half precision may overflow: export it in float32.",
        )
    alone = plan.task.kind is TaskKind.BINARY and raw.shape[1] == 1
    if raw.shape[1] != len(plan.task.classes) and not alone:
        raise UsageError(
            f"{file} gives {raw.shape[1]} number(s) for a film, and {len(plan.task.classes)} "
            "class(es) are named.",
            "Name one class for each number, in their order.",
        )
    inside = bool(are_probabilities(raw).all())
    exclusive = plan.task.kind is not TaskKind.MULTILABEL and not alone
    sums = inside and bool((np.abs(raw.sum(axis=1) - 1) < _SUM).all())
    if plan.answers == PROBABILITIES and not (sums if exclusive else inside):
        raise UsageError(
            f"{file} is said to give probabilities, and answers synthetic films with "
            f"{raw.min():.3g} to {raw.max():.3g}"
            + (", which do not add up to 1." if inside else "."),
            "Say --logits if the softmax or sigmoid is missing; where several findings can be true "
            f"at once, --task {plan.task.name}:multilabel.",
        )
    # one number, or one a finding, may lie between 0 and 1 by chance
    if plan.answers == LOGITS and (sums if exclusive else inside and not _said(plan, "outputs")):
        raise UsageError(
            f"{file} is taken to give logits, and its answers to synthetic films are probabilities "
            f"already ({raw.min():.3g} to {raw.max():.3g}).",
            "Say --probabilities."
            if exclusive
            else "Say which they are: --probabilities or --logits.",
        )


def _said(plan: Plan, what: str) -> bool:
    """Whether a person said it."""
    return any(one.what == what and one.by.startswith("given") for one in plan.said)


def _predict(
    graph: bytes, file: str, plan: Plan
) -> Callable[[NDArray[np.uint8]], Mapping[str, NDArray[np.float32]]]:
    session = open_graph(graph, f"the new graph of {file}")
    name = plan.task.name

    def predict(films: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        return {name: session.run([name], {INPUT: films})[0]}

    return predict


def _card(
    foreign: Foreign,
    facts: Facts,
    metadata: Ultralytics | None,
    plan: Plan,
    options: AdoptOptions,
    batch: str,
    parity: Parity,
) -> Card:
    origin: dict[str, Any] = {
        "kind": "adopted",
        "file": foreign.path.name,
        "sha256": foreign.sha256,
        "bytes": len(foreign.content),
        "producer": foreign.producer,
        "opset": foreign.opset,
        "batch": batch,
        "metadata": dict(metadata.kept) if metadata else {},
        "said": {one.what: {"value": one.value, "by": one.by} for one in plan.said},
        "source": options.source,
        "licence": options.licence,
    }
    return Card(
        tasks=(TaskCard(plan.task),),
        rule=plan.rule,
        name=options.name or foreign.path.stem,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions_of(_LIBRARIES),
        decoder=decoder_fingerprint(),
        parity=parity.to_dict(),
        precision={"format": _precision(foreign, facts)},
        origin=origin,
        limits=_LIMITS,
    )


def _precision(foreign: Foreign, facts: Facts) -> str:
    if any(node.op_type in _QUANTISED for node in foreign.proto.graph.node):
        return "int8"
    return "fp16" if facts.type == "float16" else "fp32"


def _seal(graph: bytes, card: Card, out: Path) -> Card:
    """Write the file under another name, let it answer its self-test, and give it its name."""
    out.parent.mkdir(parents=True, exist_ok=True)
    building = out.with_name(f".{secrets.token_hex(8)}.partial.onnx")
    try:
        write_sealed(graph, card.to_json(), building)
        model = load_model(building)
        session = Session(model, device="cpu")
        test = record_self_test(session.predict, card.rule.height, card.rule.width)
        # in half precision, one batch size differs from another by more than in float32
        seen = min(2 * float(card.parity["largest_difference"]), LARGEST_TOLERANCE)
        card = replace(card, self_test=replace(test, tolerance=max(test.tolerance, seen)))
        with_card(model, card, out)
    finally:
        building.unlink(missing_ok=True)
    return card
