"""Options that several commands share."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click


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
