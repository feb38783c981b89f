"""The films below a prefix of an object store, by the rules of a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from xraybatch.core.errors import InputError
from xraybatch.core.interrupts import in_order
from xraybatch.core.progress import Stage
from xraybatch.core.status import FilmError
from xraybatch.sources.fetch import IoOptions
from xraybatch.sources.item import HEAD, HIDDEN, MACOSX, NO_LOOK, Item
from xraybatch.sources.keys import key_of
from xraybatch.sources.stores.store import StorePlace, head, listing_errors, open_store, place_of

ZIP_IN_STORE = "ZIP archive in a store, which is not read: copy it to this machine"

_PAGE = 1000  # keys that a store gives at once


def films_of_store(
    address: str,
    base: str,
    is_called_film: Callable[[str], bool],
    why_no_film: Callable[[bytes], str],
    *,
    skipped: Counter[str],
    io: IoOptions,
    stage: Stage,
) -> Iterator[Item]:
    """The film at an address, or those below it as they are listed.

    Parameters
    ----------
    address : str
        ``s3://bucket/prefix/``; without the last ``/`` it may be an object.
    base : str
        What keys of films begin with; empty where the address is the only one.
    is_called_film : callable
        Whether a name's suffix is a film's.
    why_no_film : callable
        ``why_no_film(first bytes) -> reason`` of any other, empty for a film: it costs one small
        request.
    skipped : Counter
        Counts what is no film, by reason.
    io : IoOptions
    stage : Stage
        Advances with every object.

    Raises
    ------
    XraybatchError
        If the store cannot be asked, or nothing is there.
    """
    place = place_of(address)
    store = open_store(place, io)
    if place.key and not place.key.endswith("/"):
        single = _object(store, place)
        if single is not None:
            if _suffix(place.key) == ".zip":
                raise InputError(
                    f"{address} is a ZIP archive: films inside are not read from a store.",
                    "Copy it to this machine, or unpack it into the store.",
                )
            yield _item(place, single, str(place))
            return
    found = 0
    for page in _pages(store, place):
        found += len(page)
        whys = {one["path"]: _why_not_read(one, place) for one in page}
        # those whose name says nothing are looked at together
        unsure = [one for one in page if not (is_called_film(_name(one)) or whys[one["path"]])]
        looks = in_order(lambda one: _why(store, one, why_no_film), unsure, io.threads)
        whys |= zip((one["path"] for one in unsure), looks, strict=True)
        for one in page:
            if why := whys[one["path"]]:
                skipped[why] += 1
            else:
                inner = key_of(_inside(one["path"], place))
                yield _item(place, one, f"{base}/{inner}" if base else inner)
        stage.advance(len(page))
    if not found:
        raise InputError(
            f"There is nothing at {place}.", "Look at the name of the bucket and of the prefix."
        )


def _pages(store: Any, place: StorePlace) -> Iterator[Sequence[Any]]:
    import obstore

    with listing_errors(place):
        pages = iter(obstore.list(store, place.key.rstrip("/") or None, chunk_size=_PAGE))
    while True:
        with listing_errors(place):
            page = next(pages, None)
        if page is None:
            return
        yield page


def _object(store: Any, place: StorePlace) -> Any:
    """What the store says of an object; None where it has no such one."""
    import obstore

    with listing_errors(place):
        try:
            return obstore.head(store, place.key)
        except FileNotFoundError:
            return None
        except Exception as error:
            # without ListBucket a missing key is forbidden: listing says which it is
            if type(error).__name__ == "PermissionDeniedError":
                return None
            raise


def _why_not_read(one: Any, place: StorePlace) -> str:
    """Why an object is left out by its key; empty for the others."""
    parts = _inside(one["path"], place).split("/")
    if MACOSX in parts:
        return MACOSX
    if any(part.startswith(".") for part in parts):
        return HIDDEN
    return ZIP_IN_STORE if _suffix(parts[-1]) == ".zip" else ""


def _why(store: Any, one: Any, why_no_film: Callable[[bytes], str]) -> str:
    """Why an object is no film by its first bytes; empty for a film."""
    try:
        return why_no_film(head(store, one["path"], HEAD) if one["size"] else b"")
    except FilmError:
        return NO_LOOK


def _name(one: Any) -> str:
    return str(one["path"]).rpartition("/")[2]


def _inside(key: str, place: StorePlace) -> str:
    prefix = place.key.rstrip("/")
    return key[len(prefix) + 1 :] if prefix else key


def _item(place: StorePlace, one: Any, key: str) -> Item:
    address = f"{place.scheme}://{place.bucket}/{one['path']}"
    written = int(one["last_modified"].timestamp()) * 1_000_000_000
    return Item(key, address, one["size"], written, etag=one["e_tag"] or "")


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - a name of any kind
