"""What a random split of films would have claimed, where films of one patient look alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from xraybatch.training.options import TrainOptions  # noqa: E402
from xraybatch.training.train import train  # noqa: E402

SIZE = 32


@pytest.fixture(scope="module")
def known_by_sight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 patients of 6 films: labels drawn by chance, each patient of a grey of their own."""
    folder = tmp_path_factory.mktemp("alike")
    random = np.random.default_rng(5)
    rows = []
    labels = random.permutation(["normal", "abnormal"] * 6)
    for patient in range(12):
        for film in range(6):
            grey = 20 + 18 * patient + random.normal(0, 2, (SIZE, SIZE))
            name = f"{patient}-{film}.png"
            Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(folder / name)
            rows.append((name, labels[patient], patient))
    pd.DataFrame(rows, columns=["path", "label", "patient"]).to_csv(
        folder / "labels.csv", index=False
    )
    return folder


def asked(data: Path, out: Path, **more: Any) -> TrainOptions:
    return TrainOptions(
        "cnn",
        **{
            "data": data,
            "out": out,
            "image_size": str(SIZE),
            "epochs": 2,
            "batch_size": 8,
            "leak_check": True,
        }
        | more,
    )


def test_films_are_dealt_in_the_same_shares(striped_films: Path, tmp_path: Path) -> None:
    from dataclasses import dataclass

    from xraybatch.training.leak import at_random
    from xraybatch.training.split import Split

    @dataclass(frozen=True)
    class Given:
        codes: Any
        split: Split

    labels = np.arange(60) % 3
    part = np.array(["train"] * 40 + ["val"] * 8 + ["test"] * 12)
    dealt = at_random(Given({"label": labels}, Split(part, "", "")), seed=0)
    assert not np.array_equal(dealt.split.part, part)
    for name in ("train", "val", "test"):
        before, after = np.bincount(labels[part == name]), labels[dealt.split.part == name]
        assert np.array_equal(before, np.bincount(after))


def test_the_claim_is_printed_and_kept(striped_films: Path, tmp_path: Path, said: Any) -> None:
    run = train(asked(striped_films, tmp_path / "run"), said)
    (sentence,) = [note for note in said.notes if "random split of films" in note]
    assert sentence.startswith("AUC of 'label': by patient ")
    kept = json.loads((run.folder / "score.json").read_text())
    assert sentence in kept["tasks"][0]["sentences"]
    assert run.card.scores["label"]["random_split"] == sentence
    assert "would have claimed" in (run.folder / "card.md").read_text()
    table = pd.read_csv(run.folder / "leak.csv")
    assert table["value"].item() == run.report.tasks[0].estimates["auc"].value
    assert f"claimed {table['claimed'].item():.2f}." in sentence


def test_where_patients_are_known_by_sight_it_would_have_claimed_more(
    known_by_sight: Path, tmp_path: Path
) -> None:
    run = train(
        asked(
            known_by_sight,
            tmp_path / "run",
            epochs=30,
            learning_rate=1e-2,
            folds=3,
            patience=30,
            val_split=0.0,
        )
    )
    tables = [pd.read_csv(f) for f in sorted(run.folder.glob("folds/*/leak.csv"))]
    assert len(tables) == 3
    claimed = np.mean([table["claimed"].item() for table in tables])
    assert claimed > run.report.tasks[0].estimates["auc"].value + 0.1
    assert f"3 random splits of films would have claimed {claimed:.2f} on average" in " ".join(
        run.report.tasks[0].sentences
    )


def test_it_is_on_where_a_frozen_backbone_makes_it_cheap(
    tiny: Any, tiny_weights: Path, striped_films: Path, tmp_path: Path, said: Any
) -> None:
    options = TrainOptions(
        "tiny", data=striped_films, out=tmp_path / "on", weights=str(tiny_weights), epochs=1
    )
    train(options, said)
    assert "would have claimed" in said.text
    said.notes.clear()
    train(asked(striped_films, tmp_path / "whole", leak_check=None), said)
    off = {"leak_check": False, "out": tmp_path / "off"}
    train(TrainOptions(**{**vars(options), **off}), said)
    assert "would have claimed" not in said.text


def test_without_patients_it_says_why_there_is_none(
    striped_films: Path, tmp_path: Path, said: Any
) -> None:
    run = train(asked(striped_films, tmp_path / "run", group_by="film", epochs=1), said)
    assert "No leak check: patients are not known." in said.notes
    assert not (run.folder / "leak.csv").exists()
