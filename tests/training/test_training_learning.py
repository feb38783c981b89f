"""How a network is taught: what films it is shown, how often, and which epoch is kept."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from xraybatch.core.errors import UsageError
from xraybatch.core.tables import read_table
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.training.augment import Policy
from xraybatch.training.heads import UNLABELLED, head_for
from xraybatch.training.imbalance import oversampled
from xraybatch.training.monitor import figure

BINARY = Task("b", TaskKind.BINARY, ("no", "yes"), "yes")
THREE = Task("t", TaskKind.MULTICLASS, ("a", "b", "c"))
GRADES = Task("g", TaskKind.ORDINAL, ("0", "1", "2", "3"))
FINDINGS = Task("f", TaskKind.MULTILABEL, ("mass", "fluid"))


# ── imbalance ──────────────────────────────────────────────────────────────────────────────────


@given(counts=st.lists(st.integers(1, 40), min_size=3, max_size=3), seed=st.integers(0, 5))
def test_every_class_is_shown_as_often_as_the_most_frequent(counts: list[int], seed: int) -> None:
    codes = np.repeat(np.arange(3), counts)
    train = np.random.default_rng(seed).permutation(len(codes))
    weights = head_for(THREE).weights(codes, train, balanced=True)
    shown = oversampled(train, {"t": weights}, {"t": codes}, seed)
    assert set(shown) == set(train)  # nobody is left out
    by_class = Counter(codes[shown].tolist())
    assert all(abs(by_class[k] - max(counts)) <= 1 for k in range(3))
    for k in range(3):  # and no film much more often than its like
        times = [int((shown == film).sum()) for film in train if codes[film] == k]
        assert max(times) - min(times) <= 1
    assert np.array_equal(shown, oversampled(train, {"t": weights}, {"t": codes}, seed))


def test_oversampling_looks_at_training_films_and_all_tasks() -> None:
    codes = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    other = np.array([0, 1, 0, 1, UNLABELLED, UNLABELLED, 0, 1])
    train = np.arange(6)
    weights = {
        "b": head_for(BINARY).weights(codes, train, balanced=True),
        "o": head_for(BINARY).weights(other, train, balanced=True),
    }
    shown = Counter(oversampled(train, weights, {"b": codes, "o": other}, 0).tolist())
    assert set(shown) == set(range(6))
    assert shown[5] > shown[0]


def test_a_task_that_is_seldom_labelled_makes_nothing_rare() -> None:
    random = np.random.default_rng(0)
    often = np.arange(1000) % 2
    seldom = np.where(random.permutation(1000) < 20, often, UNLABELLED)
    seldom[np.flatnonzero(seldom >= 0)] = np.arange(20) % 2
    train = np.arange(1000)
    codes = {"b": often, "o": seldom}
    weights = {name: head_for(BINARY).weights(c, train, balanced=True) for name, c in codes.items()}
    assert np.array_equal(oversampled(train, weights, codes, 0), train)


@pytest.mark.train
@given(
    films=st.integers(1, 70),
    size=st.integers(1, 33),
    seed=st.none() | st.integers(0, 3),
    shares=st.integers(1, 4),
)
def test_an_epoch_shows_every_film_once_in_batches_of_one_size(
    keras: Any, films: int, size: int, seed: int | None, shares: int
) -> None:
    from xraybatch.training.batches import batches

    place = np.arange(films)
    loss = np.random.default_rng(films).uniform(1, 2, films).astype(np.float32)
    made = batches({"films": place}, {}, {"t": loss}, place, size, seed=seed, shares=shares)
    shown = [made[k][0]["films"] for k in range(len(made))]
    weighed = np.concatenate([made[k][2]["t"] for k in range(len(made))])
    lengths = [len(batch) for batch in shown]
    assert max(lengths) <= max(size, shares)
    assert max(lengths) - min(lengths) <= shares
    assert all(length % shares == 0 for length in lengths)
    every = np.concatenate(shown)
    assert sorted(every[weighed > 0]) == place.tolist()
    assert len(every) - films < shares
    assert weighed.mean() == pytest.approx(loss.mean())


@pytest.fixture(scope="module")
def keras() -> Any:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    from xraybatch.training.backend import load_keras

    return load_keras()


@pytest.mark.train
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_focal_loss_is_keras_own(keras: Any, smoothing: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (20, 3)).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[random.integers(0, 3, 20)]
    ours = head_for(THREE, smoothing=smoothing).loss(targets, keras.ops.convert_to_tensor(logits))
    theirs = keras.losses.categorical_crossentropy(
        targets, logits, from_logits=True, label_smoothing=smoothing
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    ours = head_for(THREE, gamma=2.0).loss(targets, keras.ops.convert_to_tensor(logits))
    theirs = keras.losses.categorical_focal_crossentropy(
        targets, logits, from_logits=True, alpha=1.0, gamma=2.0
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    cells = random.integers(0, 2, (20, 2)).astype(np.float32)
    given_ = keras.ops.convert_to_tensor(logits[:, :2])
    ours = head_for(FINDINGS, gamma=2.0, smoothing=smoothing).loss(cells, given_)
    theirs = [
        [
            float(
                keras.losses.binary_crossentropy(
                    [t], [v], from_logits=True, label_smoothing=smoothing
                )
            )
            * (1 - p if t else p) ** 2
            for t, v, p in zip(*row, strict=True)
        ]
        for row in zip(cells, logits[:, :2], 1 / (1 + np.exp(-logits[:, :2])), strict=True)
    ]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


# ── augmentation ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.train
@pytest.mark.parametrize("policy", ["mild", "strong", "scale-rotate"])
def test_augmented_films_stay_films(keras: Any, policy: str) -> None:
    from xraybatch.training.augment import augmenter, views_of

    y, x = np.mgrid[:48, :40]
    film = np.where((y < 20) & (x < 16), 230, 60).astype(np.uint8)  # bright above and left
    films = np.repeat(film[None, ..., None], 16, axis=0)
    layer = augmenter(policy, flip=False, seed=3)
    seen = views_of(layer, films)
    assert seen.shape == films.shape
    assert seen.dtype == np.uint8
    assert not np.array_equal(seen[0], seen[1])
    # still in grey values of 0 … 255, not clipped as pictures of 0 … 1 would be
    assert 150 < seen.max(axis=(1, 2, 3)).mean() <= 255
    for view in seen[..., 0].astype(float):  # neither upside down nor mirrored
        assert view[:24].mean() > view[24:].mean()
        assert view[:, :20].mean() > view[:, 20:].mean()
    assert np.array_equal(np.asarray(layer(films.astype(np.float32), training=False)), films)
    again = augmenter(policy, flip=False, seed=3)
    assert np.array_equal(views_of(again, films), seen)


def middle_of_disc(keras: Any, policy: Policy) -> NDArray[np.float64]:
    """Where a disc right of the film's middle comes to lie: (views, 2), from the middle, (y, x)."""
    from xraybatch.training.augment import random_affine

    y, x = np.mgrid[:96, :128] - np.array([47.5, 63.5]).reshape(2, 1, 1)
    film = 200.0 * (np.hypot(y, x - 30) < 6)
    seen = np.asarray(
        random_affine(policy, 5)(np.repeat(film[None, ..., None], 64, 0), training=True)
    )
    shares = seen[..., 0] / seen.sum(axis=(1, 2, 3))[:, None, None]
    return np.stack([(shares * y).sum((1, 2)), (shares * x).sum((1, 2))], axis=1)


@pytest.mark.train
def test_turning_scaling_and_shifting_are_about_the_middle_of_the_film(keras: Any) -> None:
    turned = middle_of_disc(keras, Policy("", rotation=20))
    angles = np.degrees(np.arctan2(turned[:, 0], turned[:, 1]))
    assert np.hypot(*turned.T) == pytest.approx(np.full(64, 30.0), abs=0.3)
    assert -20.5 < angles.min() < -12
    assert 12 < angles.max() < 20.5

    scaled = middle_of_disc(keras, Policy("", zoom=0.2))
    assert scaled[:, 0] == pytest.approx(np.zeros(64), abs=0.3)
    assert 30 * 0.79 < scaled[:, 1].min() < 30 * 0.9
    assert 30 * 1.1 < scaled[:, 1].max() < 30 * 1.21

    shifted = middle_of_disc(keras, Policy("", shift=0.1)) - (0, 30)
    assert abs(shifted) == pytest.approx(np.zeros((64, 2)), abs=0.1 * 128 + 0.3)
    assert (shifted.min(axis=0) < (-0.05 * 96, -0.05 * 128)).all()
    assert (shifted.max(axis=0) > (0.05 * 96, 0.05 * 128)).all()


@pytest.mark.train
def test_a_compiled_network_with_augmentation_trains(keras: Any) -> None:
    """On a GPU Keras compiles by XLA what does not say that it cannot be."""
    from xraybatch.training.augment import augmenter

    films = keras.layers.Input((16, 16, 1))
    seen = keras.layers.Flatten()(augmenter("strong", flip=True, seed=0)(films))
    model = keras.Model(films, keras.layers.Dense(1)(seen))
    with pytest.warns(UserWarning, match="jit_compile=False"):
        model.compile(loss="mse", jit_compile=True)
    model.fit(np.ones((4, 16, 16, 1)), np.ones((4, 1)), verbose=0)


@pytest.mark.train
def test_films_are_interpolated_once(keras: Any) -> None:
    from xraybatch.training.augment import random_affine

    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 64, 1)).astype(np.float32)
    policy = Policy("", rotation=5, shift=0.04, zoom=0.05)
    seen = np.asarray(random_affine(policy, 1)(noise, training=True))[:, 16:48, 16:48]
    # bilinear, uniform fractions: each axis keeps (2/3) of the variance of white noise
    assert seen.var() / noise.var() == pytest.approx(4 / 9, abs=0.05)


@pytest.mark.train
def test_films_are_mirrored_only_when_asked_for(keras: Any) -> None:
    from xraybatch.training.augment import augmenter, views_of

    films = np.zeros((16, 24, 24, 1), np.uint8)
    films[:, :, :8] = 200
    seen = views_of(augmenter("none", flip=True, seed=1), films)
    mirrored = [bool(view[:, 16:].any()) for view in seen]
    assert True in mirrored
    assert False in mirrored
    assert augmenter("none", flip=False, seed=1) is None


# ── the epoch that is kept ─────────────────────────────────────────────────────────────────────


def test_figures_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, 60)
    codes[:5] = UNLABELLED
    known = codes != UNLABELLED
    probabilities = random.dirichlet(np.ones(4), 60).astype(np.float32)
    truth, p = codes[known], probabilities[known].astype(float)
    predicted = p.argmax(axis=1)
    assert figure("accuracy", GRADES, codes, probabilities) == pytest.approx(
        metrics.accuracy_score(truth, predicted)
    )
    assert figure("balanced-accuracy", GRADES, codes, probabilities) == pytest.approx(
        metrics.balanced_accuracy_score(truth, predicted)
    )
    assert figure("kappa", GRADES, codes, probabilities) == pytest.approx(
        metrics.cohen_kappa_score(truth, predicted, weights="quadratic")
    )
    assert figure("macro-auc", GRADES, codes, probabilities) == pytest.approx(
        metrics.roc_auc_score(truth, p / p.sum(axis=1, keepdims=True), multi_class="ovr")
    )
    cells = random.integers(0, 2, (60, 2))
    each = [metrics.roc_auc_score(cells[:, k], probabilities[:, k]) for k in range(2)]
    assert figure("macro-auc", FINDINGS, cells, probabilities[:, :2]) == pytest.approx(
        np.mean(each)
    )
    one_class = np.zeros(60, np.int64)
    assert figure("macro-auc", BINARY, one_class, probabilities[:, :2]) is None
    assert figure("kappa", BINARY, one_class - 1, probabilities[:, :2]) is None


@pytest.mark.train
def test_a_run_with_everything_asked_for(striped_films: Path, tmp_path: Path, said: Any) -> None:
    from xraybatch.training.options import TrainOptions
    from xraybatch.training.train import train

    run = train(
        TrainOptions(
            "narrow",
            data=striped_films,
            out=tmp_path / "run",
            image_size="64",
            epochs=4,
            batch_size=8,
            val_split=0.3,
            augment="mild",
            imbalance="oversample",
            schedule="cosine",
            monitor="macro-auc",
            label_smoothing=0.1,
            dropout=0.3,
        ),
        said,
    )
    settings = run.card.settings
    assert settings["augment"] == "mild"
    assert (settings["schedule"], settings["monitor"]) == ("cosine", "macro-auc")
    assert run.card.probabilities["oversampled"] is True
    assert run.card.probabilities["class_weights"] is False
    header = (run.folder / "history.csv").read_text().splitlines()[0]
    assert "val_macro-auc" in header
    config = (run.folder / "config.toml").read_text()
    assert 'augment = "mild"' in config
    assert "dropout = 0.3" in config
    assert json.loads((run.folder / "score.json").read_text())["tasks"]


@pytest.mark.train
def test_options_that_change_nothing_are_told(
    striped_films: Path, tmp_path: Path, said: Any
) -> None:
    from xraybatch.training.options import TrainOptions
    from xraybatch.training.train import train

    options = TrainOptions(
        "cnn",
        data=striped_films,
        out=tmp_path / "run",
        image_size="32",
        epochs=1,
        val_split=0.0,
        monitor="macro-auc",
        views=4,
        fine_tune=3,
    )
    train(options, said)
    for name in ("--monitor macro-auc", "--views 4", "--fine-tune 3"):
        assert f"{name} changes nothing" in said.text


@pytest.mark.train
@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_weights_that_were_asked_for_are_those_that_answer(
    striped_films: Path, tmp_path: Path, keep: str
) -> None:
    from xraybatch.training.options import TrainOptions
    from xraybatch.training.train import train

    options = TrainOptions(
        "cnn",
        data=striped_films,
        out=tmp_path / "run",
        image_size="32",
        optimizer="sgd",
        learning_rate=0.4,  # so rough that the last epoch is not the best
        epochs=6,
        patience=2,
        imbalance="none",
        val_split=0.4,
        test_split=0.0,
        keep=keep,
    )
    run = train(options)
    history = pd.read_csv(run.folder / "history.csv")
    (row,) = np.flatnonzero(history["kept"])
    assert history["val_loss"].argmin() < len(history) - 1
    assert row == (len(history) - 1 if keep == "last" else history["val_loss"].argmin())
    assert len(history) == 6 or keep == "best"
    answers = read_table(run.folder / "predictions-validation.csv")
    labels = read_table(striped_films / "labels.csv").set_index("path")["label"]
    truth = [labels[path] for path in answers["path"]]
    classes = sorted(set(labels))
    prob = answers[[f"prob.{name}" for name in classes]].astype(float)
    loss = metrics.log_loss(truth, prob, labels=classes)
    assert loss == pytest.approx(history["val_loss"][row], rel=1e-3, abs=1e-4)


@pytest.mark.train
def test_a_frozen_backbone_sees_views(
    striped_films: Path, tmp_path: Path, said: Any, tiny: Any, tiny_weights: Path
) -> None:
    from xraybatch.training.options import TrainOptions
    from xraybatch.training.train import train

    options = TrainOptions(
        "tiny",
        data=striped_films,
        out=tmp_path / "run",
        weights=str(tiny_weights),
        augment="mild",
        views=3,
        imbalance="focal",
    )
    run = train(options, said)
    assert "3 views of each film" in said.text
    assert run.card.settings["views"] == 3
    assert run.card.probabilities["focal"] is True
    assert ("features, once", 3 * 32) in said.stages


@pytest.mark.train
def test_views_are_the_film_itself_and_others(
    keras: Any, tiny: Any, tmp_path: Path, said: Any
) -> None:
    from xraybatch.extension.records import BuildOptions
    from xraybatch.training.augment import augmenter
    from xraybatch.training.features import Bank
    from xraybatch.training.network import FEATURES, assemble

    network = tiny.build(BuildOptions(32, 32))
    assembly = assemble(network, [head_for(BINARY)], height=32, width=32)
    films = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 1)).astype(np.uint8)
    bank = Bank(tmp_path, np.arange(6))

    def stored(used: Any) -> Any:
        return bank.features(
            assembly,
            films,
            np.arange(6),
            used,
            key="tiny",
            augmentation=augmenter("strong", flip=False, seed=0),
            views=2,
            batch_size=4,
            progress=said,
        )

    stored(np.arange(4))
    features = stored(np.arange(6))  # only what is new is computed
    assert said.stages == [("features, once", 8), ("features, once", 4)]
    plain = assembly.features.predict_on_batch(films)
    np.testing.assert_allclose(features.as_they_are[FEATURES][np.arange(6)], plain, rtol=1e-6)
    drawn = features.for_training[FEATURES]
    some = np.array([drawn.drawn(np.arange(6), (0, 0, i)) for i in range(12)])
    same = np.isclose(some, plain).all(axis=2)
    assert same.any()
    assert not same.all()
    assert np.array_equal(some[3], drawn.drawn(np.arange(6), (0, 0, 3)))


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("augment", "wild", "--augment wild"),
        ("imbalance", "smote", "--imbalance smote"),
        ("schedule", "step", "--schedule step"),
        ("monitor", "f1", "--monitor f1"),
        ("dropout", 1.0, "--dropout 1"),
        ("views", 0, "--views 0"),
    ],
)
def test_what_is_not_known_is_refused(name: str, value: Any, error: str) -> None:
    from xraybatch.extension.records import Architecture
    from xraybatch.extension.registry import registry
    from xraybatch.training.options import TrainOptions
    from xraybatch.training.settings import settle

    architecture = registry().get(Architecture, "cnn").record
    with pytest.raises(UsageError, match=error):
        settle(TrainOptions("cnn", **{name: value}), architecture)
