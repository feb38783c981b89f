"""The progress of a caller who passed none: silent, but for what nobody may overlook."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xraybatch.core.errors import XraybatchWarning
from xraybatch.core.progress import SILENT, Progress, Stage

_OURS = Path(__file__).parent.parent


class WarningProgress:
    """`xraybatch.core.progress.Progress` whose warnings are those of Python."""

    @contextmanager
    def stage(self, label: str, total: int | None, unit: str = "films") -> Iterator[Stage]:
        """Show nothing."""
        with SILENT.stage(label, total, unit) as stage:
            yield stage

    def note(self, sentence: str) -> None:
        """Say nothing; results and run records hold every note."""

    def warn(self, title: str, sentence: str) -> None:
        """Warn with `XraybatchWarning`."""
        level = 1
        frame = sys._getframe()
        while frame.f_back is not None and Path(frame.f_code.co_filename).is_relative_to(_OURS):
            frame, level = frame.f_back, level + 1
        warnings.warn(f"{title}: {sentence}", XraybatchWarning, stacklevel=level)


def or_quiet(progress: Progress | None) -> Progress:
    """`progress`, or one that only warns."""
    return progress if progress is not None else WarningProgress()
