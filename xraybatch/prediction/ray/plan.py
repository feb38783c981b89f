"""How many actors a Ray cluster has room for, and what each of them gets. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError, UsageError

_USED = 0.9  # share of the cores that actors are to have


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, with what it has to give.

    Attributes
    ----------
    name : str
        Its address.
    cpus, gpus : float
        As Ray counts them, used or not.
    """

    name: str
    cpus: float
    gpus: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What is asked of the cluster.

    Attributes
    ----------
    actors : int
    cpus : int
        Of each: its decoding processes and threads, unless these are set.
    gpus : float
        Of each; a part of one lets several actors share it.
    """

    actors: int
    cpus: int
    gpus: float = 0.0


def plan(nodes: Sequence[Node], actors: int | None = None, gpus: float = 0.0) -> Plan:
    """Share the cluster equally among the actors.

    Parameters
    ----------
    nodes : sequence of Node
    actors : int, optional
        By default as few as leave at most a tenth of the cores idle: one a node, where nodes are
        alike. With `gpus` as many as there are GPUs for.
    gpus : float
        Of each actor.

    Raises
    ------
    InputError
        If no node has cores, or none the GPUs.
    UsageError
        If there is no room for so many actors.
    """
    nodes = [node for node in nodes if node.cpus >= 1]
    if not nodes:
        raise InputError(
            "No node of the Ray cluster has cores to give.",
            "Start nodes with `ray start --address=HEAD:6379` on the machines that shall work.",
        )
    most = _room(nodes, 1, gpus)
    if not most:
        raise InputError(
            f"No node of the Ray cluster has {gpus:g} GPU for an actor.",
            "Leave --gpus-per-actor out, or look at `ray status`.",
        )
    wanted = actors or (most if gpus else _few(nodes))
    if wanted > most:
        of = f"{counted(int(sum(node.cpus for node in nodes)), 'core')}"
        of += f" and {counted(int(sum(node.gpus for node in nodes)), 'GPU')}" if gpus else ""
        raise UsageError(
            f"--actors {wanted} is more than the {most} that the cluster has room for ({of} on "
            f"{counted(len(nodes), 'node')}).",
            f"Use --actors {most}, or leave it out.",
        )
    cpus = 1
    while _room(nodes, cpus + 1, gpus) >= wanted:
        cpus += 1
    return Plan(wanted, cpus, gpus)


def _few(nodes: Sequence[Node]) -> int:
    """The fewest actors that use nearly all cores: one computes with all of its cores at once."""
    cores = sum(int(node.cpus) for node in nodes)
    sizes = range(int(max(node.cpus for node in nodes)), 0, -1)
    return next(room for cpus in sizes if (room := _room(nodes, cpus, 0)) * cpus >= _USED * cores)


def _room(nodes: Sequence[Node], cpus: int, gpus: float) -> int:
    """How many actors of this size fit; an actor lies on one node."""
    return sum(
        min(int(node.cpus // cpus), int(node.gpus / gpus + 1e-9))
        if gpus
        else int(node.cpus // cpus)
        for node in nodes
    )
