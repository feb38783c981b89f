"""Which films a run is over and where it writes: all that were given, or the part of a shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from xraybatch.core.errors import UsageError
from xraybatch.prediction.engine import CHUNK
from xraybatch.prediction.options import PredictOptions
from xraybatch.sources.item import Item
from xraybatch.sources.manifest import Manifest


@dataclass(frozen=True)
class Portion:
    """The films of one run.

    Attributes
    ----------
    items : sequence of Item
    out : Path
        Where this run writes its table.
    options : PredictOptions
        With the places of this run.
    skipped : mapping of str to int
        For the record of this run; those of a manifest count once, not in each shard.
    manifest : Manifest or None
        That the items stand in.
    """

    items: Sequence[Item]
    out: Path
    options: PredictOptions
    skipped: Mapping[str, int] = field(default_factory=dict)
    manifest: Manifest | None = None


def portion(
    items: Sequence[Item], out: Path, options: PredictOptions, skipped: Mapping[str, int]
) -> Portion:
    """The films of a run, from what was given.

    Raises
    ------
    UsageError
        If a shard is asked for of films that no manifest lists.
    """
    manifest = items if isinstance(items, Manifest) else None
    shard = options.shard
    if shard is None:
        told = skipped if manifest is None else manifest.skipped
        return Portion(items, out, options, told, manifest)
    if manifest is None:
        raise UsageError(
            "--shard divides the films of a manifest, and none is given.",
            "List them once: xraybatch list FOLDER --manifest films.parquet. Then give --manifest "
            "films.parquet in place of the folder.",
        )
    items = manifest.shard(shard.index, shard.count, chunk=CHUNK)
    return Portion(items, *placed(out, options), {}, manifest)


def placed(out: Path, options: PredictOptions) -> tuple[Path, PredictOptions]:
    """Where a run writes, and its options with the other places: those of its shard, if any."""
    shard = options.shard
    if shard is None:
        return out, options
    job, embeddings = options.job, options.embeddings
    own = replace(
        options,
        job=None if job is None else shard.job_place(job),
        embeddings=None if embeddings is None else shard.place(embeddings),
    )
    return shard.place(out), own
