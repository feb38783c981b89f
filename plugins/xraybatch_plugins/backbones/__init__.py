"""Every backbone of ``keras.applications``, with its own normalisation and a top of one's own.

The backbone is the network of that name without its top, on ImageNet weights where they can be had.
What stands on it is the mean of its maps; attention and a dense layer come in between when asked
for.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

from xraybatch import Architecture, BuildOptions, Network, Option, TrainingDefaults, hookimpl
from xraybatch_plugins.backbones.attention import CHOICES, attend
from xraybatch_plugins.backbones.family import BACKBONES, CAFFE, INSIDE, TORCH, Backbone

# ImageNet's mean colour, blue first, on 0 … 255; mean and deviation, red first, on 0 … 1
_MEAN_BGR = (103.939, 116.779, 123.68)
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_OPTIONS = (
    Option("attention", str, "none", "Attention over the maps.", choices=CHOICES),
    Option("dense", int, 0, "Width of a dense layer before the heads; 0: none."),
)


@hookimpl
def register_architectures() -> list[Architecture]:
    """Offer each backbone by its name."""
    return [
        Architecture(
            name=backbone.name,
            summary=f"{backbone.builder} on ImageNet weights, with a head of one's own.",
            build=partial(build, backbone),
            defaults=TrainingDefaults(
                height=backbone.size, width=backbone.size, epochs=15, learning_rate=1e-4
            ),
            options=_OPTIONS,
            pretrained_on="imagenet",
        )
        for backbone in BACKBONES
    ]


def build(backbone: Backbone, options: BuildOptions) -> Network:
    """A network of ``keras.applications`` as backbone; mean, attention and dense layer as neck.

    Parameters
    ----------
    backbone : Backbone
    options : BuildOptions
        `weights` may be ``imagenet`` or a file of its weights without the top. `values` has
        ``attention`` and ``dense``.

    Raises
    ------
    ValueError
        If films are smaller than the network can take, or an option is out of range.
    """
    from keras import Model, applications, layers

    dense = int(options.values["dense"])
    if dense < 0:
        raise ValueError("dense is the width of a layer, 0 or more")
    films = layers.Input((options.height, options.width, 3), name="films")
    with warnings.catch_warnings():
        # some builders guess a size for their weights, which are the same for every size
        warnings.filterwarnings("ignore", message=".*input_shape.* is undefined or non-square")
        network = getattr(applications, backbone.builder)(
            include_top=False,
            weights=options.weights,
            input_tensor=_scaled(films, backbone.scaling),
        )
    if options.weights is None:
        _follow_few_films(network)
    maps = layers.Input(network.output_shape[1:], name="maps")
    x = layers.GlobalAveragePooling2D()(attend(maps, str(options.values["attention"])))
    if dense:
        x = layers.Dense(dense, activation="relu", name="top")(x)
    return Network(
        neck=Model(maps, x, name="top_of_maps"),
        backbone=network,
        pretrained=options.weights is not None,
    )


def _scaled(films: Any, scaling: str) -> Any:
    """Films in 0 … 255 as the weights want them.

    In layers that hold plain numbers: ``preprocess_input`` would leave a tensor that the exported
    file asks for as a second input.
    """
    from keras import layers

    if scaling == CAFFE:
        red, green, blue = (films[..., c : c + 1] for c in range(3))
        films = layers.Concatenate()([blue, green, red])
        return layers.Rescaling(1.0, offset=[-mean for mean in _MEAN_BGR])(films)
    if scaling == TORCH:
        scale = [1 / (255 * d) for d in _DEVIATION]
        offset = [-m / d for m, d in zip(_MEAN, _DEVIATION, strict=True)]
        return layers.Rescaling(scale, offset=offset)(films)
    return films if scaling == INSIDE else layers.Rescaling(1 / 127.5, offset=-1.0)(films)


def _follow_few_films(network: Any) -> None:
    """Let the running statistics settle in tens of steps, not in hundreds as on ImageNet."""
    from keras import layers

    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9
