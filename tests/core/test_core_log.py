"""The log: a JSON line for everything that is said, and no name of a film or patient in it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from xraybatch.core.errors import InputError
from xraybatch.core.log import LOGGER, log_begin, log_end, log_error, log_to, logged
from xraybatch.core.progress import SILENT


class Told:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[object] = []

    stage = SILENT.stage

    def note(self, sentence: str) -> None:
        self.said.append(sentence)

    def warn(self, title: str, sentence: str) -> None:
        self.said.append((title, sentence))


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_everything_said_is_a_line_and_goes_on_to_the_person(tmp_path: Path) -> None:
    told, log = Told(), tmp_path / "log.jsonl"
    progress = logged(told)
    assert logged(progress) is progress  # not twice
    with log_to(log):
        log_begin("xraybatch")
        with progress.stage("decoding", 3) as stage:
            stage.advance(2)
            stage.advance()
        progress.note("A note.")
        progress.warn("Title", "A warning: ä.")
        log_error(InputError("The film 'MUELLER^HANS.png' is bad.", "Look into 'films/MUELLER'."))
        log_error(KeyError("MUELLER^HANS"))
        log_end(3)
    progress.note("Not any more.")
    lines = lines_of(log)
    kinds = ["begin", "stage", "note", "warning", "error", "error", "end"]
    assert [line["kind"] for line in lines] == kinds
    assert (lines[1]["text"], lines[1]["done"], lines[1]["total"]) == ("decoding", 3, 3)
    assert lines[3]["title"] == "Title"
    assert lines[4]["text"] == "InputError"
    assert lines[5]["text"] == "KeyError"
    assert lines[6]["exit_code"] == 3
    assert all(str(line["time"]).endswith("+00:00") for line in lines)
    assert "MUELLER" not in log.read_text()
    assert told.said == ["A note.", ("Title", "A warning: ä."), "Not any more."]


def test_a_log_is_appended_to_and_put_away(tmp_path: Path) -> None:
    before = list(LOGGER.handlers), LOGGER.level
    for _ in range(2):
        with log_to(tmp_path / "log.jsonl"):
            log_begin("once")
    assert len(lines_of(tmp_path / "log.jsonl")) == 2
    assert (LOGGER.handlers, LOGGER.level) == before


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="log"), log_to(tmp_path / "file" / "log.jsonl"):
        pass


@pytest.mark.parametrize("content", [b"\x89PNG\r\n", b"path,label\na,b\n", b"[1]\n", b"{}\n"])
def test_nothing_is_appended_to_what_is_no_log(tmp_path: Path, content: bytes) -> None:
    film = tmp_path / "film.png"
    film.write_bytes(content)
    with pytest.raises(InputError, match="is no log"), log_to(film):
        pass
    assert film.read_bytes() == content


def test_a_full_disk_costs_lines_and_not_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with log_to(Path("/dev/full")):
        log_begin("x" * 100_000)
        log_end(0)
    assert capfd.readouterr() == ("", "")


def test_silent_until_somebody_listens(capfd: pytest.CaptureFixture[str]) -> None:
    logged(SILENT).warn("Title", "A warning.")
    assert capfd.readouterr() == ("", "")
    assert any(isinstance(handler, logging.NullHandler) for handler in LOGGER.handlers)
