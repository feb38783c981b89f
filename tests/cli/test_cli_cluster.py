"""``xraybatch list``, ``predict --shard`` and ``merge`` as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "xraybatch", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    return done


def predict(
    folder: Path, model: Path, *arguments: object, out: str = "r.csv"
) -> subprocess.CompletedProcess[str]:
    return run(folder, "predict", *arguments, "--out", out, "--model", model, "--device", "cpu")


@pytest.fixture
def listed(grey_films: Path, tmp_path: Path) -> Path:
    """A folder with ``films.parquet``."""
    done = run(tmp_path, "list", grey_films, "--manifest", "films.parquet", "-q")
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_list_shards_merge_score(grey_films: Path, listed: Path, tiny_model: Path) -> None:
    for index in range(2):
        done = predict(listed, tiny_model, "--manifest", "films.parquet", "--shard", f"{index}/2")
        assert done.returncode == 0, done.stderr
        assert f"r.csv.shard-{index}-of-2" in done.stdout
    done = run(listed, "merge", "r.csv", "--manifest", "films.parquet")
    assert done.returncode == 0, done.stderr
    assert "40 (40 classified, 0 without result)" in done.stdout
    assert predict(listed, tiny_model, grey_films, out="one.csv").returncode == 0
    assert (listed / "r.csv").read_bytes() == (listed / "one.csv").read_bytes()
    classes = ["normal", "osteopenia", "osteoporosis"]
    lines = (listed / "r.csv").read_text().splitlines()[1:]
    labels = [f"{line.split(',')[0]},{classes[i % 3]}" for i, line in enumerate(lines)]
    (listed / "labels.csv").write_text("\n".join(["path,label", *labels]) + "\n")
    scored = [run(listed, "score", name, "labels.csv", "--json") for name in ("r.csv", "one.csv")]
    assert [done.returncode for done in scored] == [0, 0], scored[0].stderr
    reports = [json.loads(done.stdout) for done in scored]
    assert reports[0]["join"] == reports[1]["join"]
    assert reports[0]["tasks"] == reports[1]["tasks"]


def test_json_is_all_that_is_printed(grey_films: Path, listed: Path, tiny_model: Path) -> None:
    done = run(listed, "list", grey_films, "--manifest", "films.parquet", "--overwrite", "--json")
    told = json.loads(done.stdout)
    assert (told["films"], told["manifest"], told["skipped"]) == (40, "films.parquet", {})
    assert told["bytes"] == sum(path.stat().st_size for path in grey_films.rglob("*.png"))
    given = ("--manifest", "films.parquet", "--shard", "0/1", "--json")
    part = json.loads(predict(listed, tiny_model, *given).stdout)
    assert part["results"] == "r.csv.shard-0-of-1"
    assert part["job"] == "r.csv.shard-0-of-1.job"
    merged = json.loads(run(listed, "merge", "r.csv", "--json").stdout)
    assert merged["results_sha256"] == part["results_sha256"]
    assert merged["manifest_sha256"] == told["manifest_sha256"]
    assert (merged["films"], merged["shards"], merged["failed"]) == (40, 1, 0)


def test_films_that_no_machine_could_read_are_told_by_the_whole(
    tmp_path: Path, tiny_model: Path
) -> None:
    """A task whose part happens to be broken is no fault; a volume that is not mounted is one."""
    (tmp_path / "films").mkdir()
    for number in range(40):
        (tmp_path / "films" / f"{number}.png").write_bytes(b"not mounted")
    run(tmp_path, "list", "films", "--manifest", "films.parquet")
    for index in range(2):
        done = predict(tmp_path, tiny_model, "--manifest", "films.parquet", "--shard", f"{index}/2")
        assert done.returncode == 0, done.stderr
        empty = index == 1  # one chunk holds them all
        assert ("None of 40 films could be classified" in done.stderr) is not empty
    done = run(tmp_path, "merge", "r.csv")
    assert done.returncode == 3
    assert "None of 40 films could be classified" in done.stderr
    assert (tmp_path / "r.csv").read_bytes().count(b"\n") == 41


def test_missing_shards_are_commands_and_exit_code_3(listed: Path, tiny_model: Path) -> None:
    given = ("--manifest", "films.parquet", "--shard")
    assert predict(listed, tiny_model, *given, "1/3").returncode == 0
    done = run(listed, "merge", "r.csv")
    assert done.returncode == 3
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["0/3", "2/3"]
    assert all(line.startswith("xraybatch predict ") for line in done.stdout.splitlines())
    assert "0/3, 2/3" in done.stderr
    assert not (listed / "r.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--manifest", "films.parquet", "--shard", "3/3"], 2, "from 0 to 2"),
        (["--manifest", "films.parquet", "--shard", "0/0"], 2, "no machine"),
        (["--manifest", "films.parquet", "--shard", "a/b"], 2, "no part"),
        (["--manifest", "films.parquet", "--shard", "auto"], 2, "job array"),
        (["films.parquet", "--shard", "0/2"], 2, "xraybatch list"),
        (["films.parquet", "--manifest", "films.parquet"], 2, "both given"),
        ([], 2, "No films are named"),
        (["--shard", "0/2"], 2, "No films are named"),
        (["--manifest", "nowhere.parquet"], 3, "nowhere.parquet"),
        (["--manifest", "words.parquet"], 3, "no manifest"),
    ],
)
def test_mistakes_are_one_line_and_a_hint(
    listed: Path, tiny_model: Path, arguments: list[str], code: int, word: str
) -> None:
    (listed / "words.parquet").write_text("words")
    before = sorted(listed.iterdir())
    done = predict(listed, tiny_model, *arguments)
    assert done.returncode == code
    assert word in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.strip()]) <= 3
    assert sorted(listed.iterdir()) == before


def test_a_dry_run_of_a_shard_counts_its_films(listed: Path, tiny_model: Path) -> None:
    given = ("--manifest", "films.parquet", "--dry-run", "--json")
    whole = json.loads(predict(listed, tiny_model, *given).stdout)
    part = json.loads(predict(listed, tiny_model, *given, "--shard", "1/2").stdout)
    assert (whole["films"], part["films"]) == (40, 0)
    assert not (listed / "r.csv.shard-1-of-2").exists()


def test_python_does_what_the_commands_do(
    grey_films: Path, tiny_model: Path, tmp_path: Path
) -> None:
    import xraybatch

    listed = xraybatch.list_films(grey_films, manifest=tmp_path / "films.parquet")
    assert listed.facts.films == 40
    out = tmp_path / "r.parquet"
    frames = [
        xraybatch.predict(
            manifest=listed.manifest, shard=f"{i}/2", out=out, model=tiny_model, device="cpu"
        )
        for i in range(2)
    ]
    assert [len(frame) for frame in frames] == [40, 0]
    record = xraybatch.merge(out, manifest=listed.manifest)
    whole = xraybatch.predict(grey_films, model=tiny_model, device="cpu")
    assert record.films == 40
    assert list(frames[0]["path"]) == list(whole["path"])
    with pytest.raises(xraybatch.UsageError, match="out="):
        xraybatch.predict(manifest=listed.manifest, shard="0/2", model=tiny_model)
    with pytest.raises(xraybatch.UsageError, match="not at all"):
        xraybatch.predict(model=tiny_model)
