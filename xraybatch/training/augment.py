"""Augmentation: films turned, shifted, scaled and dimmed a little, as another day would take them.

On grey values 0–255, before anything of the network, in training alone. Never upside down, and
mirrored only when asked for: left and right can be what a label speaks of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Policy:
    """How far films may be changed.

    Attributes
    ----------
    summary : str
    rotation : float
        Degrees to either side.
    shift, zoom : float
        Shares of height and width, to either side.
    contrast : float
        Share by which the distance from the film's mean grey changes, to either side.
    """

    summary: str
    rotation: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    contrast: float = 0.0


POLICIES = {
    "none": Policy("films as they are"),
    "mild": Policy("a little turned, shifted, scaled and dimmed", 5, 0.04, 0.05, 0.15),
    "strong": Policy("turned, shifted, scaled and dimmed more", 15, 0.1, 0.15, 0.3),
    "scale-rotate": Policy("turned and scaled alone", rotation=10, zoom=0.1),
}


def augmenter(policy: str, *, flip: bool, seed: int) -> Any:
    """A Keras layer that changes films while it trains and hands them on else, or None.

    Parameters
    ----------
    policy : str
        A name of `POLICIES`.
    flip : bool
        Also mirror left to right.
    seed : int

    Returns
    -------
    keras.Sequential or None
        float32 films ``(batch, height, width, 1)`` in 0–255 to the same; None where nothing is to
        be changed.
    """
    from keras import Sequential, layers

    chosen = POLICIES[policy]
    black: dict[str, Any] = {"fill_mode": "constant", "fill_value": 0.0}
    found: list[Any] = []
    if flip:
        found.append(layers.RandomFlip("horizontal", seed=seed))
    if chosen.rotation:
        found.append(layers.RandomRotation(chosen.rotation / 360, seed=seed + 1, **black))
    if chosen.shift:
        found.append(layers.RandomTranslation(chosen.shift, chosen.shift, seed=seed + 2, **black))
    if chosen.zoom:
        found.append(layers.RandomZoom(chosen.zoom, seed=seed + 3, **black))
    if chosen.contrast:
        # without the range it takes films for pictures of 0 … 1 and clips them all to white
        found.append(layers.RandomContrast(chosen.contrast, value_range=(0, 255), seed=seed + 4))
    return Sequential(found, name="augmentation") if found else None


def views_of(layer: Any, films: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One changed view of each film, uint8 ``(n, height, width, 1)`` to the same."""
    changed = np.asarray(layer(films.astype(np.float32), training=True))
    seen: NDArray[np.uint8] = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    return seen
