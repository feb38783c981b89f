"""The gate of precision, and which layers stay in float: on answers that are made up."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xraybatch.core.errors import BarMissed, UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.extension.records import Exporter, ExportJob
from xraybatch.models.card import TaskCard
from xraybatch.training.artefacts import Gate
from xraybatch.training.lower_precision import lower
from xraybatch.training.precision_gate import ENOUGH, allowed, judge, shift_of

BINARY = TaskCard(Task("label", TaskKind.BINARY, ("a", "b"), "b"), thresholds=(0.4,))
GRADE = TaskCard(Task("grade", TaskKind.ORDINAL, ("0", "1", "2")))
FOUND = TaskCard(Task("found", TaskKind.MULTILABEL, ("x", "y")))
TASKS = (BINARY, GRADE, FOUND)
FILMS = 200


def answers(seed: int, noise: float = 0.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    more = np.random.default_rng(seed + 1)
    found = {}
    for entry in TASKS:
        raw = rng.normal(0, 2, (FILMS, len(entry.task.classes)))
        raw = raw + more.normal(0, noise, raw.shape)
        if entry is FOUND:
            found["found"] = 1 / (1 + np.exp(-raw))
        else:
            found[entry.task.name] = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    return {name: values.astype(np.float32) for name, values in found.items()}


def truth(seed: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    found = {"label": rng.integers(0, 2, FILMS), "grade": rng.integers(0, 3, FILMS)}
    found["found"] = rng.integers(0, 2, (FILMS, 2))
    found["label"][:10] = -1
    found["found"][5:30, 1] = -1
    return found


def gate(patients: np.ndarray | None = None, **more: Any) -> Gate:
    given = {"truth": truth()} | more
    alone = np.arange(FILMS)
    pixels = np.zeros((FILMS, 2, 2, 1), np.uint8)
    return Gate(pixels, {}, patients=alone if patients is None else patients, **given)


@pytest.mark.parametrize(
    ("asked", "films", "expected"),
    [
        ("1%", 64, 1),
        ("1%", 99, 1),
        ("1%", 200, 2),
        ("1%", 299, 2),
        ("1%", 300, 3),
        ("2.5 %", 1000, 25),
        ("0%", 50, 1),
        ("0", 50, 0),
        ("7", 50, 7),
        (" 3 ", 50, 3),
        ("100%", 50, 50),
    ],
)
def test_how_many_films_may_change(asked: str, films: int, expected: int) -> None:
    assert allowed(asked, films) == expected


@pytest.mark.parametrize("asked", ["", "-1", "1.5", "101%", "one", "1%%", "nan%"])
def test_what_is_no_limit_is_refused(asked: str) -> None:
    with pytest.raises(UsageError, match="no number of films"):
        allowed(asked, 50)


def test_changed_films_and_shifts_by_hand() -> None:
    before, after = answers(0), answers(0, noise=0.3)
    found = shift_of(before, after, TASKS)
    moved = (before["label"][:, 1] >= 0.4) != (after["label"][:, 1] >= 0.4)
    moved |= before["grade"].argmax(axis=1) != after["grade"].argmax(axis=1)
    moved |= ((before["found"] >= 0.5) != (after["found"] >= 0.5)).any(axis=1)
    assert 0 < moved.sum() < FILMS
    assert found.changed == moved.sum()
    away = np.concatenate([np.abs(before[t] - after[t]).ravel() for t in before])
    assert found.mean == pytest.approx(away.mean(), rel=1e-5)
    assert found.largest == pytest.approx(away.max(), rel=1e-5)


def test_an_answer_that_is_no_number_is_a_change() -> None:
    before = answers(0)
    after = {name: values.copy() for name, values in before.items()}
    after["grade"][3, 1] = np.nan
    after["grade"][9, 0] = np.inf
    found = shift_of(before, after, TASKS)
    assert (found.changed, found.largest) == (2, 1.0)


def test_change_of_accuracy_by_hand_and_by_another_programs_interval() -> None:
    before, after = answers(0), answers(0, noise=0.5)
    found = judge(before, after, gate(), TASKS, 2, "val")
    label, codes = found.accuracy["label"], truth()["label"]
    known = codes >= 0
    right = [((said["label"][:, 1] >= 0.4) == codes)[known] for said in (before, after)]
    assert (label.metric, label.films) == ("accuracy", known.sum())
    assert label.before == pytest.approx(right[0].mean())
    assert label.change == pytest.approx(right[1].mean() - right[0].mean())
    gained, lost = (right[1] & ~right[0]).mean(), (right[0] & ~right[1]).mean()
    # Wald's interval: near Tango's where so many films are told apart
    width = 1.96 * np.sqrt((gained + lost - (gained - lost) ** 2) / known.sum())
    assert label.low == pytest.approx(label.change - width, abs=0.01)
    assert label.high == pytest.approx(label.change + width, abs=0.01)
    exact, codes = found.accuracy["found"], truth()["found"]
    whole = (codes >= 0).all(axis=1)
    assert (exact.metric, exact.films) == ("exact_match", whole.sum())
    assert exact.after == pytest.approx(
        ((after["found"] >= 0.5) == codes)[whole].all(axis=1).mean()
    )


def test_films_of_one_patient_widen_the_interval() -> None:
    before, after = answers(0), answers(0, noise=0.5)
    alone = judge(before, after, gate(), TASKS, 2, "val").accuracy["grade"]
    one = judge(before, after, gate(np.zeros(FILMS, np.int64)), TASKS, 2, "val").accuracy["grade"]
    assert alone.low < alone.change < alone.high
    assert (one.low, one.high) == (None, None)
    assert one.reason


def test_without_labels_the_reason_is_said() -> None:
    found = judge(answers(0), answers(0, noise=0.3), gate(truth={}), TASKS, 2, "val")
    assert found.accuracy["label"].change is None
    assert "no labels" in found.accuracy["label"].reason
    assert "no labels" in found.sentence()
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_small_gate_and_films_that_were_trained_on_are_said() -> None:
    before = answers(0)
    assert judge(before, before, gate(), TASKS, 2, "val").doubt() == ""
    assert "trained on" in judge(before, before, gate(), TASKS, 2, "train").doubt()
    found = judge(before, before, gate(), TASKS, 2, "val")
    assert "too few" in replace(found, films=ENOUGH - 1).doubt()
    assert replace(found, films=ENOUGH).doubt() == ""
    both = replace(found, films=ENOUGH - 1, part="train").doubt()
    assert "too few" in both
    assert "trained on" in both


class Coarse:
    """An exporter whose file says which layers are not in float: each bad pair moves answers."""

    def __init__(self, layers: int, bad: dict[tuple[str, str], float]) -> None:
        self.names = [f"layer{i}" for i in range(layers)]
        self.bad = bad
        self.written: list[tuple[str, ...]] = []

    @property
    def record(self) -> Exporter:
        return Exporter(
            "coarse",
            "",
            ".json",
            "onnx",
            self.write,
            self.open,
            precision="int8",
            layers=lambda job: self.names,
        )

    def write(self, job: ExportJob) -> None:
        assert not job.target.exists()
        self.written.append(job.in_float)
        # what flows between two layers is coarse unless both are in float
        moved = sum(by for pair, by in self.bad.items() if not set(pair) <= set(job.in_float))
        job.target.write_text(json.dumps([moved, list(job.in_float)]))

    def open(self, path: Path) -> Any:
        moved = json.loads(path.read_text())[0]

        def predict(films: np.ndarray) -> dict[str, np.ndarray]:
            given = self.first[films[:, 0, 0, 0].astype(int)]
            return {"label": np.stack([1 - given - moved, given + moved], 1).astype(np.float32)}

        return predict

    first = np.linspace(0.05, 0.85, FILMS)


def lowered(coarse: Coarse, tmp_path: Path, said: Any, limit: int = 2) -> Any:
    pixels = np.broadcast_to(np.arange(FILMS)[:, None, None, None], (FILMS, 2, 2, 1))
    films = Gate(pixels.astype(np.uint8), {}, {"label": truth()["label"]}, np.arange(FILMS))
    before = {"label": np.stack([1 - Coarse.first, Coarse.first], 1).astype(np.float32)}
    return lower(
        coarse.record,
        ExportJob(tmp_path / "out.json", ("label",)),
        before,
        films,
        [BINARY],
        lambda: coarse.open(tmp_path / "out.json"),
        limit=limit,
        part="val",
        progress=said,
    )


def test_nothing_stays_in_float_where_nothing_must(tmp_path: Path, said: Any) -> None:
    coarse = Coarse(8, {("layer2", "layer3"): 1e-3})
    found = lowered(coarse, tmp_path, said)
    assert (found.in_float, found.harms, found.layers) == ((), (), 8)
    assert coarse.written == [()]


def test_first_and_last_layer_are_tried_before_anything_is_measured(
    tmp_path: Path, said: Any
) -> None:
    coarse = Coarse(8, {("layer0", "layer0"): 0.1})
    found = lowered(coarse, tmp_path, said)
    assert found.in_float == ("layer0", "layer7")
    assert coarse.written == [(), ("layer0", "layer7")]
    assert json.loads((tmp_path / "out.json").read_text())[1] == ["layer0", "layer7"]


def test_the_fewest_of_the_most_harmful_stay_in_float(tmp_path: Path, said: Any) -> None:
    bad = {("layer2", "layer3"): 0.02, ("layer7", "layer8"): 0.05, ("layer10", "layer11"): 0.01}
    coarse = Coarse(14, bad)
    found = lowered(coarse, tmp_path, said, limit=2)
    assert [harm.layers for harm in found.harms[:3]] == sorted(bad, key=lambda pair: -bad[pair])
    assert found.harms[0].mean_shift == pytest.approx(0.05, abs=1e-6)
    assert set(found.in_float) == {name for pair in bad for name in pair}
    assert json.loads((tmp_path / "out.json").read_text()) == [0, list(found.in_float)]
    fewer = lowered(coarse, tmp_path, said, limit=3)  # a shift of 0.01 changes 3 of 200 films
    assert set(fewer.in_float) == {"layer2", "layer3", "layer7", "layer8"}
    assert len(fewer.to_dict()["harm"]) == 5


def test_over_the_limit_the_worst_layers_are_named(tmp_path: Path, said: Any) -> None:
    names = [f"layer{i}" for i in range(8)]
    coarse = Coarse(8, dict.fromkeys(itertools.pairwise(names), 0.01))
    coarse.bad["layer4", "layer5"] = 0.05
    with pytest.raises(BarMissed, match="does not stand int8") as missed:
        lowered(coarse, tmp_path, said)
    assert missed.value.exit_code == 4
    assert "layer4, layer5 (0.05)" in missed.value.message
    assert "--max-changed" in missed.value.hint
    assert max(map(len, coarse.written)) <= 4, "never more than half"


def test_a_deep_network_is_measured_in_steps_that_are_bounded(tmp_path: Path, said: Any) -> None:
    coarse = Coarse(300, {("layer150", "layer151"): 0.1})
    found = lowered(coarse, tmp_path, said)
    assert {"layer150", "layer151"} <= set(found.in_float)
    assert len(found.in_float) <= 20
    assert len(coarse.written) < 80
