"""Any file name survives every form of the table, and no cell of it is executed."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.prediction.conftest import Done, grey_pixels
from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.images.asked import Asked
from xraybatch.models.card import TaskCard
from xraybatch.models.model import load_model
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.publish import publish
from xraybatch.prediction.reading import read_rows
from xraybatch.prediction.rows import NO_FRAME, Columns, Row
from xraybatch.prediction.run import predict_items
from xraybatch.sources.films import find_films
from xraybatch.sources.item import Item
from xraybatch.sources.keys import key_of

EXECUTED = ("=", "+", "-", "@", "\t", "\r")
FORMS = ("csv", "parquet", "jsonl")
HOSTILE = [
    *(b"=HYPERLINK(1).png", b"+1.png", b"-rf.png", b"@SUM(A1).png", b"\t=1.png", b"\r=1.png"),
    *(b"two\nlines.png", b"return\r\nline.png", b"a,b;c.png", b'"quoted".png', b"'.png", b"\\.png"),
    *(b" blank .png", b"caf\xe9.png", b'\xff\xfe\n,".png', "ﬁ 🦴.png".encode(), b"NA", b"007"),
    *(b"file:a.png", b"\xef\xbb\xbfbom.png", b"\x1b[31mred.png", b"\x01\x1f\x7f.png", b"null"),
    *("\u2028\u2029\x85.png".encode(), b"#.png", b"%41.png", b"1e5", b"{}.png", b"path"),
]
TASK = TaskCard(Task("label", TaskKind.MULTICLASS, ("a", "b", "c")))


def file_name(key: str) -> bytes:
    """The file that a key names, as `docs/results.md` has it."""
    if key.startswith("file:"):
        return unquote_to_bytes(key.removeprefix("file:"))
    return key.removeprefix("./").encode()


def cells_of(path: Path) -> Iterator[list[str | None]]:
    """All cells by a library that is not ours, text as it is, None for an empty one."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            for row in list(csv.reader(file))[1:]:
                yield [cell or None for cell in row]
    elif path.suffix == ".parquet":
        for row in pq.read_table(path).to_pylist():
            yield [None if value is None else str(value) for value in row.values()]
    else:
        for line in path.read_bytes().split(b"\n")[:-1]:
            yield [None if v is None else str(v) for v in json.loads(line).values()]


def published(place: Path, rows: dict[bytes, Row], form: str) -> Path:
    """A table of these rows, by file name; `place` is left as it was but for the table."""
    named = sorted((key_of(os.fsdecode(name)), name) for name in rows)
    columns = Columns([TASK], seen=False, asked=Asked(tags=("ImageComments",)))
    out = place / f"r.{form}"
    with Job(place / "j.job") as job:
        job.begin([Item(key, os.fsdecode(name), 1, 1) for key, name in named], {})
        given = enumerate(rows[name] for _, name in named)
        job.write([Row(i, NO_FRAME, *_rest(row)) for i, row in given])
        publish(job, columns, out)
    (place / "j.job").unlink()
    return out


def _rest(row: Row) -> tuple[object, ...]:
    return row.status, row.error, row.values, row.seen, row.notes, row.told


name_bytes = st.binary(min_size=1, max_size=20).filter(
    lambda name: (
        not {b"\0", b"/"} & {name[i : i + 1] for i in range(len(name))}
        and name not in (b".", b"..")
    )
)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
hostile_names = st.one_of(name_bytes, st.sampled_from(HOSTILE), words.map(str.encode).filter(
    lambda name: name and b"/" not in name and name not in (b".", b"..")
))  # fmt: skip
said = st.one_of(words, st.builds(str.__add__, st.sampled_from(EXECUTED), words))
table_rows = st.dictionaries(hostile_names, st.tuples(said, said), min_size=1, max_size=8)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(dict.fromkeys(HOSTILE, ("=1+1", "@SUM(A1)")))
@given(table_rows)
def test_names_survive_and_no_cell_is_executed(
    tmp_path: Path, form: str, given_rows: dict[bytes, tuple[str, str]]
) -> None:
    values = np.float32([0.1, 0.7, 0.2]).tobytes()
    rows = {
        name: Row(0, 0, FilmStatus.CORRUPT, why or "why")
        if i % 2
        else Row(0, 0, FilmStatus.OK, "", values, told={"ImageComments": comment})
        for i, (name, (why, comment)) in enumerate(given_rows.items())
    }
    out = published(tmp_path, rows, form)
    cells = list(cells_of(out))
    keys = [str(row[0]) for row in cells]
    assert sorted(map(file_name, keys)) == sorted(rows)
    assert keys == sorted(keys, key=str.encode)
    assert [row["path"] for row in read_rows(out)] == keys
    for row in cells:
        assert not any(cell.startswith(EXECUTED) for cell in row if cell)
        expected = rows[file_name(str(row[0]))]
        assert row[1] == expected.status
        assert (row[-1] or "").endswith(expected.error)
    out.unlink()


@pytest.mark.parametrize("form", FORMS)
def test_pandas_reads_every_name_as_it_is(tmp_path: Path, form: str) -> None:
    out = published(tmp_path, {n: Row(0, 0, FilmStatus.EMPTY, "why") for n in HOSTILE}, form)
    read: dict[str, Callable[[Path], pd.DataFrame]] = {
        "csv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False),
        "parquet": pd.read_parquet,
        "jsonl": lambda path: pd.read_json(path, lines=True, dtype=False),
    }
    assert sorted(map(file_name, read[form](out)["path"])) == sorted(HOSTILE)


@pytest.mark.parametrize("form", FORMS)
def test_files_of_such_names_are_read_and_have_their_answer(
    tiny_model: Path, tmp_path: Path, form: str
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for number, name in enumerate(HOSTILE):
        with open(os.path.join(os.fsencode(films), name), "wb") as file:
            Image.fromarray(grey_pixels(number)).save(file, format="PNG")
    out = tmp_path / f"r.{form}"
    items = find_films([films]).items
    predict_items(items, load_model(tiny_model), out, options=PredictOptions(device="cpu"))
    rows = list(read_rows(out))
    assert sorted(file_name(row["path"]) for row in rows) == sorted(HOSTILE)
    assert {row["status"] for row in rows} == {"ok"}


READER = """
from xraybatch import FilmError, FilmStatus, ImageReader, hookimpl

@hookimpl
def register_image_readers():
    return [ImageReader("sayer", "for tests", (".say",), lambda head: head[:4] == b"SAY ", read)]

def read(file, limits, frame):
    said = {b"SAY formula": "=HYPERLINK(1)", b"SAY surrogate": "no \\udcff",
            b"SAY nothing": "", b"SAY zero": "a\\0b\\nc"}[file.read()]
    raise FilmError(FilmStatus.CORRUPT, said)
"""


def test_whatever_a_stranger_s_reader_says_is_a_sentence_in_a_cell(
    predict: Callable[..., Done],
    install_plugin: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    site = install_plugin("xb-sayer", "sayer", "sayer_reader", READER)["PYTHONPATH"]
    path = (site, os.environ.get("PYTHONPATH"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
    films = tmp_path / "films"
    films.mkdir()
    for word in ("formula", "surrogate", "nothing", "zero"):
        (films / f"{word}.say").write_text(f"SAY {word}")
    Image.fromarray(grey_pixels(0)).save(films / "good.png")
    done = predict("films", "--workers", "1")
    assert done.code == 0, done.said
    assert done.status == {path.name: "corrupt" for path in films.glob("*.say")} | {
        "good.png": "ok"
    }
    said = {row["path"]: row["error"] for row in done.rows}
    assert "HYPERLINK" in said["formula.say"]
    assert not any(cell.startswith(EXECUTED) for row in done.rows for cell in row.values())
