"""Who made the answers: the model and the run, as every report of a table tells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from xraybatch.core.errors import InputError
from xraybatch.models.card import Card
from xraybatch.models.model import Model
from xraybatch.prediction.record import PredictionRecord
from xraybatch.reports.structured.codes import Codebook
from xraybatch.reports.structured.identifiers import derived_uid

PROGRAM = "xraybatch"
_UNNAMED = "unnamed model"


@dataclass(frozen=True)
class Maker:
    """What all reports of a results table have in common.

    Attributes
    ----------
    card : Card
        That the model had in the run.
    seal : str
    version : str
        Of xraybatch, in the run.
    finished : datetime
        When the run ended, with its time zone: what a report is dated.
    codes : Codebook
    """

    card: Card
    seal: str
    version: str
    finished: datetime
    codes: Codebook

    @property
    def name(self) -> str:
        """Of the model."""
        return self.card.name or _UNNAMED

    @property
    def model_version(self) -> str:
        """When the model was made, and the beginning of its seal."""
        return f"{self.card.created} {self.seal[:12]}".strip()

    def uid(self, kind: str, *parts: object) -> str:
        """A UID that follows from the model, the codes that a person gave, and `parts`."""
        return derived_uid(kind, self.seal, self.codes.told, *parts)


def maker_of(record: PredictionRecord, model: Model, codes: Codebook) -> Maker:
    """The maker of a table's answers.

    Raises
    ------
    InputError
        If the record does not say when the run ended.
    """
    try:
        finished = datetime.fromisoformat(record.finished)
    except (TypeError, ValueError):
        raise InputError(
            "The run record does not say when the run ended.",
            "Predict again with this version of xraybatch.",
        ) from None
    return Maker(
        card=model.card,
        seal=model.seal,
        version=str(record.versions.get(PROGRAM, "")),
        # a whole second: every DICOM reader knows that form
        finished=(finished if finished.tzinfo else finished.replace(tzinfo=UTC)).replace(
            microsecond=0
        ),
        codes=codes,
    )
