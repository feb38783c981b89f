"""Reports of films that lie elsewhere: fetched for their headers, each once."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.reports.sr_tables import groups, numbers, read_all, source_of, write_film
from tests.sources.store_servers import BUCKET, credentials, moto, put_folder
from xraybatch.core.errors import InputError
from xraybatch.core.status import FilmError, FilmStatus
from xraybatch.models.model import load_model
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.reading import read_rows
from xraybatch.prediction.record import read_record
from xraybatch.prediction.run import predict_items
from xraybatch.reports.structured.ahead import read_ahead
from xraybatch.reports.structured.write import write_reports
from xraybatch.sources.fetch import AnyFetch, IoOptions
from xraybatch.sources.films import find_films
from xraybatch.sources.item import Item

pytest.importorskip("highdicom", reason="highdicom is not installed: pip install xraybatch[pacs]")


class Shelf:
    """A `Fetch` that counts what is read, and how many reads wait to be taken."""

    threads = 3

    def __init__(self, fails: dict[str, Exception] | None = None) -> None:
        self.read_of: Counter[str] = Counter()
        self._fails = fails or {}
        self._lock = threading.Lock()

    def read(self, path: str, size: int, etag: str, max_bytes: int) -> bytes:
        with self._lock:
            self.read_of[path] += 1
        if path in self._fails:
            raise self._fails[path]
        return path.encode()


def row(number: int, status: str = "ok") -> tuple[dict[str, str], Item]:
    return {"path": str(number), "status": status}, Item(str(number), f"s3://b/{number}", 9, 0)


def test_films_are_read_ahead_in_order_and_frames_once() -> None:
    shelf = Shelf()
    rows = [row(0), row(1), row(1), row(1), row(2, "truncated"), row(3)]
    taken = []
    for one in read_ahead(iter(rows), shelf, 100):
        content = one.reading.wait().bytes_or_error() if one.reading else b""
        taken.append((one.row["path"], content))
        # no further than as many films as may be held
        assert set(shelf.read_of) <= {f"s3://b/{n}" for n in range(len(taken) + shelf.threads)}
    assert [path for path, _ in taken] == ["0", "1", "1", "1", "2", "3"]
    assert taken[3][1] == b"s3://b/1"
    assert shelf.read_of == {"s3://b/0": 1, "s3://b/1": 1, "s3://b/3": 1}


def test_frames_without_an_answer_between_others_cost_no_read_and_lose_none() -> None:
    shelf = Shelf()
    rows = [row(0, "no_answer"), row(0), row(0, "no_answer"), row(0), row(1)]
    found = list(read_ahead(iter(rows), shelf, 100))
    assert [one.reading is not None for one in found] == [False, True, False, True, True]
    assert found[1].reading is found[3].reading
    assert found[3].reading.wait().bytes_or_error() == b"s3://b/0"
    assert found[4].reading.wait().bytes_or_error() == b"s3://b/1"
    assert shelf.read_of == {"s3://b/0": 1, "s3://b/1": 1}


def test_what_fails_fails_its_own_row() -> None:
    shelf = Shelf({"s3://b/1": FilmError(FilmStatus.MISSING, "It is not there.")})
    found = [one.reading for one in read_ahead(iter([row(0), row(1), row(2)]), shelf, 100)]
    with pytest.raises(FilmError, match="not there"):
        found[1].wait().bytes_or_error()
    assert found[2].wait().bytes_or_error() == b"s3://b/2"


def test_what_stops_the_run_is_told() -> None:
    shelf = Shelf({"s3://b/1": InputError("The credentials are expired.")})
    found = [one.reading for one in read_ahead(iter([row(0), row(1)]), shelf, 100)]
    with pytest.raises(InputError, match="expired"):
        found[1].wait()


def test_films_of_a_store_have_reports(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed: xraybatch[cloud]")
    folder = tmp_path / "films"
    write_film(folder / "0.dcm", 0)
    write_film(folder / "1.dcm", 1, 3)
    options = PredictOptions(device="cpu", frames="all")
    io = IoOptions(retries=0)
    with moto() as address:
        credentials(monkeypatch, address)
        put_folder(address, folder, "in/")

        def predict(source: Any, out: Path) -> Any:
            found = find_films([source], io=io)
            model = load_model(tiny_model)
            predict_items(found.items, model, out, options=options, fetch=AnyFetch(io))
            return write_reports(out, read_record(out), model, tmp_path / out.stem, io=io)

        assert predict(f"s3://{BUCKET}/in/", tmp_path / "s3.csv").written == 4
    assert predict(folder, tmp_path / "disk.csv").written == 4
    assert list(read_rows(tmp_path / "s3.csv")) == list(read_rows(tmp_path / "disk.csv"))
    s3, disk = (read_all(tmp_path / one) for one in ("s3", "disk"))
    assert [one.SOPInstanceUID for one in s3] == [one.SOPInstanceUID for one in disk]
    for one, other in zip(s3, disk, strict=True):
        assert source_of(one) == source_of(other)
        assert one.PatientID == other.PatientID
        assert numbers(groups(one)["label"]) == numbers(groups(other)["label"])
