"""Object stores on loopback for tests: moto's, and one that misbehaves by the names of its keys."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "films"
KEY, SECRET = "AKIATESTTESTTESTTEST", "s3cr3t-that-no-file-may-hold"

# moto looks at whose it is, not whether it fits
SIGNED = {"Authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/s3/aws4_request"}

_STARTS = 60.0  # seconds that moto may take to import itself


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def moto() -> Iterator[str]:
    """The address of a running S3-compatible server with an empty bucket."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + _STARTS
        while True:
            with suppress(OSError):
                put(address, "")
                break
            assert process.poll() is None, "moto's server did not start"
            assert time.monotonic() < end, "moto's server does not answer"
            time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


def put(address: str, key: str, content: bytes = b"") -> None:
    """Put an object into the bucket; without a key: make the bucket."""
    url = f"{address}/{BUCKET}/{quote(key)}"
    headers = {**SIGNED, "Content-Type": "binary/octet-stream"}
    request = urllib.request.Request(url, data=content, method="PUT", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def put_folder(address: str, folder: Path, prefix: str) -> None:
    """Put every file below a folder into the bucket."""
    for above, _, names in os.walk(folder):
        for name in names:
            file = Path(above, name)
            put(address, f"{prefix}{file.relative_to(folder).as_posix()}", file.read_bytes())


def get(address: str, key: str) -> bytes:
    request = urllib.request.Request(f"{address}/{BUCKET}/{quote(key)}", headers=SIGNED)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())


class Misbehaving:
    """A store whose keys say how it answers; a context manager.

    ``404.png`` is listed and not there, ``403.png`` forbidden, ``503.png`` never answered,
    ``twice.png`` at the third try, ``cut.png`` too short, ``drip.png`` a byte at a time,
    ``length.png`` and ``etag.png`` other than listed. Once `expired` is set, ``token.png`` says
    that the credentials are; once there is a status, code and message in `refuses`, every object is
    refused so; once `down` is, no object is sent, and once `takes_nothing`, none
    taken.

    Parameters
    ----------
    objects : dict of str to bytes
    latency : float
        Seconds before an object is sent.
    """

    def __init__(self, objects: dict[str, bytes], latency: float = 0.0) -> None:
        self.objects = objects
        self.latency = latency
        self.asked: Counter[str] = Counter()
        self.headers: list[str] = []
        self.down = self.expired = self.takes_nothing = False
        self.refuses: tuple[int, str, str] | None = None
        self.lock = threading.Lock()

    def __enter__(self) -> Misbehaving:
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with suppress(ConnectionError):
                    store.answer(self)

            do_HEAD = do_GET

            def do_PUT(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if store.takes_nothing:
                    store.refuse(self, 503, "SlowDown")
                else:
                    store.objects[store.key_of(self)] = content
                    store.send(self, 200, b"", content)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        parts, key = urlsplit(to.path), self.key_of(to)
        with self.lock:
            self.asked[key] += 1
            tries = self.asked[key]
            self.headers.append(str(to.headers))
        if "list-type" in parts.query:
            prefix = parse_qs(parts.query).get("prefix", [""])[0]
            self.send(to, 200, self.listing(prefix).encode())
            return
        time.sleep(self.latency)
        name = key.rpartition("/")[2].partition(".")[0]
        content = self.objects.get(key)
        if self.refuses is not None:
            self.refuse(to, *self.refuses)
        elif content is None or name == "404":
            self.refuse(to, 404, "NoSuchKey")
        elif name == "403":
            self.refuse(to, 403, "AccessDenied")
        elif self.down or name == "503" or (name == "twice" and tries < 3):
            self.refuse(to, 503, "SlowDown")
        elif name == "token" and self.expired:
            self.refuse(to, 400, "ExpiredToken")
        elif name == "length":
            self.send(to, 200, content + b"more", content)
        elif name == "etag":
            self.send(to, 200, content, b"another")
        elif name in ("cut", "drip"):
            self.head(to, 200, len(content), content)
            if name == "cut":
                to.wfile.write(content[: len(content) // 2])
                to.close_connection = True
                return
            for i in range(len(content)):
                to.wfile.write(content[i : i + 1])
                to.wfile.flush()
                time.sleep(0.2)
        else:
            asked = re.match(r"bytes=(\d+)-(\d*)", to.headers.get("Range", ""))
            if asked is None:
                self.send(to, 200, content)
                return
            begin, end = int(asked[1]), min(int(asked[2] or 1 << 60) + 1, len(content))
            part = content[begin:end]
            whole = f"bytes {begin}-{end - 1}/{len(content)}"
            self.send(to, 206, part, content, {"Content-Range": whole})

    def key_of(self, asked: BaseHTTPRequestHandler) -> str:
        path = unquote(urlsplit(asked.path).path)
        return path.removeprefix(f"/{BUCKET}").lstrip("/")

    def head(self, to, status, length, named, more=()):
        to.send_response(status)
        to.send_header("Content-Length", str(length))
        to.send_header("ETag", etag(named))
        to.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        for name, value in dict(more).items():
            to.send_header(name, value)
        to.end_headers()

    def send(self, to, status, content, named=None, more=()):
        self.head(to, status, len(content), content if named is None else named, more)
        if to.command != "HEAD":
            to.wfile.write(content)

    def refuse(self, to, status, code, message=SECRET):
        words = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        self.send(to, status, words.encode())

    def listing(self, prefix: str) -> str:
        found = sorted(key for key in self.objects if key.startswith(prefix))
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z"
            f"</LastModified><ETag>{escape(etag(self.objects[key]))}</ETag>"
            f"<Size>{len(self.objects[key])}</Size></Contents>"
            for key in found
        )
        return (
            f"<?xml version='1.0'?><ListBucketResult><Name>{BUCKET}</Name><Prefix>"
            f"{escape(prefix)}</Prefix><KeyCount>{len(found)}</KeyCount><MaxKeys>1000</MaxKeys>"
            f"<IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        )


def etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


def credentials(monkeypatch, address: str) -> None:
    """The usual variables, as a person sets them, and nothing of this machine's own."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "GOOGLE_", "AZURE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
