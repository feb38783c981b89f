"""A report as JSON: the tree itself, as ``docs/report.schema.json`` says."""

from __future__ import annotations

import json

from xraybatch.auditing.record import Audit
from xraybatch.evaluation.comparison import Comparison
from xraybatch.evaluation.report import Report
from xraybatch.evaluation.tries import Tries


def to_json(report: Report | Comparison | Tries | Audit) -> str:
    """The report as JSON with two spaces of indent and a line end; undefined is ``null``."""
    return json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
