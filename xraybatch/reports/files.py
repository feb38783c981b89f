"""A report as a file; the suffix decides the form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.files import write_text
from xraybatch.core.log import is_open_log
from xraybatch.evaluation.comparison import Comparison
from xraybatch.evaluation.report import Report
from xraybatch.evaluation.tries import Tries
from xraybatch.reports.comparison import comparison_sections
from xraybatch.reports.json_text import to_json
from xraybatch.reports.markdown import of_sections, to_markdown
from xraybatch.reports.tries import tries_sections

if TYPE_CHECKING:
    from xraybatch.reports.mistakes import Gallery

Form = TypeVar("Form")
FORMS: dict[str, Callable[[Report], str]] = {
    ".html": lambda report: page(report),
    ".md": to_markdown,
    ".json": to_json,
}
FORMS_OF_COMPARISON: dict[str, Callable[[Comparison | Tries], str]] = {
    ".html": lambda found: comparison_page(found),
    ".md": lambda found: comparison_markdown(found),
    ".json": to_json,
}


def write_report(report: Report, path: Path, wrong: Gallery | None = None) -> None:
    """Write a report, whole or not at all.

    Parameters
    ----------
    report : Report
    path : Path
        Its suffix decides the form.
    wrong : Gallery, optional
        The worst mistakes; only a page shows them.

    Raises
    ------
    UsageError
        If no form has the path's suffix.
    """
    form = _form(path, FORMS)
    write_text(path, page(report, wrong) if is_page(path) else form(report))


def is_page(path: Path) -> bool:
    """Whether a report of this name is a page, which can show films."""
    return path.suffix.lower() == ".html"


def page(report: Report, wrong: Gallery | None = None) -> str:
    """A report as a page."""
    from xraybatch.reports.page import to_page  # pictures are heavy, and most reports have none

    return to_page(report, wrong)


def comparison_page(found: Comparison | Tries) -> str:
    """A comparison of models, or of the settings of one, as a page."""
    from xraybatch.reports.page import to_comparison_page

    return to_comparison_page(found)


def comparison_markdown(found: Comparison | Tries) -> str:
    """A comparison of models, or of the settings of one, as Markdown."""
    if isinstance(found, Tries):
        return of_sections("Settings tried", tries_sections(found))
    return of_sections("Comparison", comparison_sections(found))


def write_comparison(comparison: Comparison | Tries, path: Path) -> None:
    """Write a comparison, whole or not at all.

    Raises
    ------
    UsageError
        If no form has the path's suffix.
    """
    write_text(path, _form(path, FORMS_OF_COMPARISON)(comparison))


def check_report_path(path: Path, *, overwrite: bool, forms: Mapping[str, object] = FORMS) -> None:
    """Say before any number is made that a report cannot be written.

    Raises
    ------
    UsageError
        If no form has the path's suffix.
    InputError
        If something is there already that may not be overwritten.
    """
    _form(path, forms)
    if is_open_log(path):
        raise UsageError("--log-file and --report name the same file.", "Choose another name.")
    if path.exists() and not overwrite:
        raise InputError(
            f"{path} is there already and is not overwritten.",
            "Choose another --report, or allow it with --overwrite.",
        )


def _form(path: Path, forms: Mapping[str, Form]) -> Form:
    form = forms.get(path.suffix.lower())
    if form is None:
        raise UsageError(
            f"A report cannot be written as '{path.name}'.",
            f"Its name must end in one of: {', '.join(forms)}.",
        )
    return form
