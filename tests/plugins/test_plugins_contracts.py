"""Every plugin that is installed here keeps what its kind promises: the suites of strangers."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from xraybatch.extension.hookspecs import HOOKS
from xraybatch.extension.registry import registry
from xraybatch.testing import CheckResult, Verdict, run_contract
from xraybatch.testing.runner import CONTRACTS

NEEDS_KERAS = ("architecture", "exporter")
# one of each family of keras.applications; `make soak` has them all
FAMILIES = {
    *("resnet50", "resnet50-v2", "vgg16", "xception", "inception-v3", "inception-resnet-v2"),
    *("mobilenet", "mobilenet-v2", "mobilenet-v3-small", "nasnet-mobile", "densenet121"),
    *("efficientnet-b0", "efficientnet-v2-b0", "convnext-tiny"),
}


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


def _is_kept(result: CheckResult) -> bool:
    if result.verdict is Verdict.SKIPPED:
        return result.reason.startswith(ALLOWED_TO_SKIP.get(result.name, "nothing is"))
    return result.verdict is Verdict.PASSED
