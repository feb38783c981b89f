"""The sentence at the end names what took the time, and a setting that exists."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xraybatch.cli.export import command as export
from xraybatch.cli.predict import command as predict
from xraybatch.prediction.bottleneck import Stages, bottleneck

MODEL = Stages(100, 90, 2, 20, 4, 4, 4, "cpu", "fp32")
DECODING = replace(MODEL, classifying=20, decoding=300, waiting=70)


def test_short_runs_say_nothing() -> None:
    assert bottleneck(replace(MODEL, wall=3)) == ""


@pytest.mark.parametrize(
    ("stages", "begin", "relief"),
    [
        (MODEL, "The model took 95% of the time", "--to onnx-int8"),
        (replace(MODEL, precision="int8"), "The model", "a GPU, or a smaller network"),
        (replace(MODEL, threads=2), "The model", "--threads 4"),
        (DECODING, "Decoding took 79% of the time", "All 4 cores decode"),
        (replace(DECODING, workers=1), "Decoding", "--workers 4"),
        (replace(MODEL, decoding=300), "Decoding and the model", "more cores"),
        (replace(DECODING, device="cuda:0", workers=2), "The GPU waited for films", "--workers 4"),
        (replace(MODEL, device="cuda:0"), "The model took 90%", "--batch-size"),
        (replace(MODEL, device="cuda:0"), "The model took 90%", "--to onnx-fp16"),
    ],
)
def test_the_largest_stage_is_told_with_its_relief(stages: Stages, begin: str, relief: str) -> None:
    sentence = bottleneck(stages)
    assert sentence.startswith(begin)
    assert relief in sentence


def test_the_settings_that_are_named_exist() -> None:
    options = {name for option in predict.params for name in option.opts}
    assert {"--workers", "--threads", "--batch-size"} <= options
    assert "--to" in {name for option in export.params for name in option.opts}
