from __future__ import annotations

import json
from pathlib import Path

import pytest

from xraybatch.core.errors import ModelError
from xraybatch.models.card import card_from_json
from xraybatch.models.model import load_model, with_card
from xraybatch.models.seal import CARD_KEY, SEAL_KEY, read_sealed, write_sealed


def test_a_sealed_file_is_a_valid_onnx_file_with_card_and_seal_last(tiny_model: Path) -> None:
    import onnx

    proto = onnx.load(tiny_model)
    onnx.checker.check_model(proto)
    assert [entry.key for entry in proto.metadata_props][-2:] == [CARD_KEY, SEAL_KEY]
    assert proto.metadata_props[-2].value == read_sealed(tiny_model).card


def test_the_seal_is_sha256_of_every_byte_before_its_record(tiny_model: Path) -> None:
    import hashlib

    content = tiny_model.read_bytes()
    begin = content.rindex(SEAL_KEY.encode()) - 4  # tag, length, key's tag, key's length
    assert hashlib.sha256(content[:begin]).hexdigest() == read_sealed(tiny_model).seal


def test_one_changed_byte_anywhere_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    content = tiny_model.read_bytes()
    changed = tmp_path / "changed.onnx"
    step = max(1, len(content) // 400)
    for position in [*range(0, len(content), step), *range(len(content) - 120, len(content))]:
        broken = bytearray(content)
        broken[position] ^= 0x01
        changed.write_bytes(broken)
        with pytest.raises(ModelError):
            load_model(changed)


@pytest.mark.soak
def test_every_single_changed_byte_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    content = tiny_model.read_bytes()
    changed = tmp_path / "changed.onnx"
    for position in range(len(content)):
        for bit in (0x01, 0x80):
            broken = bytearray(content)
            broken[position] ^= bit
            changed.write_bytes(broken)
            with pytest.raises(ModelError):
                load_model(changed)


@pytest.mark.parametrize("cut", [0, 1, 50, 84, 85, 300])
def test_a_cut_file_is_refused(tiny_model: Path, tmp_path: Path, cut: int) -> None:
    short = tmp_path / "short.onnx"
    content = tiny_model.read_bytes()
    short.write_bytes(content[: -cut or len(content)] if cut else content + b"\0")
    with pytest.raises(ModelError):
        load_model(short)


def test_a_foreign_onnx_file_is_named_as_such(tiny_graph: bytes, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.onnx"
    foreign.write_bytes(tiny_graph)
    with pytest.raises(ModelError, match="foreign"):
        load_model(foreign)


@pytest.mark.parametrize(
    "content", [b"", b"PK\3\4 no model", b"\0" * 100, b"version https://git-lfs"]
)
def test_what_is_no_onnx_file_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        load_model(path)


def test_a_broken_seal_can_be_allowed_and_stays_known(tiny_model: Path, tmp_path: Path) -> None:
    content = bytearray(tiny_model.read_bytes())
    content[content.index(b"tiny")] ^= 0x20
    path = tmp_path / "changed.onnx"
    path.write_bytes(content)
    assert "broken" in load_model(path, allow_broken_seal=True).broken_seal


def test_recarding_keeps_the_graph_and_is_repeatable(tiny_model: Path, tmp_path: Path) -> None:
    model = load_model(tiny_model)
    again = with_card(model, model.card, tmp_path / "again.onnx")
    assert again.content == model.content
    third = with_card(again, card_from_json(again.card.to_json()), tmp_path / "third.onnx")
    assert third.content == model.content


def test_a_newer_minor_schema_is_readable_and_kept(
    tiny_graph: bytes, tiny_model: Path, tmp_path: Path
) -> None:
    card = json.loads(read_sealed(tiny_model).card)
    card.update(schema="1.7", something_new={"a": 1})
    path = tmp_path / "newer.onnx"
    write_sealed(tiny_graph, json.dumps(card), path)
    assert load_model(path).card.to_dict()["something_new"] == {"a": 1}
    card["schema"] = "2.0"
    write_sealed(tiny_graph, json.dumps(card), path)
    with pytest.raises(ModelError, match=r"schema 2\.0"):
        load_model(path)


@pytest.mark.parametrize("missing", ["schema", "tasks", "rule"])
def test_schema_tasks_and_rule_are_all_that_is_needed(
    tiny_graph: bytes, tiny_model: Path, tmp_path: Path, missing: str
) -> None:
    full = json.loads(read_sealed(tiny_model).card)
    small = {key: full[key] for key in ("schema", "tasks", "rule")}
    path = tmp_path / "small.onnx"
    write_sealed(tiny_graph, json.dumps(small), path)
    assert load_model(path).card.tasks[0].task.classes[0] == "normal"
    del small[missing]
    write_sealed(tiny_graph, json.dumps(small), path)
    with pytest.raises(ModelError, match="card"):
        load_model(path)
