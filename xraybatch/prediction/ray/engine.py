"""The engine of a Ray cluster: each actor is a local engine for the chunks that it is handed.

Rows come back, never pixels. An actor that is lost is never used again: its chunks are given back
to the dispatcher, and another actor is asked for in its place.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError, XraybatchError
from xraybatch.core.progress import Progress
from xraybatch.extension.registry import registry
from xraybatch.images.decode import readers_in_use
from xraybatch.images.fetching import Fetch
from xraybatch.images.fingerprint import fingerprint_digest
from xraybatch.models.model import Model
from xraybatch.prediction.engine import Chunk, Facts, Outcome, Seconds
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.ray.actor import Collected, Joined
from xraybatch.prediction.ray.cluster import Cluster, LostActor
from xraybatch.prediction.ray.connecting import START_SECONDS
from xraybatch.prediction.ray.plan import Plan
from xraybatch.prediction.ray.said import Said, on_its_node, refusal
from xraybatch.sources.item import Item

_IN_FLIGHT = 2  # chunks an actor, so that it works while the next one travels
_SPARE = 1  # chunks an actor that wait here, so that one that is done needs no dispatcher
_COLLECT = 1.0  # seconds after which an actor says what it has
_LEAST = 0.1  # seconds between two commits, where chunks are done faster
_OTHERS = 10.0  # seconds that the first actor waits for the others
_SILENT = 120.0  # seconds without an answer after which an actor is lost
_IN_A_ROW = 3  # losses, besides one of each actor, with no chunk done in between


@dataclass
class _Actor:
    handle: Any
    since: float  # when it was asked last
    joined: Joined = field(default_factory=Joined)
    chunks: set[int] = field(default_factory=set)
    workers: int = 0


class RayEngine:
    """Hands chunks to the actors of a cluster, two to each.

    Parameters
    ----------
    cluster : Cluster
        Closed with the engine.
    model : Model
    options : PredictOptions
        Of each actor, for its node alone.
    asked : Plan
    look_for : sequence of str
        Films that every node should see.
    progress : Progress
    fetch : Fetch, optional
        Reads films that are elsewhere.

    Raises
    ------
    XraybatchError
        If no actor is ready within `START_SECONDS`, or one cannot do what is asked.
    """

    def __init__(
        self,
        cluster: Cluster,
        model: Model,
        options: PredictOptions,
        asked: Plan,
        look_for: Sequence[str],
        progress: Progress,
        fetch: Fetch | None = None,
    ) -> None:
        self.seconds = Seconds()
        self._cluster = cluster
        self._plan = asked
        self._progress = progress
        self._options = options
        self._model = cluster.share(model)
        self._look_for = list(look_for)
        self._fetch = fetch
        self._folder = os.getcwd()  # noqa: PTH109 - bytes that are no UTF-8 stay as they are
        self._blocked = " ".join(registry().blocked)
        self._decoder = (fingerprint_digest(), *readers_in_use())
        self._joining: dict[Any, _Actor] = {}  # by the call that is under way
        self._working: dict[Any, _Actor] = {}
        self._spare: deque[Chunk] = deque()
        self._facts = Said(asked)
        self._suspects: set[int] = set()  # chunks that were lost with an actor
        self._stopped_by: XraybatchError | None = None
        self._in_a_row = 0  # losses since a chunk was finished
        self._workers = 0
        self._alone_since = time.monotonic()  # while nobody works
        for _ in range(asked.actors):
            self._hire()
        self._wait_for_all()

    @property
    def facts(self) -> Facts:
        """Of all actors that ever worked."""
        return self._facts.facts()

    def ahead(self) -> int:
        """Two chunks in flight for each actor, and one here."""
        return self._plan.actors * (_IN_FLIGHT + _SPARE)

    def submit(self, chunk: Chunk) -> None:
        """Queue a chunk for the next actor that has room."""
        items = [(index, _seen_from_elsewhere(item, self._folder)) for index, item in chunk.items]
        self._spare.append(replace(chunk, items=items))
        self._hand_out()

    def wait(self, timeout: float) -> Outcome:
        """Gather rows for about `timeout` seconds, less where an actor could run dry.

        Raises
        ------
        XraybatchError
            Where films cannot be fetched any more, or the cluster is lost.
        """
        if self._stopped_by is not None:
            raise self._stopped_by
        begin = time.monotonic()
        outcome = Outcome()
        while self._spare or any(actor.chunks for actor in self._working.values()):
            calls = [*self._working, *self._joining]
            left = max(0.0, begin + timeout - time.monotonic())
            for call in self._cluster.wait(calls, left) if calls else ():
                if call in self._joining:
                    self._join(call, outcome)
                else:
                    self._take(call, outcome)
            self._look_after(outcome)
            self._hand_out()
            now = time.monotonic()
            thirsty = not self._spare and self._has_room()
            outcome.mixed = self.facts.mixed
            if self._stopped_by is not None:
                break  # first the rows that are known
            if outcome.lost or now - begin >= timeout or (thirsty and now - begin >= _LEAST):
                break
        return outcome

    def cancel(self) -> None:
        """Forget everything that is not finished; actors that still work are not used again."""
        self._spare.clear()
        for call, actor in list(self._working.items()):
            if actor.chunks:
                self._cluster.drop(actor.handle)
                del self._working[call]

    def workers(self) -> int:
        """Decoding processes of all actors."""
        return sum(actor.workers for actor in self._working.values()) or self._workers

    def nodes(self) -> int:
        """Nodes with an actor that works."""
        return len({actor.joined.node for actor in self._working.values()})

    def close(self) -> None:
        """End all actors, and leave the cluster."""
        self._workers = self.workers()
        self._working.clear()
        self._joining.clear()
        self._spare.clear()
        self._cluster.close()

    # ── actors come ───────────────────────────────────────────────────────────────────────────────

    def _hire(self) -> None:
        handle = self._cluster.make(self._plan, self._blocked)
        call = handle.open.remote(self._model, self._options, self._look_for, self._fetch)
        self._joining[call] = _Actor(handle, time.monotonic())

    def _wait_for_all(self) -> None:
        """Wait for every actor, or as many as come in time; one that cannot work ends the run."""
        until = time.monotonic() + START_SECONDS
        told = 0
        with self._progress.stage("starting", self._plan.actors, "actors") as stage:
            while self._joining and (left := until - time.monotonic()) > 0:
                for call in self._cluster.wait(list(self._joining), left):
                    self._first(call)
                if self._working:  # the others may be meant for a node that has just died
                    until = min(until, time.monotonic() + _OTHERS)
                stage.advance(len(self._working) - told)
                told = len(self._working)
        if not self._working:
            nodes = self._cluster.nodes()
            cores = counted(int(sum(node.cpus for node in nodes)), "core")
            raise InputError(
                f"No actor started within {START_SECONDS:g} seconds: the cluster has "
                f"{counted(len(nodes), 'node')} with {cores}.",
                "`ray status` says whether its cores are free; its nodes must reach each other.",
            )
        self._in_a_row = 0
        if self._joining:
            self._warn(
                f"{len(self._working)} of {counted(self._plan.actors, 'actor')} started so far; "
                "the others join when there is room.",
            )

    def _first(self, call: Any) -> None:
        actor = self._joining.pop(call)
        try:
            joined = self._cluster.answer(call)
        except LostActor as error:
            self._in_a_row += 1
            if error.is_for_good or self._is_hopeless():
                raise InputError(
                    f"An actor of the Ray cluster could not start: {error.why}.",
                    "Every node needs the same xraybatch, installed with the extra ray.",
                ) from None
            self._cluster.drop(actor.handle)
            self._hire()
            return
        if (refused := refusal(joined, self._decoder)) is not None:
            raise refused
        self._begin(actor, joined)

    def _begin(self, actor: _Actor, joined: Joined) -> None:
        assert joined.facts is not None
        actor.joined = joined
        self._facts.add(joined.facts)
        self._ask(actor)

    def _join(self, call: Any, outcome: Outcome) -> None:
        """One that comes in another's place; where it cannot work the others go on."""
        actor = self._joining.pop(call)
        try:
            joined = self._cluster.answer(call)
        except LostActor as error:
            self._lose(actor, error.why, outcome)
            return
        refused = refusal(joined, self._decoder)
        if refused is None:
            self._begin(actor, joined)
            return
        self._cluster.drop(actor.handle)
        if not self._working and not self._joining:
            self._stopped_by = refused
        self._warn(f"{refused.message} It is not used.")

    def _warn(self, sentence: str) -> None:
        self._facts.happened(sentence)
        self._progress.warn("Ray", sentence)

    # ── they work ─────────────────────────────────────────────────────────────────────────────────

    def _ask(self, actor: _Actor) -> None:
        actor.since = time.monotonic()
        self._working[actor.handle.collect.remote(_COLLECT)] = actor

    def _has_room(self) -> bool:
        return any(len(actor.chunks) < _IN_FLIGHT for actor in self._working.values())

    def _hand_out(self) -> None:
        while self._spare:
            # one that was lost with an actor is tried alone, so that it takes no other with it
            most = 1 if self._spare[0].number in self._suspects else _IN_FLIGHT
            free = [
                actor
                for actor in self._working.values()
                if len(actor.chunks) < most and actor.chunks.isdisjoint(self._suspects)
            ]
            if not free:
                return
            actor = min(free, key=lambda one: len(one.chunks))
            chunk = self._spare.popleft()
            actor.chunks.add(chunk.number)
            actor.handle.submit.remote(chunk)  # if it is lost, asking it for rows says so

    def _take(self, call: Any, outcome: Outcome) -> None:
        actor = self._working.pop(call)
        try:
            found: Collected = self._cluster.answer(call)
        except LostActor as error:
            self._lose(actor, error.why, outcome)
            return
        if isinstance(found.error, InputError):  # the run's: a store that lets nobody in
            self._stopped_by = self._stopped_by or on_its_node(found.error, actor.joined)
        elif found.error is not None or found.fault:  # the node's: its GPU, its memory
            why = f"a fault, {found.fault}" if found.error is None else found.error.message
            self._lose(actor, why.rstrip("."), outcome)
            return
        actor.workers = found.workers
        actor.chunks.difference_update(found.outcome.finished)
        self._suspects.difference_update(found.outcome.finished)
        if found.outcome.finished:
            self._in_a_row = 0
        self.seconds.add(found.seconds)
        outcome.add(found.outcome)
        self._ask(actor)

    # ── and go ────────────────────────────────────────────────────────────────────────────────────

    def _lose(self, actor: _Actor, why: str, outcome: Outcome) -> None:
        self._cluster.drop(actor.handle)
        outcome.lost += sorted(actor.chunks)
        self._suspects |= actor.chunks
        where = f" on {actor.joined.machine}" if actor.joined.machine else ""
        self._warn(
            f"An actor{where} was lost ({why}); {counted(len(actor.chunks), 'chunk')} of its films "
            "are done again.",
        )
        if not self._working:
            self._alone_since = time.monotonic()
        self._in_a_row += 1
        if self._is_hopeless():
            self._stopped_by = XraybatchError(
                f"The actors of the Ray cluster are lost one after another: {why}.",
                "Look at the memory of its nodes. What is done is kept: the same command goes on.",
            )
        else:
            self._hire()

    def _is_hopeless(self) -> bool:
        return self._in_a_row > self._plan.actors + _IN_A_ROW

    def _look_after(self, outcome: Outcome) -> None:
        """Lose those that say nothing, and end the run where nobody is left."""
        now = time.monotonic()
        for call, actor in list(self._working.items()):
            if now - actor.since > _SILENT:
                del self._working[call]
                self._lose(actor, f"silent for {_SILENT:g} seconds", outcome)
        if self._working:
            self._alone_since = now
        elif now - self._alone_since > START_SECONDS:
            self._stopped_by = XraybatchError(
                f"No actor of the Ray cluster is left, and none came within {START_SECONDS:g} "
                "seconds.",
                "`ray status` shows its nodes. What is done is kept: the same command goes on.",
            )


def _seen_from_elsewhere(item: Item, folder: str) -> Item:
    """The item as a process finds it whose current folder is another."""
    if item.is_remote:
        return item
    return replace(item, path=os.path.join(folder, item.path))  # noqa: PTH118 - as typed
