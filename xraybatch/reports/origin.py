"""Where a model that was made elsewhere comes from, and who said what about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from xraybatch.models.card import Card

if TYPE_CHECKING:
    from rich.table import Table


def origin_words(card: Card) -> Iterator[tuple[str, str]]:
    """What and in which words, the file first; nothing for a model of our own."""
    origin = card.origin
    if not origin:
        return
    made = f", {origin['producer']}" if origin.get("producer") else ""
    digest = str(origin.get("sha256", ""))[:12]
    yield "origin", f"{origin.get('kind')} from {origin.get('file')} (sha256 {digest}{made})"
    for word in ("source", "licence"):
        if origin.get(word):
            yield f"origin {word}", str(origin[word])
    metadata = origin.get("metadata")
    if isinstance(metadata, Mapping) and metadata:
        yield "its metadata", ", ".join(f"{key} {value}" for key, value in metadata.items())
    if origin.get("batch"):
        yield "batch", str(origin["batch"])
    said = origin.get("said")
    for what, one in (said if isinstance(said, Mapping) else {}).items():
        if isinstance(one, Mapping):
            yield str(what), f"{one.get('value')}  ({one.get('by')})"


def origin_table(card: Card) -> Table:
    """The same for the console."""
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for what, words in origin_words(card):
        table.add_row(escape(what), escape(words))
    return table
