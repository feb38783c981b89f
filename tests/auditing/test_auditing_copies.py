"""From pairs of films to groups, conflicts and leaks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xraybatch.auditing.copies import (
    BYTES,
    PIXELS,
    Link,
    across_parts,
    clusters_of,
    group_copies,
    near_links,
)
from xraybatch.auditing.duplicates import Pair
from xraybatch.auditing.known import Known, nothing_known
from xraybatch.auditing.record import Alike
from xraybatch.reports.audit import alike_words


def known(labels: str, parts: str = "", patients: str = "") -> Known:
    def cells(text: str) -> tuple[str, ...]:
        return tuple(c if c != "." else "" for c in text or "." * len(labels))

    return Known(cells(labels), cells(patients), cells(parts))


def test_what_links_connect_is_one_group() -> None:
    links = [Link(0, 2, BYTES), Link(2, 5, "mirrored", 0.98), Link(3, 4, PIXELS)]
    groups = group_copies(links, known("aabba.", parts="r..te."))
    assert [group.films for group in groups] == [(0, 2, 5), (3, 4)]
    assert groups[0].kinds == (BYTES, "mirrored")
    assert not groups[0].is_exact
    assert groups[0].labels == ("a", "b")
    assert groups[0].is_conflict
    assert not groups[0].is_leak  # the others are in no part
    assert groups[1].is_exact
    assert groups[1].is_leak
    assert groups[1].parts == ("e", "t")


def test_each_kind_says_its_own_pairs_and_its_own_likeness() -> None:
    links = [
        *(Link(0, 1, BYTES), Link(0, 2, BYTES)),
        *(Link(0, 3, "mirrored", 0.9), Link(3, 4, "mirrored", 0.7)),
    ]
    (group,) = group_copies(links, known("....."))
    assert group.alike == (Alike(BYTES, 2, 1.0), Alike("mirrored", 2, 0.7))
    assert alike_words(group.alike) == "2 pairs identical bytes, 2 pairs mirrored 0.70+"
    assert alike_words((Alike("mirrored", 1, 0.83),)) == "mirrored 0.83"


def test_no_label_contradicts_none() -> None:
    (group,) = group_copies([Link(0, 1, BYTES)], known("a."))
    assert not group.is_conflict


def test_pairs_of_some_films_point_at_all() -> None:
    links = near_links([Pair(1, 0, "contrast", 0.9)], [4, 7])
    assert links == [Link(4, 7, "other contrast", 0.9)]


def test_patients_and_copies_make_clusters() -> None:
    numbers = clusters_of(known("......", patients="p.pq.q"), [Link(2, 3, BYTES)])
    assert len({int(numbers[i]) for i in (0, 2, 3, 5)}) == 1
    assert len(set(numbers.tolist())) == 3


def test_patients_across_parts() -> None:
    assert across_parts("ppqq.", ["r", "t", "r", "", "t"]) == [(0, 1)]


@given(
    st.integers(2, 12).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=12),
            st.randoms(),
        )
    )
)
def test_groups_are_a_partition_whatever_the_order(given_) -> None:
    count, pairs, random = given_
    links = [Link(min(p), max(p), BYTES) for p in pairs if p[0] != p[1]]
    groups = group_copies(links, nothing_known(count))
    films = [film for group in groups for film in group.films]
    assert len(films) == len(set(films))
    assert set(films) == {film for link in links for film in (link.first, link.second)}
    random.shuffle(links)
    assert [g.films for g in group_copies(links, nothing_known(count))] == [g.films for g in groups]
