"""Lines of progress where nobody looks at a terminal."""

from __future__ import annotations

import pytest

from xraybatch.cli.console import ConsoleProgress


@pytest.mark.parametrize(
    ("total", "steps", "unit", "said"),
    [
        (1, 1, "films", "reading: 1 of 1 film,"),
        (3, 1, "films", "reading: 1 of 3 films,"),
        (None, 1, "studies", "reading: 1 study,"),
        (None, 1, "MB", "reading: 1 MB,"),
        (None, 2, "films", "reading: 2 films,"),
        (None, 0, "films", "reading, "),
    ],
)
def test_one_film_is_no_films(
    capsys: pytest.CaptureFixture[str], total: int | None, steps: int, unit: str, said: str
) -> None:
    with ConsoleProgress().stage("reading", total, unit) as stage:
        stage.advance(steps)
    assert capsys.readouterr().err.startswith(said)
