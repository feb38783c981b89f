"""The run record of a merged table: what its shards counted, summed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from xraybatch.models.card import Card, card_from_json
from xraybatch.prediction.record import PredictionRecord
from xraybatch.prediction.sharding.files import Parts
from xraybatch.prediction.sharding.shards import Shard
from xraybatch.prediction.unlike import Comparison, Unlike


class Summed:
    """Takes in the records of shards one by one, and keeps of each what the whole needs."""

    def __init__(self) -> None:
        self._card: Card | None = None
        self._compared: Comparison
        self._films = 0
        self._counts: dict[str, Counter[str]] = {}
        self._classes: dict[str, Counter[str]] = {}
        self._seconds: dict[str, float] = {}
        self._notes: dict[str, None] = {}
        self._shards: list[dict[str, Any]] = []
        self._machines: set[str] = set()
        self._mixed = False
        self._differences: list[float] = []

    def add(self, record: PredictionRecord) -> None:
        """Take in the record of the next shard."""
        if self._card is None:
            self._card = card_from_json(json.dumps(record.card))
            self._compared = Comparison(self._card)
        own = Comparison(self._card)
        for comparison in (own, self._compared):
            comparison.add_counts(record.shard["unlike"])
        of_this_part = own.finish().sentences
        self._films += record.films
        for word in ("by_status", "skipped", "film_notes"):
            self._counts.setdefault(word, Counter()).update(getattr(record, word))
        for task, found in record.classes.items():
            self._classes.setdefault(task, Counter()).update(found)
        for word, seconds in record.seconds.items():
            self._seconds[word] = self._seconds.get(word, 0.0) + seconds
        # what is said of a part alone is not said of the whole
        self._notes |= dict.fromkeys(n for n in record.notes if n not in of_this_part)
        self._machines.add(json.dumps([record.processor, dict(record.versions)], sort_keys=True))
        self._mixed |= record.mixed
        if record.self_test_difference is not None:
            self._differences.append(record.self_test_difference)
        told = ("films", "results_sha256", "processor", "device", "started", "finished")
        shard = str(Shard(record.shard["index"], record.shard["count"]))
        self._shards.append({"shard": shard, **{word: getattr(record, word) for word in told}})

    @property
    def is_mixed(self) -> bool:
        """Whether rows are of different processors, or of different versions."""
        return self._mixed or len(self._machines) > 1

    @property
    def unlike(self) -> Unlike:
        """How far the films are from the training films."""
        return self._compared.finish()

    def record(self, found: Parts, out: Path, notes: Iterable[str]) -> PredictionRecord:
        """The record of the whole, without the digests of what is yet to be written.

        Parameters
        ----------
        found : Parts
        out : Path
        notes : iterable of str
            What is to be said of the whole besides.
        """
        first = found.first
        seconds = {word: round(count, 3) for word, count in self._seconds.items()}
        skipped = Counter(first.shard["skipped"]) + self._counts["skipped"]
        embeddings = None if found.embeddings_out is None else found.embeddings_out.name
        return replace(
            first,
            out=out.name,
            results_sha256="",
            options={**first.options, "shard": None, "job": None, "embeddings": embeddings},
            self_test_difference=max(self._differences, default=None),
            films=self._films,
            by_status=_sorted(self._counts["by_status"]),
            classes={task: dict(counts) for task, counts in self._classes.items()},
            skipped=_sorted(skipped),
            film_notes=dict(self._counts["film_notes"].most_common()),
            resumed={},
            seconds=seconds,
            films_per_second=round(self._films / max(seconds["total"], 1e-9), 2),
            bottleneck="",
            unlike=self.unlike.to_dict(),
            started=min(shard["started"] for shard in self._shards),
            finished=max(shard["finished"] for shard in self._shards),
            shard={},
            shards=self._shards,
            mixed=self.is_mixed,
            notes=[*self._notes, *self.unlike.sentences, *notes],
        )


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))
