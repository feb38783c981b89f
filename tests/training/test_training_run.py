"""The use case, end to end: films and labels to a run folder whose model answers as promised."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from xraybatch.core.errors import BarMissed, Interrupted, UsageError
from xraybatch.core.tables import read_table
from xraybatch.core.tasks import TaskKind
from xraybatch.images.decode import decode_path
from xraybatch.images.film import film_digest
from xraybatch.models.model import load_model
from xraybatch.models.runs import newest_run
from xraybatch.models.session import Session

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from xraybatch.training.options import TrainOptions  # noqa: E402
from xraybatch.training.train import resume, train  # noqa: E402


def test_the_run_folder_holds_what_it_should(trained: Any) -> None:
    run, _, _ = trained
    assert {p.relative_to(run.folder).as_posix() for p in run.folder.rglob("*") if p.is_file()} == {
        *("model.onnx", "model.keras", "config.toml", "split.csv", "history.csv", "log.jsonl"),
        *("calibration.npz", "gate.npz", "predictions-test.csv", "score.json"),
        *("predictions-test.csv.run.json", "card.md", "card.html"),
        *("plots/curves.png", "plots/confusion-label.png", "plots/roc-label.png"),
    }
    assert newest_run(run.folder.parent).folder == run.folder
    for line in (run.folder / "log.jsonl").read_text().splitlines():
        json.loads(line)


def test_the_model_learned_and_its_file_answers_as_keras(trained: Any) -> None:
    from xraybatch.training.backend import load_keras

    run, told, _ = trained
    assert run.report.tasks[0].estimates["accuracy"].value >= 0.75
    model = load_model(run.model)
    assert model.card.parity["largest_difference"] < 2e-4
    assert model.card.parity["changed_classes"] == 0
    assert model.card.parity["spread"] > 0.2
    assert "largest difference" in told.text
    with np.load(run.folder / "gate.npz", allow_pickle=False) as gate:
        films, said = gate["films"], gate["probabilities.label"]
    keras_model = load_keras().models.load_model(run.folder / "model.keras", compile=False)
    now = np.asarray(keras_model.predict_on_batch(films)["label"])
    exported = Session(model, device="cpu").predict(films)["label"]
    assert np.abs(now - said).max() < 1e-6
    assert np.abs(now - exported).max() < 2e-4
    assert np.ptp(exported, axis=0).max() > 0.2


def test_the_card_is_filled_honestly(trained: Any, striped_films: Path) -> None:
    run, _, _ = trained
    card = load_model(run.model).card
    assert card == replace(run.card, tasks=card.tasks) or card.to_json() == run.card.to_json()
    assert card.name == run.folder.name
    assert not card.demonstration
    assert card.plugin["name"] == "cnn"
    assert card.tasks[0].task.kind is TaskKind.BINARY
    assert card.tasks[0].task.positive == "abnormal"
    assert (card.data["films"], card.data["patients"]) == (40, 20)
    split = read_table(run.folder / "split.csv")
    for name, parts in card.data["counts"]["label"].items():
        for part, count in parts.items():
            assert count == ((split["label"] == name) & (split["split"] == part)).sum()
    assert "tested" in card.data["overlap"]
    assert sum(card.data["grey_histogram"]) == pytest.approx(1, abs=1e-3)
    assert 0 < card.data["grey_bar"] < 1
    assert card.weights == {"asked": "auto", "loaded": "none", "reason": ""}
    assert card.scores["part"] == "held-back test films"
    assert (
        card.scores["label"]["accuracy"]["value"] == run.report.tasks[0].estimates["accuracy"].value
    )
    assert card.self_test is not None
    assert card.decoder["lossless"]
    text = card.to_json()
    assert str(striped_films) not in text, "nothing of a person's disk"
    seen = card.seen_in_training()
    for path, part in zip(split["path"], split["split"], strict=True):
        digest = film_digest(decode_path(str(striped_films / path), card.rule).pixels)
        assert (digest in seen) == (part != "test")


def test_patients_are_whole_and_text_stays_text(trained: Any) -> None:
    split = read_table(trained[0].folder / "split.csv")
    assert set(split.columns) == {"path", "label", "patient", "split", "file_sha256"}
    file = trained[2].data / split["path"][0]
    assert hashlib.sha256(file.read_bytes()).hexdigest().startswith(split["file_sha256"][0])
    assert len(split["file_sha256"][0]) == 16
    assert (split.groupby("patient")["split"].nunique() == 1).all()
    assert split["patient"].str.fullmatch(r"\d{3}").all()
    assert set(split["split"]) == {"train", "val", "test"}


def test_scores_are_those_of_predict_and_score(trained: Any, striped_films: Path) -> None:
    from sklearn.metrics import accuracy_score

    run, _, _ = trained
    results = read_table(run.folder / "predictions-test.csv")
    truth = read_table(striped_films / "labels.csv").set_index("path")["label"]
    expected = accuracy_score(truth[results["path"]], results["label"])
    assert run.report.tasks[0].estimates["accuracy"].value == pytest.approx(expected)
    assert json.loads((run.folder / "score.json").read_text())["tasks"][0]["films"] == len(results)
    assert run.report.join.patients == 4


def test_history_has_seconds_and_progress_has_epochs(trained: Any) -> None:
    run, told, options = trained
    history = pd.read_csv(run.folder / "history.csv")
    assert list(history["epoch"]) == list(range(1, len(history) + 1))
    best = history.loc[history["kept"] == 1]
    assert list(best["val_loss"]) == [history["val_loss"].min()]
    assert {"loss", "val_loss", "accuracy", "val_accuracy", "seconds", "phase"} <= set(history)
    assert ("training", options.epochs) in told.stages
    assert any(d.startswith("loss ") and " val " in d for d in told.details)


def test_the_config_repeats_the_run(
    trained: Any, tmp_path: Path, options_of: Callable[[Path], TrainOptions]
) -> None:
    run, _, _ = trained
    again = replace(options_of(run.folder / "config.toml"), out=tmp_path / "again")
    assert (again.epochs, again.batch_size, again.val_split) == (6, 8, 0.2)
    repeated = train(again)
    assert read_table(repeated.folder / "split.csv").equals(read_table(run.folder / "split.csv"))
    with np.load(run.folder / "gate.npz") as one, np.load(repeated.folder / "gate.npz") as other:
        assert np.array_equal(one["films"], other["films"])
        assert one["probabilities.label"] == pytest.approx(other["probabilities.label"], abs=1e-3)


@pytest.fixture(scope="module")
def several(striped_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One model for three tasks of three kinds, with empty labels among them."""
    options = TrainOptions(
        "narrow",
        data=striped_films,
        out=tmp_path_factory.mktemp("several") / "run",
        task=("label", "view:multiclass=ap,pa", "grade:ordinal", "found:multilabel=mass,fluid"),
        image_size="32",
        epochs=3,
        option=("width=8",),
        batch_size=8,
        no_hashes=True,
    )
    return train(options)


def test_several_tasks_of_every_kind_in_one_model(several: Any) -> None:
    card = load_model(several.model).card
    kinds = [entry.task.kind for entry in card.tasks]
    assert kinds == ["binary", "multiclass", "ordinal", "multilabel"]
    assert [task.task for task in several.report.tasks] == ["label", "view", "grade", "found"]
    session = Session(load_model(several.model), device="cpu")
    films = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), np.uint8)
    found = session.predict(films, ["label", "grade", "found", "embedding", "cam.label"])
    assert found["grade"].shape == (3, 3)
    assert found["grade"].sum(axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert found["cam.label"].shape[::3] == (3, 2)
    assert card.hashes == ""
    assert card.parity["changed_classes"] == 0


def test_films_without_a_label_for_a_task_are_counted_for_the_others(several: Any) -> None:
    split = read_table(several.folder / "split.csv")
    assert (split["view"] == "").any()
    counts = several.card.data["counts"]
    assert sum(sum(parts.values()) for parts in counts["label"].values()) == 40
    assert sum(sum(parts.values()) for parts in counts["view"].values()) == 32
    history = pd.read_csv(several.folder / "history.csv")
    assert {"label_accuracy", "view_accuracy", "val_found_loss"} <= set(history)


def test_a_frozen_backbone_is_run_once_and_stays_as_it_was(
    tiny: Any, tiny_weights: Path, striped_films: Path, tmp_path: Path, said: Any
) -> None:
    from xraybatch.training.backend import load_keras

    options = TrainOptions(
        "tiny", data=striped_films, out=tmp_path / "run", weights=str(tiny_weights), epochs=4
    )
    run = train(options, said)
    films = 40 - len(read_table(run.folder / "predictions-test.csv"))
    assert ("features, once", films) in said.stages
    keras = load_keras()
    model = keras.models.load_model(run.folder / "model.keras", compile=False)
    from xraybatch.extension.records import BuildOptions

    before = tiny.build(BuildOptions(32, 32, str(tiny_weights))).backbone.get_weights()
    assert all(map(np.array_equal, model.get_layer("tiny").get_weights(), before))
    assert set(pd.read_csv(run.folder / "history.csv")["phase"]) == {"head"}
    assert run.card.weights["loaded"] == tiny_weights.name
    assert not list(run.folder.rglob("features*")), "features of films are no part of a run"
    assert f'weights = "{tiny_weights}"' in (run.folder / "config.toml").read_text()


def test_fine_tuning_changes_the_last_layer_and_no_statistics(
    tiny: Any, tiny_weights: Path, striped_films: Path, tmp_path: Path, said: Any
) -> None:
    from xraybatch.extension.records import BuildOptions
    from xraybatch.training.backend import load_keras

    options = TrainOptions(
        "tiny",
        data=striped_films,
        out=tmp_path / "run",
        weights=str(tiny_weights),
        epochs=2,
        fine_tune=1,
    )
    run = train(options, said)
    model = load_keras().models.load_model(run.folder / "model.keras", compile=False)
    fresh = tiny.build(BuildOptions(32, 32, str(tiny_weights))).backbone
    kept = [
        np.array_equal(one, other)
        for one, other in zip(
            model.get_layer("tiny").get_weights(), fresh.get_weights(), strict=True
        )
    ]
    assert kept == [True] * 6 + [False] * 2
    history = pd.read_csv(run.folder / "history.csv")
    assert list(dict.fromkeys(history["phase"])) == ["head", "fine-tune"]
    assert "last 1 layers" in said.text


def test_weights_that_cannot_be_had_are_in_the_card_and_all_of_it_trains(
    tiny: Any, striped_films: Path, tmp_path: Path, said: Any
) -> None:
    run = train(TrainOptions("tiny", data=striped_films, out=tmp_path / "run", epochs=1), said)
    assert "URL fetch failure" in run.card.weights["reason"]
    assert said.warnings
    assert set(pd.read_csv(run.folder / "history.csv")["phase"]) == {"whole"}
    assert 'weights = "none"' in (run.folder / "config.toml").read_text()


def test_no_model_is_written_where_the_file_answers_otherwise(
    striped_films: Path, tmp_path: Path, monkeypatch: Any, tiny: Any
) -> None:
    from click.testing import CliRunner

    import xraybatch_exporters.onnx.convert as exporter
    from xraybatch.cli.train import command
    from xraybatch.extension.records import Exporter
    from xraybatch.extension.registry import registry

    honest = registry().get(Exporter, "onnx").record

    def tampered(job: Any) -> None:
        exporter.write(job)
        import onnx
        from onnx import numpy_helper

        proto = onnx.load(job.target)
        bias = next(i for i in proto.graph.initializer if list(i.dims) == [2])
        moved = numpy_helper.to_array(bias) + np.float32([0, 0.01])
        bias.CopyFrom(numpy_helper.from_array(moved, bias.name))
        onnx.save(proto, job.target)

    import xraybatch.training.model_file as module

    real = module.registry()

    class Tampering:
        def get(self, kind: type, name: str) -> Any:
            found = real.get(kind, name)
            return (
                replace(found, record=replace(honest, write=tampered))
                if kind is Exporter
                else found
            )

    monkeypatch.setattr(module, "registry", Tampering)
    out = tmp_path / "run"
    with pytest.raises(BarMissed, match="does not answer as Keras") as caught:
        train(TrainOptions("tiny", data=striped_films, out=out, epochs=1))
    assert not out.exists()
    assert f"--resume {out}" in caught.value.hint
    with pytest.raises(UsageError, match="--tolerance 0"):
        resume(out, tolerance=0.0)
    monkeypatch.setattr("keras.Model.fit", None)  # what was learned is not learned again
    words = ["--resume", str(out), "--tolerance", "0.1"]
    assert CliRunner().invoke(command, words, catch_exceptions=False).exit_code == 0
    assert load_model(out / "model.onnx").card.parity["tolerance"] == 0.1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


def test_stopped_in_the_middle_nothing_is_left(
    tiny: Any, striped_films: Path, tmp_path: Path, said: Any
) -> None:
    class Impatient(type(said)):  # type: ignore[misc]
        def note(self, sentence: str) -> None:
            if sentence.startswith("Films: "):
                raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        train(TrainOptions("tiny", data=striped_films, out=tmp_path / "run"), Impatient())
    assert caught.value.exit_code == 5
    assert list(tmp_path.iterdir()) == []


def test_class_folders_without_held_back_films(
    tiny: Any, striped_films: Path, tmp_path: Path, said: Any
) -> None:
    with (striped_films / "labels.csv").open() as file:
        for row in csv.DictReader(file):
            target = tmp_path / "films" / row["label"] / row["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(striped_films / row["path"], target)
    (tmp_path / "films" / "normal" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    run = train(
        TrainOptions(
            "tiny",
            data=tmp_path / "films",
            out=tmp_path / "run",
            test_split=0,
            val_split=0.2,
            epochs=1,
        ),
        said,
    )
    assert "treated as independent" in said.text
    assert "cannot be decoded, left out: 1 (" in said.text
    assert "broken.png" not in said.text
    assert read_table(run.folder / "left-out.csv")["path"].tolist() == ["normal/broken.png"]
    assert (run.folder / "predictions-validation.csv").exists()
    assert "optimistic" in run.report.sentences[-1]
    assert run.card.data["patients"] is None
    assert "chosen on these films" in run.card.scores["part"]


def test_no_validation_and_no_test_gives_a_model_without_score(
    tiny: Any, striped_films: Path, tmp_path: Path, said: Any
) -> None:
    run = train(
        TrainOptions(
            "tiny",
            data=striped_films,
            out=tmp_path / "run",
            test_split=0,
            val_split=0,
            epochs=1,
            no_cache=True,
        ),
        said,
    )
    assert run.report is None
    assert run.card.scores == {}
    assert "no score" in said.text
    assert load_model(run.model).card.parity["films"] == 40


def test_an_unknown_plugin_or_optimizer_is_told_before_anything_is_made(
    striped_films: Path, empty_folder: Path
) -> None:
    with pytest.raises(UsageError, match="resnet5"):
        train(TrainOptions("resnet5", data=striped_films))
    with pytest.raises(UsageError) as caught:
        train(TrainOptions("narrow", data=striped_films, optimizer="adamx", image_size="32"))
    assert "adam" in caught.value.hint
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


def test_a_loss_that_runs_away_is_told(tiny: Any, striped_films: Path, tmp_path: Path) -> None:
    from xraybatch.core.errors import ModelError

    with pytest.raises(ModelError) as caught:
        train(
            TrainOptions(
                "tiny",
                data=striped_films,
                out=tmp_path / "run",
                learning_rate=1e30,
                optimizer="sgd",
                epochs=3,
            )
        )
    assert "--learning-rate" in caught.value.hint


def test_the_command_prints_score_folder_and_next_step(
    tiny: Any, write_films: Callable[..., Path], empty_folder: Path
) -> None:
    from click.testing import CliRunner

    from xraybatch.cli.train import command

    write_films(empty_folder / "films")
    arguments = ["--plugin", "tiny", "--data", "films", "--epochs", "1", "--weights", "none"]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert "Accuracy" in done.output
    assert "xraybatch predict ./folder --out results.csv" in done.output
    (run,) = Path("runs").iterdir()
    assert f"Run folder: {run}" in done.output
    quiet = CliRunner().invoke(command, [*arguments, "--out", "second", "-q"])
    assert (quiet.stdout, quiet.exit_code) == ("", 0)


def test_sample_films_make_a_demonstration_wherever_they_lie(
    tiny: Any, tmp_path: Path, said: Any
) -> None:
    from xraybatch_samples import write

    write(tmp_path / "films")
    options = TrainOptions(
        "tiny", data=tmp_path / "films", out=tmp_path / "run", epochs=1, weights="none"
    )
    run = train(options, said)
    assert run.card.demonstration
    assert run.card.data["source"].startswith("synthetic")
    assert "synthetic" in run.report.sentences[0]
    bare = replace(options, data=None, out=tmp_path / "bare")
    train(bare, said)
    assert "No --data: the synthetic sample films are used." in said.text


def test_real_films_as_they_are_distributed(
    tiny: Any, shared_data: Path, tmp_path: Path, said: Any
) -> None:
    run = train(
        TrainOptions(
            "tiny",
            data=shared_data / "fracture",
            out=tmp_path / "run",
            epochs=1,
            weights="none",
            on_leak="drop",
        ),
        said,
    )
    assert "parts as distributed" in run.card.data["split"]
    assert run.card.tasks[0].task.positive == "fractured"
    left_out = read_table(run.folder / "left-out.csv")
    assert (left_out["reason"] == "overlap").any()
    assert len(left_out[left_out["reason"] != "overlap"]) == 30
    assert run.card.parity["changed_classes"] == 0
    assert not run.card.demonstration
