"""Runs exported to int8 and fp16: files, cards and refusals, with real networks."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xraybatch.core.errors import BarMissed, ModelError, UsageError
from xraybatch.core.tables import read_table
from xraybatch.models.model import load_model
from xraybatch.models.seal import read_sealed, write_sealed
from xraybatch.models.selftest import synthetic_films
from xraybatch.models.session import Session

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from xraybatch.training.export import export  # noqa: E402

LOWERED = pytest.mark.parametrize("precision", ["int8", "fp16"])


def answered(model: Any, films: np.ndarray) -> dict[str, np.ndarray]:
    """What onnxruntime says, by itself."""
    import onnxruntime as ort

    session = ort.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"films": films}), strict=True))


def command(*arguments: object) -> tuple[int, str]:
    """Exit code and all that the command said, on one line."""
    done = subprocess.run(
        [sys.executable, "-m", "xraybatch", *map(str, arguments)], capture_output=True, text=True
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.fixture(scope="module")
def soft(striped_films: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run that learned so little that its answers lie between 0 and 1."""
    from xraybatch.training.options import TrainOptions
    from xraybatch.training.train import train

    return train(
        TrainOptions(
            "cnn",
            data=striped_films,
            out=tmp_path_factory.mktemp("soft") / "run",
            image_size="32",
            epochs=1,
            learning_rate=2e-4,
            batch_size=8,
            val_split=0.2,
        )
    )


@pytest.fixture(scope="module")
def exported(soft: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The run's model in both precisions: path and what was returned, by precision."""
    folder = tmp_path_factory.mktemp("lowered")
    return {
        name: export(soft.folder, f"onnx-{name}", folder / f"{name}.onnx", max_changed="100%")
        for name in ("int8", "fp16")
    }


@LOWERED
def test_the_cards_figures_are_those_of_an_independent_count(
    soft: Any, exported: Any, precision: str
) -> None:
    card = load_model(exported[precision].path).card
    told = card.precision
    with np.load(soft.folder / "gate.npz") as stored:
        films, truth = stored["films"], stored["truth.label"]
    before = answered(soft.model, films)["label"]
    assert np.ptp(before, axis=0).max() > 0.02
    after = answered(exported[precision].path, films)["label"]
    found = told["gate"]
    assert found["films"] == len(films) > 4
    assert found["part"] == "val"
    changed = (before[:, 1] >= 0.5) != (after[:, 1] >= 0.5)
    assert found["changed_films"] == changed.sum()
    assert found["limit"] == len(films)
    assert found["mean_shift"] == pytest.approx(np.abs(after - before).mean(), rel=1e-3)
    assert found["largest_shift"] == pytest.approx(np.abs(after - before).max(), rel=1e-3)
    assert found["mean_shift"] > 1e-6, "a file in another precision answers otherwise"
    shares = found["accuracy"]["label"]
    assert shares["before"] == ((before[:, 1] >= 0.5) == truth).mean()
    assert shares["after"] == ((after[:, 1] >= 0.5) == truth).mean()
    assert told["format"] == precision
    assert told["made_of"] == load_model(soft.model).seal
    assert (told["in_float"], told["layers"]) == ([], 4)
    assert "too few" in told["doubt"]


@LOWERED
def test_it_is_a_sealed_model_of_its_own(soft: Any, exported: Any, precision: str) -> None:
    first, model = load_model(soft.model), load_model(exported[precision].path)
    assert model.card.tasks == first.card.tasks
    assert model.card.rule == first.card.rule
    assert model.card.created == first.card.created
    assert model.card.parity == first.card.parity
    test = model.card.self_test
    films = synthetic_films(test.seed, test.films, 32, 32)
    now = answered(model.path, films)["label"]
    np.testing.assert_allclose(test.probabilities["label"], now, atol=1e-6)
    session = Session(model, device="cpu")
    assert session.self_test_difference < 1e-6
    assert set(session.outputs) == set(Session(first, device="cpu").outputs)
    assert model.path.stat().st_size < first.path.stat().st_size * (0.6, 0.3)[precision == "int8"]


@LOWERED
def test_the_same_run_gives_the_same_bytes(
    soft: Any, exported: Any, tmp_path: Path, precision: str
) -> None:
    to, out = f"onnx-{precision}", tmp_path / "again.onnx"
    again = export(soft.folder, to, out, max_changed="100%")
    assert again.path.read_bytes() == exported[precision].path.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.onnx"]


def test_predict_and_inspect_take_it(exported: Any, striped_films: Path, tmp_path: Path) -> None:
    path, out = str(exported["int8"].path), tmp_path / "out.csv"
    code, text = command("predict", striped_films, "--model", path, "--out", out)
    assert code == 0, text
    rows = read_table(out)
    assert (rows["status"] == "ok").sum() == 40
    model = load_model(exported["int8"].path)
    assert model.seal in (tmp_path / "out.csv.run.json").read_text()
    code, text = command("inspect", path)
    assert code == 0
    assert "int8, 4 of 4 layers" in text
    assert "validation films get another class than in fp32 (allowed: 8)" in text
    assert "too few to trust" in text
    assert "those of the fp32 model" in text


def test_the_default_name_and_what_is_told(trained: Any, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from xraybatch.cli.export import command

    folder = tmp_path / "run"
    shutil.copytree(trained[0].folder, folder)
    done = CliRunner().invoke(command, [str(folder), "--to", "onnx-int8"], catch_exceptions=False)
    assert f"Written: {folder / 'exports' / 'model-int8.onnx'}" in done.output
    text = " ".join(done.output.split())
    assert "small gate" in text
    assert "films get another class than in fp32 (allowed: 1)" in text
    wrong = CliRunner().invoke(command, [str(folder), "--to", "onnx-int8", "--max-changed", "x%"])
    assert isinstance(wrong.exception, UsageError)


def test_what_is_missing_or_is_lowered_already_is_said(
    trained: Any, exported: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained[0].folder, folder)
    (folder / "calibration.npz").unlink()
    with pytest.raises(ModelError, match=r"has no calibration\.npz"):
        export(folder, "onnx-int8")
    shutil.copy(exported["fp16"].path, folder / "model.onnx")
    with pytest.raises(UsageError, match="is in fp16"):
        export(folder, "onnx-int8")
    assert list((folder / "exports").iterdir()) == []


def made_to_fail(run: Path, folder: Path, junctions: tuple[int, ...]) -> Path:
    """A run whose layers pass one channel on 4096 times as large, and take it so.

    In floating point nothing changes, for ReLU lets a factor through; in eight bits the other
    channels are nothing beside it.
    """
    import onnx
    from onnx import numpy_helper

    shutil.copytree(run, folder)
    path = folder / "model.onnx"
    proto = onnx.load(path)
    values = {t.name: t for t in proto.graph.initializer}
    order = [n for n in proto.graph.node if n.op_type in ("Conv", "MatMul", "Gemm")]
    readers: dict[str, list[Any]] = {}
    for node in proto.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)

    def scaled(name: str, part: Any, factor: float) -> None:
        array = numpy_helper.to_array(values[name]).copy()
        array[part] *= np.float32(factor)
        values[name].CopyFrom(numpy_helper.from_array(array, name))

    for at in junctions:
        one, other = order[at], order[at + 1]
        kernel = numpy_helper.to_array(values[one.input[1]])
        channels = len(kernel)
        scaled(one.input[1], 0, 4096.0)
        bias = one.input[2] if len(one.input) > 2 else readers[one.output[0]][0].input[1]
        flat = numpy_helper.to_array(values[bias]).reshape(-1)
        assert len(flat) == channels
        shape = numpy_helper.to_array(values[bias]).shape
        flat = flat.copy()
        flat[0] *= np.float32(4096)
        values[bias].CopyFrom(numpy_helper.from_array(flat.reshape(shape), bias))
        if other.op_type == "Conv":
            scaled(other.input[1], (slice(None), 0), 1 / 4096)
        else:
            scaled(other.input[1], slice(0, None, channels), 1 / 4096)
    write_sealed(proto.SerializeToString(), read_sealed(run / "model.onnx").card, path)
    return folder


def test_layers_stay_in_float_where_eight_bits_do_not_do(
    trained: Any, tmp_path: Path, said: Any
) -> None:
    run = made_to_fail(trained[0].folder, tmp_path / "run", (1,))
    films = np.load(run / "gate.npz")["films"]
    before = answered(run / "model.onnx", films)["label"]
    np.testing.assert_allclose(
        before, answered(trained[0].model, films)["label"], atol=1e-5
    )  # the same network
    done = export(run, "onnx-int8", max_changed="0", progress=said)
    told = done.card.precision
    names = told["in_float"]
    assert len(names) == 2
    assert ["conv2d_1_2" in name or "conv2d_2_1" in name for name in names] == [True, True]
    assert told["gate"]["changed_films"] == 0
    assert told["harm"][0]["layers"] == names
    assert told["harm"][0]["mean_shift"] > 0.05
    assert "2 of 4 layers stay in float" in said.text
    after = answered(done.path, films)["label"]
    assert np.abs(after - before).mean() < 0.02
    again = export(run, "onnx-int8", tmp_path / "again.onnx", max_changed="0")
    assert again.path.read_bytes() == done.path.read_bytes()


def test_over_the_limit_there_is_no_file_and_the_layers_are_named(
    trained: Any, tmp_path: Path
) -> None:
    run = made_to_fail(trained[0].folder, tmp_path / "run", (0, 1, 2))
    out = tmp_path / "out" / "model.onnx"
    with pytest.raises(BarMissed, match="does not stand int8"):
        export(run, "onnx-int8", out, max_changed="0")
    assert list(out.parent.iterdir()) == []
    code, text = command("export", run, "--to", "onnx-int8", "--out", out, "--max-changed", "0")
    assert code == 4
    assert "Layers that hurt most" in text
    assert "conv2d" in text
    assert list(out.parent.iterdir()) == []
    export(run, "onnx-int8", out, max_changed="100%")  # by the person's own word


def test_fp16_that_overflows_leaves_layers_in_float_or_is_refused(
    trained: Any, tmp_path: Path
) -> None:
    import onnx
    from onnx import numpy_helper

    run = tmp_path / "run"
    shutil.copytree(trained[0].folder, run)
    proto = onnx.load(run / "model.onnx")
    # 2^20 out of the first convolution, and back by the second: beyond what half precision holds
    first, second = itertools.islice((n for n in proto.graph.node if n.op_type == "Conv"), 2)
    values = {t.name: t for t in proto.graph.initializer}
    bias = first.input[2]
    for name, factor in ((first.input[1], 2.0**20), (bias, 2.0**20), (second.input[1], 2.0**-20)):
        moved = numpy_helper.to_array(values[name]) * np.float32(factor)
        values[name].CopyFrom(numpy_helper.from_array(moved, name))
    card = read_sealed(run / "model.onnx").card
    write_sealed(proto.SerializeToString(), card, run / "model.onnx")
    done = export(run, "onnx-fp16", max_changed="0")
    names = done.card.precision["in_float"]
    assert 1 <= len(names) <= 2
    assert done.card.precision["gate"]["largest_shift"] < 0.05


def test_several_tasks_of_every_kind(striped_films: Path, tmp_path: Path, tiny: Any) -> None:
    from xraybatch.training.options import TrainOptions
    from xraybatch.training.train import train

    run = train(
        TrainOptions(
            "narrow",
            data=striped_films,
            labels=striped_films / "labels.csv",
            task=("label", "grade:ordinal=0,1,2", "signs:multilabel=mass,fluid"),
            out=tmp_path / "run",
            image_size="32",
            epochs=2,
            test_split=0.0,
        )
    )
    films = np.load(run.folder / "gate.npz")["films"]
    before = answered(run.model, films)
    for precision in ("int8", "fp16"):
        done = export(run.folder, f"onnx-{precision}", max_changed="100%")
        after = answered(done.path, films)
        assert list(after) == list(before)
        assert {values.dtype for values in after.values()} == {np.dtype(np.float32)}
        found = done.card.precision["gate"]["accuracy"]
        assert {task: part["metric"] for task, part in found.items()} == {
            "label": "accuracy",
            "grade": "accuracy",
            "signs": "exact_match",
        }
        truth = np.load(run.folder / "gate.npz")["truth.signs"]
        assert found["signs"]["films"] == (truth >= 0).all(axis=1).sum()
        for task in found:
            assert np.abs(after[task] - before[task]).mean() < 0.02


def test_without_vnni_the_exact_way_gives_the_same_answers(
    exported: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(exported["int8"].path)
    films = np.random.default_rng(3).integers(0, 256, (8, 32, 32, 1), np.uint8)
    asked = []
    for known in (False, True):
        monkeypatch.setattr("xraybatch.models.graph.has_vnni", lambda known=known: known)
        session = Session(model, device="cpu")
        asked.append(session.predict(films)["label"])
        assert session.self_test_difference < 1e-2
    np.testing.assert_allclose(asked[0], asked[1], atol=1e-2)
