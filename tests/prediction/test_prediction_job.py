from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from xraybatch.core.errors import InputError
from xraybatch.core.status import FilmStatus
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.rows import Row
from xraybatch.sources.item import Item

ITEMS = [Item(f"film{i:03d}.png", f"/films/film{i:03d}.png", 10, 100) for i in range(10)]


def row(item: int) -> Row:
    return Row(item, 0, FilmStatus.OK, "", np.float32([0.1, 0.9]).tobytes(), None)


def test_items_wait_until_they_have_their_row(tmp_path: Path) -> None:
    with Job(tmp_path / "j.job") as job:
        job.begin(ITEMS, {"model": "m"})
        assert [i for i, _ in job.pending(0, 4)] == [0, 1, 2, 3]
        job.write([row(1), row(2), row(2)])
        assert [i for i, _ in job.pending(0, 4)] == [0, 3]
        assert (job.count(), job.count_done()) == (10, 2)


def test_a_job_opened_again_knows_all(tmp_path: Path) -> None:
    with Job(tmp_path / "j.job") as job:
        job.begin(ITEMS, {"model": "m"})
        job.write([row(3)])
    with Job(tmp_path / "j.job") as job:
        assert job.begun
        assert not job.published
        assert job.identity == {"model": "m"}
        assert [r for _, r in job.results()] == [row(3)]


def test_notes_come_back_as_they_were(tmp_path: Path) -> None:
    from dataclasses import replace

    noted = replace(row(3), notes=("one\u2028line\x1c", "another"))
    with Job(tmp_path / "j.job") as job:
        job.begin(ITEMS, {"model": "m"})
        job.write([noted])
        assert [r for _, r in job.results()] == [noted]


def test_two_runs_on_one_output_are_an_error(tmp_path: Path) -> None:
    with Job(tmp_path / "j.job"), pytest.raises(InputError, match="Another run"):
        Job(tmp_path / "j.job")
    Job(tmp_path / "j.job").close()


def test_what_was_not_committed_is_not_there(tmp_path: Path) -> None:
    with Job(tmp_path / "j.job") as job:
        job.begin(ITEMS, {})
        with pytest.raises(sqlite3.Error):
            job.write([row(1), Row(None, 0, FilmStatus.OK)])  # type: ignore[arg-type]
        assert job.count_done() == 0


def test_found_now_is_compared_with_the_jobs_list(tmp_path: Path) -> None:
    with Job(tmp_path / "j.job") as job:
        job.begin(ITEMS, {})
        job.write([row(i) for i in range(10)])
        changed = Item(ITEMS[4].key, ITEMS[4].path, 11, 100)
        new = Item("new.png", "/films/new.png", 1, 1)
        state = job.reconcile([*ITEMS[1:4], changed, *ITEMS[5:], new])
        assert (state.done, state.new, state.vanished, state.changed) == (9, 1, 1, 1)
        assert [i for i, _ in job.pending(0, 256)] == [4]


def test_results_come_in_the_order_of_the_paths_bytes(tmp_path: Path) -> None:
    keys = ["b", "B", "a/é", "a/z", "a-b", "\U0001f600", "\uffee"]
    with Job(tmp_path / "j.job") as job:
        job.begin([Item(key, key, 0, 0) for key in keys], {})
        job.write([row(i) for i in range(len(keys))])
        assert [key for key, _ in job.results()] == sorted(keys, key=lambda k: k.encode())


def test_a_path_that_is_no_utf8_survives(tmp_path: Path) -> None:
    path = b"/films/\xff.png".decode("utf-8", "surrogateescape")
    with Job(tmp_path / "j.job") as job:
        job.begin([Item("file:%FF.png", path, 0, 0)], {})
        assert job.pending(0, 1)[0][1].path == path


def test_a_file_that_is_no_job_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j.job").write_bytes(b"not a database at all" * 100)
    with pytest.raises(InputError, match="no state of a run"):
        Job(tmp_path / "j.job")
