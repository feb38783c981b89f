from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xraybatch.core.errors import PluginError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.extension.records import BuildOptions, Network
from xraybatch.training.heads import head_for
from xraybatch.training.network import assemble

pytestmark = pytest.mark.train
pytest.importorskip("tensorflow", reason="TensorFlow is not installed")

TASKS = (
    Task("label", TaskKind.MULTICLASS, ("a", "b", "c")),
    Task("grade", TaskKind.ORDINAL, ("0", "1", "2")),
    Task("found", TaskKind.MULTILABEL, ("x", "y")),
)
FILMS = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 1), np.uint8)


@pytest.fixture(scope="module")
def keras() -> Any:
    from xraybatch.training.backend import load_keras, set_seed

    set_seed(0)
    return load_keras()


def assembled(network: Network, **more: Any) -> Any:
    return assemble(network, [head_for(task) for task in TASKS], height=32, width=32, **more)


@pytest.fixture
def pretrained(keras: Any, tiny: Any, tiny_weights: Any) -> Network:
    network: Network = tiny.build(BuildOptions(32, 32, str(tiny_weights)))
    return network


def both_inputs(keras: Any, pretrained: Network) -> Network:
    films = keras.Input((32, 32, 1), name="films")
    maps = keras.Input(pretrained.backbone.output_shape[1:], name="maps")
    look = keras.layers.Flatten()(keras.layers.AveragePooling2D(8)(films))
    joined = keras.layers.Concatenate()([keras.layers.GlobalMaxPooling2D()(maps), look])
    neck = keras.Model({"maps": maps, "films": films}, keras.layers.Dense(7)(joined))
    return Network(neck, pretrained.backbone, pretrained=True)


@pytest.mark.parametrize("kind", ["mean", "both"])
def test_stored_features_and_the_rest_are_the_whole_network(
    keras: Any, pretrained: Network, kind: str
) -> None:
    network = pretrained if kind == "mean" else both_inputs(keras, pretrained)
    model = assembled(network, dropout=0.3)
    features = np.asarray(model.features(FILMS, training=False))
    given = {"features": features} | ({"films": FILMS} if kind == "both" else {})
    rest = model.rest(given, training=False)
    whole = model.whole({"films": FILMS}, training=False)
    for task in TASKS:
        assert np.asarray(rest[task.name]) == pytest.approx(np.asarray(whole[task.name]), abs=1e-5)
    assert np.ptp(np.asarray(whole["label"])) > 1e-3
    assert features.shape[1:] == ((12,) if kind == "mean" else (8, 8, 12))


def test_the_mean_of_a_heat_map_is_the_logits(pretrained: Network) -> None:
    model = assembled(pretrained)
    assert model.outputs == ("label", "grade", "found", "embedding", "cam.label", "cam.found")
    found = model.inference(FILMS, training=False)
    cam = np.asarray(found["cam.label"])
    assert cam.shape == (9, 8, 8, 3)
    logits = cam.mean(axis=(1, 2))
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.asarray(found["label"]) == pytest.approx(expected, abs=1e-5)


def test_a_network_without_a_mean_of_maps_has_no_heat_maps(keras: Any, pretrained: Network) -> None:
    assert "cam.label" not in assembled(both_inputs(keras, pretrained)).outputs


def test_a_pretrained_backbone_keeps_its_batch_statistics_even_when_all_of_it_trains(
    pretrained: Network,
) -> None:
    from xraybatch.training.network import thaw

    model = assembled(pretrained)
    assert thaw(pretrained.backbone, 99) == 2  # two convolutions; normalisation is not counted
    before = [w.copy() for w in pretrained.backbone.get_weights()]
    heads = [head_for(task) for task in TASKS]
    model.whole.compile("sgd", loss={h.task.name: h.loss for h in heads}, jit_compile=False)
    targets = {
        "label": np.eye(3, dtype="f4")[[0, 1, 2] * 3],
        "grade": np.ones((9, 2), "f4"),
        "found": np.ones((9, 2), "f4"),
    }
    model.whole.train_on_batch({"films": FILMS}, targets)
    after = pretrained.backbone.get_weights()
    changed = {
        variable.path.split("/")[-2].rstrip("_0123456789")
        for variable, one, other in zip(pretrained.backbone.weights, before, after, strict=True)
        if (one != other).any()
    }
    assert changed == {"conv2d"}


def test_only_the_last_layers_thaw(pretrained: Network) -> None:
    from xraybatch.training.network import thaw

    assembled(pretrained)
    assert thaw(pretrained.backbone, 1) == 1
    assert [v.path.split("/")[-1] for v in pretrained.backbone.trainable_variables] == [
        "kernel",
        "bias",
    ]
    assert thaw(pretrained.backbone, 0) == 0
    assert pretrained.backbone.trainable_variables == []


def test_statistics_span_an_epoch_at_most(pretrained: Network, keras: Any) -> None:
    from xraybatch.training.network import settle_statistics

    frozen = [layer for layer in pretrained.backbone.layers if hasattr(layer, "momentum")]
    assert frozen
    pretrained.backbone.trainable = False
    films = keras.Input((32, 32, 1), name="films")
    slow, fast = (keras.layers.BatchNormalization(momentum=m) for m in (0.99, 0.5))
    looks = keras.Model(films, keras.layers.Flatten()(fast(slow(films))))
    model = keras.Model(films, [looks(films), pretrained.backbone(keras.ops.repeat(films, 3, -1))])
    assert settle_statistics(model, 4) == 3  # 0.75 to the power of 12 is 0.03
    assert (slow.momentum, fast.momentum) == (0.75, 0.5)
    assert [norm.momentum for norm in frozen] == [0.8] * len(frozen)
    assert settle_statistics(model, 1) == 0  # of the one batch, whatever went before
    assert (slow.momentum, fast.momentum) == (0.0, 0.0)


def test_a_few_films_are_answered_as_they_were_learned(keras: Any, striped_films: Path) -> None:
    """Without statistics that keep up, all films get one answer after so few steps."""
    from PIL import Image

    from xraybatch.training.batches import batches
    from xraybatch.training.network import settle_statistics

    pixels = [np.asarray(Image.open(path)) for path in sorted(striped_films.glob("*.png"))[:24]]
    films, truth = np.stack(pixels)[..., None], np.arange(24) // 2 % 2
    shown = keras.Input((32, 32, 1), name="films")
    x = keras.layers.Conv2D(16, 5, strides=2, activation="relu")(shown)
    for _ in range(2):
        x = keras.layers.BatchNormalization()(x)  # momentum 0.99
        x = keras.layers.Conv2D(16, 3, strides=2, activation="relu")(x)
    neck = keras.Model(shown, keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x)))
    task = Task("label", TaskKind.BINARY, ("lying", "upright"), "upright")
    head = head_for(task)
    whole = assemble(Network(neck), [head], height=32, width=32).whole
    settle_statistics(whole, 3)
    whole.compile(keras.optimizers.Adam(0.01), loss={"label": head.loss}, jit_compile=False)
    learned = {"label": head.targets(truth)}
    weights = {"label": np.ones(24, np.float32)}
    whole.fit(
        batches({"films": films}, learned, weights, np.arange(24), 8, seed=0), epochs=9, verbose=0
    )
    logits = whole.predict({"films": films}, verbose=0)["label"]
    answers = np.asarray(head.probabilities(logits))[:, 1] > 0.5
    assert np.mean(answers == truth) > 0.95


def test_a_saved_model_opens_without_our_code_and_answers_the_same(
    keras: Any, pretrained: Network, tmp_path: Any
) -> None:
    model = assembled(pretrained)
    model.inference.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras", safe_mode=True)
    one, other = model.inference(FILMS, training=False), again(FILMS, training=False)
    assert set(one) == set(other)
    for name in one:
        assert np.array_equal(np.asarray(one[name]), np.asarray(other[name]))


def test_necks_that_break_their_promise_are_named(keras: Any) -> None:
    image = keras.Input((32, 32, 1), name="image")
    flat = keras.layers.Flatten()
    with pytest.raises(PluginError, match="asks for image"):
        assembled(Network(keras.Model(image, flat(image))))
    films = keras.Input((32, 32, 1), name="films")
    with pytest.raises(PluginError, match="not in one vector"):
        assembled(Network(keras.Model(films, keras.layers.Conv2D(2, 3)(films))))
    small = keras.Input((16, 16, 1), name="films")
    with pytest.raises(PluginError, match="16, 16"):
        assembled(Network(keras.Model(small, flat(small))))
