"""A DICOMweb service on loopback that can be told to misbehave, and watches how it is asked."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOUNDARY = "film-boundary"
Answer = Callable[["Handler"], None]


class FakePacs(ThreadingHTTPServer):
    """Studies as ``{study: {series: (tags, {instance: (sop class, bytes)})}}``, and manners."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.studies: dict[str, dict[str, tuple[dict[str, str], dict[str, tuple[str, bytes]]]]] = {}
        self.odd: dict[str, list[Answer]] = defaultdict(list)  # instance → its next answers
        self.everywhere: Answer | None = None
        self.offset_before_filter = False
        self.most_answers: int | None = None
        self.no_whole = False
        self.knows_filters = True
        self.delay = 0.0
        self.begins: list[float] = []
        self.asked: list[str] = []
        self.credentials: set[str] = set()
        self._lock = threading.Lock()
        self._open = self.most_open = 0
        self._over: set[Any] = set()

    @property
    def address(self) -> str:
        return f"dicomweb+http://127.0.0.1:{self.server_address[1]}/dicom-web"

    def add(
        self, study: str, series: str, instance: str, content: bytes = b"DICM", **tags: str
    ) -> str:
        """A film; its address."""
        sop_class = tags.pop("sop_class", "1.2.840.10008.5.1.4.1.1.1.1")
        about = {"Modality": "DX", "StudyDate": "20240105", **tags}
        _, instances = self.studies.setdefault(study, {}).setdefault(series, (about, {}))
        instances[instance] = (sop_class, content)
        return f"{self.address}/studies/{study}/series/{series}/instances/{instance}"

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open += 1
            self.most_open = max(self.most_open, self._open)
        super().process_request(request, client_address)

    def is_over(self, request: Any) -> None:
        """A connection ends: it does with the answer where the client said so before."""
        with self._lock:
            if request not in self._over:
                self._over.add(request)
                self._open -= 1

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.is_over(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that goes away is no fault


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakePacs

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        pacs = self.server
        pacs.begins.append(time.monotonic())
        pacs.asked.append(self.path)
        pacs.credentials.add(self.headers.get("Authorization", ""))
        time.sleep(pacs.delay)
        if self.headers.get("Connection", "").lower() == "close":
            pacs.is_over(self.connection)
        parts = urlsplit(self.path)
        names = parts.path.removeprefix("/dicom-web").strip("/").split("/")
        if pacs.everywhere is not None:
            pacs.everywhere(self)
        elif names[0] not in ("studies", "series"):
            self.answer(404)
        elif len(names) == 6:
            odd = pacs.odd[names[5]]
            (odd.pop(0) if odd else _film(names[1], names[3], names[5]))(self)
        else:
            self._query(names, {k: v[-1] for k, v in parse_qs(parts.query).items()})

    def _query(self, names: list[str], asked: dict[str, str]) -> None:
        limit, offset = asked.pop("limit", None), int(asked.pop("offset", 0))
        asked.pop("includefield", None)
        if limit is None and self.server.no_whole:
            self.answer(400)
            return
        found = [
            (_tags(study, series, about, instances), about)
            for study, all_series in self.server.studies.items()
            for series, (about, instances) in all_series.items()
            if names[0] == "series" or names[1:2] in ([], [study])
        ]
        if "SeriesInstanceUID" in asked:
            wanted = asked.pop("SeriesInstanceUID")
            found = [one for one in found if one[0]["0020000E"]["Value"] == [wanted]]
        if names[-1] == "instances":
            _, instances = self.server.studies[names[1]][names[3]]
            found = [
                ({"00080018": _value(uid), "00080016": _value(sop_class)}, {})
                for uid, (sop_class, _) in instances.items()
            ]
        if self.server.offset_before_filter:
            found = found[offset:]
        found = [
            (tags, about)
            for tags, about in found
            if not self.server.knows_filters
            or all(about.get(word, value) == value for word, value in asked.items())
        ]
        if not self.server.offset_before_filter:
            found = found[offset:]
        most = [int(limit)] if limit else []
        most += [self.server.most_answers] if self.server.most_answers else []
        page = [tags for tags, _ in found[: min(most, default=None)]]
        self.answer(200, json.dumps(page).encode(), "application/dicom+json")

    def answer(
        self, status: int, body: bytes = b"", kind: str = "text/plain", **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def status(number: int, **headers: str) -> Answer:
    """An answer without a film."""
    return lambda handler: handler.answer(number, b"no", **headers)


def multipart(content: bytes) -> bytes:
    """A film as WADO-RS sends it."""
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return head + content + f"\r\n--{BOUNDARY}--".encode()


KIND = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def body(content: bytes, kind: str = KIND) -> Answer:
    """A body as given."""
    return lambda handler: handler.answer(200, content, kind)


def cut(content: bytes) -> Answer:
    """Announces all of it and sends the half."""

    def answer(handler: Handler) -> None:
        whole = multipart(content)
        handler.send_response(200)
        handler.send_header("Content-Type", KIND)
        handler.send_header("Content-Length", str(len(whole)))
        handler.end_headers()
        handler.wfile.write(whole[: len(whole) // 2])
        handler.close_connection = True

    return answer


def drip(seconds: float) -> Answer:
    """A byte every twentieth of a second, for so long."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", KIND)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            handler.wfile.write(b".")
            time.sleep(0.05)
        handler.close_connection = True

    return answer


def drip_words(words: bytes) -> Answer:
    """Such words of a head, and no end of them: a letter every twentieth of a second."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(words)
        for _ in range(400):
            handler.wfile.write(b"x")
            time.sleep(0.05)

    return answer


def hang_up(handler: Handler) -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def _film(study: str, series: str, instance: str) -> Answer:
    def answer(handler: Handler) -> None:
        held = handler.server.studies.get(study, {}).get(series, ({}, {}))[1].get(instance)
        if held is None:
            handler.answer(404)
        else:
            handler.answer(200, multipart(held[1]), KIND)

    return answer


def _tags(
    study: str, series: str, about: dict[str, str], instances: dict[str, Any]
) -> dict[str, Any]:
    known = {"Modality": "00080060", "StudyDate": "00080020", "BodyPartExamined": "00180015"}
    tags = {"0020000D": _value(study), "0020000E": _value(series)}
    tags |= {known[word]: _value(value) for word, value in about.items() if word in known}
    count = about.get("instances", str(len(instances)))
    return tags | ({"00201209": {"vr": "IS", "Value": [int(count)]}} if count else {})


def _value(text: str) -> dict[str, Any]:
    return {"vr": "UI", "Value": [text]}


@contextmanager
def serving() -> Iterator[FakePacs]:
    """A service on a free port, for the time of the block."""
    pacs = FakePacs()
    thread = threading.Thread(target=pacs.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield pacs
    finally:
        pacs.shutdown()
        thread.join()
        pacs.server_close()
