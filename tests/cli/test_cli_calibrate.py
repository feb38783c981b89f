"""``xraybatch calibrate`` from films to a new model file that predict applies."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import xraybatch
from xraybatch.cli.calibrate import command
from xraybatch.cli.predict import command as predict_command
from xraybatch.core.errors import InputError, ModelError, UsageError
from xraybatch.core.tables import read_table
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.models.calibration import calibrated, sets
from xraybatch.models.card import TaskCard
from xraybatch.models.model import load_model, with_card
from xraybatch.models.seal import records, write_sealed
from xraybatch_samples import films_folder, model_file

FILMS = Path(str(films_folder()))
FINDINGS = Task("label", TaskKind.MULTILABEL, ("normal", "osteopenia", "osteoporosis"))


def predict(model, out, films=FILMS):
    """Results as text, by the command, decoded in threads of this process."""
    arguments = [str(films), "--model", str(model), "--out", str(out), "--workers", "0", "-q"]
    done = CliRunner().invoke(predict_command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return read_table(out)


@pytest.fixture(scope="session")
def given(tmp_path_factory):
    """The bundled model, what it says to all sample films, and labels of which some are wrong."""
    folder = tmp_path_factory.mktemp("calibrate")
    model = folder / "demo.onnx"
    model.write_bytes(model_file().read_bytes())
    predict(model, folder / "val.csv")
    labels = read_table(FILMS / "labels.csv")
    rng = np.random.default_rng(0)
    wrong = rng.random(len(labels)) < 0.15
    labels.loc[wrong, "label"] = rng.permutation(labels["label"].to_numpy())[wrong]
    labels.to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture
def run(given, tmp_path):
    """Call the command on the tables of `given`; the new file is ``new.onnx`` of `tmp_path`."""

    def call(*options, model=None, results=None, labels=None, seen=True):
        arguments = [
            *(str(model or given / "demo.onnx"), str(results or given / "val.csv")),
            *(str(labels or given / "labels.csv"), "--out", str(tmp_path / "new.onnx")),
            *("--resamples", "100", *(["--allow-seen"] if seen else []), *options),
        ]
        done = CliRunner().invoke(command, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return call


def raw_of(table, classes):
    return table[[f"prob.{name}" for name in classes]].to_numpy(dtype=np.float32)


# ── from films to a file and back ──────────────────────────────────────────────────────────────


def test_predict_applies_what_was_fitted(given, run, tmp_path):
    output = run("--coverage", "0.8")
    assert "Temperature" in output
    old, new = load_model(given / "demo.onnx"), load_model(tmp_path / "new.onnx")
    (entry,) = new.card.tasks
    classes = entry.task.classes
    text = predict(new.path, tmp_path / "results.csv")
    assert [*text.columns][-4:] == ["set", "abstain", "seen_in_training", "error"]
    raw = raw_of(read_table(given / "val.csv"), classes)
    shown = raw_of(text, classes)
    assert np.array_equal(shown, calibrated(raw, entry))  # to the last bit, through files
    assert not np.array_equal(shown, raw)
    inside = sets(raw, entry)
    joined = ["|".join(np.array(classes)[row]) for row in inside]
    assert text["set"].tolist() == joined
    alone = [name == label for name, label in zip(joined, text["label"], strict=True)]
    assert text["abstain"].tolist() == [str(int(not one)) for one in alone]
    # the graph, and all of the card that is not about this
    graphs = [m.content[: list(records(m.content))[-3].end] for m in (old, new)]
    assert graphs[0] == graphs[1]
    assert 2 * len(graphs[0]) > len(old.content)
    assert new.seal != old.seal
    assert replace(new.card, tasks=old.card.tasks, scores=old.card.scores) == old.card
    assert new.card.scores["part"].endswith("before calibration")
    assert new.card.self_test == old.card.self_test
    schema = Path(__file__).parents[2] / "docs" / "card.schema.json"
    jsonschema.validate(new.card.to_dict(), json.loads(schema.read_text()))
    # classify and show say the same as predict
    film = FILMS / text["path"][3]
    one = xraybatch.load_model(new.path, device="cpu").classify(film)
    columns = [f"prob.{name}" for name in classes]
    assert one[columns].loc[0].tolist() == pytest.approx(shown[3].tolist(), abs=1e-6)
    assert one.loc[0, "set"] == text.loc[3, "set"] or one.loc[0, "set"] is None
    assert one["abstain"].dtype == "boolean"
    assert one.loc[0, "abstain"] == (not alone[3])
    view = xraybatch.show(film, new.path)
    (answer,) = view.answers
    assert answer.probabilities == pytest.approx(shown[3], abs=1e-6)
    assert answer.may_be == tuple(np.array(classes)[inside[3]])
    assert answer.abstains == (not alone[3])


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_other_forms_carry_the_same_cells(run, tmp_path, suffix):
    run("--coverage", "0.8", "--sets", "aps", "--method", "none")
    one, other = (
        predict(tmp_path / "new.onnx", tmp_path / name, FILMS / "P002")
        for name in ("a.csv", f"a{suffix}")
    )
    assert [*one.columns] == [*other.columns]
    for name in ("path", "label", "set", "abstain", "seen_in_training"):
        assert one[name].tolist() == other[name].tolist()
    assert (one["set"] != "").all()  # aps: no set is empty


def test_the_card_says_where_it_comes_from(given, run, tmp_path):
    run("--coverage", "0.8", "--by-class")
    (entry,) = load_model(tmp_path / "new.onnx").card.tasks
    record = json.loads((given / "val.csv.run.json").read_text())
    for part in (entry.calibration, entry.conformal):
        source = part["fitted_on"]
        assert source["table"] == "val.csv"
        assert source["sha256"] == record["results_sha256"]
        assert (source["films"], source["patients"]) == (138, 60)
        assert source["seen_in_training"] == 110
        assert source["seal"] == load_model(given / "demo.onnx").seal
    assert entry.conformal["coverage"] == 0.8
    assert [t["of_class"] for t in entry.conformal["trust"]] == [*entry.task.classes]
    done = subprocess.run(
        [sys.executable, "-m", "xraybatch", "inspect", str(tmp_path / "new.onnx")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = " ".join(done.stdout.split())
    assert "calibration: temperature" in said
    assert "80 % coverage of each class, lac, fitted on val.csv (sha256 " in said


def test_findings_get_a_threshold_each_that_their_film_reaches(given, run, tmp_path):
    old = load_model(given / "demo.onnx")
    task = FINDINGS
    card = replace(old.card, tasks=(TaskCard(task),), scores={})
    model = with_card(old, card, tmp_path / "findings.onnx").path
    predict(model, tmp_path / "raw.csv")
    labels = read_table(given / "labels.csv")
    for name in task.classes:
        labels[name] = (labels["label"] == name).astype(int).astype(str)
    labels.loc[:5, "osteopenia"] = ""
    labels.drop(columns="label").to_csv(tmp_path / "labels.csv", index=False)
    run(
        "--threshold", "sensitivity>=0.9",
        model=model, results=tmp_path / "raw.csv", labels=tmp_path / "labels.csv",
    )  # fmt: skip
    (entry,) = load_model(tmp_path / "new.onnx").card.tasks
    assert entry.threshold_origin.startswith("sensitivity>=0.9 on raw.csv (sha256 ")
    assert entry.threshold_origin.endswith("), 138 films of 60 patients")
    table = predict(tmp_path / "new.onnx", tmp_path / "new.csv")
    for k, name in enumerate(task.classes):
        shown = table[f"prob.{name}"].to_numpy(dtype=np.float32)
        bar = np.float32(entry.thresholds[k])
        assert bar in shown  # one of the films' own probabilities, as float32
        assert table[f"pred.{name}"].tolist() == [str(int(p >= bar)) for p in shown]
        truth = labels[name].to_numpy() == "1"
        assert (shown[truth] >= bar).mean() >= 0.9


def test_from_python_with_tables_in_memory(given, tmp_path):
    table = xraybatch.predict(FILMS, model=given / "demo.onnx")
    done = xraybatch.calibrate(
        given / "demo.onnx", table, pd.read_csv(given / "labels.csv"),
        out=tmp_path / "new.onnx", allow_seen=True, resamples=100, coverage=0.8,
    )  # fmt: skip
    assert "Temperature" in str(done)
    assert json.loads(json.dumps(done.to_dict(), allow_nan=False))["tasks"][0]["films"] == 138
    one = load_model(tmp_path / "new.onnx").card.tasks[0]
    assert one.calibration["temperature"] == list(done.tasks[0].temperature)
    assert "&lt;" not in done._repr_html_()
    with pytest.raises(UsageError, match="threshold"):
        xraybatch.calibrate(
            given / "demo.onnx", table, given / "labels.csv",
            out=tmp_path / "b.onnx", allow_seen=True, threshold=0.3,
        )  # fmt: skip


def test_the_same_call_writes_the_same_bytes(run, tmp_path):
    run("--coverage", "0.8")
    first = (tmp_path / "new.onnx").read_bytes()
    run("--coverage", "0.8", "--overwrite")
    assert (tmp_path / "new.onnx").read_bytes() == first


def test_a_calibrated_model_is_fitted_anew_on_what_its_graph_said(run, tmp_path):
    run("--coverage", "0.8")
    output = run("--method", "isotonic", "--overwrite", model=tmp_path / "new.onnx")
    assert "conformal levels" in output  # it had some, and none was asked for
    (entry,) = load_model(tmp_path / "new.onnx").card.tasks
    assert entry.calibration["method"] == "isotonic"
    assert entry.conformal is None


# ── what is refused ────────────────────────────────────────────────────────────────────────────


def test_films_seen_in_training_are_refused_and_counted(run, tmp_path):
    with pytest.raises(InputError, match=r"110 of 138 labelled films were seen"):
        run(seen=False)
    assert not (tmp_path / "new.onnx").exists()


def test_results_of_another_model_are_refused(given, run, tmp_path):
    demo = load_model(given / "demo.onnx")
    graph = bytearray(demo.content)
    graph[len(graph) // 2] ^= 1  # one weight is another
    write_sealed(bytes(graph), demo.card.to_json(), tmp_path / "other.onnx")
    with pytest.raises(InputError, match=r"another model \(seal"):
        run(model=tmp_path / "other.onnx")


def test_results_of_the_graph_under_its_card_of_then_are_taken(given, run, tmp_path):
    demo = load_model(given / "demo.onnx")
    other = with_card(demo, replace(demo.card, name="another"), tmp_path / "other.onnx")
    run(model=other.path)
    assert load_model(tmp_path / "new.onnx").card.name == "another"
    turned = replace(demo.card, rule=replace(demo.card.rule, resize="crop"))
    other = with_card(demo, turned, tmp_path / "crop.onnx")
    with pytest.raises(InputError, match="another model"):
        run("--overwrite", model=other.path)


def test_calibrated_results_are_refused(run, tmp_path):
    run()
    predict(tmp_path / "new.onnx", tmp_path / "again.csv", FILMS / "P002")
    with pytest.raises(InputError, match="calibrated already"):
        run("--overwrite", model=tmp_path / "new.onnx", results=tmp_path / "again.csv")


def test_results_without_a_record_are_refused(given, run, tmp_path):
    (tmp_path / "val.csv").write_bytes((given / "val.csv").read_bytes())
    with pytest.raises(InputError, match="No run record"):
        run(results=tmp_path / "val.csv")


@pytest.mark.parametrize("content", ['{"model": []}', '{"tasks": 3}', '{"model": {"seal": 7}}'])
def test_a_record_of_nonsense_is_of_another_model(given, run, tmp_path, content):
    (tmp_path / "val.csv").write_bytes((given / "val.csv").read_bytes())
    (tmp_path / "val.csv.run.json").write_text(content)
    with pytest.raises(InputError, match="another model"):
        run(results=tmp_path / "val.csv")


def test_results_that_were_edited_are_told(given, run, tmp_path):
    (tmp_path / "val.csv").write_bytes((given / "val.csv").read_bytes() + b"\r\n")
    (tmp_path / "val.csv.run.json").write_bytes((given / "val.csv.run.json").read_bytes())
    assert "was changed after prediction" in run(results=tmp_path / "val.csv")


def test_a_file_that_is_there_is_not_overwritten(run, tmp_path):
    (tmp_path / "new.onnx").write_bytes(b"mine")
    with pytest.raises(InputError, match="not overwritten"):
        run()
    assert (tmp_path / "new.onnx").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--threshold", "youden"], "multiclass"),
        (["--threshold", "sensitivty>=0.9"], "rule"),
        (["--method", "platt"], "Platt"),
        (["--coverage", "0.3"], "coverage of 0.3"),
        (["--by-class"], "about sets"),
        (["--method", "none"], "nothing to fit"),
        (["--task", "lable"], "no task 'lable'"),
        (["--out", "model.h5"], r"\.onnx"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_written(run, tmp_path, options, match):
    with pytest.raises(UsageError, match=match):
        run(*options)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_was_changed_is_refused(given, run, tmp_path):
    content = bytearray((given / "demo.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "broken.onnx").write_bytes(content)
    with pytest.raises(ModelError):
        run(model=tmp_path / "broken.onnx")


def test_films_that_tell_nothing_are_named(given, run, tmp_path):
    labels = read_table(given / "labels.csv")
    answers = read_table(given / "val.csv").set_index("path")["label"]
    labels["label"] = answers.loc[labels["path"]].to_numpy()
    labels.to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(InputError, match="'label' is not calibrated: every film"):
        run(labels=tmp_path / "labels.csv")


def test_it_needs_neither_keras_nor_onnx(given, tmp_path):
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'onnx', 'tf2onnx'): sys.modules[name] = None\n"
        "from xraybatch.cli.app import main\n"
        "main(['calibrate', *sys.argv[1:], '--allow-seen', '--json', '--resamples', '100'])"
    )
    arguments = [given / "demo.onnx", given / "val.csv", given / "labels.csv", "--out"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments), str(tmp_path / "new.onnx")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["new_seal"] == load_model(tmp_path / "new.onnx").seal
    assert found["tasks"][0]["changes"][0]["before"]["low"] is not None
