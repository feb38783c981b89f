"""Options that say which machines predict."""

from __future__ import annotations

import click

from xraybatch.cli import completion
from xraybatch.cli.options import together

engine_options = together(
    click.option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="This machine, or the nodes of a Ray cluster: docs/ray.md.",
    ),
    click.option(
        "--address",
        metavar="auto|HOST:PORT",
        shell_complete=completion.words("auto"),
        help="Of the Ray cluster.  [default: $RAY_ADDRESS, else the one of this machine]",
    ),
    click.option(
        "--actors",
        type=click.IntRange(1),
        help="Engines in the Ray cluster, each with an equal share of the cores.  [default: one a "
        "node where nodes are alike, or one for each GPU]",
    ),
    click.option(
        "--gpus-per-actor",
        type=click.FloatRange(0),
        default=0.0,
        metavar="F",
        help="GPUs of each, such as 1 or 0.5.  [default: 0, the CPU]",
    ),
)
