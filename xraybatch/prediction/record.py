"""The run record: ``<out>.run.json``, what a results table was made with."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from xraybatch.core.counting import films
from xraybatch.core.errors import InputError
from xraybatch.core.files import write_text
from xraybatch.core.status import FilmStatus
from xraybatch.core.versions import versions_of
from xraybatch.images.fingerprint import LIBRARIES

# the libraries that can change a pixel or a probability
_DECIDING = ("xraybatch", *LIBRARIES, "onnxruntime-gpu", "onnxruntime")


@dataclass(frozen=True)
class PredictionRecord:
    """What a prediction run was and did; `to_dict` is the JSON that is written.

    Attributes
    ----------
    out : str
        Name of the results file.
    results_sha256 : str
    tasks : list of dict
        ``name``, ``kind``, ``classes``, ``positive``, ``thresholds``: what `score` needs.
    model : dict
        ``name``, ``file``, ``seal``, ``broken_seal``, ``demonstration``.
    card : dict
        The model's card without the hashes of its training films.
    rule : dict
    options : dict
        As asked for.
    device, processor : str
        Where it really ran.
    batch_size : int
    workers : int
        Decoding processes; 0: films were decoded in threads of the program, as was asked for.
    self_test_difference : float or None
        None: the model carries no self-test.
    films : int
        Rows in the table.
    by_status, classes, skipped : dict
        Counts; `skipped` holds what was left out by ``--where`` too, by reason.
    film_notes : dict
        What was noted of films (a suffix that lies), and of how many.
    resumed : dict
        ``done``, ``new``, ``vanished``, ``changed``, ``again`` when the run went on; else empty.
    seconds : dict
        ``total`` by the wall clock; ``decoding`` (summed over workers), ``classifying``,
        and ``fetching`` where films are elsewhere: what decoding waited for their bytes.
    films_per_second : float
        Of this run, without what was done before it went on; with those that were left out.
    bottleneck : str
        A sentence about what took most of the time, and the setting that would relieve it; empty
        for runs that were too short to tell.
    embeddings : dict
        ``file``, ``sha256``, ``width`` (numbers of one) and ``films`` of the embeddings; empty
        where they were not asked for.
    unlike : dict
        How far the films are from the training films: ``films`` whose greys were compared, those
        ``beyond`` the card's bar, and ``score_shifts`` (population stability index by task and
        class).
    started, finished : str
        UTC, ISO 8601.
    versions : dict
    manifest : dict
        ``sha256`` of the films of the manifest that the rows are of; empty without one.
    shard : dict
        Of one part of a run, what merging it needs (`xraybatch.prediction.sharding.facts`); else
        empty.
    shards : list of dict
        Of a table that was merged, each part: ``shard``, ``films``, ``results_sha256``,
        ``processor``, ``started``, ``finished``; else empty.
    mixed : bool
        Whether rows may be of another processor or other versions: the run went on from a state,
        or parts of it ran on several machines.
    notes : list of str
        Every fallback, in a sentence.
    """

    out: str
    results_sha256: str
    tasks: list[dict[str, Any]]
    model: dict[str, Any]
    card: dict[str, Any]
    rule: dict[str, Any]
    options: dict[str, Any]
    device: str
    processor: str
    batch_size: int
    workers: int
    self_test_difference: float | None
    films: int
    by_status: dict[str, int]
    classes: dict[str, dict[str, int]]
    skipped: dict[str, int]
    film_notes: dict[str, int]
    resumed: dict[str, int]
    seconds: dict[str, float]
    films_per_second: float
    bottleneck: str
    embeddings: dict[str, Any]
    unlike: dict[str, Any]
    started: str
    finished: str
    versions: Mapping[str, str]
    manifest: dict[str, str]
    shard: dict[str, Any]
    shards: list[dict[str, Any]]
    mixed: bool
    notes: list[str]

    @property
    def nothing_classified(self) -> str:
        """Said where there are films and none has an answer; else empty."""
        if not self.films or self.by_status.get("ok"):
            return ""
        return f"None of {films(self.films)} could be classified."

    @property
    def failed(self) -> int:
        """Films without probabilities."""
        return self.films - self.by_status.get(FilmStatus.OK, 0)

    def to_dict(self) -> dict[str, Any]:
        """The record as plain JSON values."""
        return {"schema": "1.0", **asdict(self)}


def record_path(out: Path) -> Path:
    """Where the record of a results table lies: its name and ``.run.json``."""
    return out.with_name(out.name + ".run.json")


def write_record(record: PredictionRecord, out: Path) -> None:
    """Write the record beside its results table."""
    text = json.dumps(record.to_dict(), indent=2, sort_keys=True, allow_nan=False)
    write_text(record_path(out), text + "\n")


def read_record(out: Path) -> PredictionRecord:
    """The run record that lies beside a results table.

    Raises
    ------
    InputError
        If there is none, or it is none of ours.
    """
    path = record_path(out)
    try:
        # what records of earlier versions do not say
        later: dict[str, Any] = {"bottleneck": "", "embeddings": {}, "unlike": {}, "mixed": False}
        later |= {"manifest": {}, "shard": {}, "shards": []}
        found = {**later, **json.loads(path.read_text(encoding="utf-8"))}
        return PredictionRecord(**{one.name: found[one.name] for one in fields(PredictionRecord)})
    except FileNotFoundError:
        raise InputError(
            f"Beside {out} lies no run record, {path.name}, which says what it was made with.",
            "Put it there, as `xraybatch predict` wrote it.",
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path} cannot be read, or is no run record of this version.",
            "Predict again with this version of xraybatch.",
        ) from None


def deciding_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that can change a pixel or a probability."""
    return {"platform": sys.platform, **versions_of(_DECIDING)}
