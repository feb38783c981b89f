"""``narrow``: a small residual network for few films, from random weights."""

from __future__ import annotations

from typing import Any

from xraybatch import Architecture, BuildOptions, Network, Option, TrainingDefaults, hookimpl

_STAGES = 4


@hookimpl
def register_architectures() -> list[Architecture]:
    """Offer ``narrow`` to ``xraybatch train --plugin``."""
    return [
        Architecture(
            name="narrow",
            summary="A small residual network for few films, from random weights.",
            build=build,
            defaults=TrainingDefaults(
                height=128,
                width=128,
                epochs=24,
                batch_size=16,
                optimizer="adamw",
                learning_rate=1e-3,
                weight_decay=1e-3,
                schedule="cosine",
                augment="mild",
                val_split=0.1,
                keep="last",  # the cosine ends at zero
                dropout=0.2,
            ),
            options=(
                Option("width", int, 24, "Channels of the first stage; each further has twice."),
                Option("blocks", int, 1, "Residual blocks in each stage."),
            ),
        )
    ]


def build(options: BuildOptions) -> Network:
    """Four residual stages as backbone, the mean of their maps as neck: so there are heat maps.

    Parameters
    ----------
    options : BuildOptions
        `values` has ``width`` and ``blocks``.

    Raises
    ------
    ValueError
        If a weights file is asked for, or an option is below 1.
    """
    from keras import Model, layers

    width, blocks = int(options.values["width"]), int(options.values["blocks"])
    if options.weights not in (None, "imagenet"):
        raise ValueError("narrow has no pretrained part that could take a weights file")
    if width < 1 or blocks < 1:
        raise ValueError("width and blocks must be 1 or more")
    films = layers.Input((options.height, options.width, 1), name="films")
    x = layers.Rescaling(1 / 64, offset=-2.0)(films)
    x = _normed(layers.Conv2D(width, 5, strides=2, padding="same", use_bias=False)(x))
    x = layers.ReLU()(x)
    for stage in range(_STAGES):
        filters = width * 2**stage
        x = layers.MaxPooling2D(2)(x)
        x = layers.Conv2D(filters, 1, use_bias=False)(x)
        for _ in range(blocks):
            x = _residual(x, filters)
    maps = layers.Input(x.shape[1:], name="maps")
    neck = Model(maps, layers.GlobalAveragePooling2D()(maps), name="mean_of_maps")
    return Network(neck=neck, backbone=Model(films, x, name="narrow"))


def _residual(x: Any, filters: int) -> Any:
    """Two convolutions beside the way straight through; normalised before each."""
    from keras import layers

    branch = x
    for _ in range(2):
        branch = layers.ReLU()(_normed(branch))
        branch = layers.Conv2D(filters, 3, padding="same", use_bias=False)(branch)
    return layers.Add()([x, branch])


def _normed(x: Any) -> Any:
    """Batch normalisation whose running statistics settle in tens of steps."""
    from keras import layers

    return layers.BatchNormalization(momentum=0.9)(x)
