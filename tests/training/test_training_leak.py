"""What a random split of films would have claimed, where films of one patient look alike."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

from xraybatch.core.errors import UsageError  # noqa: E402
from xraybatch.training.leak import Claim  # noqa: E402
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


def claim_of(run: Any) -> str:
    """The sentence in a run's report, empty where there is none."""
    said = [s for s in run.report.tasks[0].sentences if "would have claimed" in s]
    return said[0] if said else ""


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
    sentence = claim_of(run)
    assert sentence.startswith("AUC of 'label': by patient ")
    kept = json.loads((run.folder / "score.json").read_text())
    assert sentence in kept["tasks"][0]["sentences"]
    assert run.card.scores["label"]["random_split"] == sentence
    assert "would have claimed" in (run.folder / "card.md").read_text()
    table = pd.read_csv(run.folder / "leak.csv")
    assert table["value"].item() == run.report.tasks[0].estimates["auc"].value
    assert f"would have claimed {table['claimed'].item():.2f}, having trained on" in sentence
    assert f"the patients of {table['shared'].item()} of its 8 test films" in sentence
    assert 0 < table["shared"].item() <= table["films"].item() == 8


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
    said = " ".join(run.report.tasks[0].sentences)
    assert f"3 random splits of films would have claimed {claimed:.2f} on average" in said
    shared = sum(table["shared"].item() for table in tables)
    assert f"the patients of {shared} of its 72 test films" in said


@pytest.mark.parametrize(
    ("low", "claimed", "verdict"),
    [
        (0.6, 0.91, "test films: too good to be true of new patients."),
        (0.6, 0.9, "test films. That is within the interval: these films are too few to tell."),
        (0.6, 0.59, "test films. That is less, so no leak shows here."),
        (None, 0.99, "test films."),
    ],
)
def test_the_sentence_says_what_the_figures_allow(
    low: float | None, claimed: float, verdict: str
) -> None:
    high = None if low is None else 0.9
    said = str(Claim("label", "auc", 0.75, low, high, claimed, shared=9, films=12))
    assert said.endswith(f"of 9 of its 12 {verdict}")


def distributed(known_by_sight: Path, folder: Path, *, last: bool) -> Path:
    """Half of the patients have one test film each, all others are trained on, as distributed."""
    table = pd.read_csv(known_by_sight / "labels.csv", dtype=str)
    table["path"] = [str(known_by_sight / path) for path in table["path"]]
    one = ~table["patient"].duplicated(keep="last" if last else "first")
    judged = (table["patient"].astype(int) >= 6) == last
    table["split"] = np.where(one & judged, "test", "train")
    folder.mkdir()
    table.to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.mark.parametrize("last", [False, True])
def test_a_split_as_distributed_that_leaks_is_judged_on_the_same_films(
    known_by_sight: Path, tmp_path: Path, said: Any, monkeypatch: pytest.MonkeyPatch, last: bool
) -> None:
    from sklearn import metrics

    from xraybatch.training import leak

    dealt: list[Any] = []
    learn = leak.learn

    def seen(shop: Any, prepared: Any, *rest: Any) -> Any:
        learned = learn(shop, prepared, *rest)
        films = prepared.films[prepared.split.where("test")]
        answers = learned.assembly.inference.predict_on_batch(films)["label"]
        dealt.append((prepared, np.asarray(answers)))
        return learned

    monkeypatch.setattr(leak, "learn", seen)
    data = distributed(known_by_sight, tmp_path / "distributed", last=last)
    run = train(asked(data, tmp_path / "run", val_split=0.0), said)
    (((leaking, answers),), split) = dealt, pd.read_csv(run.folder / "split.csv", dtype=str)
    test = leaking.split.where("test")
    assert set(leaking.table["path"][test]) == set(split["path"][split["split"] == "test"])
    assert len(leaking.table) == 72
    assert len(split) == 72 - 30
    assert (test.max() == 71) == last
    sentence = claim_of(run)
    assert sentence.startswith("AUC of 'label': without the overlap ")
    assert "; the split as distributed would have claimed" in sentence
    assert "having trained on the patients of 6 of its 6 test films" in sentence
    # the labels as the table of the films has them, and a reference that is not ours
    truth = pd.read_csv(data / "labels.csv", dtype=str).set_index("path")["label"]
    positive = (truth.loc[list(leaking.table["path"][test])] == "abnormal").to_numpy()
    column = run.card.tasks[0].task.classes.index("abnormal")
    expected = metrics.roc_auc_score(positive, answers[:, column])
    assert pd.read_csv(run.folder / "leak.csv")["claimed"].item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("error", "told"),
    [(MemoryError("film /secret.png"), "MemoryError."), (UsageError("Too few."), "Too few.")],
)
def test_a_check_that_fails_costs_no_finished_run(
    striped_films: Path,
    tmp_path: Path,
    said: Any,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    told: str,
) -> None:
    from xraybatch.training import leak

    def fails(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(leak, "learn", fails)
    run = train(asked(striped_films, tmp_path / "run", epochs=1), said)
    assert said.warnings[-1] == (
        "No leak check",
        f"It failed, the run is kept without it: {told}",
    )
    assert run.report.tasks[0].estimates["auc"].value is not None
    assert claim_of(run) == ""
    assert {"model.onnx", "score.json", "card.md"} <= {f.name for f in run.folder.iterdir()}
    assert not (run.folder / "leak.csv").exists()
    assert "secret" not in (run.folder / "log.jsonl").read_text()


def test_films_left_out_for_their_pixels_are_enough(
    striped_films: Path, tmp_path: Path, said: Any
) -> None:
    table = pd.read_csv(striped_films / "labels.csv", dtype=str)
    table["split"] = np.where(np.arange(len(table)) % 8 < 4, "train", "test")
    table["path"] = [str(striped_films / path) for path in table["path"]]
    copied = table[table["split"] == "test"].iloc[:3].assign(split="train")
    copied["path"] = [
        str(shutil.copy(path, tmp_path / f"copy{i}.png")) for i, path in enumerate(copied["path"])
    ]
    pd.concat([table, copied]).to_csv(tmp_path / "labels.csv", index=False)
    options = {"labels": tmp_path / "labels.csv", "group_by": "film", "epochs": 1}
    sentence = claim_of(train(asked(tmp_path, tmp_path / "run", **options), said))
    assert "having trained on the pixels of 3 of its 20 test films" in sentence


def test_it_is_on_where_a_frozen_backbone_makes_it_cheap(
    tiny: Any, tiny_weights: Path, striped_films: Path, tmp_path: Path, said: Any
) -> None:
    options = TrainOptions(
        "tiny", data=striped_films, out=tmp_path / "on", weights=str(tiny_weights), epochs=1
    )
    assert claim_of(train(options, said))
    assert "would have claimed" not in said.text  # the report says it
    whole = train(asked(striped_films, tmp_path / "whole", leak_check=None), said)
    off = {"leak_check": False, "out": tmp_path / "off"}
    run = train(TrainOptions(**{**vars(options), **off}), said)
    assert claim_of(whole) == claim_of(run) == ""


def test_without_patients_it_says_why_there_is_none(
    striped_films: Path, tmp_path: Path, said: Any
) -> None:
    run = train(asked(striped_films, tmp_path / "run", group_by="film", epochs=1), said)
    assert "No leak check: patients are not known." in said.notes
    assert not (run.folder / "leak.csv").exists()
