"""Downloads from servers that help, that do not, and that change their mind."""

from __future__ import annotations

import hashlib
import random
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from xraybatch.core.errors import InputError, Interrupted, UsageError
from xraybatch.sources.addresses import opener, public_url
from xraybatch.sources.download import ATTEMPTS, Downloaded, download, forget

CONTENT = random.Random(1).randbytes(2_500_000)
OTHER = random.Random(2).randbytes(2_400_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """How a server on 127.0.0.1 answers, and what it was asked."""

    content: bytes = CONTENT
    tag: str = '"v1"'
    date: str = ""
    ranges: bool = True
    says_length: bool = True
    cut_after: list[int] = field(default_factory=list)  # bytes, one answer each
    statuses: list[int] = field(default_factory=list)  # one answer each, before all else
    changes_to: bytes = b""  # after the first answer
    moved_to: str = ""
    asked: list[str] = field(default_factory=list)  # the Range of each request
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/sets/knee%20films.zip"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.headers.get("Range", ""))
            if state.statuses:
                self.send_error(state.statuses.pop(0))
                return
            if state.moved_to and not self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", state.moved_to)
                self.end_headers()
                return
            self.answer()
            if state.changes_to:
                state.content, state.tag, state.changes_to = state.changes_to, '"v2"', b""

        def answer(self) -> None:
            content, at = state.content, 0
            found = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            same = self.headers.get("If-Range") in (state.tag, state.date)
            if found and state.ranges and same:
                at = int(found[1])
                if at >= len(content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {at}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            if state.says_length:
                self.send_header("Content-Length", str(len(content) - at))
            if state.tag:
                self.send_header("ETag", state.tag)
            if state.date:
                self.send_header("Last-Modified", state.date)
            self.end_headers()
            end = at + state.cut_after.pop(0) if state.cut_after else len(content)
            self.wfile.write(content[at:end])

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.handle_error = lambda *_: None  # a client that goes away
    state.port = running.server_address[1]
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    running.shutdown()
    running.server_close()
    thread.join()


class Said:
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps = 0

    def stage(self, *_: Any) -> Any:
        said = self

        class Stage:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def advance(self, steps: int = 1, detail: str = "") -> None:
                said.steps += steps

        return Stage()

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def warn(self, title: str, sentence: str) -> None:
        self.notes.append(sentence)


def fetch(server: Server, folder: Path, **more: Any) -> Downloaded:
    return download(server.url, folder, wait=lambda _: None, **more)


def test_a_file_comes_whole_and_is_checked(server: Server, tmp_path: Path) -> None:
    said = Said()
    found = fetch(server, tmp_path / "new", sha256=SHA256.upper(), progress=said)
    assert found.path.read_bytes() == CONTENT
    assert (found.name, found.sha256, found.size) == ("knee films.zip", SHA256, len(CONTENT))
    assert said.steps == 2  # megabytes
    assert said.notes == []
    forget(found)
    assert list((tmp_path / "new").iterdir()) == []


def test_cut_connections_go_on_where_they_were(server: Server, tmp_path: Path) -> None:
    server.cut_after = [1_000_000, 500_000, 1]
    assert fetch(server, tmp_path, sha256=SHA256).path.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=1000000-", "bytes=1500000-", "bytes=1500001-"]


def test_a_date_serves_where_there_is_no_strong_tag(server: Server, tmp_path: Path) -> None:
    server.tag, server.date = 'W/"weak"', "Sat, 21 Nov 2026 10:00:00 GMT"
    server.cut_after = [1_000_000]
    assert fetch(server, tmp_path).sha256 == SHA256
    assert server.asked == ["", "bytes=1000000-"]


def test_a_later_call_goes_on(server: Server, tmp_path: Path) -> None:
    server.cut_after, server.statuses = [1_000_000], []
    server.content = CONTENT

    def give_up(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted) as stopped:
        download(server.url, tmp_path, wait=give_up)
    assert "goes on" in stopped.value.hint
    assert stopped.value.exit_code == 5
    assert fetch(server, tmp_path).sha256 == SHA256
    assert server.asked == ["", "bytes=1000000-"]
    assert fetch(server, tmp_path).sha256 == SHA256  # whole already: nothing comes twice
    assert server.asked[2:] == ["bytes=2500000-"]


@pytest.mark.parametrize("lacks", ["ranges", "tag"])
def test_a_server_that_cannot_go_on_begins_anew(server: Server, tmp_path: Path, lacks: str) -> None:
    setattr(server, lacks, False if lacks == "ranges" else "")
    server.cut_after = [1_000_000, 600_000]
    said = Said()
    assert fetch(server, tmp_path, progress=said).path.read_bytes() == CONTENT
    assert "from the beginning" in said.notes[0]
    assert len(server.asked) == 3


def test_a_file_that_changes_meanwhile_is_never_mixed(server: Server, tmp_path: Path) -> None:
    server.cut_after, server.changes_to = [1_000_000], OTHER
    said = Said()
    assert fetch(server, tmp_path, progress=said).path.read_bytes() == OTHER
    assert "has changed" in said.notes[0]


def test_a_file_that_got_shorter_than_what_came(server: Server, tmp_path: Path) -> None:
    server.cut_after = [2_450_000]
    server.changes_to = OTHER
    assert fetch(server, tmp_path).path.read_bytes() == OTHER


def test_a_server_that_says_no_length(server: Server, tmp_path: Path) -> None:
    server.says_length = False
    assert fetch(server, tmp_path).sha256 == SHA256


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (403, 1), (401, 1), (410, 1)])
def test_what_is_not_there_is_asked_for_once(
    server: Server, tmp_path: Path, status: int, asked: int
) -> None:
    server.statuses = [status] * 9
    with pytest.raises(InputError, match=f"answers {status}") as error:
        fetch(server, tmp_path)
    assert error.value.hint
    assert len(server.asked) == asked
    assert list(tmp_path.iterdir()) == []


def test_a_server_in_trouble_is_asked_again_but_not_for_ever(
    server: Server, tmp_path: Path
) -> None:
    server.statuses = [500, 503, 429]
    assert fetch(server, tmp_path).sha256 == SHA256
    server.statuses, server.asked = [500] * 99, []
    with pytest.raises(InputError, match="500"):
        fetch(server, tmp_path / "other")
    assert len(server.asked) == ATTEMPTS
    assert list((tmp_path / "other").iterdir()) == []


def test_a_connection_that_breaks_for_ever_keeps_what_came(server: Server, tmp_path: Path) -> None:
    server.cut_after = [1_000_000, *[0] * 99]
    waits: list[float] = []
    with pytest.raises(InputError, match=r"cut after 1\.0 of 2\.5 MB") as error:
        download(server.url, tmp_path, wait=waits.append)
    assert "1.0 MB are kept" in error.value.hint
    assert len(waits) == ATTEMPTS - 1
    assert waits == sorted(waits)


def test_a_server_without_tags_that_always_cuts_is_given_up(server: Server, tmp_path: Path) -> None:
    server.tag, server.cut_after = "", [900_000, 800_000] * 50
    with pytest.raises(InputError, match="cut after"):
        fetch(server, tmp_path)
    assert len(server.asked) == ATTEMPTS


def test_nobody_listens(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be fetched"):
        download("http://127.0.0.1:1/x.zip", tmp_path, wait=lambda _: None)


def test_another_hash_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=SHA256):
        fetch(server, tmp_path, sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="no SHA-256"):
        fetch(server, tmp_path, sha256="abc")


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_beyond_the_limit_leaves_nothing(
    server: Server, tmp_path: Path, says_length: bool
) -> None:
    server.says_length = says_length
    with pytest.raises(InputError, match="larger than") as error:
        fetch(server, tmp_path, limit=1_000_000)
    assert "--max-gigabytes of `xraybatch prepare`" in error.value.hint
    assert list(tmp_path.iterdir()) == []


def test_redirections_stay_in_the_web(server: Server, tmp_path: Path) -> None:
    server.moved_to = "/moved/x.zip"
    assert fetch(server, tmp_path).sha256 == SHA256
    for other in ("file:///etc/passwd", "ftp://127.0.0.1/x"):
        server.moved_to = other
        with pytest.raises(InputError):
            fetch(server, tmp_path / "other")


def test_https_never_leads_to_http() -> None:
    from email.message import Message
    from urllib.request import HTTPRedirectHandler, Request

    found = [h for h in opener().handlers if isinstance(h, HTTPRedirectHandler)]
    request = Request("https://example.org/a")
    with pytest.raises(InputError, match="without encryption"):
        found[0].redirect_request(request, None, 302, "", Message(), "http://example.org/a")
    assert found[0].redirect_request(request, None, 302, "", Message(), "https://other.org/a")


@pytest.mark.parametrize(
    "url", ["http://", "https://user:word@example.org/x", "http://a b/x", "http://x:y/z"]
)
def test_what_is_no_address(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        download(url, tmp_path)
    assert "word" not in error.value.message.replace("password", "")


def test_what_gives_access_is_not_shown() -> None:
    shown = public_url("https://me:pw@h.org/a.zip?id=7&X-Amz-Signature=abc&token=def#x")
    assert shown == "https://h.org/a.zip?id=7&X-Amz-Signature=…&token=…"
