"""`xraybatch.load_model`: a model in memory that answers a few films at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch.api.frames import results_frame
from xraybatch.api.quiet import or_quiet
from xraybatch.core.errors import UsageError
from xraybatch.core.progress import Progress
from xraybatch.core.status import FilmError
from xraybatch.extension.registry import registry
from xraybatch.images.decode import decode, decode_path
from xraybatch.models.card import Card
from xraybatch.models.choice import DEMONSTRATION, DEMONSTRATION_TITLE, choose_model
from xraybatch.models.model import Model, doubts
from xraybatch.models.selftest import check_decoder
from xraybatch.models.session import Session
from xraybatch.prediction.answering import Ready, answered
from xraybatch.prediction.rows import Columns, Row
from xraybatch.reports.card_text import card_fragment
from xraybatch.training.train import Run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

Film = "str | Path | bytes | NDArray[np.uint8]"


class Classifier:
    """A checked model on a device, as `load_model` returns it.

    Parameters
    ----------
    model : Model
    session : Session

    Attributes
    ----------
    card : Card
        What the model knows of itself.
    path : Path
    device : str
        ``cpu`` or ``cuda:N``: where it really runs.
    """

    def __init__(self, model: Model, session: Session) -> None:
        self.model = model
        self._session = session
        self._columns = Columns(model.card.tasks, seen=bool(model.card.hashes))
        self._seen = model.card.seen_in_training() if model.card.hashes else None

    @property
    def card(self) -> Card:
        """What the model knows of itself."""
        return self.model.card

    @property
    def path(self) -> Path:
        """Of the model file."""
        return self.model.path

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda:N``: where it really runs."""
        return self._session.device

    def classify(
        self, films: str | Path | bytes | Sequence[str | Path | bytes | NDArray[np.uint8]]
    ) -> pd.DataFrame:
        """Classify a few films, in this process.

        For whole folders, or films that nobody has looked at, `xraybatch.predict` decodes in other
        processes, where a film that crashes or hangs harms nothing.

        Parameters
        ----------
        films : a film or a sequence of films
            Each a path, the content of a file, or a decoded film: uint8 of the size that the card's
            rule says, ``(height, width)``.

        Returns
        -------
        pandas.DataFrame
            As of `xraybatch.predict`, in the order given; ``path`` is the path, or ``#`` and the
            position for a film without one. A film that cannot be read has its row with the reason.

        Raises
        ------
        UsageError
            If an array is no uint8 film of the rule's size, or something is a folder or pattern.
        """
        _check_films(films)
        given = [films] if isinstance(films, str | Path | bytes) else list(films)
        rows: dict[int, Row] = {}
        ready: list[Ready] = []
        for index, film in enumerate(given):
            try:
                ready.append(Ready(index, self._decoded(film, f"#{index}")))
            except FilmError as error:
                rows[index] = Row(index, 0, error.status, error.sentence)
        rows |= {row.item: row for row in answered(self._session, ready, self._seen)}
        cells = [
            self._columns.cells(_name(film, index), rows[index]) for index, film in enumerate(given)
        ]
        record = {
            "tasks": self.card.to_dict()["tasks"],
            "card": self.card.to_dict(hashes=False),
            "model": {"broken_seal": self.model.broken_seal},
        }
        return results_frame(cells, self._columns, record)

    def __repr__(self) -> str:
        return f"{self.model!r} on {self.device}"

    def _repr_html_(self) -> str:
        return card_fragment(self.card)

    def _decoded(
        self, film: str | Path | bytes | NDArray[np.uint8], name: str
    ) -> NDArray[np.uint8]:
        import numpy as np

        rule = self.card.rule
        if isinstance(film, str | Path):
            return decode_path(film, rule).pixels
        if isinstance(film, bytes):
            return decode(film, rule, name=name).pixels
        array = np.asarray(film)
        if array.dtype != np.uint8 or array.shape != (rule.height, rule.width):
            raise UsageError(
                f"A decoded film is uint8 of {rule.height}x{rule.width}; this is "
                f"{array.dtype} of {'x'.join(map(str, array.shape))}.",
                "Give the path or the bytes of its file: they are decoded by the model's rule.",
            )
        return np.ascontiguousarray(array)


def load_model(
    path: str | Path | Run,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
    allow_broken_seal: bool = False,
    progress: Progress | None = None,
) -> Classifier:
    """Open a model: check its seal, and that it and its decoder answer here as where it was made.

    Parameters
    ----------
    path : path or Run
        A model file, or a run or its folder.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    batch_size, threads : int, optional
    allow_broken_seal : bool
        Open a file that was changed.
    progress : Progress, optional
        Is warned of what keeps a person from trusting it; None: Python warnings.

    Raises
    ------
    ModelError
        If it cannot be read, was changed, or fails its self-test.
    """
    where = path.model or path.folder if isinstance(path, Run) else Path(path)
    model = choose_model(where, allow_broken_seal=allow_broken_seal).model
    told = or_quiet(progress)
    for sentence in (*doubts(model), *registry().sentences()):
        told.warn("Note", sentence)
    _tell_demonstration(model, told)
    check_decoder(model.card)
    session = Session(model, device=device, batch_size=batch_size, threads=threads)
    if session.note:
        told.warn("Device", session.note)
    return Classifier(model, session)


def model_of(given: str | Path | Run | Classifier | None, progress: Progress) -> Model:
    """The model that `given` means; a demonstration model that nobody named is told."""
    if isinstance(given, Classifier):
        return given.model
    if isinstance(given, Run):
        given = given.model or given.folder
    chosen = choose_model(None if given is None else Path(given))
    if chosen.why:
        progress.note(chosen.why)
    _tell_demonstration(chosen.model, progress)
    return chosen.model


def _tell_demonstration(model: Model, progress: Progress) -> None:
    if model.card.demonstration:
        progress.warn(DEMONSTRATION_TITLE, DEMONSTRATION)


def _check_films(films: Any) -> None:
    if hasattr(films, "columns"):
        raise UsageError(
            "A table is no film.", "Give its column of paths: classify(table['path'])."
        )
    for film in [films] if isinstance(films, str | Path) else films:
        if isinstance(film, str | Path) and Path(film).is_dir():
            raise UsageError(
                "classify takes films, and this is a folder.", "predict takes whole folders."
            )


def _name(film: str | Path | bytes | NDArray[np.uint8], index: int) -> str:
    return str(film) if isinstance(film, str | Path) else f"#{index}"
