"""What a person may ask of ``xraybatch prepare``; each field is an option of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from xraybatch.core.errors import UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.sources.archives.budget import ArchiveLimits

CLASS_FOLDERS, SPLIT_FOLDERS, SPLIT_IN_CLASSES, MURA, TABLE_FORM = FORMS = (
    *("class-folders", "split-folders", "split-in-class-folders"),
    *("mura", "table"),
)
ASK, MERGE, KEEP = SPELLINGS = ("ask", "merge", "keep")
VAL_SPLIT, TEST_SPLIT = 0.15, 0.2


@dataclass(frozen=True)
class PrepareOptions:
    """How to prepare a data set.

    Attributes
    ----------
    data : Path or None
        Folder of the films that a table names; None: that of the table.
    form : str or None
        One of `FORMS`; None: found in the data.
    classes : tuple of str
        That must be there, these and no others; empty: any.
    task : str
        A column of a table that holds the labels if it is there, before all usual names.
    spellings : str
        What becomes of two spellings of one class: ``ask``, ``merge`` or ``keep``.
    path_column, label_column, patient_column, label_map : str or None
        Of a table; None: guessed from usual names.
    patient_from : str or None
        Regular expression that finds the patient in a film's path.
    val_split, test_split : float
        Shares of the films; used where the data come without that part.
    folds : int or None
        Folds of a cross-validation, in place of parts.
    seed : int
    sha256 : str
        That the archive must have.
    limits : ArchiveLimits
    source_name, licence, citation : str
        For the card of what is trained on it.
    downloads : Path or None
        Where a download is kept until it is unpacked; None: in the user's cache.
    """

    data: Path | None = None
    form: str | None = None
    classes: tuple[str, ...] = ()
    task: str = ""
    spellings: str = ASK
    path_column: str | None = None
    label_column: str | None = None
    patient_column: str | None = None
    label_map: str | None = None
    patient_from: str | None = None
    val_split: float = VAL_SPLIT
    test_split: float = TEST_SPLIT
    folds: int | None = None
    seed: int = 0
    sha256: str = ""
    limits: ArchiveLimits = field(default_factory=ArchiveLimits)
    source_name: str = ""
    licence: str = ""
    citation: str = ""
    downloads: Path | None = None

    def __post_init__(self) -> None:
        if self.form is not None and self.form not in FORMS:
            raise UsageError(f"--form {self.form} is not known.", did_you_mean(self.form, FORMS))
        if self.spellings not in SPELLINGS:
            raise UsageError(f"'{self.spellings}' is none of {', '.join(SPELLINGS)}.")
        for name, share in (("val-split", self.val_split), ("test-split", self.test_split)):
            if not 0 <= share < 1:
                raise UsageError(f"--{name} {share:g} is no share.", "Give 0 to below 1.")
        if self.val_split + self.test_split >= 1:
            raise UsageError(
                "--val-split and --test-split leave no film to train on.", "Lower one of them."
            )
        if self.folds is not None and self.folds < 2:
            raise UsageError(f"--folds {self.folds} is too small.", "Give 2 or more.")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed} is too small.", "Give 0 or more.")
        if len({name.strip().casefold() for name in self.classes}) < len(self.classes):
            raise UsageError("--classes names a class twice.", "Name each once.")
