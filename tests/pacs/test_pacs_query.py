from __future__ import annotations

import pytest

from xraybatch.core.errors import UsageError
from xraybatch.sources.dicomweb.query import parse_codes, parse_days, parse_sop_classes

CR = "1.2.840.10008.5.1.4.1.1.1"
DX = "1.2.840.10008.5.1.4.1.1.1.1"
FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"


def test_days_are_those_of_the_calendar() -> None:
    assert parse_days("20240131") == ("20240131",)
    assert parse_days("20240227-20240302") == (
        *("20240227", "20240228", "20240229"),
        *("20240301", "20240302"),
    )
    assert len(parse_days("20200101-20231231")) == 4 * 365 + 1


@pytest.mark.parametrize("text", ["", "2024", "20240230", "2024-01-01", "20240101-", "-20240101"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no day"):
        parse_days(text)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(UsageError, match="ends before"):
        parse_days("20240102-20240101")


def test_codes_are_written_large_and_have_no_wildcards() -> None:
    assert parse_codes("dx, CR", "--modality") == ("DX", "CR")
    for text in ("*", "D?", "", "DX,,CR", "DX\\CR", "a&b"):
        with pytest.raises(UsageError):
            parse_codes(text, "--modality")


def test_kinds_of_object_are_added_by_uid_or_by_name() -> None:
    assert parse_sop_classes(()) == {CR, DX}
    assert parse_sop_classes((FOR_PROCESSING, "1.2.3")) == {CR, DX, FOR_PROCESSING, "1.2.3"}
    by_name = parse_sop_classes(("DigitalXRayImageStorageForProcessing",))
    assert by_name == {CR, DX, FOR_PROCESSING}


def test_a_mistyped_kind_of_object_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match="DigitalXRayImageStorageForProcessing"):
        parse_sop_classes(("DigitalXrayImageStorageForProcesing",))
