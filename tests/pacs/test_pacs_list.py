"""The films of a service that answers queries in its own way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.pacs.fake_dicomweb import FakePacs, body, status
from xraybatch.core.errors import InputError, UsageError
from xraybatch.sources.dicomweb.address import parse_address
from xraybatch.sources.dicomweb.listing import list_instances
from xraybatch.sources.dicomweb.manners import Manners
from xraybatch.sources.dicomweb.query import Query
from xraybatch.sources.discover import Discovery

CT = "1.2.840.10008.5.1.4.1.1.2"
FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
DAYS = ("20240104", "20240105", "20240106")


class Told:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def stage(self, *_: object, **__: object) -> Any:
        from xraybatch.core.progress import SILENT

        return SILENT.stage("", None)

    def note(self, sentence: str) -> None:
        self.said.append(sentence)

    def warn(self, title: str, sentence: str) -> None:
        self.said.append(f"{title}: {sentence}")


@pytest.fixture(autouse=True)
def own_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xraybatch.sources.dicomweb.http._FIRST_WAIT", 0.01)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def listed(pacs: FakePacs, where: str = "", told: Told | None = None, **query: Any) -> Discovery:
    query.setdefault("days", DAYS)
    return list_instances(
        parse_address(pacs.address + where),
        Query(**query),
        Manners(timeout=5, retries=1),
        progress=told or Told(),
    )


def keys(found: Discovery) -> list[str]:
    return [item.key for item in found.items]


def fill(pacs: FakePacs, studies: int = 30) -> list[str]:
    """Studies of one DX, one CR and, between them, several CT series; the keys to be found."""
    wanted = []
    for study in range(studies):
        day = DAYS[study % 3]
        for number, modality in enumerate(("CT", "DX", "CT", "CT", "CR")):
            for instance in range(1 + study % 2):
                name = (f"1.{study}", f"2.{study}.{number}", f"3.{study}.{number}.{instance}")
                sop_class = {"CT": CT, "CR": "1.2.840.10008.5.1.4.1.1.1"}.get(modality)
                tags = {"sop_class": sop_class} if sop_class else {}
                pacs.add(*name, Modality=modality, StudyDate=day, **tags)
                if modality != "CT":
                    wanted.append("studies/{}/series/{}/instances/{}".format(*name))
    return sorted(wanted)


def test_films_are_found_with_their_addresses_in_the_order_of_their_keys(pacs: FakePacs) -> None:
    wanted = fill(pacs)
    told = Told()
    found = listed(pacs, told=told)
    assert keys(found) == wanted
    assert {(i.path, i.size, i.mtime_ns) for i in found.items} == {
        (f"{pacs.address}/{key}", 0, 0) for key in wanted
    }
    assert told.said == ["The PACS names 90 films in 30 studies with 60 series."]


@pytest.mark.parametrize(
    "odd",
    [
        {"most_answers": 3},
        {"most_answers": 3, "no_whole": True},
        {"offset_before_filter": True},
        {"offset_before_filter": True, "most_answers": None},
    ],
)
def test_no_study_is_lost_by_a_service_that_pages_in_its_own_way(
    pacs: FakePacs, odd: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xraybatch.sources.dicomweb.pages.PAGE", 4)
    wanted = fill(pacs)
    for name, value in odd.items():
        setattr(pacs, name, value)
    told = Told()
    assert keys(listed(pacs, told=told)) == wanted
    assert any("turn its pages" in said for said in told.said) == ("offset_before_filter" in odd)


def test_pages_that_lose_and_cannot_be_checked_stop_the_list(
    pacs: FakePacs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xraybatch.sources.dicomweb.pages.PAGE", 4)
    fill(pacs)
    pacs.offset_before_filter = pacs.no_whole = True
    with pytest.raises(InputError, match="do not fit together"):
        listed(pacs)


def test_a_service_that_knows_no_filters_is_filtered_here(pacs: FakePacs) -> None:
    pacs.add("1.1", "2.1", "3.1", BodyPartExamined="CHEST")
    pacs.add("1.1", "2.2", "3.2", BodyPartExamined="HAND")
    pacs.add("1.1", "2.3", "3.3")
    pacs.add("1.2", "2.4", "3.4", Modality="CT", BodyPartExamined="CHEST")
    pacs.add("1.3", "2.5", "3.5", StudyDate="20200101", BodyPartExamined="CHEST")
    pacs.knows_filters = False
    found = listed(pacs, modalities=("DX",), days=DAYS[1:2], body_parts=("CHEST",))
    # what says nothing of its body part is not thrown away
    assert [item.key.split("/")[-1] for item in found.items] == ["3.1", "3.3"]
    assert found.skipped == {"series that does not fit the query": 3}


def test_what_is_no_radiograph_is_left_out_and_counted(pacs: FakePacs) -> None:
    pacs.add("1.1", "2.1", "3.1")
    pacs.add("1.1", "2.1", "3.2", sop_class=FOR_PROCESSING)
    pacs.add("1.1", "2.1", "3.3", sop_class=SECONDARY_CAPTURE)
    pacs.add("1.1", "2.1", "3.4", sop_class="1.2.3.4")
    found = listed(pacs)
    assert keys(found) == ["studies/1.1/series/2.1/instances/3.1"]
    assert found.skipped == {
        "Digital X-Ray Image Storage - For Processing": 1,
        "Secondary Capture Image Storage": 1,
        "objects of the class 1.2.3.4": 1,
    }
    more = listed(pacs, sop_classes=frozenset({FOR_PROCESSING}))
    assert keys(more) == ["studies/1.1/series/2.1/instances/3.2"]


@pytest.mark.parametrize("uid", ["../../etc", "1.2\n3", "", "1" * 65, "1.2/instances/9", "a"])
def test_a_uid_that_is_none_is_never_asked_for(pacs: FakePacs, uid: str) -> None:
    pacs.add("1.1", "2.1", "3.1")
    pacs.add("1.1", "2.1", uid)
    pacs.add("1.2", uid, "3.2")
    found = listed(pacs)
    assert keys(found) == ["studies/1.1/series/2.1/instances/3.1"]
    assert sum(found.skipped.values()) == 2


def test_counts_that_differ_are_told(pacs: FakePacs) -> None:
    pacs.add("1.1", "2.1", "3.1", instances="7")
    told = Told()
    assert len(listed(pacs, told=told).items) == 1
    assert any("hold 7 instances, and names 1" in said for said in told.said)


def test_a_service_that_does_not_count_is_asked_all_the_same(pacs: FakePacs) -> None:
    pacs.add("1.1", "2.1", "3.1", instances="0")
    pacs.add("1.1", "2.1", "3.2")
    told = Told()
    assert len(listed(pacs, told=told).items) == 2
    assert not any("Counts" in said for said in told.said)


def test_one_study_and_one_series_need_no_date(pacs: FakePacs) -> None:
    fill(pacs)
    study = listed(pacs, "/studies/1.7", days=())
    assert {key.split("/")[1] for key in keys(study)} == {"1.7"}
    assert len(study.items) == 4
    series = listed(pacs, "/studies/1.7/series/2.7.4", days=())
    assert {key.split("/")[3] for key in keys(series)} == {"2.7.4"}


def test_an_unknown_study_is_one_sentence(pacs: FakePacs) -> None:
    fill(pacs)
    with pytest.raises(InputError, match="knows no such study") as caught:
        listed(pacs, "/studies/9.9.9", days=())
    assert "9.9.9" not in str(caught.value)


def test_no_film_is_an_error_that_says_what_was_there(pacs: FakePacs) -> None:
    pacs.add("1.1", "2.1", "3.1", sop_class=SECONDARY_CAPTURE)
    with pytest.raises(InputError, match="1 Secondary Capture Image Storage") as caught:
        listed(pacs)
    assert "--sop-class" in caught.value.hint
    with pytest.raises(InputError, match="no film among 0 studies"):
        listed(pacs, days=("19990101",))


def test_a_whole_pacs_is_not_asked_for(pacs: FakePacs) -> None:
    with pytest.raises(UsageError, match="Which days"):
        listed(pacs, days=())
    assert pacs.asked == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (status(401), "does not accept the credentials"),
        (status(403), "does not accept the credentials"),
        (status(404), "no DICOMweb service"),
        (status(400), "answers a query with 400"),
        (status(503), "answers a query with 503"),
        (body(b"<html>", "text/html"), "no DICOM JSON"),
        (body(b'["x"]', "application/dicom+json"), "no DICOM JSON"),
        (body(b"7", "application/dicom+json"), "no DICOM JSON"),
        (body(b"[" * 100_000, "application/dicom+json"), "no DICOM JSON"),
    ],
)
def test_what_is_no_answer_is_one_sentence(pacs: FakePacs, answer: Any, said: str) -> None:
    pacs.everywhere = answer
    with pytest.raises(InputError, match=said):
        listed(pacs)


@pytest.mark.parametrize(
    "answer",
    [b'[{"0020000D": 7}]', b'[{"0020000D": {"Value": {"a": 1}}}]', b'[{"0020000E": null}]'],
)
def test_odd_answers_are_left_out(pacs: FakePacs, answer: bytes) -> None:
    pacs.everywhere = body(answer, "application/dicom+json")
    with pytest.raises(InputError, match="no film"):
        listed(pacs)


def test_no_more_connections_are_open_than_allowed(pacs: FakePacs) -> None:
    fill(pacs)
    pacs.delay = 0.002
    listed(pacs)
    assert pacs.most_open == 2
