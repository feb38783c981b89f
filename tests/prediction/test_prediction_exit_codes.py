"""With what `predict` leaves where films have no answer."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.prediction.conftest import Done


@pytest.mark.parametrize(
    ("more", "code"), [((), 3), (("--max-failures", "5"), 3), (("--max-failures", "1"), 4)]
)
def test_no_answer_at_all_is_an_exit_code_and_still_a_table(
    predict: Callable[..., Done], tmp_path: Path, more: tuple[str, ...], code: int
) -> None:
    (tmp_path / "films").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "films" / name).write_bytes(b"")
    done = predict("films", *more)
    assert done.code == code
    assert done.status == {"a.png": "empty", "b.png": "empty"}
    assert done.record["by_status"] == {"empty": 2}
    if code == 3:
        assert "None of 2 films could be classified." in done.said
        assert predict("films", "--overwrite").code == 3


def test_one_answer_is_enough(
    predict: Callable[..., Done], grey_films: Path, tmp_path: Path
) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.png").write_bytes(b"")
    shutil.copy(next(grey_films.rglob("*.png")), tmp_path / "films" / "b.png")
    done = predict("films")
    assert done.code == 0
    assert sorted(done.status.values()) == ["empty", "ok"]
