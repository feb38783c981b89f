"""Films fetched from a service that misbehaves: each with its status, and none for ever."""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.pacs.fake_dicomweb import (
    Answer,
    FakePacs,
    body,
    cut,
    drip,
    drip_words,
    hang_up,
    multipart,
    status,
)
from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.sources.dicomweb import fetch as dicomweb_fetch
from xraybatch.sources.dicomweb.fetch import Instances
from xraybatch.sources.dicomweb.manners import Manners

FILM = bytes(range(256)) * 300
MOST = 1 << 20


@pytest.fixture(autouse=True)
def own_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xraybatch.sources.dicomweb.http._FIRST_WAIT", 0.01)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def quick(**changes: Any) -> Manners:
    """As a run of its own has them."""
    return Manners(**{"connections": 2, "timeout": 5, "retries": 2, **changes})


def read(pacs: FakePacs, manners: Manners | None = None, most: int = MOST) -> bytes:
    return Instances(manners or quick()).read(pacs.add("1.1", "2.1", "3.1", FILM), 0, "", most)


def test_a_film_comes_byte_for_byte_and_leaves_nothing_on_disk(
    pacs: FakePacs, tmp_path: Path
) -> None:
    assert read(pacs) == FILM
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 100


def test_a_film_that_is_no_part_of_a_multipart_body_is_taken(pacs: FakePacs) -> None:
    pacs.odd["3.1"] = [body(FILM, "application/dicom")]
    assert read(pacs) == FILM


@pytest.mark.parametrize(
    "trouble",
    [status(503), status(429), status(500), cut(FILM), hang_up, body(multipart(FILM)[:-9])],
    ids=["503", "429", "500", "cut", "hung up", "no end"],
)
def test_trouble_that_passes_is_asked_again(pacs: FakePacs, trouble: Answer) -> None:
    pacs.odd["3.1"] = [trouble, trouble]
    assert read(pacs) == FILM
    assert len(pacs.begins) == 3


@pytest.mark.parametrize(
    ("trouble", "what", "tries"),
    [
        (status(404), FilmStatus.MISSING, 1),
        (status(410), FilmStatus.MISSING, 1),
        (status(403), FilmStatus.FORBIDDEN, 1),
        (status(400), FilmStatus.UNAVAILABLE, 1),
        (status(503), FilmStatus.UNAVAILABLE, 3),
        (status(429), FilmStatus.UNAVAILABLE, 3),
        (status(500), FilmStatus.UNAVAILABLE, 3),
        (cut(FILM), FilmStatus.UNAVAILABLE, 3),
        (hang_up, FilmStatus.UNAVAILABLE, 3),
        (body(b"<html>log in", "text/html"), FilmStatus.UNAVAILABLE, 1),
        (body(b"--film-boundary--"), FilmStatus.UNAVAILABLE, 1),
    ],
)
def test_trouble_that_stays_is_a_status(
    pacs: FakePacs, trouble: Answer, what: FilmStatus, tries: int
) -> None:
    pacs.odd["3.1"] = [trouble] * 9
    with pytest.raises(FilmError) as caught:
        read(pacs)
    assert caught.value.status is what
    assert len(pacs.begins) == tries
    assert "3.1" not in caught.value.sentence
    assert "1.1" not in caught.value.sentence


def test_a_server_that_drips_is_given_up(pacs: FakePacs) -> None:
    pacs.odd["3.1"] = [drip(20)] * 2
    with pytest.raises(FilmError, match="too slowly") as caught:
        read(pacs, quick(timeout=0.4, retries=1))
    assert caught.value.status is FilmStatus.UNAVAILABLE


@pytest.mark.parametrize(
    "words",
    [
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
    ],
    ids=["status", "header", "chunk"],
)
def test_a_head_that_drips_is_given_up(pacs: FakePacs, words: bytes) -> None:
    pacs.odd["3.1"] = [drip_words(words)] * 2
    begin = time.monotonic()
    with pytest.raises(FilmError, match="too slowly") as caught:
        read(pacs, quick(timeout=0.4, retries=1))
    assert caught.value.status is FilmStatus.UNAVAILABLE
    assert time.monotonic() - begin < 5


@contextmanager
def encrypted(greet: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[int]]]:
    """The address of a film where `greet` ends every greeting, and a number for each of them."""
    greeted: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    greeted.append(len(greeted))
                    with connection, suppress(OSError):
                        greet(connection)

        threading.Thread(target=serve, daemon=True).start()
        root = f"dicomweb+https://127.0.0.1:{listening.getsockname()[1]}/dicom-web"
        yield f"{root}/studies/1.1/series/2.1/instances/3.1", greeted
        listening.shutdown(socket.SHUT_RDWR)


def test_a_server_that_breaks_off_its_greeting_is_asked_again() -> None:
    def break_off(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.shutdown(socket.SHUT_RDWR)

    with encrypted(break_off) as (film, greeted):
        with pytest.raises(FilmError, match="no encrypted connection") as caught:
            Instances(quick()).read(film, 0, "", MOST)
        assert caught.value.status is FilmStatus.UNAVAILABLE
        assert len(greeted) == 3


def test_a_certificate_that_nobody_knows_stops_everything(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate(tmp_path / "own.pem"))

    def greet(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True)

    with encrypted(greet) as (film, greeted):
        with pytest.raises(InputError, match="not trusted here") as caught:
            Instances(quick()).read(film, 0, "", MOST)
        assert "--ca-bundle" in caught.value.hint
        assert len(greeted) == 1


def own_certificate(path: Path) -> Path:
    """A key, and the certificate that it gave itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pacs")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    kept = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, *kept) + certificate.public_bytes(pem))
    return path


def test_a_server_that_says_nothing_is_given_up(pacs: FakePacs) -> None:
    pacs.odd["3.1"] = [lambda handler: time.sleep(3)] * 2
    with pytest.raises(FilmError, match=r"nothing for 0\.3 seconds"):
        read(pacs, quick(timeout=0.3, retries=1))


def test_a_film_that_is_too_large_is_not_read(pacs: FakePacs) -> None:
    with pytest.raises(FilmError) as caught:
        read(pacs, most=100)
    assert caught.value.status is FilmStatus.TOO_LARGE
    with pytest.raises(FilmError) as caught:
        read(pacs, most=len(FILM) - 1)
    assert caught.value.status is FilmStatus.TOO_LARGE
    assert read(pacs, most=len(FILM)) == FILM


def test_another_instance_is_never_taken_for_this_one(pacs: FakePacs) -> None:
    from pydicom.dataset import Dataset

    other = Dataset()
    other.SOPInstanceUID = "3.2"
    content = io.BytesIO()
    other.save_as(content, implicit_vr=True, little_endian=True)
    pacs.odd["3.1"] = [body(multipart(content.getvalue()))]
    with pytest.raises(FilmError, match="another instance"):
        read(pacs)
    other.SOPInstanceUID = "3.1"
    content = io.BytesIO()
    other.save_as(content, implicit_vr=True, little_endian=True)
    pacs.odd["3.1"] = [body(multipart(content.getvalue()))]
    assert read(pacs) == content.getvalue()


def test_retry_after_is_honoured_by_all_that_ask(pacs: FakePacs) -> None:
    films = [pacs.add("1.1", "2.1", f"3.{number}", FILM) for number in range(6)]
    pacs.odd["3.0"] = [status(429, Retry_After="1")]
    reader = Instances(quick(connections=1))
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda film: reader.read(film, 0, "", MOST), films))
    assert found == [FILM] * 6
    refused = next(i for i, path in enumerate(pacs.asked) if path.endswith("/3.0"))
    assert pacs.begins[refused + 1] - pacs.begins[refused] >= 1


def test_retry_after_may_be_a_date(pacs: FakePacs) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    pacs.odd["3.1"] = [status(503, Retry_After=until)]
    assert read(pacs) == FILM
    assert pacs.begins[1] - pacs.begins[0] >= 0.5


def test_a_server_that_wants_hours_of_peace_gets_them(pacs: FakePacs) -> None:
    pacs.odd["3.1"] = [status(503, Retry_After="7200")]
    with pytest.raises(InputError, match="120 minutes"):
        read(pacs)


def test_no_more_connections_are_open_than_allowed(pacs: FakePacs) -> None:
    pacs.delay = 0.02
    films = [pacs.add("1.1", "2.1", f"3.{number}", FILM) for number in range(40)]
    manners = quick()
    readers = [Instances(manners), Instances(replace(manners))]  # as two processes have them
    with ThreadPoolExecutor(8) as threads:
        found = list(
            threads.map(
                lambda n: readers[n % 2].read(films[n], 0, "", MOST),
                range(40),
            )
        )
    assert found == [FILM] * 40
    assert pacs.most_open == 2


def test_a_rate_is_kept_over_all_that_ask(pacs: FakePacs) -> None:
    films = [pacs.add("1.1", "2.1", f"3.{number}", FILM) for number in range(8)]
    manners = Manners(connections=4, rate=20)
    readers = [Instances(manners), Instances(replace(manners))]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: readers[n % 2].read(films[n], 0, "", MOST), range(8)))
    assert pacs.begins[-1] - pacs.begins[0] >= 7 / 20 * 0.9


def test_refused_credentials_stop_everything(
    pacs: FakePacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_DICOMWEB_TOKEN", "a-secret-token")
    pacs.everywhere = status(401)
    with pytest.raises(InputError, match="does not accept the credentials") as caught:
        read(pacs)
    assert len(pacs.begins) == 1
    assert "a-secret" not in str(caught.value)


def test_a_server_that_is_not_there_stops_everything(pacs: FakePacs) -> None:
    film = pacs.add("1.1", "2.1", "3.1")
    port = pacs.server_address[1]
    pacs.shutdown()
    pacs.server_close()
    with pytest.raises(InputError, match=f"127.0.0.1:{port} cannot be reached: connection refused"):
        Instances(quick()).read(film, 0, "", MOST)


def test_a_server_that_sends_us_elsewhere_is_not_followed(pacs: FakePacs) -> None:
    pacs.everywhere = status(302, Location="http://127.0.0.1:1/")
    with pytest.raises(InputError, match="another address"):
        read(pacs)


def _all_fail(pacs: FakePacs, trouble: Answer, count: int) -> list[Exception]:
    reader = Instances(quick(retries=0))
    found: list[Exception] = []
    for number in range(count):
        film = pacs.add("1.1", "2.1", f"4.{number}")
        pacs.odd[f"4.{number}"] = [trouble]
        with pytest.raises((FilmError, InputError)) as caught:
            reader.read(film, 0, "", MOST)
        found.append(caught.value)
    return found


def test_a_server_that_forbids_everything_stops_the_run(pacs: FakePacs) -> None:
    found = _all_fail(pacs, status(403), dicomweb_fetch._REFUSED)
    assert isinstance(found[-1], InputError)
    assert "credentials (403)" in str(found[-1])


def test_forbidden_films_among_others_do_not_stop_the_run(pacs: FakePacs) -> None:
    manners = quick(retries=0)
    assert read(pacs, manners) == FILM
    reader = Instances(manners)
    for number in range(dicomweb_fetch._REFUSED + 5):
        film = pacs.add("1.1", "2.1", f"4.{number}")
        pacs.odd[f"4.{number}"] = [status(403)]
        with pytest.raises(FilmError):
            reader.read(film, 0, "", MOST)


@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        ({"TOKEN": "abc"}, "Bearer abc"),
        ({"USER": "x", "PASSWORD": "y"}, "Basic eDp5"),
        ({"USER": "x", "PASSWORD": "y", "TOKEN": "abc"}, "Bearer abc"),
        ({}, "Basic bmV0OnJj"),
    ],
    ids=["token", "password", "both", "netrc"],
)
def test_credentials_come_from_the_environment_or_netrc(
    pacs: FakePacs,
    variables: dict[str, str],
    sent: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login net password rc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name, value in variables.items():
        monkeypatch.setenv(f"XRAYBATCH_DICOMWEB_{name}", value)
    assert read(pacs) == FILM
    assert pacs.credentials == {sent}


def test_half_of_the_credentials_is_a_mistake(
    pacs: FakePacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XRAYBATCH_DICOMWEB_USER", "x")
    with pytest.raises(UsageError, match="PASSWORD is not"):
        read(pacs)
