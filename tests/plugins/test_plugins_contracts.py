"""Every plugin that is installed here keeps what its kind promises: the suites of strangers."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

from xraybatch.extension.hookspecs import HOOKS
from xraybatch.extension.registry import registry
from xraybatch.testing import CheckResult, Verdict, run_contract
from xraybatch.testing.runner import CONTRACTS

NEEDS_KERAS = ("architecture", "exporter")
# forty are many; `make soak` has them all
FAMILIES = {"resnet50", "mobilenet", "efficientnet-b0"}


def marks(kind: str, name: str, owner: str) -> list[pytest.MarkDecorator]:
    """Keras is slow to start, and forty backbones are many."""
    found = [pytest.mark.train] if kind in NEEDS_KERAS else []
    if owner == "xraybatch:backbones" and name not in FAMILIES:
        found.append(pytest.mark.soak)
    return found


RECORDS = [
    pytest.param(
        kind,
        owned.record.name,
        owned.owner,
        id=f"{kind}-{owned.record.name}",
        marks=marks(kind, owned.record.name, owned.owner),
    )
    for kind in CONTRACTS
    for owned in registry().records(HOOKS[kind][1])
]
# what a record may leave out, and why
ALLOWED_TO_SKIP = {
    "a_frozen_backbone_stays_as_it_is": "It has no backbone",
    "follows_the_film_size": "It refuses",
}


@pytest.mark.parametrize(("kind", "name", "owner"), RECORDS)
def test_it_keeps_its_contract(kind: str, name: str, owner: str) -> None:
    if kind in NEEDS_KERAS and find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    if owner == "xraybatch:backbones":  # what TensorFlow keeps of one goes with its process
        _passes_alone(name)
        return
    results = list(run_contract(kind, name, owner=owner))
    assert len(results) > 5
    assert [result for result in results if not _is_kept(result)] == []


def test_the_suites_see_all_of_our_records() -> None:
    names = {parameters.id for parameters in RECORDS}
    assert names >= {
        *("architecture-cnn", "architecture-narrow", "architecture-resnet50"),
        *("exporter-onnx", "exporter-keras", "exporter-h5", "exporter-saved_model"),
        *("reader-png", "reader-jpeg", "reader-tiff", "reader-dicom"),
    }


def _passes_alone(name: str) -> None:
    command = [sys.executable, "-m", "xraybatch", "plugins", "--test", f"architecture:{name}"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (tested,) = json.loads(done.stdout)
    skipped = [c["name"] for c in tested["checks"] if c["verdict"] == Verdict.SKIPPED]
    assert set(skipped) <= {"follows_the_film_size"}
    assert len(tested["checks"]) > 5


def _is_kept(result: CheckResult) -> bool:
    if result.verdict is Verdict.SKIPPED:
        return result.reason.startswith(ALLOWED_TO_SKIP.get(result.name, "nothing is"))
    return result.verdict is Verdict.PASSED
