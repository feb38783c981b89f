"""The seam to the imaging libraries: what they throw and what they warn of."""

from __future__ import annotations

import threading
import warnings

import pytest

from xraybatch import FilmError, FilmStatus
from xraybatch.images.faults import one_status


def _warn(module: str) -> None:
    warnings.warn_explicit("an odd header", UserWarning, "reader.py", 1, module=module)


def test_libraries_are_quiet_inside_and_heard_again_outside():
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        with one_status("The file"):
            with one_status("The JPEG"):
                _warn("PIL.JpegImagePlugin")
            _warn("pydicom.valuerep")
            assert len(recorded) == 0
            _warn("somebody.elses")
            assert len(recorded) == 1
        assert warnings.filters == before
        _warn("pydicom.valuerep")
        assert len(recorded) == 2


def test_the_last_thread_out_gives_the_filters_back():
    entered, leave = threading.Event(), threading.Event()

    def read() -> None:
        with one_status("The file"):
            entered.set()
            leave.wait()

    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        other = threading.Thread(target=read)
        with one_status("The file"):
            other.start()
            entered.wait()
        _warn("PIL.Image")  # the other still reads
        assert len(recorded) == 0
        leave.set()
        other.join()
        _warn("PIL.Image")
        assert len(recorded) == 1


def test_filters_come_back_after_an_error():
    before = list(warnings.filters)
    with pytest.raises(FilmError), one_status("The file"):
        raise ValueError("no")
    assert warnings.filters == before


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (EOFError(), FilmStatus.TRUNCATED),
        (MemoryError(), FilmStatus.TOO_LARGE),
        (ValueError("bad table"), FilmStatus.CORRUPT),
        (BaseException("a panic in Rust"), FilmStatus.CORRUPT),
    ],
)
def test_an_error_becomes_a_status_and_a_sentence_of_what_was_known_then(error, status):
    reading = one_status("The file")
    reading.what = "The PNG"
    with pytest.raises(FilmError) as raised, reading:
        raise error
    assert raised.value.status is status
    assert str(raised.value).startswith("The PNG ")
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), FilmError(FilmStatus.EMPTY, "No bytes.")])
def test_an_interruption_and_what_has_a_status_pass(error):
    with pytest.raises(type(error)) as raised, one_status("The file"):
        raise error
    assert raised.value is error


class _Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


def test_an_error_without_text_becomes_a_status_too():
    with pytest.raises(FilmError) as raised, one_status("The PNG"):
        raise _Unprintable
    assert raised.value.status is FilmStatus.CORRUPT
    assert raised.value.sentence == "The PNG is damaged: _Unprintable"


def test_filters_do_not_pile_up_where_another_brings_ours_back():
    with warnings.catch_warnings():
        for _ in range(3):
            seam = one_status("The file")
            seam.__enter__()
            other = warnings.catch_warnings()
            other.__enter__()
            seam.__exit__(None, None, None)
            other.__exit__(None, None, None)  # ours are here again
        before = len(warnings.filters)
        with one_status("The file"):
            assert len(warnings.filters) == before
        assert len(warnings.filters) == before - 1
