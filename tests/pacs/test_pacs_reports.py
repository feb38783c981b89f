"""Results back into the archive: reports stored by STOW-RS and found again by a query."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread

from tests.pacs.orthanc import DAYS, PASSWORD, USER, Orthanc, make_films, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Debian's orthanc")


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    (tmp_path / "films").mkdir()
    (tmp_path / "orthanc").mkdir()
    assert make_films(tmp_path / "films") == 200
    with running(tmp_path / "orthanc") as service:
        service.store(tmp_path / "films")
        yield service


def _client(orthanc: Orthanc) -> DICOMwebClient:
    session = requests.Session()
    session.trust_env = False
    session.auth = (USER, PASSWORD)
    return DICOMwebClient(f"{orthanc.url}/dicom-web", session=session)


def _reports(client: DICOMwebClient) -> dict[str, str]:
    """Reports that a query finds: instance → study."""
    found = client.search_for_instances(search_filters={"Modality": "SR"})
    return {one["00080018"]["Value"][0]: one["0020000D"]["Value"][0] for one in found}


def test_reports_of_200_films_are_stored_once_and_found_again(
    orthanc: Orthanc, tiny_model: Path, tmp_path: Path
) -> None:
    def run(*arguments: object) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "xraybatch", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **orthanc.environment, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def store() -> None:
        files = sorted((tmp_path / "reports").rglob("*.dcm"))
        assert len(files) == 200
        for begin in range(0, 200, 50):
            client.store_instances([dcmread(path) for path in files[begin : begin + 50]])

    client = _client(orthanc)
    run("list", orthanc.address, "--study-date", f"{DAYS[0]}-{DAYS[-1]}", "--manifest", "f.parquet")
    run("predict", "--manifest", "f.parquet", "--out", "r.csv", "--model", tiny_model)
    report = ("sr", "r.csv", "--model", tiny_model, "--out", "reports")
    run(*report)
    assert _reports(client) == {}
    store()
    stored = _reports(client)
    headers = [dcmread(path) for path in (tmp_path / "reports").rglob("*.dcm")]
    assert stored == {str(h.SOPInstanceUID): str(h.StudyInstanceUID) for h in headers}
    assert len(set(stored.values())) == 60
    # the films are found as before, and no report among them
    run(
        *("list", orthanc.address, "--study-date", f"{DAYS[0]}-{DAYS[-1]}"),
        *("--manifest", "again.parquet"),
    )
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "f.parquet").read_bytes()

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "reports").rglob("*")}
    run(*report)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "reports").rglob("*")} == before
    store()
    assert _reports(client) == stored
