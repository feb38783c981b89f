"""Where results may be written: refused before the first film, not after hours."""

from __future__ import annotations

import tempfile
from pathlib import Path

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.log import is_open_log
from xraybatch.prediction.job import Job
from xraybatch.prediction.record import record_path


def check_places(out: Path, job_path: Path, *, overwrite: bool) -> None:
    """Refuse an output that cannot be written, exists, or is the job itself.

    Raises
    ------
    UsageError, InputError
    OSError
        If a folder cannot be made or written to.
    """
    if job_path.resolve() in {out.resolve(), record_path(out).resolve()}:
        raise UsageError("--job and --out name the same file.", "Leave --job out.")
    if is_open_log(out) or is_open_log(job_path) or is_open_log(record_path(out)):
        raise UsageError("--log-file and --out name the same file.", "Choose another --log-file.")
    if out.exists() and not overwrite and not job_path.exists():
        raise _not_overwritten(out)
    for folder in {out.parent, job_path.parent}:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def check_may_write(out: Path, job: Job, *, overwrite: bool) -> None:
    """Raise `InputError` if `out` is there, may not be replaced, and is not this job's own."""
    if out.exists() and not overwrite and not job.publishing:
        raise _not_overwritten(out)


def _not_overwritten(out: Path) -> InputError:
    return InputError(
        f"{out} is there already and is not overwritten.",
        "Choose another --out, or give --overwrite.",
    )
