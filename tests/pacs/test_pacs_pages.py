from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from xraybatch.core.errors import InputError
from xraybatch.sources.dicomweb.pages import Answer, NotTaken, every_answer

EVERY = [{"name": number} for number in range(1234)]


def name(answer: Answer) -> object:
    return answer["name"]


def service(
    *,
    most: int | None = None,
    offset_before_filter: bool = False,
    knows_offset: bool = True,
    takes_whole: bool = True,
) -> Callable[[int | None, int], Sequence[Answer]]:
    """Answers as services do."""

    def ask(limit: int | None, offset: int) -> Sequence[Answer]:
        if limit is None and not takes_whole:
            raise NotTaken
        if not knows_offset:
            offset = 0
        # the fault: the offset counts what the filter throws away, too
        fits = EVERY[offset * (2 if offset_before_filter else 1) :]
        return fits[: min(x for x in (limit, most, len(fits)) if x is not None)]

    return ask


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"most": 100},
        {"most": 1},
        {"takes_whole": False},
        {"most": 7, "takes_whole": False},
        {"knows_offset": False},
    ],
)
def test_every_answer_is_found_once(odd: dict[str, object]) -> None:
    found = every_answer(service(**odd), name)  # type: ignore[arg-type]
    assert [name(answer) for answer in found.all] == list(range(1234))


def test_answers_that_no_page_has_are_found_without_pages_and_counted() -> None:
    found = every_answer(service(offset_before_filter=True), name)
    assert sorted(map(int, map(str, map(name, found.all)))) == list(range(1234))
    assert found.lost_by_pages == 500  # its second page began at the thousandth


def test_pages_that_do_not_fit_together_are_not_believed() -> None:
    # the fault of the offset, and nothing that would say how many there are
    with pytest.raises(InputError, match="do not fit together"):
        every_answer(service(offset_before_filter=True, takes_whole=False), name)


def test_a_service_that_shuffles_is_not_believed_or_whole() -> None:
    chance = random.Random(3)

    def ask(limit: int | None, offset: int) -> Sequence[Answer]:
        mixed = chance.sample(EVERY, len(EVERY))
        return mixed[offset:][:limit]

    found = every_answer(ask, name)
    assert len(found.all) == len(EVERY)
    assert found.lost_by_pages > 0


def test_nothing_is_believed_only_when_it_was_asked_without_pages() -> None:
    asked: list[int | None] = []

    def ask(limit: int | None, offset: int) -> Sequence[Answer]:
        asked.append(limit)
        return [] if limit is not None else EVERY[:3]

    assert len(every_answer(ask, name).all) == 3
    assert every_answer(lambda limit, offset: [], name).all == []


def test_a_count_that_was_told_before_saves_the_confirmation() -> None:
    asked: list[tuple[int | None, int]] = []

    def ask(limit: int | None, offset: int) -> Sequence[Answer]:
        asked.append((limit, offset))
        return EVERY[:3][offset:]

    assert len(every_answer(ask, name, expected=3).all) == 3
    assert None not in [limit for limit, _ in asked]
    every_answer(ask, name, expected=4)
    assert None in [limit for limit, _ in asked]
