"""Which task a foreign network has, and what its numbers are; and how one asks for what is open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from xraybatch.core.errors import UsageError
from xraybatch.core.tasks import Task, TaskKind, parse_task_request
from xraybatch.training.adoption.asked import (
    BY_FILE,
    BY_GRAPH,
    BY_OPTION,
    AdoptOptions,
    Said,
)
from xraybatch.training.adoption.graph import Facts
from xraybatch.training.adoption.ultralytics import Ultralytics
from xraybatch.training.truth import positive_of

_EXAMPLES = ("normal", "pneumonia")
_UNSAID = ("tolerance",)


@dataclass(frozen=True)
class Missing:
    """What nobody said: in words, the options that say it, and one of them as an example."""

    why: str
    options: str
    example: str


def ask_for(file: str, missing: Iterable[Missing], options: AdoptOptions) -> UsageError:
    """One error that names everything that is missing, with a whole command as an example."""
    asked = list(missing)
    words = "; ".join(f"{one.why}: {one.options}" for one in asked)
    given = [text for name in fields(options) if (text := _as_typed(name.name, options))]
    line = " ".join(["xraybatch adopt", file, *given, *(one.example for one in asked)])
    return UsageError(
        f"{file} does not say, and nothing is guessed: {words}.",
        f"For example: {line} --out adopted.onnx",
    )


def decide_task(
    file: str, facts: Facts, metadata: Ultralytics | None, options: AdoptOptions
) -> tuple[Task | None, str | None, list[Said], list[Missing]]:
    """The task and what the outputs are; None with what is missing.

    Returns
    -------
    Task or None
    str or None
        ``logits``, ``probabilities`` or ``log-probabilities``.
    list of Said
    list of Missing

    Raises
    ------
    UsageError
        If graph, metadata and options contradict each other.
    """
    said: list[Said] = []
    missing: list[Missing] = []
    request = parse_task_request(options.task)
    classes, by = _classes(request.classes, metadata, options)
    if not classes:
        missing.append(
            Missing(
                f"its classes, in the order of its {facts.classes or ''} outputs".replace(
                    "  ", " "
                ),
                "--classes",
                f"--classes {','.join(_example_classes(facts))}",
            )
        )
    else:
        _check_count(file, facts, classes)
        said.append(Said("classes", ", ".join(classes), by))
    answers = _answers(file, facts, options, said, missing)
    kind = request.kind or _kind(facts, classes, options)
    if kind is None:
        missing += _ask_kind(request.name, facts, classes)
        return None, answers, said, missing
    if facts.kind == "softmax" and kind is TaskKind.MULTILABEL:
        raise UsageError(
            f"--task {options.task}: {file} ends in {facts.ending}, so that its classes exclude "
            "each other.",
            f"Say --task {request.name}:multiclass.",
        )
    if facts.kind == "sigmoid" and kind is not TaskKind.MULTILABEL and facts.classes != 1:
        raise UsageError(
            f"--task {options.task}: {file} ends in {facts.ending} for each of its classes, which "
            "do not exclude each other.",
            f"Say --task {request.name}:multilabel.",
        )
    if not classes:
        return None, answers, said, missing
    positive = options.positive
    if kind is TaskKind.BINARY and positive is None:
        try:
            positive = positive_of(request.name, classes)
        except UsageError:
            missing.append(
                Missing(
                    f"which of {' and '.join(classes)} is the positive class",
                    "--positive",
                    f"--positive {classes[1]}",
                )
            )
            return None, answers, said, missing
        said.append(Said("positive", positive, "the other class says that nothing was found"))
    elif positive is not None:
        said.append(Said("positive", positive, BY_OPTION))
    by_kind = BY_OPTION if request.kind else (BY_GRAPH if facts.kind else "from --positive")
    said.append(Said("task", f"{request.name}, {kind}", by_kind))
    return Task(request.name, kind, classes, positive), answers, said, missing


def _ask_kind(task: str, facts: Facts, classes: tuple[str, ...]) -> list[Missing]:
    count = len(classes) or facts.classes
    if count == 1:
        kinds, example = "multilabel, or two classes", f"--task {task}:multilabel"
    elif count == 2:
        kinds = "multiclass|multilabel, or --positive of two classes"
        example = f"--positive {classes[1] if classes else _EXAMPLES[1]}"
    else:
        kinds, example = "multiclass|ordinal|multilabel", f"--task {task}:multiclass"
    why = "whether a film has one class or several findings at once"
    return [] if facts.output is None else [Missing(why, f"--task {task}:{kinds}", example)]


def _classes(
    listed: tuple[str, ...], metadata: Ultralytics | None, options: AdoptOptions
) -> tuple[tuple[str, ...], str]:
    if listed and options.classes and listed != options.classes:
        raise UsageError(
            f"--task lists the classes {', '.join(listed)}, and --classes "
            f"{', '.join(options.classes)}.",
            "Say them once.",
        )
    if listed or options.classes:
        return listed or options.classes, BY_OPTION
    return (metadata.classes, BY_FILE) if metadata else ((), "")


def _example_classes(facts: Facts) -> list[str]:
    if facts.classes in (None, 1, 2):
        return list(_EXAMPLES)
    return [f"class{i}" for i in range(min(facts.classes or 0, 20))]


def _check_count(file: str, facts: Facts, classes: tuple[str, ...]) -> None:
    allowed = {facts.classes} if facts.classes != 1 else {1, 2}
    if facts.classes is not None and len(classes) not in allowed:
        raise UsageError(
            f"{file} gives {facts.classes} number(s) for a film, and {len(classes)} class(es) are "
            "named.",
            "Name one class for each number, in their order; of a single number, the class that it "
            "is the probability of comes second.",
        )


def _answers(
    file: str, facts: Facts, options: AdoptOptions, said: list[Said], missing: list[Missing]
) -> str | None:
    """What the outputs are: an operator that makes probabilities says it, else a person may."""
    if facts.kind:
        if options.answers and options.answers != facts.answers:
            raise UsageError(
                f"--{options.answers}: {file} ends in {facts.ending}, whose answers are "
                f"{facts.answers}.",
                f"Leave --{options.answers} out: the graph says it.",
            )
        said.append(Said("outputs", f"{facts.answers} ({facts.ending})", BY_GRAPH))
        return facts.answers
    if options.answers:
        said.append(Said("outputs", options.answers, BY_OPTION))
        return options.answers
    if facts.answers:
        said.append(Said("outputs", f"{facts.answers} ({facts.ending})", BY_GRAPH))
        return facts.answers
    if facts.output is not None:
        missing.append(
            Missing(
                f"what its outputs are (it ends in {facts.ending or 'no operator'})",
                "--logits|--probabilities",
                "--logits",
            )
        )
    return None


def _kind(facts: Facts, classes: tuple[str, ...], options: AdoptOptions) -> TaskKind | None:
    """What the end of the graph, and a positive class, say of the task."""
    if options.positive is not None or (facts.classes == 1 and len(classes) == 2):
        return TaskKind.BINARY
    if facts.kind == "softmax":
        return TaskKind.BINARY if len(classes) == 2 else TaskKind.MULTICLASS
    if facts.kind == "sigmoid":
        return TaskKind.MULTILABEL
    return None


def _as_typed(name: str, options: AdoptOptions) -> str:
    """A field of the options as it is typed; empty where it says nothing."""
    value = getattr(options, name)
    if name in _UNSAID or value == getattr(AdoptOptions(), name):
        return ""
    if name == "answers":
        return f"--{value}"
    if name == "size":
        return f"--size {value[0]}x{value[1]}"
    text = (
        ",".join(f"{v:g}" if isinstance(v, float) else v for v in value)
        if isinstance(value, tuple)
        else str(value)
    )
    quoted = text if text.replace(",", "").replace("-", "").isalnum() else f"'{text}'"
    return f"--{name.replace('_', '-')} {quoted}"
