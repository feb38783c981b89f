"""What a run says of itself, for whoever reads it in the morning: standard logging, as JSON lines.

Silent until somebody listens. Nothing of a film or a patient is in it: notes hold counts and names
of settings; of an error, whose sentence may name a file, only its kind and the place it arose.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xraybatch.core.errors import InputError
from xraybatch.core.progress import Progress, Stage

LOGGER = logging.getLogger("xraybatch")
LOGGER.addHandler(logging.NullHandler())

_EVERY = 60.0  # seconds between two lines of a stage that goes on
_open: set[Path] = set()


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Append everything that is logged within the block to `path`, one JSON object a line.

    Each has ``time`` (UTC, ISO 8601), ``seconds`` since the block began, ``kind`` and ``text``.

    Raises
    ------
    InputError
        If the file cannot be opened, or is there and is no log: nothing is appended to a film.
    """
    try:
        _check_is_log(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _JsonLines(path)
    except OSError as error:
        raise InputError(
            f"The log {path} cannot be written: {error.strerror}.", "Choose another --log-file."
        ) from None
    before = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    LOGGER.addHandler(handler)
    _open.add(path.resolve())
    try:
        yield
    finally:
        _open.discard(path.resolve())
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)
        with suppress(OSError):  # a full disk: what could be written is
            handler.close()


def is_open_log(path: Path) -> bool:
    """Whether a log is being written to `path`, so that nothing else may be."""
    return path.resolve() in _open


def _check_is_log(path: Path) -> None:
    if path.exists() and not path.is_file():  # /dev/stderr, a pipe; of a folder opening says it
        return
    try:
        with path.open("rb") as file:
            head = file.readline(1 << 16)
    except FileNotFoundError:
        return
    with suppress(ValueError, TypeError):
        if not head or {"time", "kind"} <= set(json.loads(head)):
            return
    raise InputError(
        f"{path} is there already and is no log: nothing is appended to it.",
        "Choose another --log-file.",
    )


def logged(progress: Progress) -> Progress:
    """A progress that hands everything on to `progress`, and logs it."""
    return progress if isinstance(progress, _Logged) else _Logged(progress)


def log_begin(text: str) -> None:
    """Log what begins."""
    _log("begin", text)


def log_note(sentence: str) -> None:
    """Log what a report says."""
    _log("note", sentence)


def log_result(text: str, **counts: Any) -> None:
    """Log what came out."""
    _log("result", text, **counts)


def log_end(exit_code: int) -> None:
    """Log how it ended."""
    _log("end", f"exit code {exit_code}", exit_code=exit_code)


def log_error(error: BaseException) -> None:
    """Log why it ended: the kind of the error and where it arose.

    Not its sentence, which may name a file, a row of a table, and so a patient; that stands on
    standard error.
    """
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    where = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    _log("error", type(error).__name__, level=logging.ERROR, where=where)


class _Logged:
    """A `Progress` that logs."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner

    @contextmanager
    def stage(self, label: str, total: int | None, unit: str = "films") -> Iterator[Stage]:
        begun = time.monotonic()
        counted = _CountedStage(label, unit, begun)
        with self._inner.stage(label, total, unit) as stage:
            counted.inner = stage
            yield counted
        took = round(time.monotonic() - begun, 3)
        _log("stage", label, done=counted.done, total=total, unit=unit, took=took)

    def note(self, sentence: str) -> None:
        _log("note", sentence)
        self._inner.note(sentence)

    def warn(self, title: str, sentence: str) -> None:
        _log("warning", sentence, level=logging.WARNING, title=title)
        self._inner.warn(title, sentence)


class _CountedStage:
    inner: Stage

    def __init__(self, label: str, unit: str, begun: float) -> None:
        self._label, self._unit, self._said = label, unit, begun
        self.done = 0

    def advance(self, steps: int = 1, detail: str = "") -> None:
        self.done += steps
        self.inner.advance(steps, detail)
        if time.monotonic() - self._said >= _EVERY:
            self._said = time.monotonic()
            _log("under way", self._label, done=self.done, unit=self._unit)


class _JsonLines(logging.FileHandler):
    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self._begun = time.monotonic()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A full disk costs lines of the log, not the run."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "seconds": round(time.monotonic() - self._begun, 3),
            **getattr(record, "said", {"kind": record.levelname.lower()}),
            "text": record.getMessage(),
        }
        return json.dumps(line, ensure_ascii=False)


def _log(kind: str, text: str, *, level: int = logging.INFO, **more: Any) -> None:
    LOGGER.log(level, "%s", text, extra={"said": {"kind": kind, **more}})
