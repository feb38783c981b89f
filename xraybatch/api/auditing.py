"""`xraybatch.audit`: the health of a folder of films before anyone trains on it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.console import Console

from xraybatch.api.quiet import or_quiet
from xraybatch.auditing import record
from xraybatch.auditing.run import Audited, AuditOptions
from xraybatch.auditing.shortcut import PERMUTATIONS
from xraybatch.auditing.table import write_table
from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.label_maps import map_text
from xraybatch.core.progress import Progress
from xraybatch.reports.audit import audit_sections
from xraybatch.reports.audit_console import print_audit
from xraybatch.reports.audit_files import FORMS_OF_AUDIT, write_audit
from xraybatch.reports.files import check_report_path
from xraybatch.reports.html_text import sections_html
from xraybatch.training.audited import LabelsAsked, audit_folders

_WIDTH = 100
_THUMBNAILS = 200


class Audit(record.Audit):
    """What `audit` returns: a tree of frozen dataclasses that can show itself.

    ``print(audit)`` shows what the command prints, a notebook shows tables; `to_dict` gives plain
    values, `save` a file.
    """

    _audited: Audited

    def save(
        self, path: str | Path, *, thumbnails: int = _THUMBNAILS, overwrite: bool = False
    ) -> None:
        """Write it down; the suffix decides.

        Parameters
        ----------
        path : path
            ``.csv``: one row a film; ``.html``, ``.md``, ``.json``: the report.
        thumbnails : int
            Most films that a page shows.
        overwrite : bool

        Raises
        ------
        UsageError
            If the suffix says none of these.
        InputError
            If a file is there already and may not be overwritten.
        """
        path = Path(path)
        if path.suffix.lower() != ".csv":
            check_report_path(path, overwrite=overwrite, forms=FORMS_OF_AUDIT)
            write_audit(self._audited, path, thumbnails=thumbnails)
            return
        if path.exists() and not overwrite:
            raise InputError(
                f"{path} is there already and is not overwritten.",
                "Choose another path, or allow it with overwrite=True.",
            )
        write_table(self._audited, path)

    def __str__(self) -> str:
        text = io.StringIO()
        print_audit(self, Console(file=text, width=_WIDTH, highlight=False))
        return text.getvalue()

    def _repr_html_(self) -> str:
        return sections_html(audit_sections(self, most=20, values=6))

    def __repr__(self) -> str:
        return f"<Audit of {counted(self.films, 'film')}>"


def audit(
    films: str | Path | Sequence[str | Path],
    *,
    labels: str | Path | None = None,
    path_column: str = "path",
    label_column: str | None = None,
    patient_column: str | None = None,
    split_column: str | None = None,
    label_map: Mapping[Any, str] | str | None = None,
    near: bool = True,
    permutations: int = PERMUTATIONS,
    workers: int | None = None,
    timeout: float = 60.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Audit:
    """Look for what spoils a folder of films before anyone trains on it.

    What ``xraybatch audit`` does.

    Parameters
    ----------
    films : path or sequence of path
        Folders or files.
    labels : path, optional
        A labels table; None: ``labels.csv`` in the folder where there is one, else class folders.
    path_column, label_column, patient_column, split_column : str, optional
        Of the labels.
    label_map : mapping of value to class, or str, optional
    near : bool
        Look for copies that were changed, too.
    permutations : int
        Of the test for shortcuts; 0: no test.
    workers : int, optional
        Processes that decode; None: as many as there are cores.
    timeout : float
        Seconds that one film may take.
    seed : int
        Of the test.
    progress : Progress, optional
        Is told what is found on the way; None: Python warnings.

    Returns
    -------
    Audit

    Raises
    ------
    XraybatchError
        With the sentence and hint that the command would print.
    """
    given = [films] if isinstance(films, str | Path) else list(films)
    if not given:
        raise UsageError("No films are named.", "Name a folder.")
    asked = LabelsAsked(
        None if labels is None else Path(labels),
        *(path_column, label_column, patient_column, split_column),
        map_text(label_map) if label_map else None,
    )
    options = AuditOptions(near, permutations, seed, workers, timeout)
    audited = audit_folders(given, asked, options, or_quiet(progress))
    found = Audit(**{f.name: getattr(audited.audit, f.name) for f in fields(audited.audit)})
    object.__setattr__(found, "_audited", audited)  # a frozen record, which this is no part of
    return found
