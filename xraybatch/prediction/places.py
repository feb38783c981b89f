"""Where results may be written: refused before the first film, not after hours."""

from __future__ import annotations

import tempfile
from pathlib import Path

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.files import sha256_of
from xraybatch.core.log import is_open_log
from xraybatch.prediction.jobs.job import Job
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
    written = {out.resolve(), record_path(out).resolve()}
    if job_path.resolve() in written:
        raise UsageError("--job and --out name the same file.", "Leave --job out.")
    embeddings = options.embeddings
    if embeddings is not None:
        if embeddings.resolve() in {*written, job_path.resolve()}:
            raise UsageError(
                f"--embeddings names {embeddings}, which is another file of this run.",
                "Give it a name of its own, such as embeddings.parquet.",
            )
        if embeddings.is_dir():
            raise UsageError(f"{embeddings} is a folder.", "Give the name of a file.")
    files = [out, job_path, record_path(out), *([embeddings] if embeddings else [])]
    if any(map(is_open_log, files)):
        raise UsageError("--log-file and --out name the same file.", "Choose another --log-file.")
    if options.is_of_a_job and not job_path.exists():
        raise no_job(job_path, options)
    for path, option in _tables(out, options):
        if path.exists() and not options.overwrite and not job_path.exists():
            raise _not_overwritten(path, option)
    for folder in {path.parent for path in files}:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def check_may_write(out: Path, job: Job, options: PredictOptions) -> None:
    """Raise `InputError` if a table is there, may not be replaced, and is not this job's own."""
    if options.overwrite:
        return
    own = {"--out": job.results_sha256, "--embeddings": job.embeddings_sha256}
    for path, option in _tables(out, options):
        is_its_own = job.publishing if path == out else job.is_publishing(path)
        if not path.exists() or is_its_own:
            continue
        if not options.is_of_a_job:
            raise _not_overwritten(path, option, job)
        if sha256_of(path) != own[option]:
            raise InputError(
                f"{path} is not as the run in {job.path.name} wrote it, and is not replaced.",
                "Keep it under another name, or give --overwrite too.",
            )


def _tables(out: Path, options: PredictOptions) -> list[tuple[Path, str]]:
    """The results and, where they are asked for, the embeddings; each with its option."""
    embeddings = options.embeddings
    return [(out, "--out"), *([(embeddings, "--embeddings")] if embeddings else [])]


def no_job(job_path: Path, options: PredictOptions) -> InputError:
    """What is said where something is to be done again of a run that left no state."""
    option = "--update" if options.update else "--retry-failed"
    return InputError(
        f"{option} goes on from the state of an earlier run, and there is no {job_path}.",
        "Name it with --job; where it was discarded, do all films again with --overwrite.",
    )


def _not_overwritten(path: Path, option: str, job: Job | None = None) -> InputError:
    hint = f"Choose another {option}, or give --overwrite."
    if job is not None and job.begun:
        hint += " --update takes in what is new or changed, --retry-failed does failed films again."
    return InputError(f"{path} is there already and is not overwritten.", hint)
