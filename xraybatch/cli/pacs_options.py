"""Options for films that lie in a PACS: how it is asked, and for what."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xraybatch.cli.options import together

if TYPE_CHECKING:
    from xraybatch.sources.dicomweb.manners import Manners

politeness_options = together(
    click.option(
        "--max-connections",
        type=click.IntRange(1),
        default=2,
        show_default=True,
        metavar="N",
        help="PACS: connections open at once, over all processes of this run.",
    ),
    click.option(
        "--rate",
        type=click.FloatRange(min=0, min_open=True),
        metavar="FILMS",
        help="PACS: requests that may begin in a second, over all processes.  [default: no limit]",
    ),
    click.option(
        "--ca-bundle",
        type=click.Path(path_type=Path, dir_okay=False, exists=True, resolve_path=True),
        metavar="FILE",
        help="PACS: certificates to trust, as hospitals have their own.",
    ),
    click.option(
        "--allow-http",
        is_flag=True,
        help="PACS: take an address without encryption that is not of this machine.",
    ),
)

_QUERY = together(
    click.option(
        "--modality",
        metavar="CODE,…",
        help="PACS: modalities of the series.  [default: DX,CR]",
    ),
    click.option(
        "--study-date",
        metavar="DAY[-DAY]",
        help="PACS: days of the studies, as 20240101-20240131; needed unless the address names a "
        "study.",
    ),
    click.option(
        "--body-part",
        metavar="CODE,…",
        help="PACS: parts of the body, as CHEST.  [default: all]",
    ),
    click.option(
        "--sop-class",
        "sop_classes",
        multiple=True,
        metavar="NAME|UID",
        help="PACS: a kind of object to take beside CR and DX for presentation, such as "
        "DigitalXRayImageStorageForProcessing. Repeatable.",
    ),
)


def query_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a query, and all of them as its one argument ``query``."""

    @wraps(command)
    def collected(
        *args: Any,
        modality: str | None,
        study_date: str | None,
        body_part: str | None,
        sop_classes: tuple[str, ...],
        **others: Any,
    ) -> Any:
        from xraybatch.sources.dicomweb.query import parse_query

        query = parse_query(modality, study_date, body_part, sop_classes)
        return command(*args, query=query, **others)

    return _QUERY(collected)


def manners_of(
    max_connections: int, rate: float | None, ca_bundle: Path | None, allow_http: bool
) -> Manners:
    """How the options want a PACS to be asked."""
    from xraybatch.sources.dicomweb.manners import Manners

    return Manners(max_connections, rate, str(ca_bundle or ""), allow_http)
