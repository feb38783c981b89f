"""The suite of exporters passes a good stranger, and sees each fault by its own check."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path

import pytest

from xraybatch.testing import ExporterContract, Verdict
from xraybatch.testing.contract import Shared

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

_spec = importlib.util.spec_from_file_location(
    "strange_exporters", Path(__file__).resolve().parent / "strangers" / "strange_exporters.py"
)
strange = sys.modules["strange_exporters"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(strange)


@pytest.fixture(scope="module")
def source():
    """One network for all of them: making it is most of the work."""
    from xraybatch.extension.registry import Owned

    content = {"find": lambda self: Owned("tests:stranger", strange.GOOD)}
    suite = type("TestSource", (ExporterContract,), content)
    yield suite().source
    suite.teardown_class()


def test_a_good_exporter_passes_every_check(found_in, source):
    results = found_in(ExporterContract, strange.GOOD, source=source)
    assert [r for r in results.values() if r.verdict is not Verdict.PASSED] == []


@pytest.mark.parametrize("fault", strange.BAD)
def test_a_fault_is_seen_by_its_check_alone(failures_in, source, fault):
    failed = failures_in(ExporterContract, strange.BAD[fault], source=source)
    assert list(failed) == [fault.partition(",")[0]], failed


def test_without_a_source_nothing_is_tried(found_in):
    def no_source(contract):
        raise RuntimeError("no network today")

    shared = Shared(no_source)
    shared.__set_name__(ExporterContract, "source")
    results = found_in(ExporterContract, strange.GOOD, source=shared)
    assert results["writes_what_it_was_told_to"].reason == "RuntimeError: no network today"
    assert results["answers_as_keras_does"].verdict is Verdict.SKIPPED


def test_the_exporter_of_the_readme_passes_every_check(found_in, tmp_path, monkeypatch):
    """The file that a stranger copies: SavedModel, from Keras, a folder."""
    readme = Path(__file__).resolve().parents[2] / "exporters" / "README.md"
    module = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)[0]
    (tmp_path / "saved_model_of_readme.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    (record,) = importlib.import_module("saved_model_of_readme").register_exporters()
    results = found_in(ExporterContract, record)
    assert [r for r in results.values() if r.verdict is not Verdict.PASSED] == []
