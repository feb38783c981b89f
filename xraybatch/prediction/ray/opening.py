"""From what a person asked for to an engine in a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from xraybatch.core.counting import counted
from xraybatch.core.errors import UsageError
from xraybatch.core.progress import Progress
from xraybatch.images.fetching import Fetch
from xraybatch.models.model import Model
from xraybatch.prediction.engine import CHUNK
from xraybatch.prediction.options import LOCAL, PredictOptions
from xraybatch.prediction.ray.cluster import RayCluster
from xraybatch.prediction.ray.connecting import AUTO
from xraybatch.prediction.ray.engine import RayEngine
from xraybatch.prediction.ray.plan import Plan, plan
from xraybatch.sources.item import Item

_PROBES = 4  # films that every node must see one of


@contextmanager
def open_ray(
    model: Model,
    options: PredictOptions,
    items: Sequence[Item],
    progress: Progress,
    fetch: Fetch | None = None,
) -> Iterator[RayEngine]:
    """Connect to the cluster that `options` names, and open the engine there."""
    cluster = RayCluster(options.address or AUTO)
    try:
        nodes = cluster.nodes()
        asked = plan(nodes, options.actors, options.gpus_per_actor)
        asked = replace(asked, actors=max(1, min(asked.actors, -(-len(items) // CHUNK))))
        if not asked.gpus and (gpus := int(sum(node.gpus for node in nodes))):
            progress.warn(
                "Ray",
                f"The cluster has {counted(gpus, 'GPU')}, and none is used: --gpus-per-actor 1.",
            )
        engine = RayEngine(
            cluster,
            model,
            options_of_a_node(options, asked),
            asked,
            _probes(items),
            progress,
            fetch,
        )
        progress.note(
            f"Ray: {counted(asked.actors, 'actor')} on {counted(engine.nodes(), 'node')}, each "
            f"with {counted(asked.cpus, 'core')}{f' and {asked.gpus:g} GPU' if asked.gpus else ''}."
        )
        yield engine
    finally:
        cluster.close()


def options_of_a_node(options: PredictOptions, asked: Plan) -> PredictOptions:
    """What an actor's local engine is opened with: the share of its node that it was given."""
    device = options.device
    if not asked.gpus:
        if device.startswith("cuda"):
            raise UsageError(
                f"--device {device} needs GPUs of the cluster, and none is asked for.",
                "Give --gpus-per-actor 1.",
            )
        device = "cpu"
    return replace(
        options,
        engine=LOCAL,
        address=None,
        actors=None,
        gpus_per_actor=0.0,
        device=device,
        workers=asked.cpus if options.workers is None else options.workers,
        threads=options.threads or asked.cpus,
    )


def _probes(items: Sequence[Item]) -> list[str]:
    """Some of the films that are here, for every node to look for."""
    step = max(1, len(items) // _PROBES)
    some = [items[i] for i in range(0, len(items), step)][:_PROBES]
    paths = [os.path.abspath(item.path) for item in some if not item.is_remote]  # noqa: PTH100
    return [path for path in paths if os.path.lexists(path)]
