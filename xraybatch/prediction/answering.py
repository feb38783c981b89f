"""The last step of every prediction: decoded films and a session to rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from xraybatch.core.status import FilmStatus
from xraybatch.images.film import film_digest
from xraybatch.models.selftest import are_probabilities
from xraybatch.models.session import EMBEDDING, Session
from xraybatch.prediction.rows import NO_FRAME, Row
from xraybatch.prediction.unlike import Likeness

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NO_ANSWER = "The model's answer to this film is no probability."


class Ready(NamedTuple):
    """A decoded film that waits for its answer.

    Attributes
    ----------
    item : int
        Index of the item, for the row.
    film : ndarray of uint8, shape (height, width)
        Of the size that the card's rule says.
    notes : tuple of str
        What a person should know of how it was read.
    frame : int
        Of the item, or `NO_FRAME`.
    told : mapping of str to str
        What was asked of its header.
    """

    item: int
    film: NDArray[np.uint8]
    notes: tuple[str, ...] = ()
    frame: int = NO_FRAME
    told: Mapping[str, str] = MappingProxyType({})


def answered(
    session: Session,
    films: Sequence[Ready],
    seen: frozenset[bytes] | None,
    likeness: Likeness | None = None,
    *,
    embeddings: bool = False,
) -> list[Row]:
    """The rows of `films`, in their order, one each.

    Parameters
    ----------
    session : Session
    films : sequence of Ready
    seen : frozenset of bytes or None
        Digests of the training films; None: the rows do not say.
    likeness : Likeness, optional
        Says how far each film is from the training films; else the rows do not say.
    embeddings : bool
        Whether the rows hold the film's embedding too; the graph must give it.

    Returns
    -------
    list of Row
        With `FilmStatus.NO_ANSWER` where the model's answer is no probability.
    """
    import numpy as np

    if not films:
        return []
    outputs = [*session.tasks, EMBEDDING] if embeddings else None
    pixels = np.stack([ready.film for ready in films])
    # first what looks at each pixel: the network's weights push the films out of the cache
    were_seen = [None if seen is None else film_digest(film) in seen for film in pixels]
    distances = [None] * len(films) if likeness is None else likeness.distances(pixels)
    answers = session.predict(pixels, outputs)
    embedded = [b""] * len(films)
    if embeddings:
        embedded = [vector.astype("<f4").tobytes() for vector in answers[EMBEDDING]]
    values = np.concatenate([answers[task] for task in session.tasks], axis=1).astype("<f4")
    rows = []
    for i, is_sane in enumerate(are_probabilities(values)):
        item, _, notes, frame, told = films[i]
        if is_sane:
            known = (were_seen[i], notes, told, distances[i], embedded[i])
            rows.append(Row(item, frame, FilmStatus.OK, "", values[i].tobytes(), *known))
        else:
            status = FilmStatus.NO_ANSWER
            rows.append(Row(item, frame, status, _NO_ANSWER, notes=notes, told=told))
    return rows
