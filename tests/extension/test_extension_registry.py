"""Plugins are loaded one by one; a broken one is a row, never the end and never a substitute."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from xraybatch import Architecture, hookimpl
from xraybatch.core.errors import PluginError, UsageError
from xraybatch.extension.hookspecs import HOOKS
from xraybatch.extension.records import Exporter, ImageReader
from xraybatch.extension.registry import load, registry

Install = Callable[..., EntryPoint]


class _Distribution:
    def __init__(self, name: str) -> None:
        self.name = name


def _entry(distribution: str, name: str, module: str) -> EntryPoint:
    entry = EntryPoint(name, module, "xraybatch")
    vars(entry)["dist"] = _Distribution(distribution)
    return entry


@pytest.fixture
def install() -> Iterator[Install]:
    """Install a module as a plugin of a distribution; gone after the test."""
    made: list[str] = []

    def make(distribution: str, name: str, **content: Any) -> EntryPoint:
        module = types.ModuleType(f"stranger_{len(made)}")
        vars(module).update(content)
        sys.modules[module.__name__] = module
        made.append(module.__name__)
        return _entry(distribution, name, module.__name__)

    yield make
    for name in made:
        del sys.modules[name]


def architectures(*names: str) -> Any:
    @hookimpl
    def register_architectures() -> list[Architecture]:
        return [Architecture(name, "a network", build=lambda options: None) for name in names]  # type: ignore[arg-type,return-value]

    return register_architectures


def test_ours_are_loaded_and_none_is_broken() -> None:
    rows = registry().rows
    assert [row for row in rows if row.status != "ok"] == []
    assert {"png", "jpeg", "tiff", "dicom"} <= {
        o.record.name for o in registry().records(ImageReader)
    }
    assert registry().get(Architecture, "resnet50").owner == "xraybatch:backbones"
    assert registry().get(Exporter, "onnx").record.suffix == ".onnx"


def test_a_missing_dependency_is_a_row() -> None:
    found = load([_entry("xb-dep", "x", "there_is_no_such_module")])
    assert found.rows[0].status == "broken"
    assert "there_is_no_such_module" in found.rows[0].reason


def test_exit_at_import_is_a_row(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaver.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    assert load([_entry("xb-exit", "x", "leaver")]).rows[0].status == "broken"


def test_a_misspelt_hook_names_the_nearest(install: Install) -> None:
    @hookimpl
    def register_architecture() -> list[Architecture]:
        return []

    row = load([install("xb", "x", register_architecture=register_architecture)]).rows[0]
    assert row.status == "broken"
    assert "'register_architectures'" in row.reason


def test_wrong_arguments_a_raising_hook_and_a_wrong_record_are_rows(install: Install) -> None:
    @hookimpl(specname="register_architectures")
    def with_argument(registrar: object) -> list[Architecture]:
        return []

    @hookimpl(specname="register_architectures")
    def raising() -> list[Architecture]:
        raise RuntimeError("later")

    @hookimpl(specname="register_architectures")
    def wrong() -> list[Any]:
        return ["resnet50"]

    found = load(
        [
            install("xb-a", "x", hook=with_argument),
            install("xb-b", "x", hook=raising),
            install("xb-c", "x", hook=wrong),
            install("xb-d", "x", register_architectures=architectures("fine")),
        ]
    )
    assert [row.status for row in found.rows] == ["broken", "broken", "broken", "ok"]
    assert "later" in found.rows[1].reason
    assert found.get(Architecture, "fine").owner == "xb-d:x"


def test_a_clash_is_an_error_only_when_asked_for_and_can_be_blocked(install: Install) -> None:
    entries = [
        install("zz", "x", register_architectures=architectures("net", "other")),
        install("xraybatch", "cnn", register_architectures=architectures("net")),
    ]
    found = load(entries)
    assert found.rows[0].owner == "xraybatch:cnn"  # ours first
    assert found.get(Architecture, "other").owner == "zz:x"
    with pytest.raises(PluginError) as caught:
        found.get(Architecture, "net")
    assert "'xraybatch:cnn' and 'zz:x'" in caught.value.message
    assert "XRAYBATCH_BLOCK=zz:x" in caught.value.hint
    unblocked = load(entries, blocked=["zz:x"])
    assert unblocked.get(Architecture, "net").owner == "xraybatch:cnn"
    assert [row.status for row in unblocked.rows] == ["ok", "blocked"]


def test_a_stranger_with_our_entry_points_name_takes_nothing_from_us(install: Install) -> None:
    found = load(
        [
            install("aa", "resnet50"),  # empty, sorts before ours
            install("bb", "other", register_architectures=architectures("resnet50x")),
            install("xraybatch", "resnet50", register_architectures=architectures("resnet50")),
        ]
    )
    assert found.get(Architecture, "resnet50").owner == "xraybatch:resnet50"


def test_an_unknown_name_suggests_and_names_broken_plugins(install: Install) -> None:
    found = load(
        [
            install("xb", "x", register_architectures=architectures("resnet50")),
            _entry("xb-dep", "y", "no_such"),
        ]
    )
    with pytest.raises(UsageError) as caught:
        found.get(Architecture, "resnet5")
    assert "'resnet50'" in caught.value.hint
    assert "xb-dep:y" in caught.value.hint


def test_every_hook_has_a_docstring_and_its_record() -> None:
    from xraybatch.extension import hookspecs

    for hook, record in HOOKS.values():
        assert getattr(hookspecs, hook).__doc__
        assert record.__doc__
