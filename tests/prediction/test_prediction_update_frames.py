"""A file of which some frames are done is no finished film: an update or a retry reads it whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from xraybatch.core.status import FilmStatus
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.jobs.reconciling import GO_ON, Wanted
from xraybatch.prediction.rows import Row
from xraybatch.sources.item import Item

FILE = Item("many.tif", "/films/many.tif", 10, 100)


@pytest.mark.parametrize("wanted", [GO_ON, Wanted(update=True), Wanted(failed=True)])
def test_a_file_that_changed_in_the_middle_is_read_whole(tmp_path: Path, wanted: Wanted) -> None:
    """Else a table would hold frames of two files."""
    with Job(tmp_path / "j.job") as job:
        job.begin([FILE], {})
        job.note_frames({0: 3})
        job.write([Row(0, 0, FilmStatus.OK), Row(0, 1, FilmStatus.OK)])
        state = job.reconcile([Item(FILE.key, FILE.path, 11, 200)], wanted)
        assert (state.changed, state.done) == (1, 0)
        assert job.count_rows() == 0
        assert job.begun_items(0, 256) == {}


@pytest.mark.parametrize("wanted", [GO_ON, Wanted(update=True), Wanted(failed=True)])
def test_a_file_that_did_not_change_keeps_its_frames(tmp_path: Path, wanted: Wanted) -> None:
    with Job(tmp_path / "j.job") as job:
        job.begin([FILE], {})
        job.note_frames({0: 3})
        job.write([Row(0, 0, FilmStatus.OK), Row(0, 1, FilmStatus.OK)])
        assert job.reconcile([FILE], wanted).done == 0
        assert job.count_rows() == 2
        assert [item for item, _ in job.pending(0, 256)] == [0]
