"""Where commands write: folders that are not there are made, and it is said which."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from xraybatch.sources.item import is_remote


class OutputPath(click.Path):
    """The path of a file or folder to write.

    The folders above it are made where they are missing, by whatever writes there. Somebody who
    mistyped a folder's name learns it from one line at the end of the command, which names the
    outermost folder that was made; `--quiet` leaves the line out.

    Parameters
    ----------
    folder : bool
        Whether it may be a folder that is there.
    """

    def __init__(self, *, folder: bool = True) -> None:
        super().__init__(path_type=Path, dir_okay=folder)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path; remembers which folder above it is missing."""
        if is_remote(str(value)):
            self.fail("an address is taken by `xraybatch predict --out` alone.", param, ctx)
        path = super().convert(value, param, ctx)
        assert isinstance(path, Path)
        try:
            above = [folder for folder in path.absolute().parents if not folder.exists()]
            path.exists()
        except OSError as error:
            self.fail(f"'{path}' cannot be written: {error.strerror}.", param, ctx)
        missing = above[-1] if above else None
        there = missing.parent if missing is not None else path.absolute().parent
        if not there.is_dir():
            self.fail(f"'{there}' is no folder.", param, ctx)
        if missing is not None and ctx is not None and not ctx.resilient_parsing:
            said: set[Path] = ctx.meta.setdefault(__name__, set())
            if missing not in said:
                said.add(missing)
                ctx.call_on_close(lambda: _say_made(missing, ctx))
        return path


class ResultsPath(click.ParamType):  # type: ignore[type-arg]  # generic of late
    """The path of a table to write, or its address in an object store, which stays text."""

    name = "path"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        """The path as `OutputPath` has it; an address as it is."""
        if is_remote(str(value)):
            return str(value)
        return OutputPath().convert(value, param, ctx)


def _say_made(folder: Path, ctx: click.Context) -> None:
    with suppress(OSError):
        if folder.is_dir() and not ctx.params.get("quiet"):
            name = "".join(c if c.isprintable() else "?" for c in str(folder))
            click.echo(f"Folder made: {name}", err=True)
