"""Actors of a Ray cluster; with `connecting` the only place that knows Ray."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from xraybatch.images.fetching import Fetch
from xraybatch.models.model import Model
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.ray.actor import ChunkWorker, Joined
from xraybatch.prediction.ray.connecting import AUTO, check_installed, connect
from xraybatch.prediction.ray.plan import Node, Plan


class LostActor(Exception):
    """An actor that does not answer any more.

    Parameters
    ----------
    why : str
        A few words.
    is_for_good : bool
        Whether another in its place would be lost in the same way.
    """

    def __init__(self, why: str, *, is_for_good: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.is_for_good = is_for_good


class Cluster(Protocol):
    """What the engine asks of a cluster; `RayCluster` is the real one."""

    def nodes(self) -> list[Node]:
        """The nodes that are alive."""

    def share(self, value: object) -> Any:
        """Put a value where every actor can take it."""

    def make(self, plan: Plan, blocked: str) -> Any:
        """Ask for an actor, whose methods have ``remote``."""

    def wait(self, calls: Sequence[Any], timeout: float) -> list[Any]:
        """Those of the calls that are answered."""

    def answer(self, call: Any) -> Any:
        """What a call says; raises `LostActor`."""

    def drop(self, actor: Any) -> None:
        """End an actor."""

    def close(self) -> None:
        """End all actors, and leave."""


class OnNode(ChunkWorker):
    """A worker that knows which node of the cluster it is on."""

    def open(
        self,
        model: Model,
        options: PredictOptions,
        look_for: Sequence[str] = (),
        fetch: Fetch | None = None,
    ) -> Joined:
        """As `ChunkWorker.open`."""
        import ray

        node = str(ray.get_runtime_context().get_node_id())
        return replace(super().open(model, options, look_for, fetch), node=node)


class RayCluster:
    """A connection, and the actors that were made by it.

    Parameters
    ----------
    address : str
        ``auto``: as ``RAY_ADDRESS`` says, else the cluster that this machine is a node of; or
        ``HOST:PORT`` of the head.

    Raises
    ------
    MissingExtra
        If Ray is not installed.
    UsageError
        If `address` has another form.
    InputError
        If there is no cluster there, or it does not let us in within `START_SECONDS`.
    """

    def __init__(self, address: str = AUTO) -> None:
        check_installed()
        self._actors: list[Any] = []
        self._is_ours = connect(address)

    def nodes(self) -> list[Node]:
        """The nodes that are alive."""
        import ray

        return [
            Node(
                str(one["NodeManagerAddress"]),
                float(one["Resources"].get("CPU", 0)),
                float(one["Resources"].get("GPU", 0)),
            )
            for one in ray.nodes()
            if one["Alive"]
        ]

    def share(self, value: object) -> Any:
        """Put a value where every actor can take it; it travels once to each node."""
        import ray

        return ray.put(value)

    def make(self, plan: Plan, blocked: str) -> Any:
        """Ask for an actor; it comes to life where and when there is room."""
        import ray

        kind = ray.remote(
            num_cpus=plan.cpus,
            num_gpus=plan.gpus,
            max_restarts=0,  # a lost actor is never used again
            max_task_retries=0,
            max_concurrency=4,  # chunks come in while it is asked for rows
            scheduling_strategy="SPREAD",
        )(OnNode)
        self._actors.append(kind.remote(blocked))
        return self._actors[-1]

    def wait(self, calls: Sequence[Any], timeout: float) -> list[Any]:
        """Those of the calls that are answered, after `timeout` seconds or as soon as one is."""
        import ray

        if not ray.wait(list(calls), num_returns=1, timeout=timeout)[0]:
            return []
        return list(ray.wait(list(calls), num_returns=len(calls), timeout=0)[0])

    def answer(self, call: Any) -> Any:
        """What a call that is answered says.

        Raises
        ------
        LostActor
        """
        import ray

        try:
            return ray.get(call)
        except ray.exceptions.RayError as error:
            raise _lost(error) from None

    def drop(self, actor: Any) -> None:
        """End an actor at once; its decoding processes leave with it."""
        import ray

        with suppress(Exception):  # it, or all of Ray, is gone already
            ray.kill(actor)
        self._actors = [one for one in self._actors if one is not actor]

    def close(self) -> None:
        """End all actors, and leave the cluster."""
        import ray

        for actor in list(self._actors):
            self.drop(actor)
        if self._is_ours:
            with suppress(Exception):
                ray.shutdown()


def _lost(error: Exception) -> LostActor:
    """A few words; Ray's own are a page with paths in it."""
    import ray

    text = str(error)
    if "No module named" in text or "failed to import" in text:
        return LostActor("xraybatch cannot be imported there", is_for_good=True)
    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return LostActor("it does not answer")
    if isinstance(error, ray.exceptions.RayActorError):
        return LostActor("its process ended")
    return LostActor(type(error).__name__)
