"""A cluster of this process: everything of the engine but Ray itself.

What goes to an actor and comes back is pickled on its way, as Ray does it.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from xraybatch.prediction.ray.actor import ChunkWorker
from xraybatch.prediction.ray.cluster import LostActor
from xraybatch.prediction.ray.plan import Node, Plan


def travelled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


class Method:
    """A method that is called from afar."""

    def __init__(self, actor: NearActor, name: str) -> None:
        self._actor, self._name = actor, name

    def remote(self, *given: Any) -> Future[Any]:
        call: Future[Any] = Future()
        self._actor.calls.append((self._name, given))
        self._actor.pending.append(call)
        if self._actor.is_dead:
            call.set_exception(LostActor("its process ended"))
            return call
        given = travelled(given)

        def run() -> None:
            try:
                answer = travelled(getattr(self._actor.worker, self._name)(*given))
            except BaseException as error:
                answer = error
            if not call.done():
                done = call.set_exception if isinstance(answer, BaseException) else call.set_result
                done(answer)

        threading.Thread(target=run, daemon=True).start()
        return call


class NearActor:
    def __init__(self, node: str, worker: ChunkWorker) -> None:
        self.node = node
        self.worker = worker
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.pending: list[Future[Any]] = []
        self.is_dead = False
        self.calls_until_dropped = -1

    def __getattr__(self, name: str) -> Method:
        if name.startswith("_"):
            raise AttributeError(name)
        return Method(self, name)

    def die(self, why: str = "its process ended") -> None:
        """As when its process is killed: every call to it fails, now and later."""
        self.is_dead = True
        for call in self.pending:
            if not call.done():
                call.set_exception(LostActor(why))

    def chunks(self) -> list[int]:
        return [given[0].number for name, given in self.calls if name == "submit"]


class NearCluster:
    """Nodes of so many cores each; `worker` makes what an actor is."""

    def __init__(
        self, *cores: float, worker: Callable[[str], ChunkWorker] = ChunkWorker, gpus: float = 0
    ) -> None:
        self._nodes = [Node(f"10.0.0.{i}", count, gpus) for i, count in enumerate(cores)]
        self._worker = worker
        self.actors: list[NearActor] = []
        self.dropped: list[NearActor] = []
        self.is_closed = False
        self.before_wait: Callable[[], None] = lambda: None

    def __call__(self, address: str) -> NearCluster:
        self.address = address
        return self

    def nodes(self) -> list[Node]:
        return list(self._nodes)

    def share(self, value: object) -> Any:
        return value

    def make(self, plan: Plan, blocked: str) -> NearActor:
        node = self._nodes[len(self.actors) % len(self._nodes)].name
        self.actors.append(NearActor(node, self._worker(blocked)))
        return self.actors[-1]

    def wait(self, calls: Sequence[Any], timeout: float) -> list[Any]:
        self.before_wait()
        return list(wait(calls, timeout, FIRST_COMPLETED).done)

    def answer(self, call: Any) -> Any:
        return call.result()

    def drop(self, actor: NearActor) -> None:
        if actor not in self.dropped:
            self.dropped.append(actor)
            actor.calls_until_dropped = len(actor.calls)
        actor.die()

    def close(self) -> None:
        self.is_closed = True
        for actor in self.actors:
            actor.die()
