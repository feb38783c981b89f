"""Films that addresses mean: below a prefix of a store, or the one that a web server gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from xraybatch.core.errors import UsageError
from xraybatch.core.progress import Progress, Stage
from xraybatch.sources.fetch import IoOptions, module_of, scheme_of
from xraybatch.sources.item import Item

_STORES = ("s3", "gs", "az")
_PACS = ("dicomweb+https", "dicomweb+http")


class Elsewhere:
    """Finds films at addresses; a context manager, because it tells how far it is.

    Parameters
    ----------
    io : IoOptions or None
        None: addresses are refused.
    progress : Progress
    is_called_film : callable
        Whether a name's suffix is a film's.
    why_no_film : callable
        ``why_no_film(first bytes) -> reason`` of what is called otherwise, empty for a film.
    skipped : Counter
        Counts what is no film, by reason.

    Attributes
    ----------
    signed : dict of str to str
        What is to be asked for a path that was shortened by its signature.
    """

    def __init__(
        self,
        io: IoOptions | None,
        progress: Progress,
        is_called_film: Callable[[str], bool],
        why_no_film: Callable[[bytes], str],
        skipped: Counter[str],
    ) -> None:
        self.signed: dict[str, str] = {}
        self._io = io
        self._progress = progress
        self._is_called_film, self._why_no_film = is_called_film, why_no_film
        self._skipped = skipped
        self._stage: Stage | None = None
        self._opened = ExitStack()

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def films(self, address: str, *, alone: bool, listed: bool) -> Iterator[Item]:
        """The films at an address.

        Parameters
        ----------
        address : str
        alone : bool
            It is the only argument: films below it are called by their place in it.
        listed : bool
            It is a line of a list: one film, unless it ends with ``/``. Nothing is asked.

        Raises
        ------
        XraybatchError
            If it is of a kind that is not read, or its store cannot be listed.
        """
        io = self._io
        if io is None:
            from xraybatch.sources.addresses import public_url

            raise UsageError(
                f"{public_url(address)} is not on this machine.",
                "`xraybatch predict` reads films there; this command takes folders and files: "
                "copy them here.",
            )
        scheme = scheme_of(address)
        module_of(scheme)
        if scheme in _PACS:
            yield self._instance(address, alone=alone)
        elif scheme not in _STORES:
            from xraybatch.sources.web_films import web_item

            item, whole = web_item(address)
            if whole != item.path:
                self.signed[item.path] = whole
            yield item
        elif listed and not address.endswith("/"):
            from xraybatch.sources.stores.store import place_of

            place_of(address)  # one with a password is kept nowhere
            yield Item(address, address, 0, 0)
        else:
            from xraybatch.sources.stores.listing import films_of_store

            base = "" if alone else address.rstrip("/")
            if self._stage is None:
                stage = self._progress.stage("listing", None, unit="objects")
                self._stage = self._opened.enter_context(stage)
            yield from films_of_store(
                address,
                base,
                self._is_called_film,
                self._why_no_film,
                skipped=self._skipped,
                io=io,
                stage=self._stage,
            )

    def _instance(self, address: str, *, alone: bool) -> Item:
        from xraybatch.sources.dicomweb.address import parse_address

        assert self._io is not None
        place = parse_address(address, allow_http=self._io.pacs.allow_http)
        if not place.instance:
            raise UsageError(
                "A PACS is asked first for its films, which a manifest keeps.",
                "xraybatch list ADDRESS --study-date 20240101-20240131 --manifest films.parquet, "
                "then xraybatch predict --manifest films.parquet.",
            )
        return Item(place.key if alone else place.address, place.address, 0, 0)
