"""``cnn-norm``: four convolutions, each normalised, pooled and thinned out, then a dense layer."""

from __future__ import annotations

from xraybatch import Architecture, BuildOptions, Network, TrainingDefaults, hookimpl


@hookimpl
def register_architectures() -> list[Architecture]:
    """Offer ``cnn-norm`` to ``xraybatch train --plugin``."""
    return [
        Architecture(
            name="cnn-norm",
            summary="Convolutions with batch normalisation and dropout, from random weights.",
            build=build,
            defaults=TrainingDefaults(
                height=224, width=224, epochs=20, batch_size=32, learning_rate=1e-3
            ),
        )
    ]


def build(options: BuildOptions) -> Network:
    """Films to an embedding of 128: all of it is neck, for nothing in it is ever frozen.

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
        raise ValueError("cnn-norm has no pretrained part that could take a weights file")
    films = layers.Input((options.height, options.width, 1), name="films")
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(films)
    for filters in (32, 64, 128, 128):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        # statistics that settle in tens of steps: there are few films
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(0.25)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu")(x)
    return Network(neck=Model(films, layers.Dropout(0.5)(x), name="cnn_norm"))
