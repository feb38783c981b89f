"""Object stores: opened with the usual variables, films read whole, results put in one step.

Credentials come from the environment, or from the files of boto3 where that is installed. They are
handed to obstore and kept nowhere else.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from xraybatch.core.errors import InputError, MissingExtra, UsageError
from xraybatch.sources.fetch import IoOptions, ReadBytes, scheme_of
from xraybatch.sources.stores.errors import changed, of_film, of_listing, too_large

_CONNECT_SECONDS = 10.0
_REGION = "us-east-1"  # what other stores than Amazon's take for any


@dataclass(frozen=True)
class StorePlace:
    """An object or prefix of a store.

    Attributes
    ----------
    scheme, bucket, key : str
        `key` may be empty, and ends with ``/`` where a prefix is certainly meant.
    """

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"


def place_of(address: str) -> StorePlace:
    """The parts of ``s3://bucket/key``.

    Raises
    ------
    UsageError
        If no bucket is named, or more than a bucket's name stands in its place.
    """
    scheme = scheme_of(address)
    bucket, _, key = address.partition("://")[2].partition("/")
    if not bucket or "@" in bucket or ":" in bucket:
        raise UsageError(
            f"A {scheme}:// address names a bucket and a prefix, and no user or password.",
            f"Write {scheme}://bucket/prefix/; credentials come from the environment.",
        )
    return StorePlace(scheme, bucket, key)


def reader_of(io: IoOptions) -> ReadBytes:
    """What reads films of stores, for `fetch.AnyFetch`."""
    stores: dict[tuple[str, str], Any] = {}
    lock = threading.Lock()

    def read(path: str, size: int, etag: str, max_bytes: int) -> bytes:
        place = place_of(path)
        with lock:
            bucket = (place.scheme, place.bucket)
            if bucket not in stores:
                stores[bucket] = open_store(place, io)
        return _read(stores[bucket], place.key, size, etag, max_bytes)

    return read


def open_store(place: StorePlace, io: IoOptions) -> Any:
    """An obstore store of the place's bucket.

    Raises
    ------
    MissingExtra
        If obstore is not installed.
    InputError
        If what the environment says of it cannot be used.
    """
    try:
        import obstore.store as stores
        from obstore.exceptions import BaseError
    except ImportError:
        raise MissingExtra(
            f"Films of {place.scheme}:// stores are read by obstore, which is not installed.",
            "pip install 'xraybatch[cloud]'",
        ) from None
    makers = {"s3": _s3, "gs": _gs, "az": _az}
    client: dict[str, Any] = {
        "timeout": timedelta(seconds=io.timeout),
        "connect_timeout": timedelta(seconds=min(io.timeout, _CONNECT_SECONDS)),
        "pool_max_idle_per_host": str(max(io.threads, 8)),
    }
    retry = {
        "max_retries": io.retries,
        "retry_timeout": timedelta(seconds=60 + (io.retries + 1) * io.timeout),
    }
    try:
        return makers[place.scheme](stores, place.bucket, io, client, retry)
    except (BaseError, ValueError) as error:
        # its words may hold what a variable holds
        raise InputError(
            f"The store of {place.scheme}://{place.bucket} cannot be opened as the environment "
            f"says ({type(error).__name__}).",
            "Look at the variables of its credentials, region and endpoint.",
        ) from None


@contextmanager
def listing_errors(place: StorePlace | str) -> Iterator[None]:
    """Turn errors of obstore into one for a person, who asked for the place.

    Raises
    ------
    XraybatchError
    """
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, ValueError, FileNotFoundError) as error:
        raise of_listing(error, str(place)) from None


def put(local: Path, address: str, io: IoOptions, *, overwrite: bool) -> None:
    """Put a file into a store, whole or not at all.

    Parameters
    ----------
    local : Path
    address : str
    io : IoOptions
    overwrite : bool
        Replace what is there.

    Raises
    ------
    InputError
        If it is there and is not to be replaced, or the store refuses.
    """
    import obstore

    place = place_of(address)
    store = open_store(place, io)
    if not overwrite and exists(address, io):
        raise InputError(
            f"{address} is there already and is not overwritten.",
            "Choose another --out, or give --overwrite.",
        )
    with listing_errors(place), local.open("rb") as file:
        # in one piece as long as a store takes that: no other sees half of it either way
        obstore.put(store, place.key, file, use_multipart=local.stat().st_size > _ONE_PUT)


_ONE_PUT = 1 << 30


def exists(address: str, io: IoOptions) -> bool:
    """Whether an object is there.

    Raises
    ------
    InputError
        If the store does not say.
    """
    import obstore

    place = place_of(address)
    store = open_store(place, io)
    with listing_errors(place):
        try:
            obstore.head(store, place.key)
        except FileNotFoundError:
            return False
    return True


def head(store: Any, key: str, most: int) -> bytes:
    """The first bytes of an object, at most so many.

    Raises
    ------
    FilmError, XraybatchError
        As for a film.
    """
    import obstore
    from obstore.exceptions import BaseError

    try:
        return bytes(obstore.get(store, key, options={"range": (0, most)}).bytes())
    except (BaseError, ValueError, OSError) as error:
        raise of_film(error) from None


def _read(store: Any, key: str, size: int, etag: str, max_bytes: int) -> bytes:
    import obstore
    from obstore.exceptions import BaseError

    if size > max_bytes:
        raise too_large(size, max_bytes)
    try:
        answer = obstore.get(store, key)
        found = answer.meta
        if (etag and found["e_tag"] and found["e_tag"] != etag) or (size and found["size"] != size):
            raise changed()
        if found["size"] > max_bytes:
            raise too_large(found["size"], max_bytes)
        content = bytes(answer.bytes())
    except (BaseError, ValueError, OSError) as error:
        raise of_film(error) from None
    if len(content) != found["size"]:
        raise changed()
    return content


def _s3(stores: Any, bucket: str, io: IoOptions, client: dict[str, Any], retry: Any) -> Any:
    given = os.environ.get
    endpoint = io.endpoint_url or given("AWS_ENDPOINT_URL_S3") or given("AWS_ENDPOINT_URL")
    config: dict[str, Any] = {}
    if endpoint:
        # both words: else the variable of S3 alone wins over what was given
        config |= {"endpoint": endpoint, "aws_endpoint_url_s3": endpoint}
        _allow_http(endpoint, client)
    make = partial(stores.S3Store, bucket, client_options=client, retry_config=retry)
    if io.no_sign_request:
        config["skip_signature"] = True
    elif not given("AWS_ACCESS_KEY_ID") and find_spec("boto3") is not None:
        session = _boto3_session()
        if session is not None:
            from obstore.auth.boto3 import Boto3CredentialProvider

            region = given("AWS_REGION") or session.region_name or _REGION
            provider = Boto3CredentialProvider(session)
            return make(config={**config, "region": region}, credential_provider=provider)
    elif not given("AWS_ACCESS_KEY_ID") and given("AWS_PROFILE"):
        raise MissingExtra(
            "AWS_PROFILE is read by boto3, which is not installed.",
            "pip install boto3, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    config["region"] = given("AWS_REGION") or given("AWS_DEFAULT_REGION") or _REGION
    return make(config=config)


def _boto3_session() -> Any:
    """A session of boto3 that has credentials; None where it finds none."""
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        session = boto3.Session()
        return session if session.get_credentials() is not None else None
    except BotoCoreError as error:
        # the kind alone: its words name files and profiles
        raise InputError(
            f"The AWS profile cannot be used ({type(error).__name__}).",
            "Look at AWS_PROFILE and the files of `aws configure`.",
        ) from None


def _gs(stores: Any, bucket: str, io: IoOptions, client: dict[str, Any], retry: Any) -> Any:
    config: dict[str, Any] = {"skip_signature": True} if io.no_sign_request else {}
    if io.endpoint_url:
        config["base_url"] = io.endpoint_url
        _allow_http(io.endpoint_url, client)
    return stores.GCSStore(bucket, config=config, client_options=client, retry_config=retry)


def _az(stores: Any, container: str, io: IoOptions, client: dict[str, Any], retry: Any) -> Any:
    config: dict[str, Any] = {"skip_signature": True} if io.no_sign_request else {}
    if io.endpoint_url:
        config["endpoint"] = io.endpoint_url
        _allow_http(io.endpoint_url, client)
    return stores.AzureStore(container, config=config, client_options=client, retry_config=retry)


def _allow_http(endpoint: str, client: dict[str, Any]) -> None:
    if not endpoint.lower().startswith(("http://", "https://")):
        raise UsageError(
            f"The endpoint '{endpoint}' is no address of a store.",
            "Begin it with https://, or http:// on this machine: --endpoint-url, AWS_ENDPOINT_URL.",
        )
    # once there are client options, obstore no longer looks at AWS_ALLOW_HTTP
    if endpoint.lower().startswith("http://"):
        client["allow_http"] = True
