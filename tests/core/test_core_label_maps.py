from __future__ import annotations

import pytest

from xraybatch.core.errors import UsageError
from xraybatch.core.label_maps import map_text, parse_label_map


@pytest.mark.parametrize("text", ["0", "0=a,0=b", "=,=", "a=b,"])
def test_a_label_map_that_says_nothing(text: str) -> None:
    with pytest.raises(UsageError):
        parse_label_map(text)


def test_a_label_map_is_written_as_it_is_read() -> None:
    label_map = {"0": "normal", "1, maybe": "abnormal", 'a "b"': "", "x=y": "b"}
    assert parse_label_map(map_text(label_map)) == label_map
