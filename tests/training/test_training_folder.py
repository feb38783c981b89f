from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from xraybatch.core.errors import InputError
from xraybatch.training.folder import run_folder
from xraybatch.training.options import TrainOptions
from xraybatch.training.resume import find_unfinished, write_about

TODAY = date(2026, 11, 21)


def test_a_run_appears_whole_and_is_numbered(empty_folder: Path) -> None:
    for number in (1, 2):
        with run_folder(None, "cnn", TODAY) as (building, final):
            assert building.name.startswith(".")
            (building / "a").write_text("")
            assert not final.exists()
        assert final == Path(f"runs/2026-11-21-cnn-{number}")
        assert sorted(p.name for p in final.iterdir()) == ["a"]


def test_two_runs_at_once_have_folders_of_their_own(empty_folder: Path) -> None:
    with (
        run_folder(None, "cnn", TODAY) as (_, one),
        run_folder(None, "cnn", TODAY) as (_, other),
    ):
        assert one != other


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_was_interrupted_leaves_nothing(
    empty_folder: Path, error: type[BaseException]
) -> None:
    def stopped() -> None:
        with run_folder(None, "cnn", TODAY) as (building, _):
            (building / "a").write_text("")
            raise error

    with pytest.raises(error):
        stopped()
    assert list(Path("runs").iterdir()) == []


def test_a_folder_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    with run_folder(out, "cnn", TODAY) as (building, _):  # an empty folder is as good as none
        (building / "a").write_text("")
    with pytest.raises(InputError, match="not overwritten"), run_folder(out, "cnn", TODAY):
        pass
    (tmp_path / ".other.partial").mkdir()
    with (
        pytest.raises(InputError, match="another run"),
        run_folder(tmp_path / "other", "cnn", TODAY),
    ):
        pass
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="cannot be made"),
        run_folder(tmp_path / "file" / "run", "cnn", TODAY),
    ):
        pass


def test_a_link_to_an_empty_folder_is_filled_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "disk" / "run").mkdir(parents=True)
    (tmp_path / "run").symlink_to(tmp_path / "disk" / "run")
    with run_folder(tmp_path / "run", "cnn", TODAY) as (building, final):
        (building / "a").write_text("")
        assert building.parent == final.parent == tmp_path / "disk"
        with pytest.raises(InputError, match="does not say what it was asked for"):
            find_unfinished(tmp_path / "run")
    assert (tmp_path / "run" / "a").exists()
    (tmp_path / "round").symlink_to(tmp_path / "round")
    with pytest.raises(InputError, match="round"), run_folder(tmp_path / "round", "cnn", TODAY):
        pass


@pytest.mark.parametrize("name", [".", "", "../here", "../link"])
def test_the_current_folder_cannot_become_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    with (
        pytest.raises(InputError, match="the current folder") as caught,
        run_folder(Path(name), "cnn", TODAY),
    ):
        pass
    assert "here/run" in caught.value.hint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["here", "link"]


def test_what_a_kill_left_in_a_finished_run_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    final = tmp_path / "run"
    with run_folder(final, "cnn", TODAY) as (building, _):
        write_about(building, final, TrainOptions("cnn"))
        (building / "a").write_text("")
        (building / "state").mkdir()
        monkeypatch.setattr("xraybatch.training.folder.clear", lambda _: None)  # killed before
    assert sorted(p.name for p in final.iterdir()) == ["a", "lock", "resume.json", "state"]
    with pytest.raises(InputError, match="finished already"):
        find_unfinished(final)
    assert [p.name for p in final.iterdir()] == ["a"]
    (final / "state").mkdir()
    (final / "resume.json").write_text("{}")  # somebody else's
    with pytest.raises(InputError, match="finished already"):
        find_unfinished(final)
    assert (final / "state").is_dir()
