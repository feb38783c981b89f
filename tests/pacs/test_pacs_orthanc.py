"""200 films of 60 studies in a real PACS: listed, predicted, interrupted, gone on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pacs.orthanc import DAYS, ROOT, Orthanc, make_films, make_others, running
from xraybatch.sources.dicomweb import pages as dicomweb_pages
from xraybatch.sources.manifest import open_manifest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Debian's orthanc")

# the command, but it commits often and says aloud how far it is
TELLING = """
import sys
from xraybatch.prediction import dispatch
from xraybatch.prediction.jobs.job import Job
dispatch._COMMIT_SECONDS = 0.05
write = Job.write
def counted(job, rows):
    write(job, rows)
    print(job.count_done(), flush=True)
Job.write = counted
from xraybatch.cli.app import main
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    assert make_films(folder) == 200
    return folder


@pytest.fixture(scope="module")
def orthanc(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    others = tmp_path_factory.mktemp("others")
    assert make_others(others) == 90
    with running(tmp_path_factory.mktemp("orthanc")) as service:
        service.store(films)
        service.store(others)
        yield service


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path, tiny_model: Path, orthanc: Orthanc) -> Run:
    """Run a command in the test's folder, with the credentials that are right."""

    def command(*arguments: object, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "xraybatch", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **orthanc.environment, "TMPDIR": str(tmp_path), **changes},
            capture_output=True,
            text=True,
            timeout=180,
        )

    return command


@pytest.fixture(scope="module")
def manifest(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all 200 films."""
    out = tmp_path_factory.mktemp("listed") / "films.parquet"
    command = [sys.executable, "-m", "xraybatch", "list", orthanc.address, "--manifest", str(out)]
    subprocess.run(
        [*command, *_MONTH], env={**os.environ, **orthanc.environment}, check=True, timeout=180
    )
    return out


_MONTH = ("--modality", "DX,CR", "--study-date", f"{DAYS[0]}-{DAYS[-1]}")


@pytest.fixture(scope="module")
def from_disk(
    films: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The tables of the same films, read from disk."""
    folder = tmp_path_factory.mktemp("from_disk")
    tables = {}
    for suffix in ("csv", "parquet"):
        out = folder / f"r.{suffix}"
        subprocess.run(
            [sys.executable, "-m", "xraybatch", "predict", films, "--out", out, *_with(tiny_model)],
            check=True,
            capture_output=True,
            timeout=180,
        )
        tables[suffix] = out.read_bytes()
    return tables


def _with(model: Path) -> tuple[object, ...]:
    return ("--model", model, "--device", "cpu", "--tags", "Modality,BodyPartExamined")


def test_all_films_are_listed_and_nothing_else(
    run: Run, manifest: Path, films: Path, orthanc: Orthanc, tmp_path: Path
) -> None:
    found = open_manifest(manifest)
    on_disk = sorted(
        path.relative_to(films).as_posix() for path in films.rglob("*") if path.is_file()
    )
    assert [item.key for item in found] == on_disk
    assert {item.path for item in found} == {f"{orthanc.address}/{key}" for key in on_disk}
    assert found.skipped == {"Digital X-Ray Image Storage - For Processing": 30}
    for options, wanted in (
        (("--study-date", f"{DAYS[3]}-{DAYS[4]}"), {3, 4, 23, 24, 43, 44}),
        (("--study-date", DAYS[3], "--body-part", "CHEST"), {3}),
    ):
        some = tmp_path / "some.parquet"
        done = run("list", orthanc.address, *options, "--manifest", some, "--overwrite")
        assert done.returncode == 0, done.stderr
        studies = {int(item.key.split("/")[1].rpartition(".")[2]) for item in open_manifest(some)}
        assert studies == wanted


def test_the_query_that_loses_studies_loses_none_here(
    orthanc: Orthanc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Studies by ModalitiesInStudy, which we do not ask for: orthanc 1.10 turns no page of it."""
    monkeypatch.setattr(dicomweb_pages, "PAGE", 7)

    def ask(limit: int | None, offset: int) -> list[dict[str, Any]]:
        pages = "" if limit is None else f"&limit={limit}&offset={offset}"
        said = orthanc.ask(f"dicom-web/studies?ModalitiesInStudy=DX{pages}")
        return list(json.loads(said or b"[]"))

    found = dicomweb_pages.every_answer(ask, lambda study: study["0020000D"]["Value"][0])
    assert len(found.all) == 60


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_table_is_that_of_the_files(
    run: Run,
    manifest: Path,
    tiny_model: Path,
    from_disk: dict[str, bytes],
    tmp_path: Path,
    suffix: str,
) -> None:
    out = tmp_path / f"r.{suffix}"
    log = tmp_path / "log.jsonl"
    done = run(
        *("predict", "--manifest", manifest, "--out", out, *_with(tiny_model)),
        *("--log-file", log),
    )
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == from_disk[suffix]
    record = json.loads((tmp_path / f"r.{suffix}.run.json").read_text())
    assert record["by_status"] == {"ok": 200}
    assert record["skipped"] == {"Digital X-Ray Image Storage - For Processing": 30}
    assert list(tmp_path.glob("xraybatch-turns-*")) == []
    for path in (manifest, *tmp_path.rglob("*")):  # with job, record, table, log
        if path.is_file():
            assert b"not-a-secret" not in path.read_bytes()
    assert ROOT not in log.read_text()
    assert ROOT not in done.stdout + done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_goes_on_and_ends_in_the_same_bytes(
    manifest: Path,
    orthanc: Orthanc,
    tiny_model: Path,
    from_disk: dict[str, bytes],
    tmp_path: Path,
    how: signal.Signals,
) -> None:
    out = tmp_path / "r.csv"
    command = [
        *(sys.executable, "-c", TELLING, "predict", "--manifest", str(manifest)),
        *("--out", str(out), *map(str, _with(tiny_model)), "--rate", "60"),
    ]
    chance = random.Random(how)
    ends = []
    for attempt in range(3):
        process = subprocess.Popen(
            command,
            env={**os.environ, **orthanc.environment, "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert process.stdout is not None
        until = 40 + 60 * attempt + chance.randrange(30)
        for line in process.stdout:
            if attempt < 2 and line.strip().isdigit() and int(line) >= until:
                process.send_signal(how)
                break
        process.stdout.read()
        process.stdout.close()
        ends.append(process.wait(60))
    stopped = 5 if how is signal.SIGINT else -signal.SIGKILL
    assert ends == [stopped, stopped, 0]
    assert out.read_bytes() == from_disk["csv"]


def test_wrong_credentials_are_one_line(
    run: Run, manifest: Path, orthanc: Orthanc, tiny_model: Path, tmp_path: Path
) -> None:
    for command in (
        ("list", orthanc.address, *_MONTH, "--manifest", tmp_path / "other.parquet"),
        ("predict", "--manifest", manifest, "--out", tmp_path / "r.csv", *_with(tiny_model)),
    ):
        done = run(*command, XRAYBATCH_DICOMWEB_PASSWORD="wrong")
        assert done.returncode == 3
        assert "does not accept the credentials (401)" in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
        assert "wrong" not in done.stderr
    assert not (tmp_path / "r.csv").exists()
    right = run("predict", "--manifest", manifest, "--out", tmp_path / "r.csv", *_with(tiny_model))
    assert right.returncode == 0, right.stderr


def test_an_unknown_study_is_one_line(run: Run, orthanc: Orthanc, tmp_path: Path) -> None:
    done = run("list", f"{orthanc.address}/studies/1.2.3.4", "--manifest", tmp_path / "m.parquet")
    assert done.returncode == 3
    assert "knows no such study" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "m.parquet").exists()


def test_a_server_that_is_stopped_is_one_line_and_the_run_goes_on_later(
    films: Path, tiny_model: Path, tmp_path: Path
) -> None:
    study = films / "studies" / f"{ROOT}.0"
    (tmp_path / "orthanc").mkdir()
    with running(tmp_path / "orthanc") as service:
        service.store(study)
        environment = {**os.environ, **service.environment, "TMPDIR": str(tmp_path)}
        manifest, out = tmp_path / "m.parquet", tmp_path / "r.csv"

        def run(*arguments: object) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "xraybatch", *map(str, arguments)],
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
            )

        address = f"{service.address}/studies/{ROOT}.0"
        assert run("list", address, "--manifest", manifest).returncode == 0
        service.stop()
        predict = ("predict", "--manifest", manifest, "--out", out, *_with(tiny_model))
        for command in (("list", address, "--manifest", tmp_path / "n.parquet"), predict):
            done = run(*command, "--io-retries", "1")
            assert done.returncode == 3
            assert "cannot be reached: connection refused" in " ".join(done.stderr.split())
            assert "Traceback" not in done.stderr
        assert not out.exists()
        service.start_again()
        assert run(*predict).returncode == 0
    run("predict", study, "--out", tmp_path / "d.csv", *_with(tiny_model))
    from_disk = (tmp_path / "d.csv").read_text()
    assert out.read_text() == from_disk.replace("series/", f"studies/{ROOT}.0/series/")
