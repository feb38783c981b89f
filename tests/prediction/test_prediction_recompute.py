"""inspect --recompute: an old table holds to the last bit, or it is said how it does not."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.prediction.conftest import grey_pixels, write_dicom
from tests.sources.store_servers import BUCKET, Misbehaving, credentials
from xraybatch.cli.inspect import command
from xraybatch.core.errors import BarMissed, InputError, ModelError, UsageError
from xraybatch.models.model import load_model
from xraybatch.prediction import recomputing, run
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.reading import is_results, read_rows
from xraybatch.prediction.recomputing import Recomputed, evenly_at_random, recompute
from xraybatch.prediction.record import read_record, write_record
from xraybatch.prediction.run import predict_items
from xraybatch.sources.fetch import AnyFetch, IoOptions
from xraybatch.sources.films import find_films


def predict(model: Path, films: Path, out: Path, **options: object) -> Path:
    chosen = PredictOptions(device="cpu", **options)  # type: ignore[arg-type]
    predict_items(find_films([films]).items, load_model(model), out, options=chosen)
    return out


@pytest.fixture
def films(grey_films: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    shutil.copytree(grey_films / "b b", folder)
    (folder / "empty.png").touch()
    return folder


def again(table: Path, model: Path, count: int = 1000, **options: object) -> Recomputed:
    return recompute(table, read_record(table), load_model(model), count, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_a_table_holds_to_the_last_bit(
    tiny_model: Path, films: Path, tmp_path: Path, suffix: str
) -> None:
    table = predict(tiny_model, films, tmp_path / f"r.{suffix}")
    assert is_results(table)
    found = again(table, tiny_model)
    total = len(list(films.iterdir()))
    assert (found.rows, found.recomputed, found.same) == (total, total, total)
    assert found.holds
    assert found.largest_difference == 0
    assert not found.elsewhere


def test_every_form_is_read_as_the_same_rows(tiny_model: Path, films: Path, tmp_path: Path) -> None:
    forms = [
        list(read_rows(predict(tiny_model, films, tmp_path / f"r.{suffix}")))
        for suffix in ("csv", "parquet", "jsonl")
    ]
    assert forms[0] == forms[1] == forms[2]
    with (tmp_path / "r.csv").open(newline="", encoding="utf-8") as file:
        assert forms[0] == list(csv.DictReader(file))


def test_what_changed_is_counted(tiny_model: Path, films: Path, tmp_path: Path) -> None:
    table = predict(tiny_model, films, tmp_path / "r.csv")
    some = sorted(films.glob("film*.png"))
    Image.fromarray(np.full((40, 36), 250, np.uint8)).save(some[0])  # another picture
    some[1].write_bytes(some[1].read_bytes()[:200])
    some[2].unlink()
    shutil.copy(some[3], films / "empty.png")
    found = again(table, tiny_model)
    assert not found.holds
    assert found.different == 4
    assert found.changed_statuses == {
        "ok → truncated": 1,
        "ok → unreadable": 1,
        "empty → ok": 1,
    }
    assert 0 < found.largest_difference <= 1
    assert found.films_changed == 3
    assert found.films_missing == 1
    assert found.examples == sorted([*(p.name for p in some[:3]), "empty.png"])


def test_a_cell_that_was_changed_is_found(tiny_model: Path, films: Path, tmp_path: Path) -> None:
    table = predict(tiny_model, films, tmp_path / "r.csv")
    rows = [*csv.reader(table.open(newline="", encoding="utf-8"))]
    number, label = rows[0].index("prob.normal"), rows[0].index("label")
    changed = [row for row in rows if row[1] == "ok"][:2]
    changed[0][number] = str(np.nextafter(np.float32(changed[0][number]), np.float32(2)))
    changed[1][label] = "normal" if changed[1][label] != "normal" else "osteopenia"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    found = again(table, tiny_model)
    assert found.different == 2
    assert found.changed_classes == 1
    assert found.examples == [row[0] for row in changed]
    assert "not byte for byte" in found.notes[0]


def test_a_record_of_an_earlier_version_is_read(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    table = predict(tiny_model, films, tmp_path / "r.csv")
    path = tmp_path / "r.csv.run.json"
    told = json.loads(path.read_text())
    for later in ("bottleneck", "unlike", "mixed"):
        del told[later]
    path.write_text(json.dumps(told))
    assert again(table, tiny_model, 3).holds


def test_a_cell_that_is_no_number_any_more_is_found(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    table = predict(tiny_model, films, tmp_path / "r.csv")
    rows = [*csv.reader(table.open(newline="", encoding="utf-8"))]
    changed = next(row for row in rows if row[1] == "ok")
    changed[rows[0].index("prob.normal")] = "0,5"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    found = again(table, tiny_model)
    assert (found.different, found.examples) == (1, [changed[0]])


def test_a_table_without_its_columns_is_one_sentence(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    table = predict(tiny_model, films, tmp_path / "r.jsonl")
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, '{"status": "ok"}']))
    with pytest.raises(InputError, match="no results table"):
        again(table, tiny_model)
    table.write_text("\n".join(line.replace('"path"', '"frame": "x", "path"') for line in lines))
    with pytest.raises(InputError, match="'x' is no number of a frame"):
        again(table, tiny_model)


def test_on_another_machine_the_last_bits_may_differ_and_no_more(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    table = predict(tiny_model, films, tmp_path / "r.csv")
    rows = [*csv.reader(table.open(newline="", encoding="utf-8"))]
    number = rows[0].index("prob.normal")
    changed = [row for row in rows if row[1] == "ok"][:2]
    changed[0][number] = str(np.nextafter(np.float32(changed[0][number]), np.float32(2)))
    changed[1][number] = str(np.float32(changed[1][number]) + np.float32(0.01))
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    record = read_record(table)
    versions = {**record.versions, "numpy": "1.0"}
    write_record(replace(record, processor="z80", versions=versions), table)
    found = again(table, tiny_model)
    assert (found.close, found.different) == (1, 1)
    assert any("it was z80" in sentence for sentence in found.elsewhere)
    assert any("it was 1.0" in sentence for sentence in found.elsewhere)


def test_rows_of_several_machines_are_not_held_to_the_last_bit(
    tiny_model: Path, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun here, brought up to date elsewhere and here again: each record says that they mix."""
    table = predict(tiny_model, films, tmp_path / "r.csv")
    assert not read_record(table).mixed
    real = run.identity_of
    for number, processor in enumerate(("z80", "")):
        shutil.copy(films / "empty.png", films / f"{number}.png")
        other = {"processor": processor} if processor else {}
        monkeypatch.setattr(run, "identity_of", lambda *given, o=other: {**real(*given), **o})
        predict(tiny_model, films, table, update=True)
        record = read_record(table)
        assert record.mixed
        assert any("to the last bit" in note for note in record.notes)
    rows = [*csv.reader(table.open(newline="", encoding="utf-8"))]
    changed = next(row for row in rows if row[1] == "ok")
    number = rows[0].index("prob.normal")
    changed[number] = str(np.nextafter(np.float32(changed[number]), np.float32(2)))
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    found = again(table, tiny_model)
    assert (found.close, found.different) == (1, 0)
    assert any("another processor" in sentence for sentence in found.elsewhere)


def test_what_depended_on_the_day_decides_nothing(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    (films / "link.png").symlink_to(tmp_path / "share.png")
    table = predict(tiny_model, films, tmp_path / "r.csv")
    shutil.copy(next(films.glob("film*.png")), tmp_path / "share.png")
    found = again(table, tiny_model)
    assert found.undecided == 1
    assert found.holds


def test_films_that_were_moved_are_named(tiny_model: Path, films: Path, tmp_path: Path) -> None:
    table = predict(tiny_model, films, tmp_path / "r.csv")
    moved = films.rename(tmp_path / "moved")
    assert not again(table, tiny_model).holds
    assert again(table, tiny_model, films=[moved]).holds
    (tmp_path / "r.csv.job").unlink()
    with pytest.raises(InputError, match="--films"):
        again(table, tiny_model)
    assert again(table, tiny_model, films=[moved]).holds
    (tmp_path / "other").mkdir()
    shutil.copy(moved / "empty.png", tmp_path / "other" / "other.png")
    with pytest.raises(InputError, match="None of the rows"):
        again(table, tiny_model, films=[tmp_path / "other"])


def test_frames_are_compared_one_by_one(tiny_model: Path, tmp_path: Path) -> None:
    films = tmp_path / "films"
    write_dicom(films / "many.dcm", grey_pixels(1, 5))
    write_dicom(films / "one.dcm", grey_pixels(2))
    table = predict(tiny_model, films, tmp_path / "r.csv", frames="all")
    assert again(table, tiny_model).same == 6
    write_dicom(films / "many.dcm", grey_pixels(1, 5)[:4])
    found = again(table, tiny_model)
    assert found.changed_statuses == {"ok → no row": 1}


def test_rows_are_spread_over_the_table_by_the_seed() -> None:
    chosen = evenly_at_random(1_000_000, 200, 0)
    assert chosen == evenly_at_random(1_000_000, 200, 0) != evenly_at_random(1_000_000, 200, 1)
    assert [index // 5000 for index in chosen] == list(range(200))
    assert evenly_at_random(3, 200, 0) == [0, 1, 2]


def test_rows_in_another_order_are_refused(tiny_model: Path, films: Path, tmp_path: Path) -> None:
    table = predict(tiny_model, films, tmp_path / "r.csv")
    head, *lines = table.read_bytes().splitlines(keepends=True)
    table.write_bytes(head + b"".join(reversed(lines)))
    with pytest.raises(InputError, match="order"):
        again(table, tiny_model)


@pytest.mark.parametrize(
    ("name", "content", "is_table"),
    [
        *(("a", b"path,status\r\n", True), ("a", b"\xef\xbb\xbfpath,frame,status\n", True)),
        *(("a", b'{"path": "a", "status": "ok"}\n', True), ("a.csv", b"path,label\n", False)),
        *(("a.csv", b"", False), ("a.onnx", b"\x08\x08\x12\x04path,status", False)),
    ],
)
def test_content_says_what_is_inspected(
    tmp_path: Path, name: str, content: bytes, is_table: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    assert is_results(tmp_path / name) is is_table


def inspect(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments])


def test_the_command_finds_the_model_and_leaves_with_4(
    make_model: Callable[..., Path],
    spot_model: Callable[..., Path],
    films: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # no runs
    model = make_model(tmp_path / "m.onnx")
    table = predict(model, films, tmp_path / "r.csv")
    done = inspect(table, "--recompute", 5, "--json")
    assert done.exception is None, done.output
    found = json.loads(done.stdout)
    assert (found["holds"], found["recomputed"], found["same"]) == (True, 5, 5)
    assert "It holds, to the last bit" in inspect(table, "--recompute", 1000).stdout
    for film in films.glob("film*.png"):
        film.write_bytes(b"")
    done = inspect(table, "--recompute", 1000)
    assert isinstance(done.exception, BarMissed)
    assert "ok → empty" in done.stdout
    moved = model.rename(tmp_path / "elsewhere.onnx")
    assert isinstance(inspect(table, "--recompute", 5).exception, ModelError)
    assert isinstance(inspect(table, "--recompute", 5, "--model", moved).exception, BarMissed)
    done = inspect(table, "--recompute", 5, "--model", spot_model("other"))
    assert isinstance(done.exception, ModelError)
    assert "its seal is another" in str(done.exception)


class Private(Misbehaving):
    """A server that gives some films to whoever has a signature."""

    private = frozenset({"a.png", "b.png"})

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        if self.key_of(to) in self.private and "Signature" not in to.path:
            self.refuse(to, 403, "AccessDenied")
        else:
            super().answer(to)


def test_signed_films_are_named_again(tiny_model: Path, films: Path, tmp_path: Path) -> None:
    content = [film.read_bytes() for film in sorted(films.glob("film*.png"))[:3]]
    options = PredictOptions(device="cpu")
    io = IoOptions(retries=0)
    signed = tmp_path / "films.txt"
    with Private(dict(zip(("a.png", "b.png", "c.png"), content, strict=True))) as store:
        lines = (f"{store.address}/{key}?Signature=ff&Expires=9999999999" for key in store.objects)
        signed.write_text("\n".join(lines))
        found = find_films([f"@{signed}"], io=io)
        table = tmp_path / "r.csv"
        fetch = AnyFetch(io, found.signed)
        predict_items(found.items, load_model(tiny_model), table, options=options, fetch=fetch)

        assert again(table, tiny_model, films=[f"@{signed}"], io=io).same == 3
        known = again(table, tiny_model, io=io)
        assert (known.same, known.undecided, known.different) == (1, 2, 0)
        assert any("2 rows are of films that are forbidden" in note for note in known.notes)
        assert any("--films @list.txt" in note for note in known.notes)
        store.private |= {"c.png"}
        with pytest.raises(InputError, match="no other can be computed") as refused:
            again(table, tiny_model, io=io)
        assert "--films @list.txt" in refused.value.hint


def test_the_command_asks_as_it_is_told(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed: xraybatch[cloud]")
    png = BytesIO()
    Image.fromarray(grey_pixels(1)).save(png, "PNG")
    with Misbehaving({"in/a.png": png.getvalue()}) as store:
        credentials(monkeypatch, "http://127.0.0.1:9")  # nobody is there
        io = IoOptions(store.address, no_sign_request=True)
        found = find_films([f"s3://{BUCKET}/in/"], io=io)
        table, options = tmp_path / "r.csv", PredictOptions(device="cpu")
        model = load_model(tiny_model)
        predict_items(found.items, model, table, options=options, fetch=AnyFetch(io))
        asked: list[IoOptions] = []

        def noted(given: IoOptions, *more: object) -> AnyFetch:
            asked.append(given)
            return AnyFetch(given, *more)  # type: ignore[arg-type]

        monkeypatch.setattr(recomputing, "AnyFetch", noted)
        done = inspect(
            *(table, "--recompute", 1, "--model", tiny_model),
            *("--endpoint-url", store.address, "--no-sign-request", "--io-retries", 0),
            *("--rate", 3, "--max-connections", 1, "--allow-http", "--ca-bundle", table),
        )
        assert done.exception is None, done.output
        assert "It holds" in done.stdout
        manners = asked[0].manners
        assert (asked[0].retries, manners.rate, manners.connections) == (0, 3, 1)
        assert (manners.allow_http, manners.ca_bundle) == (True, str(table))


def test_the_command_shows_what_a_table_was_made_with(
    tiny_model: Path, films: Path, tmp_path: Path
) -> None:
    table = predict(tiny_model, films, tmp_path / "r.csv")
    said = inspect(table).stdout
    assert "tiny" in said
    assert "empty 1" in said
    assert json.loads(inspect(table, "--json").stdout)["films"] == len(list(films.iterdir()))
    with table.open("ab") as file:
        file.write(b"x")
    assert isinstance(inspect(table).exception, InputError)
    (tmp_path / "r.csv.run.json").unlink()
    assert "no run record" in str(inspect(table).exception)
    assert isinstance(inspect(tiny_model, "--recompute", 5).exception, UsageError)
    assert "tiny" in inspect(tiny_model).stdout
