"""Plugins of others, installed as they would be, under the real command line.

Seven hostile ones, of which none may harm anything but itself; and the one that the documents tell
a stranger to write.
"""

from __future__ import annotations

import csv
import importlib.resources
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = ROOT / "tests" / "extension" / "hostile"
HATCHLING = '\n[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'

Run = Callable[..., "subprocess.CompletedProcess[str]"]

needs_keras = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)


def install(target: Path, *projects: Path) -> Path:
    """Install projects into a folder of its own, as pip does and without a net."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    only = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    done = subprocess.run([*pip, *only, *map(str, projects)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def runner(site: Path, folder: Path) -> Run:
    """The command line, run in `folder` with what is installed in `site` beside everything else."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "xraybatch", *arguments]
        environment = os.environ | {"PYTHONPATH": str(site), "COLUMNS": "200"} | variables
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    run.site, run.folder = str(site), folder
    return run


# ── seven hostile strangers ────────────────────────────────────────────────────────────────────

# owner → words of the reason that it is listed with
BROKEN = {
    "xb-missing:missing": "ModuleNotFoundError: No module named 'a_library_that_nobody_has'",
    "xb-exit:exit": "SystemExit: 3",
    "xb-misspelt:misspelt": "unknown hook register_architecture. "
    "Did you mean 'register_architectures'?",
    "xb-arguments:arguments": "registrar",
    "xb-late:late": "RuntimeError: the licence server does not answer",
}


@pytest.fixture(scope="module")
def among_hostile(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The command line with all seven installed."""
    sources = tmp_path_factory.mktemp("sources") / "hostile"
    shutil.copytree(HOSTILE, sources)  # building leaves nothing in the tree
    projects = sorted(path.parent for path in sources.glob("*/pyproject.toml"))
    assert len(projects) == 7
    site = install(tmp_path_factory.mktemp("site"), *projects)
    return runner(site, tmp_path_factory.mktemp("work"))


def test_each_is_listed_with_its_reason_and_the_exit_code_is_0(among_hostile: Run) -> None:
    done = among_hostile("plugins", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["owner"]: row for row in json.loads(done.stdout)}
    ours = [owner.startswith("xraybatch:") for owner in rows]
    assert ours == sorted(ours, reverse=True), "ours are not loaded first"
    for owner, words in BROKEN.items():
        assert rows[owner]["status"] == "broken", owner
        assert words in rows[owner]["reason"], owner
    for owner in ("xb-shadow:narrow", "xb-clash:clash", "xraybatch:narrow", "xraybatch:readers"):
        assert rows[owner]["status"] == "ok"
    assert [r["name"] for r in rows["xraybatch:narrow"]["records"]] == ["narrow"]
    shown = among_hostile("plugins")
    assert shown.returncode == 0
    assert all(owner in shown.stdout for owner in BROKEN)


def test_none_of_them_harms_help_or_prediction(among_hostile: Run, tmp_path: Path) -> None:
    from xraybatch_samples import films_folder

    done = among_hostile("--help")
    assert (done.returncode, done.stderr) == (0, "")
    with importlib.resources.as_file(films_folder()) as folder:
        films = sorted((folder / "P002").iterdir())
        shutil.copytree(folder / "P002", tmp_path / "films")
    out = tmp_path / "results.csv"
    done = among_hostile("predict", str(tmp_path / "films"), "--out", str(out))
    assert done.returncode == 0, done.stderr
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [film.name for film in films]
    assert {row["status"] for row in rows} == {"ok"}


def test_a_clash_is_refused_naming_both_and_the_way_out(among_hostile: Run) -> None:
    for arguments in (["train", "--plugin", "narrow"], ["plugins", "--test", "narrow"]):
        done = among_hostile(*arguments)
        assert done.returncode == 3
        for words in ("'xraybatch:narrow'", "'xb-clash:clash'", "XRAYBATCH_BLOCK=xb-clash:clash"):
            assert words in done.stderr
    assert not (among_hostile.folder / "runs").exists()


@pytest.mark.train
@needs_keras
def test_the_way_out_trains_the_network_that_was_asked_for(
    among_hostile: Run, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    small = ("--epochs", "1", "--image-size", "64", "--weights", "none")
    done = among_hostile(
        *("train", "--plugin", "narrow", "--out", str(run), *small),
        XRAYBATCH_BLOCK="xb-clash:clash",
    )
    assert done.returncode == 0, done.stderr
    shown = among_hostile("inspect", str(run), "--json")
    assert json.loads(shown.stdout)["plugin"]["owner"] == "xraybatch:narrow"


def test_a_broken_plugin_cannot_be_tested_and_the_reason_is_said(among_hostile: Run) -> None:
    for name in ("xb-exit:exit", "xb-exit", "exit"):
        done = among_hostile("plugins", "--test", name)
        assert done.returncode == 3, done.stderr
        assert "SystemExit: 3" in done.stderr
    done = among_hostile("plugins", "--test", "xb-shadow:narrow")
    assert done.returncode == 2
    assert "registers nothing" in done.stderr
    done = among_hostile("plugins", "--test", "resnet5")
    assert done.returncode == 2
    assert "'resnet50'" in done.stderr
    assert "xb-missing:missing" in done.stderr


# ── the stranger of plugins/README.md ──────────────────────────────────────────────────────────


def blocks_of(readme: Path, language: str) -> list[str]:
    """The fenced blocks of a language, literally."""
    text = readme.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def project_of(folder: Path) -> Path:
    """The project of plugins/README.md, as a stranger would copy it."""
    readme = ROOT / "plugins" / "README.md"
    (pyproject,) = blocks_of(readme, "toml")
    module, suite = blocks_of(readme, "python")
    if importlib.util.find_spec("setuptools") is None:  # what pip falls back on, and fetches
        pyproject += HATCHLING
    (folder / "tests").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(pyproject)
    (folder / "my_networks.py").write_text(module)
    (folder / "tests" / "test_my_networks.py").write_text(suite)
    return folder


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path, Path]:
    """The command line with the README's package installed; where it works; its source."""
    project = project_of(tmp_path_factory.mktemp("stranger") / "my-networks")
    work = tmp_path_factory.mktemp("work")
    site = install(tmp_path_factory.mktemp("site"), project)
    return runner(site, work), work, project


def test_the_strangers_plugin_is_listed(stranger: tuple[Run, Path, Path]) -> None:
    done = stranger[0]("plugins", "architecture", "--json")
    (row,) = [row for row in json.loads(done.stdout) if row["owner"] == "my-networks:mine"]
    assert (row["status"], row["records"][0]["name"]) == ("ok", "mine")


@pytest.mark.train
@needs_keras
def test_the_strangers_plugin_passes_its_suite(stranger: tuple[Run, Path, Path]) -> None:
    done = stranger[0]("plugins", "--test", "mine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "architecture mine (my-networks:mine)" in done.stdout
    assert "failed" not in done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.train
@needs_keras
def test_the_strangers_suite_in_pytest_is_collected(stranger: tuple[Run, Path, Path]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    light = ["-k", "imports or record or options", "tests"]
    run, _, project = stranger
    done = subprocess.run(
        [*command, *light],
        cwd=project,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": run.site},
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.train
@needs_keras
def test_the_strangers_network_is_trained_and_predicts(stranger: tuple[Run, Path, Path]) -> None:
    run, work, _ = stranger
    small = ("--epochs", "1", "--image-size", "64", "-O", "filters=8")
    done = run("train", "--plugin", "mine", "--out", "run", *small)
    assert done.returncode == 0, done.stderr
    run("sample", "films")
    done = run("predict", "films", "--model", "run", "--out", "results.csv")
    assert done.returncode == 0, done.stderr
    record = json.loads((work / "results.csv.run.json").read_text())
    assert record["card"]["plugin"] == {
        "name": "mine",
        "owner": "my-networks:mine",
        "options": {"filters": 8},
    }
    with (work / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = (work / "films" / "labels.csv").read_text().splitlines()
    assert len(rows) == len(labels) - 1
    assert {row["status"] for row in rows} == {"ok"}
