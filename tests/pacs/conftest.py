"""A DICOMweb service that can be told to misbehave."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pacs.fake_dicomweb import FakePacs, serving


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "USER", "PASSWORD"):
        monkeypatch.delenv(f"XRAYBATCH_DICOMWEB_{name}", raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NETRC", "/dev/null")


@pytest.fixture
def pacs() -> Iterator[FakePacs]:
    with serving() as service:
        yield service
