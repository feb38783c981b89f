"""The capsule: the same numbers anywhere, or the name of the file that was changed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from xraybatch.cli.score import command
from xraybatch.core.errors import BarMissed, InputError, UsageError, XraybatchError

FILMS = 60


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """Results with a record and names that are persons', and labels that say other folders."""
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.random(FILMS // 2) < 0.4, 2)
    p = np.clip(rng.normal(0.35 + 0.3 * truth, 0.2), 0.01, 0.99).round(3)
    paths = [f"films/{['ä b', 'Zorn', 'abel'][i % 3]}_{i:02}.png" for i in range(FILMS)]
    results = pd.DataFrame(
        {
            "path": paths,
            "status": ["ok"] * (FILMS - 1) + ["corrupt"],
            "label": np.where(p >= 0.5, "yes", "no"),
            "prob.no": (1 - p).round(3),
            "prob.yes": p,
            "error": [""] * (FILMS - 1) + ["films/abel_59.png is cut"],
        }
    )
    results.loc[FILMS - 1, ["label", "prob.no", "prob.yes"]] = ["", np.nan, np.nan]
    labels = pd.DataFrame(
        {
            "path": [path.removeprefix("films/") for path in paths],
            "label": np.where(truth, "yes", "no"),
            "patient": [f"Mrs {chr(90 - i // 4)}" for i in range(FILMS)],
            "study": [f"st {i // 2}" for i in range(FILMS)],
            "site": ["north", "south"] * (FILMS // 2),
            "remark": ["called Mrs Abel"] * FILMS,
        }
    )
    folder = tmp_path / "work"
    folder.mkdir()
    results.to_csv(folder / "results.csv", index=False)
    labels.to_csv(folder / "labels.csv", index=False)
    record = {
        "schema": "1.0",
        "tasks": [{"name": "label", "kind": "binary", "classes": ["no", "yes"], "positive": "yes"}],
        "model": {"name": "knee", "seal": "ab" * 32, "file": "/home/abel/model.onnx"},
        "card": {"data": {"split": "by patients"}, "tasks": []},
        "options": {"folder": "/home/abel"},
    }
    (folder / "results.csv.run.json").write_text(json.dumps(record))
    return folder / "results.csv", folder / "labels.csv"


def run(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=True)


ASKED = ("--resamples", "100", "--slice", "site", "--threshold", "youden")


def packed(tables: tuple[Path, Path], *more: object) -> Path:
    capsule = tables[0].parent / "paper.zip"
    result = run(*tables, *ASKED, "--capsule", capsule, *more)
    assert result.exit_code == 0, result.output
    return capsule


def rewrite(capsule: Path, change: dict[str, bytes | None]) -> None:
    """The same archive with other bytes for some members; None leaves one out."""
    with zipfile.ZipFile(capsule) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | change
    with zipfile.ZipFile(capsule, "w") as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)


@pytest.mark.parametrize("key", [(), ("--hash-names", "key.txt")])
@pytest.mark.parametrize("unit", [(), ("--by", "study")])
def test_a_capsule_gives_the_same_numbers_somewhere_else(tables, key, unit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    capsule = packed(tables, *key, *unit)
    for path in tables:
        path.rename(path.with_suffix(".gone"))
    result = run(capsule, "--json")
    assert result.exit_code == 0, result.output
    assert "The same numbers as in paper.zip." in result.stderr
    with zipfile.ZipFile(capsule) as archive:
        theirs = json.loads(archive.read("report.json"))
        assert archive.read("report.md").startswith(b"# Score")
        assert json.loads(archive.read("card.json"))["data"] == {"split": "by patients"}
    assert json.loads(result.stdout)["tasks"] == theirs["tasks"]
    if not key:
        assert [source["name"] for source in theirs["sources"]] == ["results.csv", "labels.csv"]


def test_with_a_key_no_name_is_in_any_file(tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = packed(tables)
    with zipfile.ZipFile(plain) as archive:
        assert "Mrs" in archive.read("labels.csv").decode()
        numbers = json.loads(archive.read("report.json"))["tasks"]
    plain.unlink()
    capsule = packed(tables, "--hash-names", "key.txt")
    with zipfile.ZipFile(capsule) as archive:
        for name in archive.namelist():
            text = archive.read(name).decode()
            for word in (
                "Mrs",
                "Abel",
                "abel_1",
                "abel_2",
                "Zorn",
                "ä b",
                "films/",
                "st 1",
                "/home",
            ):
                assert word not in text, (name, word)
        hashed = json.loads(archive.read("report.json"))["tasks"]
        table = archive.read("results.csv").decode().splitlines()
        first = archive.read("labels.csv")
    assert hashed == numbers
    assert table[1].startswith("f000000")
    key = Path("key.txt")
    assert key.stat().st_mode & 0o777 == 0o600
    capsule.unlink()
    with zipfile.ZipFile(packed(tables, "--hash-names", key)) as archive:
        assert archive.read("labels.csv") == first, "one key gives one name one hash"
    capsule.unlink()
    with zipfile.ZipFile(packed(tables, "--hash-names", "other.txt")) as archive:
        assert archive.read("labels.csv") != first


def test_a_changed_missing_or_added_file_is_named(tables):
    capsule = packed(tables)
    whole = capsule.read_bytes()
    with zipfile.ZipFile(capsule) as archive:
        labels = archive.read("labels.csv")
    rewrite(capsule, {"labels.csv": labels.replace(b",yes,", b",no,", 1)})
    result = run(capsule)
    assert isinstance(result.exception, InputError)
    assert "paper.zip is not as it was packed; changed: labels.csv." in str(result.exception)
    capsule.write_bytes(whole)
    rewrite(capsule, {"card.json": None, "more.csv": b"a"})
    with pytest.raises(InputError, match=r"missing: card\.json; added: more\.csv"):
        CliRunner().invoke(command, [str(capsule)], catch_exceptions=False)


def test_numbers_that_differ_miss_their_bar(tables):
    import hashlib

    capsule = packed(tables)
    with zipfile.ZipFile(capsule) as archive:
        report = json.loads(archive.read("report.json"))
        manifest = json.loads(archive.read("capsule.json"))
    report["tasks"][0]["estimates"]["accuracy"]["value"] += 0.01
    text = json.dumps(report).encode()
    manifest["sha256"]["report.json"] = hashlib.sha256(text).hexdigest()
    rewrite(capsule, {"report.json": text, "capsule.json": json.dumps(manifest).encode()})
    result = run(capsule)
    assert isinstance(result.exception, BarMissed)
    assert "Places that differ: 1, such as [label].estimates.accuracy.value: 0." in str(
        result.exception
    )
    assert "same versions as are here, so its report or a table was edited" in str(result.exception)
    report["versions"]["numpy"] = "0.1"
    text = json.dumps(report).encode()
    manifest["sha256"]["report.json"] = hashlib.sha256(text).hexdigest()
    rewrite(capsule, {"report.json": text, "capsule.json": json.dumps(manifest).encode()})
    assert "made with other versions: numpy 0.1 there" in str(run(capsule).exception)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"capsule.json": b"[]"},
        {"capsule.json": b'{"schema": "1.0"}'},
        {"../out.csv": b"a"},
        {"folder/x.csv": b"a"},
        {f"{i}.csv": b"a" for i in range(40)},
    ],
)
def test_what_is_no_capsule_is_said_in_one_line(tmp_path, members):
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    result = run(path)
    assert isinstance(result.exception, InputError), result.exception
    assert not (tmp_path / "out.csv").exists()
    assert not (tmp_path.parent / "out.csv").exists()


def asked(**change):
    """What a manifest's options become."""
    return lambda manifest: {**manifest, "asked": {**manifest["asked"], **change}}


HOSTILE = {
    "an unknown option": asked(more=1),
    "no options": lambda manifest: {**manifest, "asked": {}},
    "options of a wrong type": asked(resamples="many"),
    "tasks of a wrong type": asked(tasks=[5]),
    "names that are no text": lambda manifest: {**manifest, "names": {"results": 1, "labels": 2}},
    "no names": lambda manifest: {**manifest, "names": {}},
    "tables that are lists": lambda manifest: {**manifest, "tables": {"results": []}},
}


@pytest.mark.parametrize("what", list(HOSTILE))
def test_a_manifest_that_says_nonsense_is_an_input_error(tables, what):
    capsule = packed(tables)
    with zipfile.ZipFile(capsule) as archive:
        manifest = json.loads(archive.read("capsule.json"))
    rewrite(capsule, {"capsule.json": json.dumps(HOSTILE[what](manifest)).encode()})
    assert isinstance(run(capsule).exception, XraybatchError), what


@pytest.mark.parametrize("report", [b"no json", b"\xff", b"[]", b'{"tasks": null}', b"[" * 100_000])
def test_a_report_that_is_none_is_an_input_error(tables, report):
    import hashlib

    capsule = packed(tables)
    with zipfile.ZipFile(capsule) as archive:
        manifest = json.loads(archive.read("capsule.json"))
    manifest["sha256"]["report.json"] = hashlib.sha256(report).hexdigest()
    rewrite(capsule, {"report.json": report, "capsule.json": json.dumps(manifest).encode()})
    assert isinstance(run(capsule).exception, InputError)


def test_damage_anywhere_in_the_archive_is_an_input_error(tables):
    capsule = packed(tables)
    whole = capsule.read_bytes()
    for at in range(40, len(whole) - 30, max(1, len(whole) // 60)):
        capsule.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        error = run(capsule).exception
        assert error is None or isinstance(error, XraybatchError), (at, error)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("results.csv", bytes(200 << 20))
    error = run(tmp_path / "bomb.zip").exception
    assert isinstance(error, InputError)
    assert "holds what no capsule holds" in str(error)


def test_a_key_is_never_written_over(tables, tmp_path):
    same = tmp_path / "same.zip"
    for words in (("--capsule", same, "--hash-names", same),
                  ("--capsule", same, "--hash-names", tables[1]),
                  ("--capsule", tmp_path / "a.tar")):  # fmt: skip
        assert isinstance(run(*tables, *words).exception, UsageError), words
    error = run(*tables, "--capsule", same, "--hash-names", tmp_path / "no" / "key").exception
    assert isinstance(error, InputError)
    assert not same.exists()


def test_a_split_is_packed_from_a_run_folder_alone(tables):
    (tables[0].parent / "split.csv").write_text("path,patient\nx.png,Somebody Else\n")
    with zipfile.ZipFile(packed(tables)) as archive:
        assert "split.csv" not in archive.namelist()
    (tables[0].parent / "paper.zip").unlink()
    (tables[0].parent / "model.onnx").write_bytes(b"")
    with zipfile.ZipFile(packed(tables)) as archive:
        assert "split.csv" in archive.namelist()


def test_a_newer_schema_and_another_file_are_refused(tables, tmp_path):
    capsule = packed(tables)
    with zipfile.ZipFile(capsule) as archive:
        manifest = json.loads(archive.read("capsule.json"))
    rewrite(capsule, {"capsule.json": json.dumps({**manifest, "schema": "2.0"}).encode()})
    assert "of schema 2.0" in str(run(capsule).exception)
    (tmp_path / "text.zip").write_text("no archive")
    assert "is no capsule of a score" in str(run(tmp_path / "text.zip").exception)


def test_options_that_do_not_fit_are_refused_before_anything_is_read(tables, tmp_path):
    capsule = packed(tables)
    for words, said in (
        ((capsule, "--slice", "site"), "with its own options, not with --slice"),
        ((tables[0],), "The labels are missing"),
        ((*tables, "--hash-names", "k"), "--hash-names is for --capsule"),
        ((*tables, "--capsule", tables[1]), "is a table or report of this command"),
    ):
        result = run(*words)
        assert isinstance(result.exception, UsageError), words
        assert said in str(result.exception)
    result = run(capsule, tables[1])
    assert isinstance(result.exception, UsageError)
    assert "a capsule has its own labels" in str(result.exception)
    result = run(*tables, "--capsule", capsule)
    assert isinstance(result.exception, InputError)
    assert "is there already" in str(result.exception)
    (tmp_path / "k").write_text("abc")
    result = run(*tables, "--capsule", tmp_path / "new.zip", "--hash-names", tmp_path / "k")
    assert "holds no key" in str(result.exception)
    assert not (tmp_path / "new.zip").exists()


def test_bars_hold_for_capsules_too(tables):
    capsule = packed(tables)
    result = run(capsule, "--fail-under", "accuracy=0.999")
    assert isinstance(result.exception, BarMissed)
