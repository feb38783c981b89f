from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xraybatch.core.errors import BarMissed, InputError, ModelError, UsageError
from xraybatch.core.files import sha256_of
from xraybatch.extension.records import Exporter, ExportJob
from xraybatch.extension.registry import PluginRow, Registry, registry
from xraybatch.models.model import load_model
from xraybatch.models.session import Session

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from xraybatch.training.export import _digest, export  # noqa: E402


def test_a_run_exported_again_is_a_sealed_model_that_answers_the_same(
    trained: Any, tmp_path: Path, said: Any
) -> None:
    run, _, _ = trained
    done = export(run.folder, "onnx", tmp_path / "again.onnx", progress=said)
    assert "Parity" in said.text
    again, first = load_model(done.path), load_model(run.model)
    assert again.card.tasks == first.card.tasks
    films = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 1), np.uint8)
    one, other = (Session(m, device="cpu").predict(films)["label"] for m in (first, again))
    assert np.abs(one - other).max() < 1e-5
    with pytest.raises(InputError, match="not overwritten"):
        export(run.folder, "onnx", done.path)


@pytest.mark.parametrize(
    ("to", "out"), [("keras", "m.keras"), ("h5", "m.h5"), ("saved_model", "m")]
)
def test_formats_without_room_for_a_card_pass_the_gate(
    trained: Any, tmp_path: Path, said: Any, to: str, out: str
) -> None:
    done = export(trained[0].folder, to, tmp_path / out, progress=said)
    assert "0 changed classes" in said.text
    assert "so this says little" not in said.text
    assert sorted(p.name for p in tmp_path.iterdir()) == [out, f"{out}.card.json"]
    card = json.loads((tmp_path / f"{out}.card.json").read_text())
    if (tmp_path / out).is_file():
        assert card["seal"] == sha256_of(tmp_path / out)
    else:
        (tmp_path / out / "fingerprint.pb").write_bytes(b"changed")
        assert card["seal"] != _digest(tmp_path / out)
    assert card["parity"]["largest_difference"] == done.parity.largest_difference < 1e-5


class Copying:
    """A format that starts from the ONNX file and has no room for a card: a folder of two files."""

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    def write(self, job: ExportJob) -> None:
        assert job.onnx_file is not None
        assert job.outputs == ("label",)
        job.target.mkdir()
        (job.target / "graph").write_bytes(job.onnx_file.read_bytes())
        (job.target / "notes").write_text("")

    def open(self, path: Path) -> Any:
        session = Session(load_model(path / "graph"), device="cpu")

        def predict(films: np.ndarray) -> dict[str, np.ndarray]:
            return {"label": session.predict(films)["label"] + np.float32(self.shift)}

        return predict


def with_format(monkeypatch: Any, copying: Copying) -> None:
    record = Exporter("copy", "", "", "onnx", copying.write, copying.open)
    more = Registry([*registry().rows, PluginRow("t:c", "ok", "", 0.0, {"exporter": [record]})])
    monkeypatch.setattr("xraybatch.training.export.registry", lambda: more)


def test_a_format_without_metadata_gets_its_card_beside_it(
    trained: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    with_format(monkeypatch, Copying())
    done = export(trained[0].model, "copy", tmp_path / "copied")
    card = json.loads((tmp_path / "copied.card.json").read_text())
    assert card["tasks"][0]["name"] == "label"
    assert card["parity"]["films"] == done.parity.films
    assert len(card["seal"]) == 64
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copied", "copied.card.json"]
    assert sha256_of(tmp_path / "copied" / "graph") == sha256_of(trained[0].model)


def test_killed_before_its_last_step_the_same_command_exports(
    trained: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    with_format(monkeypatch, Copying())
    with monkeypatch.context() as patched:

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            export(trained[0].model, "copy", tmp_path / "copied")
    assert [p.name for p in tmp_path.iterdir()] == ["copied.card.json"]
    done = export(trained[0].model, "copy", tmp_path / "copied")
    assert json.loads((tmp_path / "copied.card.json").read_text())["seal"] == _digest(done.path)


def test_a_file_that_answers_otherwise_is_not_written(
    trained: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    with_format(monkeypatch, Copying(shift=0.01))
    with pytest.raises(BarMissed):
        export(trained[0].folder, "copy", tmp_path / "copied")
    assert list(tmp_path.iterdir()) == []
    export(trained[0].folder, "copy", tmp_path / "copied", tolerance=0.1)


def test_a_model_alone_or_an_unknown_format(trained: Any, tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="onxn"):
        export(trained[0].folder, "onxn")
    with pytest.raises(UsageError, match=r"ends in \.onnx") as told:
        export(trained[0].folder, "onnx", tmp_path / "model.onx")
    assert "model.onnx" in told.value.hint
    with pytest.raises(ModelError, match=r"gate\.npz"):
        export(tiny_model, "onnx", tmp_path / "a.onnx")


def test_a_cross_validation_has_no_model_to_export(trained: Any, tmp_path: Path) -> None:
    fold = tmp_path / "run" / "folds" / "0"
    fold.mkdir(parents=True)
    shutil.copy(trained[0].model, fold / "model.onnx")
    with pytest.raises(ModelError, match="is a cross-validation") as told:
        export(tmp_path / "run", "onnx")
    assert "folds/0" in told.value.hint


def test_the_command(trained: Any, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from xraybatch.cli.export import command

    out = tmp_path / "m.onnx"
    done = CliRunner().invoke(
        command, [str(trained[0].folder), "--to", "onnx", "--out", str(out)], catch_exceptions=False
    )
    assert f"Written: {out}" in done.output
