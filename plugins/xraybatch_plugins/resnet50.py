"""``resnet50``: the ResNet50 of Keras on ImageNet weights, with a head of one's own."""

from __future__ import annotations

from typing import Any

from xraybatch import Architecture, BuildOptions, Network, TrainingDefaults, hookimpl

# ImageNet's mean colour in the order blue, green, red: what these weights were trained with
_MEAN_BGR = (103.939, 116.779, 123.68)


@hookimpl
def register_architectures() -> list[Architecture]:
    """Offer ``resnet50`` to ``xraybatch train --plugin``."""
    return [
        Architecture(
            name="resnet50",
            summary="ResNet50 pretrained on ImageNet; features are computed once.",
            build=build,
            defaults=TrainingDefaults(height=224, width=224, epochs=15, learning_rate=1e-4),
            pretrained_on="imagenet",
        )
    ]


def build(options: BuildOptions) -> Network:
    """ResNet50 as backbone, the mean of its maps as neck.

    Parameters
    ----------
    options : BuildOptions
        `weights` may be ``imagenet`` or a file of ResNet50 weights without the top.
    """
    from keras import Model, applications, layers

    # In the graph, of layers that hold plain numbers: `applications.resnet.preprocess_input` would
    # leave a tensor that the exported file asks for as a second input.
    films = layers.Input((options.height, options.width, 3), name="films")
    red, green, blue = (films[..., c : c + 1] for c in range(3))
    x = layers.Concatenate()([blue, green, red])
    x = layers.Rescaling(1.0, offset=[-mean for mean in _MEAN_BGR])(x)
    backbone = applications.ResNet50(
        include_top=False, weights=options.weights, input_tensor=x, name="resnet50"
    )
    if options.weights is None:
        _follow_few_films(backbone)
    maps = layers.Input(backbone.output_shape[1:], name="maps")
    neck = Model(maps, layers.GlobalAveragePooling2D()(maps), name="mean_of_maps")
    return Network(neck=neck, backbone=backbone, pretrained=options.weights is not None)


def _follow_few_films(backbone: Any) -> None:
    """Let the running statistics settle in tens of steps, not in hundreds as on ImageNet."""
    from keras import layers

    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9
