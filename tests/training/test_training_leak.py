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
from xraybatch.training.claims import Claim, mean_claims, write_claims  # noqa: E402
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
    claimed, low, high = (table[f"claimed{end}"].item() for end in ("", "_low", "_high"))
    ends = "" if np.isnan(low) else f" [{low:.2f}–{high:.2f}]"
    assert f"would have claimed {claimed:.2f}{ends}, having trained on" in sentence
    assert f"the patients or the pixels of {table['shared'].item()} of its 8 test" in sentence
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
    by_fold = pd.read_csv(run.folder / "scores-by-fold.csv")["value"]
    claimed = pd.Series([table["claimed"].item() for table in tables])
    assert claimed.mean() > by_fold.mean() + 0.1
    shared = sum(table["shared"].item() for table in tables)
    assert claim_of(run) == (
        "AUC of 'label', mean of 3 folds (lowest to highest): by patient "
        f"{by_fold.mean():.2f} ({by_fold.min():.2f} to {by_fold.max():.2f}); random splits of "
        f"films would have claimed {claimed.mean():.2f} ({claimed.min():.2f} to "
        f"{claimed.max():.2f}), having trained on the patients or the pixels of {shared} of their "
        "72 test films."
    )


@pytest.mark.parametrize(
    ("low", "claimed", "ends", "verdict"),
    [
        (0.6, 0.96, (0.91, 0.99), ": the intervals do not overlap, so expect less of new patients"),
        (0.6, 0.96, (0.9, 0.99), ": the intervals overlap, so these films are too few to tell"),
        (0.6, 0.75, (0.6, 0.9), ": that is no more, so no leak shows here"),
        (None, 0.99, (0.95, 1.0), ""),
        (0.6, 0.99, (None, None), ""),
    ],
)
def test_the_sentence_says_what_the_figures_allow(
    low: float | None, claimed: float, ends: tuple[float | None, float | None], verdict: str
) -> None:
    high = None if low is None else 0.9
    said = str(Claim("label", "auc", 0.75, low, high, claimed, *ends, shared=9, films=12))
    assert said.endswith(f"of 9 of its 12 test films{verdict}.")


def test_means_of_folds_are_set_against_means_of_folds(tmp_path: Path) -> None:
    folders = [tmp_path / str(k) for k in range(3)]
    figures = [(0.5, 0.9), (0.6, 0.8), (0.7, 0.85)]
    for folder, (value, claimed) in zip(folders, figures, strict=True):
        folder.mkdir()
        ends = (value - 0.01, value + 0.01, claimed, claimed - 0.01, claimed + 0.01)
        write_claims(folder, [Claim("label", "auc", value, *ends, shared=3, films=4)])
    (claim,) = mean_claims(folders)
    assert (claim.value, claim.low, claim.high) == pytest.approx((0.6, 0.5, 0.7))
    assert (claim.claimed, claim.claimed_low, claim.claimed_high) == pytest.approx((0.85, 0.8, 0.9))
    assert (claim.shared, claim.films, claim.splits) == (9, 12, 3)
    # the range of three folds is no interval, and allows no verdict
    assert str(claim).endswith(
        "(0.80 to 0.90), having trained on the patients or the pixels of 9 of their 12 test films."
    )
    (folders[1] / "leak.csv").unlink()
    assert mean_claims(folders) == []


def test_films_are_shared_with_what_is_trained_on() -> None:
    from dataclasses import dataclass

    from xraybatch.training.leak import shared_films
    from xraybatch.training.split import Split

    @dataclass(frozen=True)
    class Given:
        names: tuple[str, ...]
        digests: list[bytes]
        split: Split

    films = [
        ("a", b"1", "train"),
        ("b", b"2", "train"),
        ("c", b"3", "val"),
        ("", b"4", "train"),
        ("a", b"5", "test"),  # its patient is trained on
        ("d", b"2", "test"),  # its pixels are
        ("c", b"6", "test"),  # its patient chose the epoch alone
        ("d", b"7", "test"),  # its patient's other film is like one of training; it is not
        ("", b"8", "test"),  # not known is not the same
    ]
    names, digests, parts = zip(*films, strict=True)
    given: Any = Given(names, list(digests), Split(np.array(parts), "", ""))
    assert shared_films(given) == 2


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
def test_the_claimed_figure_and_its_interval_are_made_as_a_score_is(kind: str) -> None:
    from xraybatch.core.tasks import Task, TaskKind
    from xraybatch.evaluation.scoring import score
    from xraybatch.training.leak import auc_of

    random = np.random.default_rng(3)
    classes = ("no", "yes") if kind == "binary" else ("a", "b", "c")
    task = Task("label", TaskKind(kind), classes, "yes" if kind == "binary" else None)
    several = kind == "multilabel"
    codes = random.integers(-1, 2, (90, 3)) if several else random.integers(0, len(classes), 90)
    given = random.random((90, len(classes))).astype(np.float32)
    given = given if several else given / given.sum(axis=1, keepdims=True)
    patients = np.arange(90) // 3
    table = pd.DataFrame({"path": [f"{i}.png" for i in range(90)]}).assign(status="ok", label="")
    labels = table[["path"]].assign(patient=[f"p{i}" for i in patients])
    for k, name in enumerate(classes):
        table[f"prob.{name}"] = [str(p) for p in given[:, k]]
        if several:
            table[f"pred.{name}"] = "0"
            labels[name] = [{-1: ""}.get(c, str(c)) for c in codes[:, k]]
    if not several:
        table["label"] = [classes[k] for k in given.argmax(axis=1)]
        labels["label"] = [classes[k] for k in codes]
    estimates = score(table, labels, tasks=[task]).tasks[0].estimates
    expected = estimates["auc" if kind == "binary" else "macro_auc"]
    found = auc_of(task, codes, given, patients, 0.95)
    assert found.low is not None
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )


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
    run = train(asked(data, tmp_path / "run", val_split=0.0, on_leak="drop"), said)
    (((leaking, answers),), split) = dealt, pd.read_csv(run.folder / "split.csv", dtype=str)
    test = leaking.split.where("test")
    assert set(leaking.table["path"][test]) == set(split["path"][split["split"] == "test"])
    assert len(leaking.table) == 72
    assert len(split) == 72 - 30
    assert (test.max() == 71) == last
    sentence = claim_of(run)
    assert sentence.startswith("AUC of 'label': without the overlap ")
    assert "; the split as distributed would have claimed" in sentence
    assert "having trained on the patients or the pixels of 6 of its 6 test films" in sentence
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
    options["on_leak"] = "drop"
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


def test_without_a_split_by_patient_it_says_why_there_is_none(
    striped_films: Path, tmp_path: Path, said: Any
) -> None:
    run = train(asked(striped_films, tmp_path / "run", group_by="film", epochs=1), said)
    assert "No leak check: the split is by single films, not by patient." in said.notes
    assert not (run.folder / "leak.csv").exists()
    split = pd.read_csv(run.folder / "split.csv", dtype=str)
    judged = split.loc[split["split"] == "test", "patient"]
    assert run.report.join.patients == judged.nunique()
    assert run.card.data["patients"] == 20
