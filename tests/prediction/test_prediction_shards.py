"""--shard: which part of a run this is, and which films that means."""

from __future__ import annotations

from pathlib import Path

import pytest

from xraybatch.core.errors import UsageError
from xraybatch.prediction.engine import CHUNK
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.portion import placed, portion
from xraybatch.prediction.sharding.shards import Shard, parse_shard, written_form
from xraybatch.sources.item import Item
from xraybatch.sources.manifest import open_manifest, write_manifest

FILMS = 3 * CHUNK + 7


def keys(count: int) -> list[str]:
    return [f"film{number:05}.png" for number in range(count)]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("manifest") / "films.parquet"
    write_manifest((Item(key, f"/nowhere/{key}", 1, 1) for key in keys(FILMS)), path)
    return path


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_shards_are_whole_chunks_and_every_film_is_in_one(manifest: Path, count: int) -> None:
    chunks = [keys(FILMS)[begin : begin + CHUNK] for begin in range(0, FILMS, CHUNK)]
    for index in range(count):
        options = PredictOptions(shard=Shard(index, count))
        part = portion(open_manifest(manifest), Path("r.csv"), options, {})
        expected = [key for number in range(index, 4, count) for key in chunks[number]]
        assert [item.key for item in part.items] == expected
        assert len(part.items) == len(expected)


def test_films_of_a_folder_cannot_be_divided() -> None:
    items = [Item("a.png", "/nowhere/a.png", 1, 1)]
    with pytest.raises(UsageError, match="manifest"):
        portion(items, Path("r.csv"), PredictOptions(shard=Shard(0, 2)), {})


def test_a_shard_writes_into_files_of_its_own() -> None:
    options = PredictOptions(
        shard=Shard(1, 12), job=Path("state/run.job"), embeddings=Path("e.parquet")
    )
    out, chosen = placed(Path("out/results.csv"), options)
    assert out == Path("out/results.csv.shard-1-of-12")
    assert chosen.job == Path("state/run.shard-1-of-12.job")
    assert chosen.embeddings == Path("e.parquet.shard-1-of-12")
    assert placed(Path("r.csv"), PredictOptions()) == (Path("r.csv"), PredictOptions())


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("r.csv", ".csv"),
        ("r.PARQUET.shard-0-of-3", ".parquet"),
        ("r.jsonl.shard-10-of-300", ".jsonl"),
        ("r.csv.shard-0-of", ".shard-0-of"),
        ("r.shard-0-of-3", ""),
    ],
)
def test_the_form_of_a_shard_is_that_of_the_whole(name: str, form: str) -> None:
    assert written_form(Path("a.csv", name)) == form


@pytest.mark.parametrize(
    ("text", "shard"), [("0/1", (0, 1)), ("2/3", (2, 3)), (" 07/10 ", (7, 10))]
)
def test_what_is_typed(text: str, shard: tuple[int, int]) -> None:
    assert parse_shard(text, {}) == Shard(*shard)


@pytest.mark.parametrize(
    "text",
    [
        "3/3",
        "0/0",
        "4/3",
        "a/b",
        "1",
        "",
        "/",
        "-1/3",
        "1/-3",
        "1.0/3",
        "1/3/5",
        "²/3",
        "AUTO",
        "0/1000000",
        "१/3",
    ],
)
def test_typing_mistakes_are_told(text: str) -> None:
    with pytest.raises(UsageError) as told:
        parse_shard(text, {})
    assert told.value.hint


def slurm(index: int, count: int, first: int = 0, **more: object) -> dict[str, str]:
    told = {
        "SLURM_ARRAY_TASK_ID": index,
        "SLURM_ARRAY_TASK_COUNT": count,
        "SLURM_ARRAY_TASK_MIN": first,
        **more,
    }
    return {name: str(value) for name, value in told.items()}


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        (slurm(0, 4), (0, 4)),
        (slurm(3, 4), (3, 4)),
        (slurm(1, 16, 1, SLURM_ARRAY_TASK_MAX=16, SLURM_ARRAY_TASK_STEP=1), (0, 16)),
        (slurm(16, 16, 1, SLURM_ARRAY_TASK_MAX=16), (15, 16)),
        ({"LSB_JOBINDEX": "1", "LSB_JOBINDEX_END": "8"}, (0, 8)),
        ({"LSB_JOBINDEX": "8", "LSB_JOBINDEX_END": "8", "LSB_JOBINDEX_STEP": "1"}, (7, 8)),
        ({"JOB_COMPLETION_INDEX": "0", "JOB_COMPLETIONS": "5"}, (0, 5)),
        ({"JOB_COMPLETION_INDEX": "4", "JOB_COMPLETIONS": "5", "LSB_JOBINDEX": "0"}, (4, 5)),
    ],
)
def test_auto_is_what_the_scheduler_says(
    environment: dict[str, str], shard: tuple[int, int]
) -> None:
    assert parse_shard("auto", environment) == Shard(*shard)


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({}, "job array"),
        ({"LSB_JOBINDEX": "0"}, "job array"),  # a job of LSF that is no array
        ({"SLURM_ARRAY_TASK_ID": "3"}, "SLURM_ARRAY_TASK_COUNT"),
        (slurm(2, 4, 0, SLURM_ARRAY_TASK_STEP=2, SLURM_ARRAY_TASK_MAX=6), "gaps"),
        (slurm(3, 2, 3, SLURM_ARRAY_TASK_MAX=7), "gaps"),  # --array=3,7
        (slurm(6, 3, 5, SLURM_ARRAY_TASK_MAX=7), "part of another"),  # --array=5-7
        (slurm(0, 1, 0, SLURM_ARRAY_TASK_MAX=0), "part of another"),  # --array=0
        (slurm(4, 4), "not one of 4 parts"),
        ({"SLURM_ARRAY_TASK_ID": "x"}, "no number"),
        ({"LSB_JOBINDEX": "3"}, "LSB_JOBINDEX_END"),
        ({"LSB_JOBINDEX": "3", "LSB_JOBINDEX_END": "9", "LSB_JOBINDEX_STEP": "2"}, "steps of 2"),
        ({"JOB_COMPLETION_INDEX": "2"}, "JOB_COMPLETIONS"),
        ({"JOB_COMPLETION_INDEX": "2", "JOB_COMPLETIONS": "2"}, "not one of 2 parts"),
    ],
)
def test_auto_guesses_nothing(environment: dict[str, str], word: str) -> None:
    with pytest.raises(UsageError, match=word) as told:
        parse_shard("auto", environment)
    assert told.value.hint
