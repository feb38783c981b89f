"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

Decorate = Callable[[Callable[..., Any]], Callable[..., Any]]


def together(*options: Decorate) -> Decorate:
    """Options as one decorator; the help has them in the order given."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _open_log(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is None or context.resilient_parsing:
        return
    from importlib.metadata import version

    from xraybatch.core.log import log_begin, log_to

    open_until_the_end = context.find_object(ExitStack) or context.find_root()
    if isinstance(open_until_the_end, ExitStack):
        open_until_the_end.enter_context(log_to(path))
    else:  # called without `main`
        open_until_the_end.with_resource(log_to(path))
    log_begin(f"xraybatch {version('xraybatch')} {context.info_name}")


log_file = click.option(
    "--log-file",
    type=click.Path(path_type=Path, dir_okay=False),
    expose_value=False,
    callback=_open_log,
    help="Append what is said, with times, as JSON lines; no film's name is in it, and of an error "
    "only its kind and place.",
)
