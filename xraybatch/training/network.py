"""A plugin's features and our heads, put together: for training, for caching, for the model file.

All models here share their layers: what one trains, the others have learned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xraybatch.core.errors import PluginError
from xraybatch.extension.records import Network
from xraybatch.models.session import EMBEDDING
from xraybatch.training.heads import Head

INPUT = "films"
FEATURES = "features"
CAM = "cam."


@dataclass(frozen=True)
class Assembly:
    """One network as the Keras models that are needed of it.

    Attributes
    ----------
    whole : keras.Model
        ``films``, uint8 ``[batch, height, width, 1]``, to a dict of logits by task.
    features : keras.Model or None
        uint8 films to what a frozen backbone makes of them: its maps, or their mean where that is
        all that the neck takes. None without a backbone.
    rest : keras.Model or None
        ``features``, and ``films`` where the neck wants them, to logits.
    inference : keras.Model
        uint8 films to a dict: probabilities by task, ``embedding``, ``cam.<task>``.
    outputs : tuple of str
        Names of the outputs of `inference`, tasks first.
    backbone : keras.Model or None
    """

    whole: Any
    features: Any
    rest: Any
    inference: Any
    outputs: tuple[str, ...]
    backbone: Any


def assemble(
    network: Network,
    heads: Sequence[Head],
    *,
    height: int,
    width: int,
    dropout: float = 0.0,
    augmentation: Any = None,
) -> Assembly:
    """Add a head for each task to a plugin's features.

    `augmentation`, a layer for float32 films, changes the films of `whole` while it trains; the
    models of inference know nothing of it.

    A pretrained backbone runs in inference mode, frozen or not: its batch statistics are those of
    a million pictures, and a few films would only spoil them.

    Heat maps: where the embedding is the mean of the maps and a head is linear, ``cam.<task>`` is
    that head on every place of the maps, so its mean over all places is the logits.

    Raises
    ------
    PluginError
        If the neck's inputs or the film sizes are not what an architecture promises.
    """
    from keras import Model, layers, ops

    _check(network, height, width)
    films = layers.Input((height, width, 1), dtype="uint8", name=INPUT)
    grey = ops.cast(films, "float32")
    maps, embedding = _embed(network, grey)
    drop = layers.Dropout(dropout, name="dropout")
    logits = {head.task.name: head.logits(drop(embedding)) for head in heads}
    learned = logits
    if augmentation is not None:
        _, changed = _embed(network, augmentation(grey))
        learned = {head.task.name: head.logits(drop(changed)) for head in heads}

    averaged = maps is not None and _is_mean_of_maps(network.neck)
    features = rest = None
    if maps is not None:
        features = Model(films, embedding if averaged else maps, name=FEATURES)
        inputs, stored = _from_features(features, network.neck, averaged=averaged)
        rest = Model(inputs, {h.task.name: h.logits(drop(stored)) for h in heads}, name="rest")

    answers = {head.task.name: head.probabilities(logits[head.task.name]) for head in heads}
    answers[EMBEDDING] = embedding
    if averaged:
        answers |= {CAM + head.task.name: head.dense(maps) for head in heads if head.linear}
    return Assembly(
        whole=Model({INPUT: films}, learned, name="whole"),
        features=features,
        rest=rest,
        inference=Model(films, answers, name="inference"),
        outputs=tuple(answers),
        backbone=network.backbone,
    )


def thaw(backbone: Any, count: int) -> int:
    """Let the last `count` layers of a backbone train, and no other; returns how many can.

    Only layers with weights count; batch normalisation stays as it is.
    """
    from keras import layers

    backbone.trainable = True
    able = [layer for layer in flat(backbone) if layer.weights]
    for layer in able:
        layer.trainable = False
    able = [layer for layer in able if not isinstance(layer, layers.BatchNormalization)]
    for layer in able[-count:] if count else []:
        layer.trainable = True
    return min(count, len(able))


def flat(model: Any) -> list[Any]:
    """Layers of a model and of the models in it, first to last."""
    found: list[Any] = []
    for layer in model.layers:
        found += flat(layer) if hasattr(layer, "layers") else [layer]
    return found


def settle_statistics(model: Any, steps: int) -> int:
    """Let the running statistics of batch normalisation span an epoch of training at most.

    The usual momentum of 0.99 averages over hundreds of steps. A hundred films are five steps an
    epoch: the network would be asked by statistics of what it was many epochs ago, and give all
    films the same answer.

    Parameters
    ----------
    model : keras.Model
        Before it is compiled.
    steps : int
        Training steps an epoch.

    Returns
    -------
    int
        Epochs until what the statistics began with has faded to a twentieth: before that, what the
        network says to validation films is not what it has learned. 0 without such layers.
    """
    from keras import layers

    kinds = layers.BatchNormalization
    norms = [n for n in flat(model) if isinstance(n, kinds) and n.trainable]
    for norm in norms:
        norm.momentum = min(norm.momentum, 1 - 1 / steps)
    longest = max((norm.momentum for norm in norms), default=0.0)
    return math.ceil(math.log(0.05) / math.log(longest) / steps) if longest > 0 else 0


def _embed(network: Network, grey: Any) -> tuple[Any, Any]:
    """Maps (None without a backbone) and embedding of float32 films."""
    maps = None
    if network.backbone is not None:
        given = _with_channels(grey, network.backbone.inputs[0])
        maps = network.backbone(given, **({"training": False} if network.pretrained else {}))
    return maps, _through(network.neck, films=grey, maps=maps)


def _from_features(features: Any, neck: Any, *, averaged: bool) -> tuple[dict[str, Any], Any]:
    """Inputs for stored features (and films where the neck wants them), and the embedding."""
    from keras import layers, ops

    stored = layers.Input(features.output_shape[1:], name=FEATURES)
    inputs = {FEATURES: stored}
    if averaged:
        return inputs, stored
    grey = None
    if any(tensor.name == INPUT for tensor in neck.inputs):
        inputs[INPUT] = layers.Input(features.input_shape[1:], dtype="uint8", name=INPUT)
        grey = ops.cast(inputs[INPUT], "float32")
    return inputs, _through(neck, films=grey, maps=stored)


def _through(neck: Any, *, films: Any, maps: Any) -> Any:
    """Call a neck with the inputs that it names, in whatever structure it was built with."""
    from keras import tree

    known = {
        tensor.name: _with_channels(films, tensor) if tensor.name == INPUT else maps
        for tensor in neck.inputs
    }
    return neck(tree.pack_sequence_as(neck.input, [known[tensor.name] for tensor in neck.inputs]))


def _with_channels(grey: Any, wanted: Any) -> Any:
    """Repeat the one channel where a network wants three."""
    from keras import ops

    return ops.repeat(grey, 3, axis=-1) if wanted.shape[-1] == 3 else grey


def _is_mean_of_maps(neck: Any) -> bool:
    from keras import layers

    kinds = [type(layer) for layer in neck.layers]
    return kinds == [layers.InputLayer, layers.GlobalAveragePooling2D]


def _check(network: Network, height: int, width: int) -> None:
    names = {tensor.name for tensor in network.neck.inputs}
    known = {INPUT, "maps"} if network.backbone is not None else {INPUT}
    if not names or not names <= known:
        raise PluginError(
            f"The architecture's neck asks for {', '.join(sorted(names))}; "
            f"it may ask for {' and '.join(sorted(known))}.",
            "Call the inputs of the neck by these names.",
        )
    if len(network.neck.output_shape) != 2:
        raise PluginError(
            f"The architecture's neck ends in shape {network.neck.output_shape}, "
            "not in one vector a film.",
            "End it with global pooling, flatten or a dense layer.",
        )
    for part in filter(None, (network.backbone, network.neck)):
        for tensor in part.inputs:
            expected = [(height, width, 1), (height, width, 3)]
            if tensor.name != "maps" and tuple(tensor.shape[1:]) not in expected:
                raise PluginError(
                    f"The architecture was asked for films of {height}x{width} "
                    f"and built for {tuple(tensor.shape[1:])}.",
                    "Build its input from options.height and options.width.",
                )
