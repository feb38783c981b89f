from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraybatch.core.errors import InputError
from xraybatch.core.tables import read_table

ROWS = "path{0}label{0}patient\na b.png{0}NA{0}007\nc.png{0}0{0}\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_text_stays_text(tmp_path: Path, delimiter: str, encoding: str, line_end: str) -> None:
    path = tmp_path / "labels.csv"
    text = ROWS.format(delimiter).replace("c.png", "Knie_rechts_ü.png").replace("\n", line_end)
    path.write_bytes(text.encode(encoding))
    table = read_table(path)
    assert table.to_dict("list") == {
        "path": ["a b.png", "Knie_rechts_ü.png"],
        "label": ["NA", "0"],
        "patient": ["007", ""],
    }


def test_parquet_gives_the_same_text_as_csv(tmp_path: Path) -> None:
    import pandas as pd

    values = np.array([0.1, 1 / 3, 1e-8], np.float32)
    frame = pd.DataFrame(
        {"path": ["a", "b", "c"], "n": [1, 2, 3], "p": values, "x": [1.0, None, 3.0]}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert list(table["n"]) == ["1", "2", "3"]
    assert list(table["x"]) == ["1", "", "3"]
    assert [np.float32(text) for text in table["p"]] == list(values)
    assert table["p"][0] == "0.1"


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"path": "a", "p": 0.25, "e": null}\n\n{"path": "b", "p": 1}\n')
    assert read_table(path).to_dict("list") == {
        "path": ["a", "b"],
        "p": ["0.25", "1"],
        "e": ["", ""],
    }


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0")), min_size=1, max_size=8
    )
)
def test_what_a_csv_writer_wrote_is_read_back(cells: list[str]) -> None:
    import csv
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "value"])
            writer.writerows([["x", cell] for cell in cells])
        assert list(read_table(path)["value"]) == cells


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"path,label,label\na,b,c\n", "twice"),
        (b"path,label\na,b,c,d\n", "not a table"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "not a text table"),
        ("path,label\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_what_is_no_table_is_one_clear_error(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_table(path)


def test_a_missing_table_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(InputError, match="folder"):
        read_table(tmp_path)
    (tmp_path / "no.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="not a Parquet"):
        read_table(tmp_path / "no.parquet")
    (tmp_path / "no.jsonl").write_bytes(b"{")
    with pytest.raises(InputError, match="line 1"):
        read_table(tmp_path / "no.jsonl")
