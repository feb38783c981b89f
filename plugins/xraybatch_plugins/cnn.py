"""``cnn``: three convolutions and a dense layer, the baseline to beat."""

from __future__ import annotations

from xraybatch import Architecture, BuildOptions, Network, TrainingDefaults, hookimpl


@hookimpl
def register_architectures() -> list[Architecture]:
    """Offer ``cnn`` to ``xraybatch train --plugin``."""
    return [
        Architecture(
            name="cnn",
            summary="Three convolutions and a dense layer: a baseline, from random weights.",
            build=build,
            defaults=TrainingDefaults(
                height=150,
                width=150,
                epochs=10,
                batch_size=16,
                learning_rate=1e-3,
                val_split=0.1,
            ),
        )
    ]


def build(options: BuildOptions) -> Network:
    """Films to an embedding of 512: all of it is neck, for nothing in it is ever frozen.

    Parameters
    ----------
    options : BuildOptions
        Of which the size is used; there are no weights to load.

    Raises
    ------
    ValueError
        If a weights file is asked for.
    """
    from keras import Model, layers

    if options.weights not in (None, "imagenet"):
        raise ValueError("cnn has no pretrained part that could take a weights file")
    films = layers.Input((options.height, options.width, 1), name="films")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(films)
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    return Network(neck=Model(films, layers.Dense(512, activation="relu")(x), name="cnn"))
