"""An audit as a file; the suffix decides the form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from xraybatch.auditing.run import Audited
from xraybatch.core.files import write_text
from xraybatch.reports.audit import audit_sections
from xraybatch.reports.json_text import to_json
from xraybatch.reports.markdown import of_sections

FORMS_OF_AUDIT: dict[str, Callable[[Audited, int], str]] = {
    ".html": lambda audited, thumbnails: _page(audited, thumbnails),
    ".md": lambda audited, _: of_sections("Audit", audit_sections(audited.audit)),
    ".json": lambda audited, _: to_json(audited.audit),
}


def write_audit(audited: Audited, path: Path, *, thumbnails: int) -> None:
    """Write an audit, whole or not at all.

    Parameters
    ----------
    audited : Audited
    path : Path
        Its suffix decides the form: one of `FORMS_OF_AUDIT`.
    thumbnails : int
        Most films that a page shows.
    """
    write_text(path, FORMS_OF_AUDIT[path.suffix.lower()](audited, thumbnails))


def _page(audited: Audited, thumbnails: int) -> str:
    from xraybatch.reports.page.audit import audit_page

    return audit_page(audited, thumbnails)
