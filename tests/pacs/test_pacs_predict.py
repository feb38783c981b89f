"""The command, with several decoding processes, over a service that misbehaves."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.pacs.fake_dicomweb import FakePacs, cut, status
from tests.prediction.conftest import grey_pixels, predict, write_dicom
from xraybatch.sources.item import Item
from xraybatch.sources.manifest import write_manifest

__all__ = ["predict"]

FILMS = 48


@pytest.fixture
def manifest(pacs: FakePacs, tmp_path: Path) -> Path:
    items = []
    for number in range(FILMS):
        uid = f"3.{100 + number}"
        path = write_dicom(tmp_path / "one.dcm", grey_pixels(number), SOPInstanceUID=uid)
        address = pacs.add("1.1", "2.1", uid, path.read_bytes())
        items.append(Item(address.partition("/dicom-web/")[2], address, 0, 0))
    write_manifest(items, tmp_path / "films.parquet")
    return tmp_path / "films.parquet"


@pytest.mark.skipif(sys.platform != "linux", reason="connections of several processes")
def test_all_processes_together_are_polite_and_each_film_has_its_status(
    pacs: FakePacs, manifest: Path, predict: Callable[..., Any]
) -> None:
    pacs.delay = 0.02
    pacs.odd["3.103"] = [status(404)]
    pacs.odd["3.107"] = [status(403)]
    pacs.odd["3.111"] = [status(503)] * 2
    pacs.odd["3.120"] = [status(503, Retry_After="1")]
    pacs.odd["3.130"] = [cut(b"film" * 1000)] * 2
    pacs.odd["3.140"] = [cut(b"film" * 1000)]
    done = predict("--manifest", manifest, "--workers", 3, "--io-retries", 1)
    assert done.code == 0, done.said
    found = {path.rpartition("/")[2]: status for path, status in done.status.items()}
    assert len(found) == FILMS
    assert {uid: status for uid, status in found.items() if status != "ok"} == {
        "3.103": "missing",
        "3.107": "forbidden",
        "3.111": "unavailable",
        "3.130": "unavailable",
    }
    assert pacs.most_open <= 2
    refused = next(i for i, path in enumerate(pacs.asked) if path.endswith("/3.120"))
    # nobody began for a second, but for those who had begun before the answer came
    after = pacs.begins[refused:]
    assert max(late - early for early, late in pairwise(after)) >= 0.7

    again = predict("--manifest", manifest, "--retry-failed")
    assert again.code == 0, again.said
    assert again.record["by_status"] == {"ok": FILMS}


def test_films_that_were_forbidden_by_refused_credentials_are_tried_again(
    pacs: FakePacs, manifest: Path, predict: Callable[..., Any]
) -> None:
    pacs.everywhere = status(403)
    done = predict("--manifest", manifest, "--workers", 1, "--io-threads", 1)
    assert done.code == 3
    assert "does not accept the credentials (403)" in done.said
    assert not done.out.exists()
    pacs.everywhere = None
    again = predict("--manifest", manifest)
    assert again.code == 0, again.said
    assert again.record["by_status"] == {"ok": FILMS}


def test_an_address_of_a_pacs_is_listed_first(predict: Callable[..., Any], pacs: FakePacs) -> None:
    done = predict(pacs.address)
    assert done.code == 2
    assert "xraybatch list" in done.said
    assert pacs.asked == []


def test_without_encryption_only_this_machine_is_asked(
    predict: Callable[..., Any], tmp_path: Path
) -> None:
    address = "dicomweb+http://pacs.invalid/dicom-web/studies/1.1/series/2.1/instances/3.1"
    write_manifest([Item("studies/1.1", address, 0, 0)], tmp_path / "films.parquet")
    done = predict("--manifest", "films.parquet")
    assert done.code == 2
    assert "--allow-http" in done.said
    assert not done.out.exists()
