"""The sentence at the end names what took the time, and a setting that exists."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xraybatch.cli.export import command as export
from xraybatch.cli.predict import command as predict
from xraybatch.prediction.bottleneck import Stages, bottleneck

MODEL = Stages(100, 90, 2, 20, 4, 4, 4, "cpu", 16, "fp32")
DECODING = replace(MODEL, classifying=20, decoding=300, waiting=70)


def test_short_runs_say_nothing() -> None:
    assert bottleneck(replace(MODEL, wall=3)) == ""


@pytest.mark.parametrize(
    ("stages", "begin", "relief"),
    [
        (MODEL, "The model took 95% of the time", "--to onnx-int8"),
        (replace(MODEL, precision="int8"), "The model", "a GPU, or a smaller network"),
        (replace(MODEL, threads=2), "The model", "--threads 4"),
        (replace(MODEL, threads=3, batch_size=2), "The model", "--batch-size 4"),
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


NETWORK = replace(DECODING, decoding=40, fetching=200, io_threads=8)


def test_the_network_is_told_where_decoding_waits_for_it() -> None:
    for device in ("cpu", "cuda:0"):
        sentence = bottleneck(replace(NETWORK, device=device))
        assert sentence.startswith("Decoding waited for the network 83% of the time")
        assert "--io-threads 16" in sentence
    assert "--io-threads" not in bottleneck(replace(NETWORK, io_threads=64))


def test_a_network_that_nobody_waits_for_is_not_told() -> None:
    busy = replace(NETWORK, classifying=95, waiting=5)
    assert bottleneck(busy).startswith("The model")
    assert bottleneck(replace(NETWORK, fetching=30, decoding=300)).startswith("Decoding took")
