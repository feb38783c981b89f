"""Ten million films on many machines: listed, divided and merged, without a film being there.

    python benchmarks/cluster.py [--films 10000000] [--shards 1000] [--form csv] [--place DIR]

Writes a manifest of so many made-up films; lets a stub that knows the answers stand for the engine
in each shard, through the real job and the real publishing; merges the shards, and looks whether
the table has every film once. Prints for each of the three steps its time, the most that was ever
resident (VmHWM) and the size of its files, and for the shards how many row groups of the manifest
they read, which must be those that hold their films and no other. Exits with 1 where a step needed
more than `--most` MB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xraybatch.core.progress import SILENT
from xraybatch.core.status import FilmStatus
from xraybatch.models.choice import choose_model
from xraybatch.models.model import Model
from xraybatch.prediction.dispatch import dispatch
from xraybatch.prediction.engine import CHUNK, Chunk, Outcome, Seconds
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.jobs.resuming import begin_or_go_on, identity_of
from xraybatch.prediction.options import PredictOptions, columns_of
from xraybatch.prediction.portion import Portion, portion
from xraybatch.prediction.publish import publish
from xraybatch.prediction.record import PredictionRecord, write_record
from xraybatch.prediction.rows import NO_FRAME, Row
from xraybatch.prediction.run import predict_items
from xraybatch.prediction.sharding.facts import shard_facts
from xraybatch.prediction.sharding.merging import merge
from xraybatch.prediction.sharding.shards import Shard
from xraybatch.prediction.unlike import Comparison
from xraybatch.sources.item import Item
from xraybatch.sources.manifest import ROW_GROUP, open_manifest, write_manifest

_BROKEN = 97  # every so manieth film has no answer
_TOLD = 50  # shards between two lines


def main() -> None:
    """Run the three steps, each in a process of its own, and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=10_000_000)
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--form", default="csv", choices=["csv", "parquet", "jsonl"])
    parser.add_argument("--place", type=Path, help="an empty folder; a temporary one if left out")
    parser.add_argument("--most", type=int, default=2000, help="MB that a step may need")
    parser.add_argument("--machines", type=int, default=2, help="processes that share the shards")
    parser.add_argument("--step", choices=list(_STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--machine", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        print(json.dumps({**_STEPS[given.step](given), "peak": _peak()}))
        return
    with tempfile.TemporaryDirectory() as nowhere:
        place = given.place or Path(nowhere)
        place.mkdir(parents=True, exist_ok=True)
        worst = 0
        for step in _STEPS:
            begin = time.perf_counter()
            typed = [sys.executable, __file__, "--step", step, *_again(given, place)]
            machines = range(given.machines if step == "shards" else 1)
            found = list(map(_said, [_start([*typed, "--machine", str(i)]) for i in machines]))
            peak = max(one["peak"] for one in found)
            worst = max(worst, peak)
            seconds = time.perf_counter() - begin
            words = "; ".join(str(one["what"]) for one in found)
            print(f"{step}: {seconds:.0f} s, {peak / 1e6:.0f} MB, {words}", flush=True)
    sys.exit(worst > given.most * 1e6)


def _again(given: argparse.Namespace, place: Path) -> list[str]:
    words = ("films", "shards", "form", "machines")
    pairs = [("place", place), *((word, getattr(given, word)) for word in words)]
    return [text for word, value in pairs for text in (f"--{word}", str(value))]


def _start(typed: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(typed, stdout=subprocess.PIPE, text=True)


def _said(process: subprocess.Popen[str]) -> dict[str, Any]:
    text, _ = process.communicate()
    if process.returncode:
        sys.exit(process.returncode)
    said: dict[str, Any] = json.loads(text.splitlines()[-1])
    return said


def _list(given: argparse.Namespace) -> dict[str, str]:
    manifest = _manifest(given.place)
    facts = write_manifest(_items(given.films), manifest, skipped={"not a film": 3})
    size = manifest.stat().st_size
    return {"what": f"{facts.films:,} films in a manifest of {size / 1e6:,.0f} MB"}


def _run_shards(given: argparse.Namespace) -> dict[str, str]:
    place, films, shards, form = given.place, given.films, given.shards, given.form
    model = choose_model(None).model
    template = _template(place, model)
    read, size, slowest = [], 0, 0.0
    own = range(given.machine, shards, given.machines)
    for index in own:
        begin = time.perf_counter()
        listed = open_manifest(_manifest(place))
        options = PredictOptions(device="cpu", shard=Shard(index, shards))
        part = portion(listed, _out(place, form), options, {})
        _run_shard(part, _out(place, form), model, template)
        slowest = max(slowest, time.perf_counter() - begin)
        read.append(listed.read)
        owned = {chunk * CHUNK // ROW_GROUP for chunk in range(index, -(-films // CHUNK), shards)}
        if listed.read != len(owned):
            raise SystemExit(f"shard {index} read {listed.read} row groups, not its {len(owned)}")
        size += part.out.stat().st_size
        if index % _TOLD == 0:  # a long wait
            print(f"{index:,} of {shards:,} shards", file=sys.stderr, flush=True)
    groups = -(-films // ROW_GROUP)
    return {
        "what": f"{len(own):,} shards, at most {slowest:.1f} s each, tables of "
        f"{size / 1e6:,.0f} MB; a shard read {max(read):,} of {groups:,} row groups at most"
    }


def _merge(given: argparse.Namespace) -> dict[str, str]:
    films, out = given.films, _out(given.place, given.form)
    record = merge(out, manifest=_manifest(given.place))
    expected = {"corrupt": -(-films // _BROKEN), "ok": films - -(-films // _BROKEN)}
    if (record.films, record.by_status) != (films, expected):
        raise SystemExit(f"{record.films} rows, {record.by_status}")
    return {"what": f"{record.films:,} rows in a table of {out.stat().st_size / 1e6:,.0f} MB"}


_STEPS = {"list": _list, "shards": _run_shards, "merge": _merge}


def _run_shard(part: Portion, out: Path, model: Model, template: PredictionRecord) -> None:
    """What predict does with a part, but that the engine is a stub."""
    columns = columns_of(model, part.options)
    compared = Comparison(model.card)
    job_path = part.out.with_name(part.out.name + ".job")
    with Job(job_path) as job:
        identity = identity_of(model, None, part.options, part.manifest)
        begin_or_go_on(job, part.items, identity, part.options)
        with SILENT.stage("predicting", None) as stage:
            dispatch(job, _Stub(_width(model)), stage)
        published = publish(job, columns, part.out, compared.add, shard=part.options.shard)
        record = replace(
            template,
            out=part.out.name,
            results_sha256=published.sha256,
            options=part.options.to_dict(),
            films=published.rows,
            by_status=job.counts_by_status(),
            classes=published.classes,
            film_notes=published.notes,
            skipped=job.left_out(),
            manifest={"sha256": job.identity["manifest"]},
            shard=shard_facts(part, out, job, model, columns, compared),
        )
        write_record(record, part.out)
        job.mark_published(published.sha256)
    job_path.unlink()


class _Stub:
    """An engine that answers at once, every film another thing."""

    def __init__(self, classes: int) -> None:
        self.seconds = Seconds()
        self._classes = classes
        self._chunks: list[Chunk] = []

    def ahead(self) -> int:
        return 4

    def submit(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)

    def wait(self, timeout: float) -> Outcome:
        outcome = Outcome()
        for chunk in self._chunks:
            outcome.rows += [self._row(index, item) for index, item in chunk.items]
            outcome.finished.append(chunk.number)
            outcome.done += len(chunk.items)
        self._chunks = []
        return outcome

    def cancel(self) -> None:
        self._chunks = []

    def workers(self) -> int:
        return 1

    def nodes(self) -> int:
        return 1

    def close(self) -> None:
        self.cancel()

    def _row(self, index: int, item: Item) -> Row:
        number = item.size  # as `_items` has it
        if number % _BROKEN == 0:
            return Row(index, NO_FRAME, FilmStatus.CORRUPT, "The file contradicts itself.")
        first = (number % 9973) / 9973
        values = np.full(self._classes, (1 - first) / max(1, self._classes - 1), np.float32)
        values[0] = first
        return Row(index, NO_FRAME, FilmStatus.OK, values=values.tobytes(), seen=False)


def _width(model: Model) -> int:
    """How many probabilities a film has."""
    return sum(len(entry.task.classes) for entry in model.card.tasks)


def _template(place: Path, model: Model) -> PredictionRecord:
    """The record of a real run, over a film that is not there."""
    nothing = Item("nothing.png", str(place / "nothing.png"), 0, 0)
    with tempfile.TemporaryDirectory() as nowhere:
        options = PredictOptions(device="cpu", workers=0)
        return predict_items([nothing], model, Path(nowhere, "r.csv"), options=options)


def _items(count: int) -> Iterator[Item]:
    """Films as an archive has them, in the order of their names."""
    for number in range(count):
        key = f"{number // 50_000:04}/study-{number // 4:08}/film-{number % 4}.dcm"
        yield Item(key, f"/mnt/archive/{key}", number, 1_700_000_000_000_000_000 + number)


def _manifest(place: Path) -> Path:
    return place / "films.parquet"


def _out(place: Path, form: str) -> Path:
    return place / f"results.{form}"


def _peak() -> int:
    """The most bytes of this process that were ever resident."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main()
