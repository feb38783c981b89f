"""Films at one size, of even contrast, and what laying them over each other takes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xraybatch.auditing.contrast import Floats, even
from xraybatch.auditing.shifts import Guess
from xraybatch.auditing.warping import Cells, cells_of

_DETAIL = 1.5  # pixels over which contrast is made even to compare details
_FAINT = 1.0  # grey levels: weaker details are not raised


class Levels:
    """Films at one size; everything is an array whose first axis is the film.

    Parameters
    ----------
    grey : ndarray of float32, shape (n, side, side)
        Grey levels.
    even : ndarray of float32, shape (n, side, side)
        The same films of even contrast.
    sign : ndarray of float32, shape (n,), optional
        −1 for those that are looked at as negatives; their grey levels are as they are.
    """

    def __init__(self, grey: Floats, even: Floats, sign: Floats | None = None) -> None:
        self.grey = grey
        self.even = even
        self._sign = np.ones(len(grey), np.float32) if sign is None else sign

    @classmethod
    def seen(cls, grey: Floats, even: Floats, guesses: Sequence[Guess]) -> Levels:
        """Films as each was mirrored, turned by quarters, and made a negative."""
        sign = np.array([-1 if guess.negative else 1 for guess in guesses], np.float32)
        grey, even = (
            np.stack([_turned(film, guess) for film, guess in zip(films, guesses, strict=True)])
            for films in (grey, even)
        )
        return cls(grey, even * sign[:, None, None], sign)

    def __len__(self) -> int:
        return len(self.grey)

    def __getitem__(self, which: NDArray[np.intp]) -> Levels:
        """Some of the films, rising, with what is known of them."""
        if len(which) == len(self):
            return self
        some = object.__new__(Levels)
        vars(some).update({name: known[which] for name, known in vars(self).items()})
        return some

    @property
    def side(self) -> int:
        """Pixels of a film."""
        return int(self.grey.shape[1])

    @cached_property
    def detail(self) -> Floats:
        """The finest that the films show at this size, of even contrast: ``(n, side, side)``."""
        return even(self.grey, _DETAIL, _FAINT) * self._sign[:, None, None]

    @cached_property
    def even_cells(self) -> Cells:
        """What lays films of even contrast elsewhere, as `cells_of` returns."""
        return cells_of(self.even)

    @cached_property
    def detail_cells(self) -> Cells:
        """What lays details elsewhere, as `cells_of` returns."""
        return cells_of(self.detail)

    @cached_property
    def jacobian(self) -> Floats:
        """``(n, 6, side²)``: how films change with each entry of a 2×3 matrix about the middle."""
        axis = np.arange(self.side, dtype=np.float32) + np.float32((1 - self.side) / 2)
        down, across = np.gradient(self.even, axis=(1, 2))
        changes = np.empty((len(self), 2, 3, self.side, self.side), np.float32)
        for change, gradient in zip(changes.swapaxes(0, 1), (across, down), strict=True):
            np.multiply(gradient, axis, out=change[:, 0])
            np.multiply(gradient, axis[:, None], out=change[:, 1])
            np.multiply(gradient, np.float32(self.side), out=change[:, 2])
        return changes.reshape(len(self), 6, self.side**2)

    @cached_property
    def inverse_hessian(self) -> NDArray[np.float64]:
        """``(n, 6, 6)``; slightly damped, so that it exists."""
        hessian = (self.jacobian @ self.jacobian.swapaxes(1, 2)).astype(np.float64)
        damping = 1e-3 * np.trace(hessian, axis1=1, axis2=2) + 1e-6
        return np.asarray(np.linalg.inv(hessian + np.eye(6) * damping[:, None, None]))


def _turned(film: Floats, guess: Guess) -> Floats:
    return np.rot90(film[:, ::-1] if guess.mirrored else film, guess.quarters)
