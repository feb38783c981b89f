"""A real PACS on loopback: Debian's orthanc with its DICOMweb plugin, and films to put into it."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.prediction.conftest import write_dicom

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "reader", "not-a-secret"
ROOT = "1.2.826.0.1.3680043.8.498.14"
DAYS = [f"202401{day:02d}" for day in range(1, 21)]
CR = "1.2.840.10008.5.1.4.1.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
DX = "1.2.840.10008.5.1.4.1.1.1.1"
FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
SR = "1.2.840.10008.5.1.4.1.1.88.33"


@dataclass
class Orthanc:
    """One that runs."""

    url: str
    start: Callable[[], subprocess.Popen[bytes]]
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"dicomweb+{self.url}/dicom-web"

    @property
    def environment(self) -> dict[str, str]:
        return {"XRAYBATCH_DICOMWEB_USER": USER, "XRAYBATCH_DICOMWEB_PASSWORD": PASSWORD}

    def ask(self, path: str, content: bytes | None = None) -> bytes:
        """Its own interface, which is not DICOMweb."""
        request = urllib.request.Request(f"{self.url}/{path}", data=content)
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request.add_header("Authorization", f"Basic {secret}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return bytes(answer.read())

    def store(self, folder: Path) -> None:
        """Put all files below a folder into it."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.ask("instances", path.read_bytes())

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """With what it holds, where it was."""
        self.process = self.start()
        self.wait()

    def wait(self) -> None:
        """Until it answers."""
        until = time.monotonic() + 60
        while True:
            try:
                self.ask("dicom-web/studies?limit=1")
            except (urllib.error.URLError, OSError) as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    said = self.log.read_text(errors="replace")[-2000:]
                    raise AssertionError(said) from error
                time.sleep(0.05)
            else:
                return


@contextmanager
def running(folder: Path) -> Iterator[Orthanc]:
    """One with an empty archive in `folder`."""
    program = shutil.which("Orthanc")
    if program is None or not PLUGIN.is_file():
        pytest.skip("this machine cannot: no orthanc (apt-get install orthanc orthanc-dicomweb)")
    port = _free_port()
    configuration = {
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    log = folder / "orthanc.log"

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as said:
            command = [str(program), str(folder / "orthanc.json")]
            return subprocess.Popen(command, stdout=said, stderr=said)

    orthanc = Orthanc(f"http://127.0.0.1:{port}", start, log, start())
    try:
        orthanc.wait()
        yield orthanc
    finally:
        orthanc.stop()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def make_films(folder: Path) -> int:
    """200 radiographs of 60 studies, each where its key says; their number."""
    from PIL import Image

    from xraybatch_samples import films_folder

    files = sorted(Path(str(films_folder())).rglob("*.png"))[:40]
    pictures = [np.asarray(Image.open(file).convert("L").resize((48, 64))) for file in files]
    number = 0
    for study in range(60):
        for film in range(4 if study < 20 else 3):
            modality, sop_class = (("DX", DX), ("CR", CR))[film % 2]
            pixels = pictures[number % len(pictures)]
            pixels = np.clip(pixels.astype(int) + number % 7, 0, 255).astype(np.uint8)
            _write(folder, study, film // 2 * 10 + film % 2, film, modality, sop_class, pixels)
            number += 1
    return number


def make_others(folder: Path) -> int:
    """Objects of the same studies that are no radiographs for this purpose; their number."""
    noise = np.arange(64 * 48, dtype=np.uint8).reshape(64, 48)
    for study in range(0, 60, 2):
        _write(folder, study, 50, 0, "CT", CT, noise)
        _write(folder, study, 60, 0, "DX", FOR_PROCESSING, noise)
        _write(folder, study, 70, 0, "SR", SR, noise)
    return 90


def _write(
    folder: Path, study: int, series: int, film: int, modality: str, sop_class: str, pixels: object
) -> None:
    uids = (
        f"{ROOT}.{study}",
        f"{ROOT}.{study}.{series}",
        f"{ROOT}.{study}.{series}.{film}",
    )
    place = folder / "studies" / uids[0] / "series" / uids[1] / "instances" / uids[2]
    write_dicom(
        place,
        pixels,  # type: ignore[arg-type]
        StudyInstanceUID=uids[0],
        SeriesInstanceUID=uids[1],
        SOPInstanceUID=uids[2],
        SOPClassUID=sop_class,
        Modality=modality,
        StudyDate=DAYS[study % len(DAYS)],
        StudyTime="120000",
        AccessionNumber=f"A{study}",
        PatientID=f"P{study // 2}",
        PatientName=f"Muster^{study // 2}",
        BodyPartExamined="KNEE" if study % 3 else "CHEST",
        StudyID=str(study),
        SeriesNumber=series,
        InstanceNumber=film,
    )
