"""How to predict: everything that a person can choose, checked before anything is read."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from xraybatch.core.errors import UsageError
from xraybatch.extension.records import Limits
from xraybatch.images.asked import NOTHING, Asked
from xraybatch.images.decode import DEFAULT_LIMITS
from xraybatch.models.model import Model
from xraybatch.prediction.bar import Bar
from xraybatch.prediction.rows import Columns
from xraybatch.prediction.sharding.shards import Shard, written_form

MAX_PIXELS = DEFAULT_LIMITS.max_pixels
FIRST, ALL = "first", "all"  # frames of an item
LOCAL, RAY = "local", "ray"  # engines


@dataclass(frozen=True)
class PredictOptions:
    """How to predict.

    Attributes
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N``, or several GPUs: ``cuda:0,1``.
    batch_size, workers, threads : int, optional
        None: chosen by the device, the cores that this process may use.
    timeout : float
        Seconds that one film may take to decode.
    overwrite : bool
        Replace results that are there.
    job : Path, optional
        Where the state of the run is kept; ``<out>.job`` by default.
    discard_job : bool
        Remove the job after publishing.
    max_pixels : int
        Height × width of a film; what its header announces to be larger is not decoded.
    frames : {"first", "all"}
        Of an item with several films: its first alone, or a row for each.
    asked : Asked
        Which films to leave out by their header, and what to tell of it.
    update : bool
        Bring the results of an earlier run up to the films that are found now.
    retry_failed : bool
        Do the films of an earlier run again that have no answer; `max_pixels` may be larger then.
    max_failures : Bar, optional
        Stop as soon as more films than this must have no result.
    embeddings : Path, optional
        ``.parquet``: where the embeddings of the films are written too.
    shard : Shard, optional
        Of the films of a manifest, those of this part alone, into files named after it.
    engine : {"local", "ray"}
        This machine, or the nodes of a Ray cluster.
    address : str, optional
        Of the cluster: ``HOST:PORT``; by default the one that this machine is a node of.
    actors : int, optional
        Engines in the cluster; by default one a node, or one for each GPU that is there.
    gpus_per_actor : float
        A part of one lets several share it.
    """

    device: str = "auto"
    batch_size: int | None = None
    workers: int | None = None
    threads: int | None = None
    timeout: float = 60.0
    overwrite: bool = False
    job: Path | None = None
    discard_job: bool = False
    max_pixels: int = MAX_PIXELS
    frames: str = FIRST
    asked: Asked = NOTHING
    update: bool = False
    retry_failed: bool = False
    max_failures: Bar | None = None
    embeddings: Path | None = None
    shard: Shard | None = None
    engine: str = LOCAL
    address: str | None = None
    actors: int | None = None
    gpus_per_actor: float = 0.0

    def __post_init__(self) -> None:
        if self.max_pixels < 1:
            raise UsageError(
                f"--max-pixels {self.max_pixels} allows no film.",
                f"Give a number of pixels, such as {MAX_PIXELS}.",
            )
        if self.frames not in (FIRST, ALL):
            raise UsageError(f"--frames '{self.frames}' is not known.", "Known are: first, all.")
        self._check_engine()
        if not (math.isfinite(self.timeout) and self.timeout > 0):
            raise UsageError(
                f"--timeout {self.timeout:g} is no time limit.", "Give seconds, such as 600."
            )
        if self.embeddings is not None and written_form(self.embeddings) != ".parquet":
            raise UsageError(
                f"Embeddings are written as Parquet, and '{self.embeddings.name}' is named "
                "otherwise.",
                "End --embeddings with .parquet.",
            )

    def _check_engine(self) -> None:
        if self.engine not in (LOCAL, RAY):
            raise UsageError(f"--engine '{self.engine}' is not known.", "Known are: local, ray.")
        if not (math.isfinite(self.gpus_per_actor) and self.gpus_per_actor >= 0):
            raise UsageError(
                f"--gpus-per-actor {self.gpus_per_actor:g} is no number of GPUs.",
                "Give 1, or a part of one such as 0.5.",
            )
        if self.actors is not None and self.actors < 1:
            raise UsageError(f"--actors {self.actors} leaves nobody to work.", "Give 1 or more.")
        given = {
            "--address": self.address,
            "--actors": self.actors,
            "--gpus-per-actor": self.gpus_per_actor,
        }
        for option, value in given.items():
            if value and self.engine != RAY:
                raise UsageError(f"{option} is for --engine ray, which is not given.", "Give both.")

    @property
    def is_of_a_job(self) -> bool:
        """Whether it is about what an earlier run did."""
        return self.update or self.retry_failed

    @property
    def limits(self) -> Limits:
        """What a film may cost."""
        # a film of the largest size may have any depth that a reader knows
        return Limits(self.max_pixels, max(DEFAULT_LIMITS.max_bytes, 10 * self.max_pixels))

    def to_dict(self) -> dict[str, Any]:
        """As the run record holds them: without the salt, and files by name alone."""
        told: dict[str, Any] = {
            one.name: getattr(self, one.name) for one in fields(self) if one.name != "asked"
        }
        told["job"] = None if self.job is None else self.job.name
        told["embeddings"] = None if self.embeddings is None else self.embeddings.name
        told["max_failures"] = None if self.max_failures is None else str(self.max_failures)
        told["shard"] = None if self.shard is None else str(self.shard)
        told["where"] = {keyword: list(values) for keyword, values in self.asked.where}
        return {**told, "tags": list(self.asked.tags), "dicom_ids": bool(self.asked.salt)}


def columns_of(model: Model, options: PredictOptions) -> Columns:
    """The columns of the table that a run writes."""
    return Columns(
        model.card.tasks,
        seen=bool(model.card.hashes),
        frames=options.frames == ALL,
        asked=options.asked,
    )
