"""What a run says of itself, for whoever reads it in the morning: standard logging, as JSON lines.

Silent until somebody listens. Nothing of a film or a patient is in it: notes hold counts and names
of settings, and what stands in quotes in an error, which may be a path, is left out.
"""

from __future__ import annotations

import json
import logging
import re
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xraybatch.core.errors import InputError, XraybatchError
from xraybatch.core.progress import Progress, Stage

LOGGER = logging.getLogger("xraybatch")
LOGGER.addHandler(logging.NullHandler())

_EVERY = 60.0  # seconds between two lines of a stage that goes on
_QUOTED = re.compile(r"'[^']*'")


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Append everything that is logged within the block to `path`, one JSON object a line.

    Each has ``time`` (UTC, ISO 8601), ``seconds`` since the block began, ``kind`` and ``text``.

    Raises
    ------
    InputError
        If the file cannot be opened.
    """
    try:
        handler = _JsonLines(path, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"The log {path} cannot be written: {error.strerror}.", "Choose another --log-file."
        ) from None
    before = LOGGER.level
    LOGGER.setLevel(logging.INFO)
    LOGGER.addHandler(handler)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)
        handler.close()


def logged(progress: Progress) -> Progress:
    """A progress that hands everything on to `progress`, and logs it."""
    return progress if isinstance(progress, _Logged) else _Logged(progress)


def log_begin(text: str) -> None:
    """Log what begins."""
    _log("begin", text)


def log_result(text: str, **counts: Any) -> None:
    """Log what came out."""
    _log("result", text, **counts)


def log_end(exit_code: int) -> None:
    """Log how it ended."""
    _log("end", f"exit code {exit_code}", exit_code=exit_code)


def log_error(error: BaseException) -> None:
    """Log why it ended: the sentence of an error that is meant for a person, else where it arose.

    Names in quotes are left out, and so is the text of a foreign exception.
    """
    if isinstance(error, XraybatchError):
        text = _QUOTED.sub("'…'", str(error))
        _log("error", text, level=logging.ERROR, error=type(error).__name__)
        return
    where = [
        f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)
    ]
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
    def __init__(self, path: Path, encoding: str) -> None:
        super().__init__(path, encoding=encoding)
        self._begun = time.monotonic()

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
