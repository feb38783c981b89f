from __future__ import annotations

import sys
from pathlib import Path

import pytest

from xraybatch import FilmError
from xraybatch.images.decode import decode

sys.path.append(str(Path(__file__).parent))  # decoding processes import from here, too
from fuzz import RULE, damaged, fuzz, seeds


@pytest.mark.parametrize("kind", sorted(seeds()))
def test_seeds_are_whole_films(kind):
    try:
        film = decode(seeds()[kind], RULE)
    except FilmError as error:
        if "codec" not in error.sentence:
            raise
        pytest.skip(error.sentence)
    assert film.pixels.std() > 0


def test_damage_is_repeated_by_its_number():
    assert damaged(0, 17) == damaged(0, 17)
    assert damaged(0, 17) != damaged(0, 18)
    assert damaged(1, 17) != damaged(0, 17)


def test_damaged_films_end_as_films_or_statuses():
    run = fuzz(500, 1)
    assert run.findings == []
    assert sum(run.statuses.values()) == 500
    assert any(outcome.endswith(" ok") for outcome in run.statuses)


@pytest.mark.soak
def test_twenty_thousand_damaged_films_end_as_films_or_statuses():
    run = fuzz(20_000, 0)
    assert run.findings == []
    assert sum(run.statuses.values()) == 20_000
