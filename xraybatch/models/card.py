"""The card: what a model knows of itself. Canonical JSON inside the model file.

The schema is published as ``docs/card.schema.json``. Only ``schema``, ``tasks`` and ``rule`` are
needed to read a card; fields of a newer minor schema are kept in `Card.unknown` and written back.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from xraybatch.core.errors import ModelError, UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.images.rule import DecodingRule, rule_from_dict
from xraybatch.models.calibration_checks import check_calibration, check_conformal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMA = "1.0"

Json = Mapping[str, Any]


@dataclass(frozen=True)
class TaskCard:
    """A task with all that turns its probabilities into an answer.

    Attributes
    ----------
    task : Task
    thresholds : tuple of float or None
        float32 values. Binary: one, for the positive class. Multilabel: one for each class. None:
        0.5, or the class of highest probability for multiclass and ordinal.
    threshold_origin : str
        Where the thresholds come from, in words.
    calibration : mapping or None
        What `xraybatch.models.calibration.calibrated` applies: ``method``; ``temperature`` (one
        number, for multilabel one a finding) or ``knots`` (``x`` and ``y`` of one line, of several
        classes or findings one each); ``fitted_on``. None: probabilities stay as they are.
    conformal : mapping or None
        What `xraybatch.models.calibration.sets` applies: ``score`` (``lac``, ``aps``),
        ``coverage``, ``levels`` (one, or one a class; None: always in the set), ``fitted_on``.
    """

    task: Task
    thresholds: tuple[float, ...] | None = None
    threshold_origin: str = "default: 0.5, or the most probable class"
    calibration: Json | None = None
    conformal: Json | None = None

    def __post_init__(self) -> None:
        check_calibration(self.task, self.calibration)
        check_conformal(self.task, self.conformal)
        if self.thresholds is None:
            return
        kinds = {TaskKind.BINARY: 1, TaskKind.MULTILABEL: len(self.task.classes)}
        wanted = kinds.get(self.task.kind, 0)
        if len(self.thresholds) != wanted or not all(0 <= t <= 1 for t in self.thresholds):
            raise UsageError(
                f"Task '{self.task.name}' ({self.task.kind}) has the thresholds "
                f"{list(self.thresholds)}; it takes {wanted}, within 0 and 1."
            )


@dataclass(frozen=True)
class SelfTest:
    """Seeded synthetic films and what the model answered to them when it was made.

    Attributes
    ----------
    seed, films : int
        What `xraybatch.models.selftest.synthetic_films` is called with.
    tolerance : float
        Largest difference of a probability that is let through.
    probabilities : mapping of str to nested lists
        By task, ``films`` × K float32 values.
    """

    seed: int
    films: int
    tolerance: float
    probabilities: Mapping[str, list[list[float]]]


@dataclass(frozen=True)
class Card:
    """What a model knows of itself. Every mapping is plain JSON.

    Attributes
    ----------
    tasks : tuple of TaskCard
    rule : DecodingRule
    name : str
    created : str
        UTC, ISO 8601.
    demonstration : bool
        Trained on the synthetic sample films: said at every use.
    plugin : mapping
        ``name``, ``owner``, ``options``.
    versions : mapping
        Library to version, of what trained and exported it.
    decoder : mapping
        The decoder fingerprint (`xraybatch.images.fingerprint`).
    data : mapping
        ``films``, ``patients``, ``counts`` (task → class → split → films), ``split``, ``overlap``
        (what was tested), ``source``, ``licence``, ``citation``, ``grey_histogram``,
        ``grey_bar`` (how far the greys of one training film in a hundred are from that),
        ``score_histograms``.
    hashes : str
        Base64 of the sorted 8-byte film digests of the training films; empty: left out.
    settings : mapping
        What repeats the run.
    weights : mapping
        ``asked``, ``loaded``, ``reason``.
    probabilities : mapping
        ``class_weights``, ``oversampled``: whether either distorts the probabilities.
    parity : mapping
        ``largest_difference``, ``changed_classes``, ``films``, ``batch_sizes``, ``tolerance``.
    precision : mapping
        ``format`` (fp32, fp16, int8) and its gate's figures.
    scores : mapping
        Held-back scores with intervals, by task; ``part`` says which films.
    origin : mapping
        Of a model that was made elsewhere: ``kind`` (``adopted``), ``file``, ``sha256``,
        ``producer``, ``said`` (what → ``value`` and ``by`` whom); empty for our own.
    self_test : SelfTest or None
    intended_use, limits : str
    schema : str
    unknown : mapping
        Fields of a newer schema, kept as they are.
    """

    tasks: tuple[TaskCard, ...]
    rule: DecodingRule
    name: str = ""
    created: str = ""
    demonstration: bool = False
    plugin: Json = field(default_factory=dict)
    versions: Json = field(default_factory=dict)
    decoder: Json = field(default_factory=dict)
    data: Json = field(default_factory=dict)
    hashes: str = ""
    settings: Json = field(default_factory=dict)
    weights: Json = field(default_factory=dict)
    probabilities: Json = field(default_factory=dict)
    parity: Json = field(default_factory=dict)
    precision: Json = field(default_factory=dict)
    scores: Json = field(default_factory=dict)
    origin: Json = field(default_factory=dict)
    self_test: SelfTest | None = None
    intended_use: str = "Research only. Not a medical device; not for diagnosis."
    limits: str = ""
    schema: str = SCHEMA
    unknown: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [entry.task.name for entry in self.tasks]
        if not names or len(set(names)) != len(names):
            raise UsageError(f"A model needs one or more tasks of different names, not {names}.")

    def to_json(self, *, hashes: bool = True) -> str:
        """The card as canonical JSON: keys sorted, no white space, ASCII; NaN is refused.

        Parameters
        ----------
        hashes : bool
            Whether the digests of the training films are in it.
        """
        return json.dumps(
            self.to_dict(hashes=hashes), sort_keys=True, separators=(",", ":"), allow_nan=False
        )

    def to_dict(self, *, hashes: bool = True) -> dict[str, Any]:
        """The card as plain JSON values, fields of a newer schema included."""
        data: dict[str, Any] = dict(self.unknown)
        for entry in fields(self):
            if entry.name not in {"unknown", "tasks", "rule", "self_test"}:
                data[entry.name] = getattr(self, entry.name)
        data["tasks"] = [_task_to_dict(task) for task in self.tasks]
        data["rule"] = self.rule.to_dict()
        data["self_test"] = None if self.self_test is None else dict(vars(self.self_test))
        if not hashes:
            del data["hashes"]
        return data

    def seen_in_training(self) -> frozenset[bytes]:
        """The 8-byte digests of the films it was trained on; empty where they were left out."""
        raw = base64.b64decode(self.hashes)
        return frozenset(raw[i : i + 8] for i in range(0, len(raw), 8))

    @property
    def hash_false_positive_rate(self) -> float:
        """How often an unseen film would be called seen: films / 2^64."""
        return len(base64.b64decode(self.hashes)) / 8 / 2.0**64


def card_from_json(text: str) -> Card:
    """Read a card.

    Raises
    ------
    ModelError
        If it is no card, lacks schema, tasks or rule, or is of another major schema.
    """
    try:
        data = json.loads(text, parse_constant=_no_number)
        schema = str(data["schema"])
        if schema.split(".")[0] != SCHEMA.split(".")[0]:
            raise ModelError(
                f"The model's card is of schema {schema}; this installation reads {SCHEMA}.",
                "Install the xraybatch that made the model.",
            )
        known = {entry.name for entry in fields(Card)} - {"unknown", "tasks", "rule", "self_test"}
        tested = data.get("self_test")
        if len(base64.b64decode(data.get("hashes", ""), validate=True)) % 8:
            raise ValueError("hashes of training films are cut")
        return Card(
            tasks=tuple(_task_from_dict(entry) for entry in data["tasks"]),
            rule=rule_from_dict(data["rule"]),
            self_test=SelfTest(**{f.name: tested[f.name] for f in fields(SelfTest)})
            if tested
            else None,
            unknown={
                key: value
                for key, value in data.items()
                if key not in known | {"tasks", "rule", "self_test"}
            },
            **{key: value for key, value in data.items() if key in known},
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, UsageError) as error:
        raise ModelError(
            f"The model's card cannot be read ({type(error).__name__}: {error}).",
            "Export the model again.",
        ) from None


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def pack_hashes(digests: Iterable[bytes]) -> str:
    """Base64 of the sorted, distinct 8-byte film digests."""
    return base64.b64encode(b"".join(sorted(set(digests)))).decode("ascii")


def decide(probabilities: NDArray[np.float32], entry: TaskCard) -> NDArray[np.int64]:
    """Probabilities to answers: the only place where a threshold meets a probability.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, K)
        Calibrated, where the card has a calibration.
    entry : TaskCard

    Returns
    -------
    ndarray of int64
        ``(n,)`` class indices; for multilabel ``(n, K)`` of 0 and 1. A probability equal to the
        threshold, as float32, counts as reached. Among equal highest probabilities the first class
        wins.
    """
    import numpy as np

    task = entry.task
    if task.kind is TaskKind.MULTILABEL:
        bars = np.asarray(entry.thresholds or [0.5] * len(task.classes), dtype=np.float32)
        found: NDArray[np.int64] = (probabilities >= bars).astype(np.int64)
        return found
    if task.kind is TaskKind.BINARY:
        bar = np.float32((entry.thresholds or (0.5,))[0])
        reached = probabilities[:, task.positive_index] >= bar
        return np.where(reached, task.positive_index, 1 - task.positive_index)
    best: NDArray[np.int64] = np.argmax(probabilities, axis=1).astype(np.int64)
    return best


def _task_to_dict(entry: TaskCard) -> dict[str, Any]:
    return {
        "name": entry.task.name,
        "kind": entry.task.kind.value,
        "classes": list(entry.task.classes),
        "positive": entry.task.positive,
        "thresholds": None if entry.thresholds is None else list(entry.thresholds),
        "threshold_origin": entry.threshold_origin,
        "calibration": entry.calibration,
        "conformal": entry.conformal,
    }


def _task_from_dict(data: Json) -> TaskCard:
    task = Task(data["name"], TaskKind(data["kind"]), tuple(data["classes"]), data.get("positive"))
    thresholds = data.get("thresholds")
    return TaskCard(
        task,
        tuple(float(t) for t in thresholds) if thresholds is not None else None,
        data.get("threshold_origin", ""),
        data.get("calibration"),
        data.get("conformal"),
    )
