"""What a path that should be a model means."""

from __future__ import annotations

from pathlib import Path

import pytest

from xraybatch.core.errors import ModelError
from xraybatch.models.choice import named_model


@pytest.mark.parametrize(
    "named", ["a", ".a.partial", "a/model.onnx", ".a.partial/model.onnx", "a/"]
)
def test_an_unfinished_run_says_how_to_go_on(tmp_path: Path, named: str) -> None:
    (tmp_path / ".a.partial" / "state").mkdir(parents=True)
    with pytest.raises(ModelError, match="not finished") as caught:
        named_model(Path(f"{tmp_path}/{named}"))
    assert caught.value.hint.endswith(f"xraybatch train --resume {tmp_path / 'a'}")


def test_a_finished_run_is_taken_whatever_stands_beside_it(tmp_path: Path) -> None:
    (tmp_path / ".a.partial").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "model.onnx").write_bytes(b"")
    assert named_model(tmp_path / "a") == tmp_path / "a" / "model.onnx"
    assert named_model(tmp_path / "a" / "model.onnx") == tmp_path / "a" / "model.onnx"
    assert named_model(tmp_path / "b" / "model.onnx") == tmp_path / "b" / "model.onnx"
