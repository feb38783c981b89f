"""Augmentation: films turned, shifted, scaled and dimmed a little, as another day would take them.

On grey values 0–255, before anything of the network, in training alone. Never upside down, and
mirrored only when asked for: left and right can be what a label speaks of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
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

    @property
    def moves(self) -> bool:
        """Whether films are turned, shifted or scaled."""
        return any((self.rotation, self.shift, self.zoom))


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
    found: list[Any] = []
    if flip:
        found.append(layers.RandomFlip("horizontal", seed=seed))
    if chosen.moves:
        found.append(random_affine(chosen, seed + 1))
    if chosen.contrast:
        # without the range it takes films for pictures of 0 … 1 and clips them all to white
        found.append(layers.RandomContrast(chosen.contrast, value_range=(0, 255), seed=seed + 4))
    return Sequential(found, name="augmentation") if found else None


def random_affine(policy: Policy, seed: int) -> Any:
    """A Keras layer that turns, scales and shifts films by one interpolation.

    A layer each would interpolate three times. That blurs films so much that a network which has
    learned from them alone is unsure about sharp ones.

    Parameters
    ----------
    policy : Policy
        Its `contrast` is not used.
    seed : int

    Returns
    -------
    keras.Layer
        float32 films ``(batch, height, width, 1)`` to the same, each about its middle by numbers
        of its own; what comes in from outside is black. Hands films on where it does not train.
    """
    from keras import layers, ops, random

    class RandomAffine(layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name="random_affine")
            self.supports_jit = False  # as Keras' own: XLA has no such interpolation
            self.seeds = random.SeedGenerator(seed)

        def call(self, films: Any, training: bool = False) -> Any:
            if not training:
                return films
            height, width = films.shape[1:3]

            def drawn(limit: float) -> Any:
                return random.uniform((ops.shape(films)[0],), -limit, limit, seed=self.seeds)

            angle, scale = drawn(math.radians(policy.rotation)), 1 + drawn(policy.zoom)
            # where the middle goes
            x = (width - 1) / 2 + drawn(policy.shift * width)
            y = (height - 1) / 2 + drawn(policy.shift * height)
            cos, sin, none = ops.cos(angle) / scale, ops.sin(angle) / scale, ops.zeros_like(angle)
            # rows of the matrix from a place in the result to its place in the film
            across = (cos, -sin, (width - 1) / 2 - cos * x + sin * y)
            down = (sin, cos, (height - 1) / 2 - sin * x - cos * y)
            return ops.image.affine_transform(
                films, ops.stack([*across, *down, none, none], axis=1), fill_mode="constant"
            )

    return RandomAffine()


@contextmanager
def drawn_by(layer: Any, *key: int) -> Iterator[None]:
    """Let what a layer draws within the block depend on its seed and a key alone."""
    from keras import ops

    before = [ops.convert_to_numpy(variable) for variable in layer.variables]
    try:
        for variable, seed in zip(layer.variables, before, strict=True):
            words = np.random.SeedSequence([*seed.tolist(), *key]).generate_state(seed.size)
            variable.assign(words.astype(seed.dtype))
        yield
    finally:
        for variable, seed in zip(layer.variables, before, strict=True):
            variable.assign(seed)


def views_of(layer: Any, films: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One changed view of each film, uint8 ``(n, height, width, 1)`` to the same."""
    changed = np.asarray(layer(films.astype(np.float32), training=True))
    seen: NDArray[np.uint8] = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    return seen
