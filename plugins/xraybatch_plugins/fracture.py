"""``fracture-cnn`` and ``fracture-hybrid``: three narrow convolutions, alone or beside VGG16."""

from __future__ import annotations

from typing import Any

from xraybatch import Architecture, BuildOptions, Network, TrainingDefaults, hookimpl

# ImageNet's mean colour in the order blue, green, red: what VGG16's weights were trained with
_MEAN_BGR = (103.939, 116.779, 123.68)


@hookimpl
def register_architectures() -> list[Architecture]:
    """Offer both to ``xraybatch train --plugin``."""
    return [
        Architecture(
            name="fracture-cnn",
            summary="Three normalised convolutions of 32 and two dense layers, random weights.",
            build=build_cnn,
            defaults=TrainingDefaults(epochs=10, batch_size=32, learning_rate=1e-3, patience=5),
        ),
        Architecture(
            name="fracture-hybrid",
            summary="The same convolutions beside VGG16 on ImageNet weights, joined.",
            build=build_hybrid,
            defaults=TrainingDefaults(epochs=10, batch_size=32, learning_rate=1e-3, patience=5),
            pretrained_on="imagenet",
        ),
    ]


def build_cnn(options: BuildOptions) -> Network:
    """Films to an embedding of 128: all of it is neck.

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
        raise ValueError("fracture-cnn has no pretrained part that could take a weights file")
    films = layers.Input((options.height, options.width, 1), name="films")
    return Network(neck=Model(films, _dense(_convolutions(films)), name="fracture_cnn"))


def build_hybrid(options: BuildOptions) -> Network:
    """VGG16 as backbone; the neck sees its maps and the films.

    Parameters
    ----------
    options : BuildOptions
        `weights` may be ``imagenet`` or a file of VGG16 weights without the top.
    """
    from keras import Model, applications, layers

    colour = layers.Input((options.height, options.width, 3), name="films")
    red, green, blue = (colour[..., c : c + 1] for c in range(3))
    x = layers.Concatenate()([blue, green, red])
    x = layers.Rescaling(1.0, offset=[-mean for mean in _MEAN_BGR])(x)
    backbone = applications.VGG16(include_top=False, weights=options.weights, input_tensor=x)

    films = layers.Input((options.height, options.width, 1), name="films")
    maps = layers.Input(backbone.output_shape[1:], name="maps")
    joined = layers.Concatenate()([_convolutions(films), layers.GlobalAveragePooling2D()(maps)])
    return Network(
        neck=Model({"films": films, "maps": maps}, _dense(joined), name="fracture_hybrid"),
        backbone=backbone,
        pretrained=options.weights is not None,
    )


def _convolutions(films: Any) -> Any:
    from keras import layers

    x = layers.Rescaling(1 / 127.5, offset=-1.0)(films)
    for _ in range(3):
        x = layers.Conv2D(32, 3, activation="relu")(x)
        # statistics that settle in tens of steps: there are few films
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.MaxPooling2D(2)(x)
    return layers.Flatten()(layers.Dropout(0.3)(x))


def _dense(x: Any) -> Any:
    from keras import layers

    for width in (256, 128):
        x = layers.Dense(width, activation="relu")(x)
    return x
