"""The self-test: is the decoder the one the model was trained with, and is the session?

Runs before the first film of every run. (a) The reference films of the package decode to what the
card holds; (b) the session answers seeded synthetic films as the card says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from xraybatch.core.errors import ModelError
from xraybatch.core.versions import changed_since
from xraybatch.images.fingerprint import check_fingerprint
from xraybatch.images.worker import nothing
from xraybatch.models.card import Card, SelfTest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOLERANCE = 2e-4
FILMS = 4
LARGEST_TOLERANCE = 1e-2
_ROUNDING = 1e-4
_RUNTIMES = ("onnxruntime-gpu", "onnxruntime")
_GRIDS = (2, 5, 16)  # coarse to fine, so that films differ in shape and not only in noise

Predict = Callable[["NDArray[np.uint8]"], Mapping[str, "NDArray[np.float32]"]]


def synthetic_films(seed: int, films: int, height: int, width: int) -> NDArray[np.uint8]:
    """Films of blocks at three scales, uint8 ``(films, height, width, 1)``; no patient's pixels.

    From SHA-256 and integer arithmetic alone, so the same everywhere and for ever.
    """
    import numpy as np

    out = np.zeros((films, height, width, 1), np.uint8)
    for film in range(films):
        total = np.zeros((height, width), np.int64)
        for grid in _GRIDS:
            draws = hashlib.shake_256(f"{seed}/{film}/{grid}".encode()).digest(grid * grid)
            blocks = np.frombuffer(draws, np.uint8).reshape(grid, grid).astype(np.int64)
            rows = np.arange(height) * grid // height
            columns = np.arange(width) * grid // width
            total += blocks[rows][:, columns]
        out[film, :, :, 0] = total // len(_GRIDS)
    return out


def record_self_test(
    predict: Predict, height: int, width: int, *, seed: int = 20, tolerance: float = TOLERANCE
) -> SelfTest:
    """Let a finished model answer the synthetic films, for its card."""
    answers = predict(synthetic_films(seed, FILMS, height, width))
    if not all(are_probabilities(values).all() for values in answers.values()):
        raise ModelError(
            "The model's answers to synthetic films are no probabilities.",
            "Its outputs must lie within 0 and 1; a softmax or sigmoid is missing, or it diverged.",
        )
    rows = {task: [[float(p) for p in row] for row in values] for task, values in answers.items()}
    return SelfTest(seed, FILMS, tolerance, rows)


def check_decoder(card: Card) -> None:
    """Raise `ModelError` if the reference films decode to something else than the card holds."""
    decoder_check(card)()


def decoder_check(card: Card) -> Callable[[], None]:
    """`check_decoder` of a card, to be called where films are decoded: it can be pickled."""
    if not card.decoder:
        return nothing
    return partial(check_fingerprint, dict(card.decoder), dict(card.versions))


def are_probabilities(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which rows of ``(n, K)`` hold nothing but numbers within 0 and 1, but for rounding."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        inside = (values >= -_ROUNDING) & (values <= 1 + _ROUNDING)
    return np.asarray(inside.all(axis=1))


def session_difference(card: Card, predict: Predict) -> float | None:
    """How far a session's answers to the synthetic films are from the card's.

    Returns
    -------
    float or None
        The largest difference of a probability, NaN if an answer is; None where the card holds no
        answers.

    Raises
    ------
    ModelError
        If what the card holds cannot be compared.
    """
    import numpy as np

    test = card.self_test
    if test is None:
        return None
    answers = predict(synthetic_films(test.seed, test.films, card.rule.height, card.rule.width))
    differences = []
    for entry in card.tasks:
        task = entry.task.name
        expected = np.asarray(test.probabilities.get(task, []), np.float64)
        if expected.shape != answers[task].shape or test.tolerance > LARGEST_TOLERANCE:
            raise ModelError(
                f"The card's self-test says nothing that can be compared for task '{task}'.",
                "Export the model again.",
            )
        differences.append(np.abs(answers[task].astype(np.float64) - expected).max())
    return float(np.max(differences))


def passes(card: Card, difference: float | None) -> bool:
    """Whether a difference is within the card's tolerance; one that is not known passes."""
    return card.self_test is None or difference is None or difference <= card.self_test.tolerance


def wrong_graph(card: Card, difference: float, broken_seal: str) -> ModelError:
    """The CPU answers otherwise: a changed file, another onnxruntime, or not the card's graph."""
    what = f"The model answers its self-test {difference:.2g} off on the CPU ({_allowed(card)})"
    if broken_seal:
        return ModelError(
            f"{what}: the file was changed. {broken_seal}", "Take it from its run folder again."
        )
    if changed := changed_since(card.versions, _RUNTIMES):
        return ModelError(
            f"{what}: another onnxruntime computes here, {', '.join(changed)}.",
            "Install the version that the model was made with, or export the model again.",
        )
    return ModelError(
        f"{what}: its graph is not the one that its card describes.",
        "Take the model from its run folder again, or export it again.",
    )


def wrong_device(card: Card, difference: float, device: str) -> ModelError:
    """A device answers otherwise, and the CPU does not."""
    return ModelError(
        f"{device} answers the model's self-test {difference:.2g} off ({_allowed(card)}), and the "
        "CPU answers it rightly: this GPU, its driver or its libraries compute otherwise.",
        "Use --device cpu, and see `xraybatch doctor`.",
    )


def _allowed(card: Card) -> str:
    assert card.self_test is not None
    return f"allowed: {card.self_test.tolerance:g}"
