"""What a shell offers for the values of options and arguments, found without anything heavy.

Each function is the `shell_complete` of an option or argument. An item of the type ``file`` or
``dir`` leaves the rest to the shell, which knows about quotes, blanks and folders.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from xraybatch.extension.registry import Registry

    Items = list[CompletionItem[str]]
    Complete = Callable[[click.Context, click.Parameter, str], Items]

_PLAIN = re.compile(r"[\w./@%+-]+\Z")  # what no shell has to quote, and none takes apart


def paths(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """Files and folders."""
    return [_item(incomplete, "file")]


def folders(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """Folders."""
    return [_item(incomplete, "dir")]


def models(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """Run folders, the newest first, and model files in the folder typed so far; else any path."""
    from xraybatch.models.runs import MODEL_FILE, RUNS

    runs = sorted((run.parent for run in Path(RUNS).glob(f"*/{MODEL_FILE}")), reverse=True)
    typed = incomplete.rpartition("/")[0] or ("/" if incomplete.startswith("/") else ".")
    named = [run.as_posix() for run in runs if not run.name.startswith(".")]
    named += [file.as_posix() for file in sorted(Path(typed).glob("*.onnx"))]
    found = [name for name in named if name.startswith(incomplete) and _PLAIN.match(name)]
    return [_item(name) for name in found] or [_item(incomplete, "file")]


def words(*known: str, or_path: bool = False) -> Complete:
    """Words of a fixed list; with `or_path`, paths where none of them begins so."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
        found = [_item(word) for word in known if word.startswith(incomplete)]
        return found or ([_item(incomplete, "file")] if or_path else [])

    return complete


def architectures(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """Names of architectures, ours and strangers'."""
    from xraybatch.extension.records import Architecture

    owned = _registry().records(Architecture)
    return _named(((one.record.name, one.record.summary) for one in owned), incomplete)


def presets(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """Names of presets, ours and strangers'."""
    from xraybatch.extension.records import Preset

    owned = _registry().records(Preset)
    return _named(((one.record.name, one.record.summary) for one in owned), incomplete)


def exporters(_: click.Context, __: click.Parameter, incomplete: str) -> Items:
    """Names of exporters, ours and strangers'."""
    from xraybatch.extension.records import Exporter

    owned = _registry().records(Exporter)
    return _named(((one.record.name, one.record.summary) for one in owned), incomplete)


def _registry() -> Registry:
    from xraybatch.extension.registry import registry

    with _silent():
        return registry()


@contextmanager
def _silent() -> Iterator[None]:
    """What a stranger's module says at import would end among the completions."""
    sys.stdout.flush()
    kept = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(nowhere, number)
        yield
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)


def _named(known: Iterable[tuple[str, str]], incomplete: str) -> Items:
    return [_item(name, text=text) for name, text in known if name.startswith(incomplete)]


def _item(value: str, kind: str = "plain", text: str | None = None) -> CompletionItem[str]:
    from click.shell_completion import CompletionItem

    return CompletionItem(value, kind, text)
