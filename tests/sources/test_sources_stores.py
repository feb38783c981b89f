"""Addresses: which are taken, what is shown of them, and what a store's refusal means."""

from __future__ import annotations

import pickle
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from tests.sources.store_servers import BUCKET, KEY, SECRET, Misbehaving, credentials
from xraybatch.core.errors import InputError, UsageError, XraybatchError
from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.sources.fetch import AnyFetch, IoOptions
from xraybatch.sources.films import find_films
from xraybatch.sources.listing import list_films
from xraybatch.sources.manifest import open_manifest
from xraybatch.sources.stores.errors import of_film, of_listing
from xraybatch.sources.stores.store import place_of
from xraybatch.sources.web_films import web_item

PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)
IO = IoOptions(timeout=2, retries=1)
AMAZON = "?X-Amz-Date=20990101T000000Z&X-Amz-Expires=60&X-Amz-Signature=ff"


class GenericError(Exception):
    """Named as obstore's."""


class PermissionDeniedError(Exception):
    """Named as obstore's."""


def said(status, code=""):
    body = f"<Error><Code>{code}</Code><Message>{SECRET}</Message></Error>"
    return f"GET http://host/films/MUELLER.png - status code: {status} Wrong: {body}"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FileNotFoundError("MUELLER.png"), FilmStatus.MISSING),
        (PermissionDeniedError(said(403, "AccessDenied")), FilmStatus.FORBIDDEN),
        (GenericError(said(401)), FilmStatus.FORBIDDEN),
        (GenericError(said(503, "SlowDown")), FilmStatus.UNAVAILABLE),
        (GenericError("operation timed out: MUELLER.png"), FilmStatus.UNAVAILABLE),
        (GenericError("error decoding response body MUELLER.png"), FilmStatus.UNAVAILABLE),
        (ValueError("Could not parse path: MUELLER//.png"), FilmStatus.UNSUPPORTED),
    ],
)
def test_a_refusal_is_the_film_s_and_says_no_name(error, status):
    found = of_film(error)
    assert isinstance(found, FilmError)
    assert found.status is status
    assert "MUELLER" not in found.sentence
    assert SECRET not in found.sentence


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (GenericError(said(400, "ExpiredToken")), "have expired (ExpiredToken)"),
        (PermissionDeniedError(said(403, "InvalidAccessKeyId")), "not known"),
        (PermissionDeniedError(said(403, "SignatureDoesNotMatch")), "secret does not fit"),
        (PermissionDeniedError(said(403, "RequestTimeTooSkewed")), "clock"),
        (GenericError("PUT http://169.254.169.254/latest/api/token: timed out"), "no credentials"),
        (PermissionDeniedError("http://169.254.169.254/ status: 403 Forbidden"), "no credentials"),
        (GenericError("Received redirect without LOCATION"), "another region"),
    ],
)
def test_what_concerns_all_films_stops_the_run(error, words):
    for found in (of_film(error), of_listing(error, "s3://b/")):
        assert isinstance(found, XraybatchError)
        assert words in found.message
        assert found.hint
        assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://host/a.dcm", "https://host/a.dcm"),
        ("https://host/film?name=a%20b.png", "https://host/film?name=a%20b.png"),
        ("https://host/film?key=a.png&&x=%2F+y", "https://host/film?key=a.png&&x=%2F+y"),
        ("https://host/film?expires=never&sp=r&se=x", "https://host/film?expires=never&sp=r&se=x"),
        (
            "https://b.s3.amazonaws.com/a.dcm?X-Amz-Date=1&X-Amz-Signature=ff&id=7",
            "https://b.s3.amazonaws.com/a.dcm?id=7",
        ),
        ("https://a.blob.core.windows.net/c/a.dcm?sv=1&se=2&sr=b&sig=ff", None),
        ("https://storage.googleapis.com/b/a.dcm?X-Goog-Signature=ff", None),
        ("https://host/a.dcm?AWSAccessKeyId=AK&Signature=f%2Ff&Expires=1", None),
        ("https://host/a.dcm?GoogleAccessId=x&Expires=1&Signature=ff%3D", None),
        (
            "https://host/a.dcm?v=%20&Policy=e__&Signature=ff&Key-Pair-Id=K&key=b",
            "https://host/a.dcm?v=%20&key=b",
        ),
        ("https://host/a.dcm?id=7&token=secret", "https://host/a.dcm?id=7"),
        ("http://127.0.0.1:9/a.dcm", "http://127.0.0.1:9/a.dcm"),
    ],
)
def test_an_address_is_kept_without_what_signs_it(address, shown):
    item, asked = web_item(address)
    assert item.key == item.path == (shown or address.partition("?")[0])
    assert asked == address
    assert item.is_remote


@pytest.mark.parametrize(
    "address",
    ["http://example.org/a.dcm", "http://10.0.0.1/a.dcm", "https://u:p@host/a", "https:///a"],
)
def test_addresses_that_are_not_taken(address):
    with pytest.raises(UsageError):
        web_item(address)


def test_films_of_one_script_are_told_apart_and_read_from_a_manifest(tmp_path):
    with Misbehaving({"film": PNG}) as store:
        lines = [f"{store.address}/{BUCKET}/film?key={name}" for name in ("a%20b.png", "b.png")]
        (tmp_path / "films.txt").write_text("\n".join(lines))
        made = list_films([f"@{tmp_path}/films.txt"], tmp_path / "films.parquet", io=IO)
        items = list(open_manifest(made.manifest))
        assert [item.path for item in items] == lines
        assert [AnyFetch(IO).read(item.path, 0, "", 1000) for item in items] == [PNG, PNG]


def test_a_manifest_of_signed_addresses_is_not_made(tmp_path):
    (tmp_path / "films.txt").write_text(f"https://host/a.png?Signature={SECRET}&Expires=1\n")
    with pytest.raises(InputError, match="1 film has a signed address") as refused:
        list_films([f"@{tmp_path}/films.txt"], tmp_path / "films.parquet", io=IO)
    assert SECRET not in str(refused.value) + refused.value.hint
    assert not (tmp_path / "films.parquet").exists()


def refusal_of(query, status=403, code="AccessDenied", message=SECRET):
    with Misbehaving({"a.png": PNG}) as store:
        store.refuses = (status, code, message)
        with pytest.raises((FilmError, InputError)) as refused:
            AnyFetch(IO).read(f"{store.address}/{BUCKET}/a.png{query}", 0, "", 1000)
    assert SECRET not in str(refused.value)
    return refused.value


@pytest.mark.parametrize(
    ("query", "answer", "words"),
    [
        (AMAZON, (403, "AccessDenied", "Request has expired"), "have expired (403)"),
        (AMAZON, (400, "ExpiredToken"), "have expired (400)"),
        (AMAZON, (403, "SignatureDoesNotMatch"), "are wrong"),
        (AMAZON, (401,), "are not accepted (401)"),
        (AMAZON.replace("2099", "2020"), (403,), "have expired (403)"),
        ("?Signature=ff&Expires=1700000000&Key-Pair-Id=K", (403,), "have expired (403)"),
        ("?sv=1&sig=ff&se=2024-01-01T00%3A00%3A00Z", (403,), "have expired (403)"),
        ("?sv=1&sig=ff&se=2099-01-01", (403, "AuthenticationFailed"), "are not accepted (403)"),
    ],
)
def test_a_signature_that_is_not_taken_stops_the_run(query, answer, words):
    stopped = refusal_of(query, *answer)
    assert isinstance(stopped, InputError)
    assert words in stopped.message
    assert "Sign the list anew" in stopped.hint


@pytest.mark.parametrize("query", ["", "?Expires=1700000000", AMAZON, "?sv=1&sig=ff&se=never"])
def test_one_film_that_is_forbidden_does_not(query):
    refused = refusal_of(query)
    assert isinstance(refused, FilmError)
    assert refused.status is FilmStatus.FORBIDDEN
    assert refused.sentence == "The server forbids it (403)."


def test_a_password_in_a_line_of_a_list_is_refused_before_anything_is_kept(tmp_path):
    (tmp_path / "films.txt").write_text(f"https://host/a.png\ns3://{KEY}:{SECRET}@b/a.png\n")
    with pytest.raises(UsageError, match="no user or password") as refused:
        find_films([f"@{tmp_path}/films.txt"], io=IO)
    assert SECRET not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize("address", ["s3:///key", "s3://key:secret@bucket/x", "s3://host:9000/x"])
def test_a_store_s_address_is_a_bucket_and_a_prefix(address):
    with pytest.raises(UsageError, match="names a bucket"):
        place_of(address)


def test_a_listing_follows_the_rules_of_a_folder(monkeypatch):
    pytest.importorskip(
        "obstore", reason="obstore is not installed: pip install 'xraybatch[cloud]'"
    )
    keys = ["b.PNG", "a/x.dcm", "a/film", "a/words", "a/.h.png", ".d/y.png", "__MACOSX/z.png"]
    keys += ["a/all.zip", "a/empty", "ab/other.png"]
    objects = {f"in/{key}": PNG for key in keys}
    objects |= {"in/a/words": b"words", "in/a/empty": b"", "inner/no.png": PNG}
    with Misbehaving(objects) as store:
        credentials(monkeypatch, store.address)
        found = find_films([f"s3://{BUCKET}/in"], io=IO)
        assert [item.key for item in found.items] == ["a/film", "a/x.dcm", "ab/other.png", "b.PNG"]
        assert next(item.path for item in found.items) == f"s3://{BUCKET}/in/a/film"
        assert {item.size for item in found.items} == {len(PNG)}
        assert all(item.etag and item.mtime_ns for item in found.items)
        skipped = {reason[:14]: count for reason, count in found.skipped.items()}
        assert skipped == {"hidden": 2, "__MACOSX": 1, "ZIP archive in": 1, "not a film": 2}
        # what its name says is not asked for
        assert {key for key in store.asked if key not in ("", "in")} == {"in/a/film", "in/a/words"}
        with pytest.raises(InputError, match="nothing at"):
            find_films([f"s3://{BUCKET}/i/"], io=IO)
    with pytest.raises(UsageError, match="not on this machine"):
        find_films([f"s3://{BUCKET}/in"])


def test_keys_that_cannot_be_read_are_said(monkeypatch):
    pytest.importorskip(
        "obstore", reason="obstore is not installed: pip install 'xraybatch[cloud]'"
    )
    with Misbehaving({"in/a.png": PNG, "in//b.png": PNG}) as store:
        credentials(monkeypatch, store.address)
        with pytest.raises(InputError, match="empty part"):
            find_films([f"s3://{BUCKET}/in/"], io=IO)


def test_a_fetch_travels_to_another_process(monkeypatch):
    with Misbehaving({"in/a.png": PNG}) as store:
        address = f"{store.address}/{BUCKET}/in/a.png"
        fetch = pickle.loads(pickle.dumps(AnyFetch(IO, {"https://short": address})))
        assert fetch.threads == IO.threads
        assert fetch.read("https://short", 0, "", 1000) == PNG
        assert fetch.read(address, len(PNG), "", 1000) == PNG
        for size, etag, limit, status in (
            (len(PNG) + 1, "", 1000, FilmStatus.UNREADABLE),
            (0, '"old"', 1000, FilmStatus.UNREADABLE),
            (0, "", 10, FilmStatus.TOO_LARGE),
        ):
            with pytest.raises(FilmError) as refused:
                fetch.read(address, size, etag, limit)
            assert refused.value.status is status
    with pytest.raises(InputError, match="not read from ftp"):
        fetch.read("ftp://host/a.png", 0, "", 1000)


@pytest.mark.parametrize(
    "words",
    [
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
    ],
    ids=["status", "header", "chunk", "refusal"],
)
def test_a_server_that_drips_has_one_time_limit_for_all_that_it_says(words):
    with dripping(words) as address:
        begin = time.monotonic()
        with pytest.raises(FilmError) as refused:
            AnyFetch(IoOptions(timeout=0.4, retries=0)).read(f"{address}/a.png{AMAZON}", 0, "", 999)
        assert time.monotonic() - begin < 3
    wanted = FilmStatus.FORBIDDEN if b"403" in words else FilmStatus.UNAVAILABLE
    assert refused.value.status is wanted


@contextmanager
def dripping(words):
    """A server that says this much at once, and then a letter every twentieth of a second."""

    def serve():
        with suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                connection.sendall(words)
                for _ in range(200):
                    connection.sendall(b"x")
                    time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_server_that_is_gone_is_unavailable():
    with Misbehaving({}) as store:
        address = store.address
    with pytest.raises(FilmError) as refused:
        AnyFetch(IO).read(f"{address}/a.png", 0, "", 1000)
    assert refused.value.status is FilmStatus.UNAVAILABLE
