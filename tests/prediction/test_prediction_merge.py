"""Shards merged are the single run, byte for byte; what is not of one run is never merged."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.prediction.conftest import grey_pixels, write_dicom
from xraybatch.core.errors import InputError, Interrupted, UsageError
from xraybatch.core.files import sha256_of
from xraybatch.images.asked import Asked
from xraybatch.models.model import Model, load_model
from xraybatch.prediction import writing
from xraybatch.prediction.engine import CHUNK, Outcome
from xraybatch.prediction.local import LocalEngine
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.reading import read_rows
from xraybatch.prediction.record import PredictionRecord, read_record, write_record
from xraybatch.prediction.run import predict_items
from xraybatch.prediction.sharding.files import MissingShards
from xraybatch.prediction.sharding.merging import merge
from xraybatch.prediction.sharding.shards import Shard
from xraybatch.sources.films import find_films
from xraybatch.sources.listing import list_films
from xraybatch.sources.manifest import open_manifest

FILMS = 2 * CHUNK + 60
HOSTILE = (
    *("=1+1.png", "@a,b.png", '"quoted".png', "line\nend.png", "car\rriage.png", "né.png"),
    *("file:x.png", "  blank .png", "😀.png", "-x.png", "a;b.png", "tab\t.png"),
)
WHERE = (("ViewPosition", ("AP",)),)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three chunks; no two films alike, some broken, some of several frames, names of all kinds."""
    folder = tmp_path_factory.mktemp("shards") / "films"
    for number in range(FILMS):
        target = folder / "abc"[number % 3] / f"film{number:04}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey_pixels(number)[:16, :12]).save(target)
    for number, name in enumerate(HOSTILE):
        Image.fromarray(grey_pixels(5000 + number)).save(folder / name)
    Image.fromarray(grey_pixels(7)).save(os.fsencode(folder / "b") + b"/\xff\xfe.png", "PNG")
    for number in range(40):
        view = "AP" if number % 3 else "LAT"
        place = folder / "bac"[number % 3] / f"dicom{number:02}.dcm"
        frames = (3,) if number % 10 == 0 else ()
        write_dicom(place, grey_pixels(6000 + number, *frames), ViewPosition=view)
    for place in ("a", "b", "c"):
        (folder / place / "empty.png").touch()
        (folder / place / "notes.txt").write_text("none")
        whole = (folder / place / ("film0000.png" if place == "a" else "empty.png")).read_bytes()
        (folder / place / "cut.png").write_bytes(whole[: len(whole) // 2] or b"text")
    return folder


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


@pytest.fixture(scope="module")
def manifest(films: Path) -> Path:
    return list_films([films], films.parent / "films.parquet").manifest


@pytest.fixture(scope="module")
def shards(manifest: Path, model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``r.csv`` in three shards; read only, to be copied."""
    folder = tmp_path_factory.mktemp("three")
    for index in range(3):
        shard(manifest, model, folder / "r.csv", index)
    return folder


@pytest.fixture
def three(shards: Path, tmp_path: Path) -> Path:
    """A copy of the three shards; where the whole of them is to lie."""
    shutil.copytree(shards, tmp_path / "three")
    return tmp_path / "three" / "r.csv"


def shard(
    manifest: Path, model: Model, out: Path, index: int, count: int = 3, **options: Any
) -> PredictionRecord:
    chosen = PredictOptions(device="cpu", workers=0, shard=Shard(index, count), **options)
    return predict_items(open_manifest(manifest), model, out, options=chosen)


def single(films: Path, model: Model, out: Path, **options: Any) -> PredictionRecord:
    """One run over the folder itself, which knows nothing of a manifest."""
    found = find_films([films], archives=True)
    chosen = PredictOptions(device="cpu", workers=0, **options)
    return predict_items(found.items, model, out, options=chosen, skipped=found.skipped)


@pytest.fixture(scope="module")
def whole(films: Path, model: Model, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of the single run."""
    out = tmp_path_factory.mktemp("whole") / "r.csv"
    single(films, model, out)
    return out.read_bytes()


@pytest.mark.parametrize(
    ("form", "count", "options"),
    [
        ("csv", 3, {}),
        ("parquet", 3, {}),
        ("jsonl", 3, {}),
        ("csv", 2, {"frames": "all"}),
        ("parquet", 3, {"frames": "all", "asked": Asked(where=WHERE, tags=("ViewPosition",))}),
        ("jsonl", 7, {"frames": "all", "asked": Asked(salt=b"0123456789abcdef")}),
        ("csv", 3, {"asked": Asked(where=WHERE)}),
        ("csv", 1, {}),
    ],
)
def test_shards_merged_are_the_single_run(
    films: Path,
    manifest: Path,
    model: Model,
    tmp_path: Path,
    form: str,
    count: int,
    options: dict[str, Any],
) -> None:
    one, out = tmp_path / f"one.{form}", tmp_path / f"r.{form}"
    vectors = tmp_path / "one.parquet.e.parquet", tmp_path / "e.parquet"
    expected = single(films, model, one, embeddings=vectors[0], **options)
    assert expected.films > 20
    parts = [
        shard(manifest, model, out, index, count, embeddings=vectors[1], **options)
        for index in reversed(range(count))
    ]
    assert sum(part.films for part in parts) == expected.films
    record = merge(out, manifest=manifest)
    assert out.read_bytes() == one.read_bytes()
    assert vectors[1].read_bytes() == vectors[0].read_bytes()
    assert read_record(out).to_dict() == record.to_dict()
    same = (
        *("films", "by_status", "classes", "skipped", "film_notes", "unlike", "tasks", "rule"),
        *("results_sha256", "notes", "mixed", "card", "model"),
    )
    for word in same:
        assert getattr(record, word) == getattr(expected, word), word
    assert record.embeddings == {**expected.embeddings, "file": "e.parquet"}
    assert [one["shard"] for one in record.shards] == [f"{i}/{count}" for i in range(count)]
    assert record.shard == {}
    assert record.manifest == {"sha256": open_manifest(manifest).digest}
    assert record.options["shard"] is record.options["job"] is None


def test_a_run_over_a_manifest_is_the_run_over_its_folder(
    films: Path, manifest: Path, model: Model, whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    listed = open_manifest(manifest)
    record = predict_items(listed, model, out, options=PredictOptions(device="cpu", workers=0))
    assert out.read_bytes() == whole
    assert record.manifest == {"sha256": listed.digest}
    assert record.skipped == find_films([films]).skipped == {"not a film": 3}
    assert not record.shard


def test_without_the_manifest_films_are_counted(three: Path, whole: bytes) -> None:
    merge(three)
    assert three.read_bytes() == whole


def test_a_shard_without_a_chunk_is_a_table_without_rows(
    manifest: Path, model: Model, whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    records = [shard(manifest, model, out, index, 5) for index in range(5)]
    assert [record.films > 0 for record in records] == [True, True, True, False, False]
    header = whole.split(b"\r\n")[0] + b"\r\n"
    assert (tmp_path / "r.csv.shard-4-of-5").read_bytes() == header
    merge(out, manifest=manifest)
    assert out.read_bytes() == whole


def test_what_is_missing_is_named_with_the_command_that_makes_it(
    films: Path, manifest: Path, tiny_model: Path, three: Path, whole: bytes
) -> None:
    for name in ("r.csv.shard-1-of-3", "r.csv.shard-1-of-3.run.json", "r.csv.shard-1-of-3.job"):
        (three.parent / name).unlink()
    with pytest.raises(MissingShards, match="1 is not done: 1/3") as told:
        merge(three, manifest=manifest)
    assert not three.exists()
    (command,) = told.value.commands
    assert command in told.value.hint
    words = shlex.split(command)
    assert words[0] == "xraybatch"
    typed = [sys.executable, "-m", "xraybatch", *words[1:]]
    subprocess.run(typed, check=True, cwd=films.parent.parent, timeout=120, capture_output=True)
    merge(three, manifest=manifest)
    assert three.read_bytes() == whole


def test_the_command_has_every_option_that_changes_results(
    manifest: Path, model: Model, tmp_path: Path
) -> None:
    import click

    from xraybatch.cli.predict import command as predict

    out = tmp_path / "it's r.csv"
    asked = Asked(where=(("Modality", ("CR", "DX")),), tags=("ViewPosition",), salt=b"0" * 16)
    shard(
        *(manifest, model, out, 0, 2),
        asked=asked,
        frames="all",
        batch_size=8,
        timeout=7.5,
        max_pixels=5_000_000,
        embeddings=tmp_path / "e.parquet",
        job=tmp_path / "state" / "r.job",
    )
    with pytest.raises(MissingShards) as told:
        merge(out)
    (line,) = told.value.commands
    context: click.Context = predict.make_context("predict", shlex.split(line)[2:])
    given = context.params
    assert given["shard"] == "1/2"
    assert (given["out"], given["manifest"], given["model"]) == (out, manifest, model.path)
    assert given["where"] == ("Modality=CR,DX",)
    assert (given["tags"], given["frames"], given["dicom_ids"]) == ("ViewPosition", "all", True)
    assert (given["batch_size"], given["timeout"], given["max_pixels"]) == (8, 7.5, 5_000_000)
    assert given["embeddings"] == tmp_path / "e.parquet"
    assert given["job"] == tmp_path / "state" / "r.job"
    assert "salt" in told.value.hint


def test_a_shard_that_was_stopped_goes_on_and_merges(
    manifest: Path, model: Model, three: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in three.parent.glob("r.csv.shard-0-of-3*"):
        path.unlink()
    wait = LocalEngine.wait
    answers: list[int] = []

    def stopped(self: LocalEngine, timeout: float) -> Outcome:
        if answers:
            raise KeyboardInterrupt
        answers.append(1)
        return wait(self, 0.0)

    with monkeypatch.context() as patch:
        patch.setattr(LocalEngine, "wait", stopped)
        with pytest.raises(Interrupted):
            shard(manifest, model, three, 0)
    assert not three.with_name("r.csv.shard-0-of-3").exists()
    with pytest.raises(MissingShards, match="1 began"):
        merge(three)
    assert shard(manifest, model, three, 0).resumed["done"] >= 0
    merge(three, manifest=manifest)
    assert three.read_bytes() == whole


@pytest.mark.skipif(sys.platform == "win32", reason="this machine cannot: it has no SIGKILL")
def test_a_shard_that_was_killed_goes_on_with_the_same_command(
    manifest: Path, tiny_model: Path, three: Path, whole: bytes
) -> None:
    """As a scheduler kills and starts a task again: the part is what the environment says."""
    for path in three.parent.glob("r.csv.shard-2-of-3*"):
        path.unlink()
    code = (
        "import sys\n"
        "from xraybatch.prediction.jobs.job import Job\n"
        "write = Job.write\n"
        "def told(job, rows):\n"
        "    write(job, rows)\n"
        "    print(job.count_done(), flush=True)\n"
        "    sys.stdin.readline()\n"
        "if len(sys.argv) > 1 and sys.argv[1] == 'wait':\n"
        "    Job.write = told\n"
        "    from xraybatch.prediction import dispatch\n"
        "    dispatch._COMMIT_SECONDS = 0.001\n"
        "from xraybatch.cli.app import main\n"
        "main(sys.argv[2:])\n"
    )
    typed = ["predict", "--manifest", str(manifest), "--out", str(three), "--shard", "auto"]
    typed += ["--model", str(tiny_model), "--device", "cpu", "--workers", "0", "-q"]
    told = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"}
    environment = {**os.environ, **told}
    process = subprocess.Popen(
        [sys.executable, "-c", code, "wait", *typed],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    done = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert 0 < done < 60
    subprocess.run([sys.executable, "-c", code, "go", *typed], env=environment, check=True)
    record = read_record(three.with_name("r.csv.shard-2-of-3"))
    assert record.resumed["done"] >= done
    merge(three, manifest=manifest)
    assert three.read_bytes() == whole


def test_a_task_that_is_started_again_after_its_end_does_nothing(
    manifest: Path, model: Model, three: Path, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    table = three.with_name("r.csv.shard-1-of-3")
    before = {path: path.stat().st_mtime_ns for path in three.parent.iterdir()}
    record = shard(manifest, model, three, 1)
    assert record.to_dict() == read_record(table).to_dict()
    assert {path: path.stat().st_mtime_ns for path in three.parent.iterdir()} == before
    with pytest.raises(InputError, match="not overwritten"):  # that would be another table
        shard(manifest, model, three, 1, frames="all")
    other = load_model(make_model(tmp_path / "other.onnx", name="other"))
    with pytest.raises(InputError, match="not overwritten"):
        shard(manifest, other, three, 1)
    with table.open("ab") as file:
        file.write(b"x,ok\r\n")
    with pytest.raises(InputError, match="not overwritten"):
        shard(manifest, model, three, 1)


def test_shards_of_two_divisions_are_told(manifest: Path, model: Model, three: Path) -> None:
    shard(manifest, model, three, 0, 4)
    with pytest.raises(
        InputError, match=r"2 divisions: r\.csv\.shard-0-of-4 and r\.csv\.shard-\d-of-3"
    ):
        merge(three, manifest=manifest)
    assert not three.exists()


def test_a_job_without_a_table_counts_as_a_shard_that_began(three: Path) -> None:
    three.with_name("r.csv.shard-1-of-3").unlink()
    with pytest.raises(MissingShards, match=r"1/3. Of these, 1 began"):
        merge(three)


def test_nothing_to_merge_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no shard of it"):
        merge(tmp_path / "r.csv")
    with pytest.raises(InputError, match="no shard of it"):
        merge(tmp_path / "nowhere" / "r.csv")
    with pytest.raises(UsageError, match="in which form"):
        merge(tmp_path / "r.xlsx")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"frames": "all"}, "--frames"),
        ({"max_pixels": 1234}, "--max-pixels"),
        ({"asked": Asked(where=WHERE)}, "--where"),
        ({"asked": Asked(tags=("ViewPosition",))}, "--tags"),
        ({"asked": Asked(salt=b"0123456789abcdef")}, "salt"),
    ],
)
def test_a_shard_of_other_options_is_refused(
    manifest: Path, model: Model, three: Path, options: dict[str, Any], word: str
) -> None:
    shard(manifest, model, three, 2, overwrite=True, **options)
    with pytest.raises(InputError, match=f"shard-2-of-3 was made with another .*{word}"):
        merge(three, manifest=manifest)


def test_a_shard_with_embeddings_among_others_without_is_refused(
    manifest: Path, model: Model, three: Path, tmp_path: Path
) -> None:
    shard(manifest, model, three, 2, overwrite=True, embeddings=tmp_path / "e.parquet")
    with pytest.raises(InputError, match="--embeddings"):
        merge(three)


@pytest.mark.parametrize("changes", [{"name": "other"}, {"limits": "hands only"}])
def test_a_shard_of_another_model_is_refused(
    manifest: Path,
    three: Path,
    make_model: Callable[..., Path],
    tmp_path: Path,
    changes: dict[str, str],
) -> None:
    other = load_model(make_model(tmp_path / "other.onnx", **changes))
    shard(manifest, other, three, 2, overwrite=True)
    with pytest.raises(InputError, match="shard-2-of-3 was made with another model"):
        merge(three)


def test_the_shard_of_a_wrong_manifest_is_named_and_not_the_others(
    films: Path, manifest: Path, model: Model, three: Path, whole: bytes, tmp_path: Path
) -> None:
    one_less = [path for path in films.rglob("*.png") if path.name != "film0000.png"]
    other = list_films(one_less, tmp_path / "other.parquet").manifest
    state = three.with_name("r.csv.shard-0-of-3.job")
    state.unlink()
    shard(other, model, three, 0, overwrite=True)
    with pytest.raises(InputError, match=r"shard-0-of-3 is of another manifest than") as told:
        merge(three, manifest=manifest)
    assert f"--manifest {manifest}" in told.value.hint
    state.unlink()
    shard(manifest, model, three, 0, overwrite=True)
    merge(three, manifest=manifest)
    assert three.read_bytes() == whole


def test_a_shard_is_not_merged_alone(three: Path) -> None:
    with pytest.raises(UsageError, match="one shard") as told:
        merge(three.with_name("r.csv.shard-0-of-3"))
    assert told.value.hint.endswith("r.csv")


def test_a_shard_of_another_manifest_is_refused(
    films: Path, manifest: Path, model: Model, three: Path, tmp_path: Path
) -> None:
    one_less = [path for path in films.rglob("*.png") if path.name != "film0000.png"]
    other = list_films(one_less, tmp_path / "other.parquet").manifest
    with pytest.raises(InputError, match="another manifest than"):
        merge(three, manifest=other)
    with pytest.raises(InputError, match="not overwritten"):
        shard(other, model, three, 1)
    three.with_name("r.csv.shard-1-of-3").unlink()
    unpublish(three.with_name("r.csv.shard-1-of-3.job"))
    with pytest.raises(InputError, match="shard of another manifest"):
        shard(other, model, three, 1)
    shard(manifest, model, three, 1)
    shard(other, model, three, 2, overwrite=True)
    with pytest.raises(InputError, match="another manifest"):
        merge(three)


def unpublish(job: Path) -> None:
    """As if it had been killed before it wrote its table."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(job)) as db:
        db.execute("UPDATE meta SET value = '0' WHERE key = 'published'")
        db.commit()


def test_a_job_of_one_run_is_none_of_another_part(
    manifest: Path, model: Model, three: Path, tmp_path: Path
) -> None:
    """A person may rename what they like; the job knows what it is of."""
    three.with_name("r.csv.shard-1-of-3").unlink()
    job = three.with_name("r.csv.shard-1-of-3.job")
    unpublish(job)
    place = tmp_path / "renamed.csv"
    job.rename(place.with_name("renamed.csv.shard-1-of-4.job"))
    with pytest.raises(InputError, match="--shard"):
        shard(manifest, model, place, 1, 4)


def test_a_table_that_was_changed_is_refused(three: Path) -> None:
    table = three.with_name("r.csv.shard-1-of-3")
    table.write_bytes(table.read_bytes().replace(b",ok,normal", b",ok,osteopenia", 1))
    with pytest.raises(InputError, match="shard-1-of-3 is not as its run wrote it"):
        merge(three)


def forge(table: Path, rows: Callable[[list[list[str]]], list[list[str]]]) -> None:
    """Change a table, and its record so that it agrees."""
    with table.open(encoding="utf-8", newline="") as file:
        header, *found = csv.reader(file)
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows(found)])
    path = table.with_name(table.name + ".run.json")
    record = json.loads(path.read_text())
    record["results_sha256"] = hashlib.sha256(table.read_bytes()).hexdigest()
    path.write_text(json.dumps(record))


def renamed(rows: list[list[str]]) -> list[list[str]]:
    return [[rows[0][0] + "0", *rows[0][1:]], *rows[1:]]


@pytest.mark.parametrize(
    ("change", "with_manifest", "word"),
    [
        (lambda rows: rows[1:], True, "shard-1-of-3 has rows of 255 films, not of 256"),
        (lambda rows: rows[1:], False, "shard-1-of-3 has rows of 255 films, not of 256"),
        (lambda rows: [rows[0], *rows], True, "shard-1-of-3 has not each film and frame once"),
        (lambda rows: [rows[0], *rows], False, "shard-1-of-3 has not each film and frame once"),
        (renamed, True, "shard-1-of-3 has a film that is not in the manifest"),
    ],
)
def test_every_film_is_there_exactly_once(
    manifest: Path,
    three: Path,
    change: Callable[[list[list[str]]], list[list[str]]],
    with_manifest: bool,
    word: str,
) -> None:
    """Even where a record was made to agree with its table."""
    forge(three.with_name("r.csv.shard-1-of-3"), change)
    with pytest.raises(InputError, match=word) as told:
        merge(three, manifest=manifest if with_manifest else None)
    assert "--shard 1/3" in told.value.hint
    assert not three.exists()


def test_a_film_in_two_shards_is_told(three: Path) -> None:
    first = three.with_name("r.csv.shard-0-of-3")
    with first.open(encoding="utf-8", newline="") as file:
        _, row, *_ = csv.reader(file)
    forge(three.with_name("r.csv.shard-2-of-3"), lambda rows: [row, *rows])
    with pytest.raises(InputError, match=r"shard-0-of-3 and .*shard-2-of-3 have the same"):
        merge(three)


def test_a_shard_under_the_name_of_another_is_told(three: Path) -> None:
    for ending in ("", ".run.json"):
        source = three.with_name(f"r.csv.shard-0-of-3{ending}")
        shutil.copy(source, three.with_name(f"r.csv.shard-1-of-3{ending}"))
    with pytest.raises(InputError, match="shard-1-of-3 is not what its name says"):
        merge(three)


def test_machines_that_differ_are_told_and_merged(
    three: Path, whole: bytes, manifest: Path
) -> None:
    path = three.with_name("r.csv.shard-1-of-3.run.json")
    record = json.loads(path.read_text())
    record["processor"] = "another one"
    path.write_text(json.dumps(record))
    warned: list[str] = []

    class Told:
        def warn(self, title: str, sentence: str) -> None:
            warned.append(sentence)

        def __getattr__(self, name: str) -> Any:
            from xraybatch.core.progress import SILENT

            return getattr(SILENT, name)

    merged = merge(three, manifest=manifest, progress=Told())
    assert merged.mixed
    assert ["within tolerance" in sentence for sentence in warned] == [True]
    assert warned[0] in merged.notes
    assert three.read_bytes() == whole


def test_nothing_is_overwritten_unasked(three: Path, whole: bytes) -> None:
    three.write_text("mine")
    with pytest.raises(InputError, match="not overwritten"):
        merge(three)
    assert three.read_text() == "mine"
    merge(three, overwrite=True)
    assert three.read_bytes() == whole
    with pytest.raises(InputError, match="not overwritten"):
        merge(three)


def test_a_disk_that_is_full_is_one_sentence_and_leaves_nothing(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(three.parent.iterdir())

    @contextmanager
    def full(path: Path, header: writing.Header, group: int) -> Iterator[writing.WriteRow]:
        def write(cells: list[str | None]) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        yield write

    monkeypatch.setitem(writing.WRITERS, ".csv", full)
    with pytest.raises(InputError, match=r"r\.csv cannot be read or written: No space left"):
        merge(three)
    assert sorted(three.parent.iterdir()) == before


def test_a_shard_is_not_written_into_a_store(manifest: Path, model: Model, tmp_path: Path) -> None:
    from xraybatch.prediction.into_store import predict_into_store
    from xraybatch.sources.fetch import IoOptions

    options = PredictOptions(device="cpu", shard=Shard(0, 2), job=tmp_path / "r.job")
    with pytest.raises(UsageError, match="A shard is written"):
        predict_into_store(
            open_manifest(manifest), model, "s3://bucket/r.csv", options=options, io=IoOptions()
        )


def test_embeddings_that_are_missing_or_changed_are_told(
    manifest: Path, model: Model, tmp_path: Path
) -> None:
    out, vectors = tmp_path / "r.csv", tmp_path / "e.parquet"
    for index in range(2):
        shard(manifest, model, out, index, 2, embeddings=vectors)
    part = tmp_path / "e.parquet.shard-1-of-2"
    kept = part.read_bytes()
    part.unlink()
    with pytest.raises(InputError, match="embeddings of shard 1/2"):
        merge(out)
    part.write_bytes(kept[:-10])
    with pytest.raises(InputError, match="embeddings of shard 1/2"):
        merge(out)
    part.write_bytes(kept)
    merge(out)
    assert pq.ParquetFile(vectors).metadata.num_rows == sum(
        row["status"] == "ok" for row in read_rows(out)
    )
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_shard_with_state_and_embeddings_elsewhere_merges(
    manifest: Path, model: Model, whole: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "r.csv"
    for index in range(2):
        chosen = {"job": tmp_path / "state" / "run.job", "embeddings": tmp_path / "v" / "e.parquet"}
        shard(manifest, model, out, index, 2, **chosen)
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == [
        *("run.shard-0-of-2.job", "run.shard-1-of-2.job"),
    ]
    merge(out, manifest=manifest)
    assert out.read_bytes() == whole
    assert (tmp_path / "v" / "e.parquet").is_file()


@pytest.mark.parametrize("damage", ["other options", "table", "embeddings"])
def test_who_does_what_the_hint_says_can_merge(
    manifest: Path, model: Model, whole: bytes, tmp_path: Path, damage: str
) -> None:
    out, state, vectors = tmp_path / "r.csv", tmp_path / "state", tmp_path / "v" / "e.parquet"
    state.mkdir()
    chosen = {"job": state / "run.job", "embeddings": vectors}
    for index in range(2):
        other = {"max_pixels": 1234} if damage == "other options" and index else {}
        shard(manifest, model, out, index, 2, **chosen, **other)
    part = {"table": out, "embeddings": vectors}.get(damage)
    if part is not None:
        part = Shard(1, 2).place(part)
        part.write_bytes(part.read_bytes() + b"\n")
    with pytest.raises(InputError) as told:
        merge(out, manifest=manifest)
    told_to = re.fullmatch(r"Delete (.*), and make it .*: (xraybatch .*)", told.value.hint)
    assert told_to is not None
    deleted, command = told_to.groups()
    if deleted.endswith(" and its state"):
        deleted = deleted.removesuffix(" and its state")
        (state / "run.shard-1-of-2.job").unlink()
    for name in deleted.split(" and "):
        (found,) = tmp_path.rglob(name)
        found.unlink()
    typed = [sys.executable, "-m", *shlex.split(command)]
    subprocess.run(typed, check=True, cwd=tmp_path, timeout=120, capture_output=True)
    merge(out, manifest=manifest)
    assert out.read_bytes() == whole


def test_a_merge_that_is_refused_leaves_nothing(
    manifest: Path, model: Model, tmp_path: Path
) -> None:
    out, vectors = tmp_path / "r.csv", tmp_path / "e.parquet"
    for index in range(2):
        shard(manifest, model, out, index, 2, embeddings=vectors)
    table = Shard(1, 2).place(out)
    record = read_record(table)
    table.write_bytes(b"".join(table.read_bytes().splitlines(keepends=True)[:-1]))
    write_record(replace(record, results_sha256=sha256_of(table)), table)
    with pytest.raises(InputError, match="has rows of"):
        merge(out)
    assert not out.exists()
    assert not vectors.exists()


def test_films_of_a_shard_that_have_no_answer_are_tried_again_and_merge(
    films: Path, model: Model, tmp_path: Path
) -> None:
    """--retry-failed and --update of one shard; the others stay as they are."""
    place = tmp_path / "films"
    shutil.copytree(films, place)
    manifest = list_films([place], tmp_path / "f.parquet").manifest
    out = tmp_path / "r.csv"
    for index in range(3):
        shard(manifest, model, out, index)
    cut = next(path for path in place.rglob("cut.png"))
    shutil.copy(place / "a" / "film0003.png", cut)
    for index in range(3):
        shard(manifest, model, out, index, retry_failed=True)
    merge(out, manifest=manifest)
    single(place, model, tmp_path / "one.csv")
    assert out.read_bytes() == (tmp_path / "one.csv").read_bytes()
    assert read_record(out).shards[0]["films"] == CHUNK


def test_another_manifest_on_a_whole_run_is_treated_as_other_films(
    films: Path, manifest: Path, model: Model, tmp_path: Path
) -> None:
    out, fewer = tmp_path / "r.csv", tmp_path / "fewer.parquet"
    listed = list_films([films / "a"], tmp_path / "a.parquet")
    kept = sorted(path.name for path in (films / "a").iterdir() if path.suffix == ".png")[:50]
    names = [films / "a" / name for name in kept]
    shutil.copytree(films / "a", tmp_path / "a")
    for name in names:
        (tmp_path / "a" / name.name).unlink()
    other = list_films([tmp_path / "a"], fewer)
    options = PredictOptions(device="cpu", workers=0)
    predict_items(open_manifest(listed.manifest), model, out, options=options)
    out.unlink()
    unpublish(tmp_path / "r.csv.job")
    record = predict_items(open_manifest(fewer), model, out, options=options)
    assert record.films == listed.facts.films
    assert record.resumed["vanished"] == 50
    assert record.manifest == {"sha256": listed.facts.digest}  # that the rows are of
    record = predict_items(
        open_manifest(fewer), model, out, options=PredictOptions("cpu", workers=0, update=True)
    )
    assert record.films == other.facts.films == listed.facts.films - 50
    assert record.manifest == {"sha256": other.facts.digest}


def test_the_record_of_a_shard_holds_no_path_of_a_film(three: Path, films: Path) -> None:
    text = three.with_name("r.csv.shard-0-of-3.run.json").read_text()
    assert "film0001" not in text
    assert str(films) + "/" not in text
