from __future__ import annotations

import pytest

from xraybatch.core.errors import UsageError
from xraybatch.sources.dicomweb.address import Place, parse_address

SERVICE = "dicomweb+https://pacs.example.org/dicom-web"


def test_an_address_names_a_service_a_study_a_series_or_an_instance() -> None:
    service = "https://pacs.example.org/dicom-web"
    assert parse_address(SERVICE + "/") == Place(service)
    assert parse_address(f"{SERVICE}/studies/1.2") == Place(service, "1.2")
    assert parse_address(f"{SERVICE}/studies/1.2/series/3.4") == Place(service, "1.2", "3.4")
    film = f"{SERVICE}/studies/1.2/series/3.4/instances/5.6"
    place = parse_address(film)
    assert place == Place(service, "1.2", "3.4", "5.6")
    assert place.address == film
    assert place.key == "studies/1.2/series/3.4/instances/5.6"
    assert place.host == "pacs.example.org"


@pytest.mark.parametrize(
    "address",
    [
        "dicomweb+https:///dicom-web",
        "dicomweb+https://host:0/dicom-web",
        "dicomweb+https://host:port/dicom-web",
        "dicomweb+ftp://host/dicom-web",
        f"{SERVICE}/studies/..",
        f"{SERVICE}/studies/1.2/series/..",
        f"{SERVICE}/studies/1.2/series/3/instances/4%2F5",
        f"{SERVICE}/studies/{'1' * 65}",
        f"{SERVICE}?token=secret",
        f"{SERVICE}#top",
        "dicomweb+https://host/dicom web",
        "dicomweb+https://höst/",
    ],
)
def test_what_is_no_address_is_refused_without_its_query(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(address)
    assert "secret" not in str(caught.value)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="user name or password") as caught:
        parse_address("dicomweb+https://doctor:hunter2@host/dicom-web")
    assert "hunter2" not in str(caught.value)
    assert "XRAYBATCH_DICOMWEB_PASSWORD" in caught.value.hint


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8042", "127.5.0.1", "[::1]:8042"])
def test_without_encryption_only_this_machine_is_asked(host: str) -> None:
    assert parse_address(f"dicomweb+http://{host}/dicom-web").host == host


@pytest.mark.parametrize("host", ["pacs", "10.0.0.1", "localhost.example.org", "[::2]"])
def test_without_encryption_others_are_asked_only_when_that_is_allowed(host: str) -> None:
    address = f"dicomweb+http://{host}/dicom-web"
    with pytest.raises(UsageError, match="not encrypted") as caught:
        parse_address(address)
    assert "--allow-http" in caught.value.hint
    assert parse_address(address, allow_http=True).service == f"http://{host}/dicom-web"
