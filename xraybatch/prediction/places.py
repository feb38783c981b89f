"""Where results may be written: refused before the first film, not after hours."""

from __future__ import annotations

import tempfile
from pathlib import Path

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.files import sha256_of
from xraybatch.core.log import is_open_log
from xraybatch.prediction.job import Job
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.record import record_path


def check_places(out: Path, job_path: Path, options: PredictOptions) -> None:
    """Refuse an output that cannot be written, exists, or is the job itself.

    Raises
    ------
    UsageError, InputError
        Also if something is to be done again and there is no job.
    OSError
        If a folder cannot be made or written to.
    """
    if job_path.resolve() in {out.resolve(), record_path(out).resolve()}:
        raise UsageError("--job and --out name the same file.", "Leave --job out.")
    if is_open_log(out) or is_open_log(job_path) or is_open_log(record_path(out)):
        raise UsageError("--log-file and --out name the same file.", "Choose another --log-file.")
    if options.is_of_a_job and not job_path.exists():
        raise no_job(job_path, options)
    if out.exists() and not options.overwrite and not job_path.exists():
        raise _not_overwritten(out)
    for folder in {out.parent, job_path.parent}:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def check_may_write(out: Path, job: Job, options: PredictOptions) -> None:
    """Raise `InputError` if `out` is there, may not be replaced, and is not this job's own."""
    if not out.exists() or options.overwrite or job.publishing:
        return
    if not options.is_of_a_job:
        raise _not_overwritten(out, job)
    if sha256_of(out) != job.results_sha256:
        raise InputError(
            f"{out} is not as the run in {job.path.name} wrote it, and is not replaced.",
            "Keep it under another name, or give --overwrite too.",
        )


def no_job(job_path: Path, options: PredictOptions) -> InputError:
    """What is said where something is to be done again of a run that left no state."""
    option = "--update" if options.update else "--retry-failed"
    return InputError(
        f"{option} goes on from the state of an earlier run, and there is no {job_path}.",
        "Name it with --job; where it was discarded, do all films again with --overwrite.",
    )


def _not_overwritten(out: Path, job: Job | None = None) -> InputError:
    hint = "Choose another --out, or give --overwrite."
    if job is not None and job.begun:
        hint += " --update takes in what is new or changed, --retry-failed does failed films again."
    return InputError(f"{out} is there already and is not overwritten.", hint)
