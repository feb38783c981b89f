"""Attention over feature maps: which channels, and which places, speak of the question.

``se``: squeeze and excitation (Hu et al. 2018, reduction 16). ``cbam``: channel then spatial
attention (Woo et al. 2018, reduction 16, a 7 × 7 convolution). Each multiplies the maps by weights
within 0 and 1 and keeps their shape.
"""

from __future__ import annotations

from typing import Any

REDUCTION = 16
_LEAST = 8  # channels within a block, however few the maps have

CHOICES = ("none", "se", "cbam", "se,cbam")


def attend(maps: Any, kinds: str) -> Any:
    """Maps ``(batch, h, w, c)`` through the blocks that `kinds` names, in its order."""
    blocks = {"se": squeeze_and_excitation, "cbam": cbam}
    for kind in kinds.split(","):
        if kind != "none":
            maps = blocks[kind](maps)
    return maps


def squeeze_and_excitation(maps: Any) -> Any:
    """Weigh each channel by what all channels are on average."""
    from keras import layers

    channels = maps.shape[-1]
    x = layers.GlobalAveragePooling2D(keepdims=True, name="se_squeeze")(maps)
    x = layers.Dense(_inner(channels), activation="relu", name="se_reduce")(x)
    x = layers.Dense(channels, activation="sigmoid", name="se_excite")(x)
    return layers.Multiply(name="se")([maps, x])


def cbam(maps: Any) -> Any:
    """Weigh channels by their mean and largest value, then places by those over channels."""
    from keras import layers, ops

    channels = maps.shape[-1]
    reduce = layers.Dense(_inner(channels), activation="relu", name="cbam_reduce")
    expand = layers.Dense(channels, name="cbam_expand")
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="cbam_mean")(maps)
    most = layers.GlobalMaxPooling2D(keepdims=True, name="cbam_max")(maps)
    sums = layers.Add(name="cbam_sum")([expand(reduce(mean)), expand(reduce(most))])
    weights = layers.Activation("sigmoid", name="cbam_channels")(sums)
    maps = layers.Multiply(name="cbam_by_channel")([maps, weights])
    places = ops.concatenate(
        [ops.mean(maps, axis=-1, keepdims=True), ops.max(maps, axis=-1, keepdims=True)], axis=-1
    )
    places = layers.Conv2D(1, 7, padding="same", activation="sigmoid", name="cbam_places")(places)
    return layers.Multiply(name="cbam")([maps, places])


def _inner(channels: int) -> int:
    return max(_LEAST, channels // REDUCTION)
