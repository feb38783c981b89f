"""Options of commands that read films of stores, web servers and PACS, or write to a store."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from xraybatch.cli.options import together
from xraybatch.cli.pacs_options import manners_of, politeness_options

_OPTIONS = together(
    click.option(
        "--endpoint-url",
        metavar="URL",
        help="Address of an S3-compatible store that is not Amazon's.  [default: "
        "$AWS_ENDPOINT_URL]",
    ),
    click.option(
        "--no-sign-request",
        is_flag=True,
        help="Ask stores without credentials, as public data allows.",
    ),
    click.option(
        "--io-timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=30.0,
        show_default=True,
        help="Seconds that one request to a store or server may take, with all of its bytes.",
    ),
    click.option(
        "--io-retries",
        type=click.IntRange(0),
        default=5,
        show_default=True,
        help="How often a request is made again that failed for want of an answer.",
    ),
    click.option(
        "--io-threads",
        type=click.IntRange(1),
        default=8,
        show_default=True,
        help="Films that one decoding process fetches at the same time.",
    ),
    politeness_options,
)


def io_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options, and all of them as its one argument ``io``."""

    @wraps(command)
    def collected(
        *args: Any,
        endpoint_url: str | None,
        no_sign_request: bool,
        io_timeout: float,
        io_retries: int,
        io_threads: int,
        max_connections: int,
        rate: float | None,
        ca_bundle: Path | None,
        allow_http: bool,
        **others: Any,
    ) -> Any:
        from xraybatch.sources.fetch import IoOptions

        io = IoOptions(
            *(endpoint_url, no_sign_request, io_timeout, io_retries, io_threads),
            pacs=manners_of(max_connections, rate, ca_bundle, allow_http),
        )
        return command(*args, io=io, **others)

    return _OPTIONS(collected)
