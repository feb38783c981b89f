"""Results in an object store: written on this machine as always, then put there in one step each.

What is written lies beside the job until the store has it, so that a store that fails at the end
costs no film: the same command puts it there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.files import sha256_of, write_text
from xraybatch.core.log import logged
from xraybatch.core.progress import SILENT, Progress
from xraybatch.images.fetching import Fetch
from xraybatch.models.model import Model
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.record import PredictionRecord, read_record, record_path
from xraybatch.prediction.run import predict_items
from xraybatch.prediction.writing import check_suffix
from xraybatch.sources.fetch import IoOptions
from xraybatch.sources.item import Item
from xraybatch.sources.manifest_rows import Whole

_STAGED = ".results"  # behind the job's name: the folder in which results wait for the store


def staged_path(address: str, options: PredictOptions) -> Path:
    """Where the results of an address are written on this machine.

    Raises
    ------
    UsageError
        If the address names no table in a store, no job is named, or it is a shard.
    """
    from xraybatch.sources.stores.store import place_of

    scheme = address.partition("://")[0].lower()
    if scheme not in ("s3", "gs", "az"):
        raise UsageError(
            f"Results are not written to {scheme}:// addresses.",
            "Known are s3://, gs:// and az://, and files.",
        )
    name = place_of(address).key.rpartition("/")[2]
    check_suffix(Path(name or "-"))
    if options.shard is not None:
        raise UsageError(
            "A shard is written to a file system that all of them share.",
            "Give --out a file, and put what xraybatch merge makes of it into the store.",
        )
    if options.job is None:
        raise UsageError(
            "Results in a store need the state of the run on this machine.", "Name it with --job."
        )
    return options.job.with_name(options.job.name + _STAGED) / name


def predict_into_store(
    items: Sequence[Item],
    model: Model,
    address: str,
    *,
    options: PredictOptions,
    io: IoOptions,
    skipped: Mapping[str, int] | None = None,
    progress: Progress = SILENT,
    fetch: Fetch | None = None,
) -> PredictionRecord:
    """Classify films, and put the results and their run record into a store.

    Parameters
    ----------
    items, model, options, skipped, progress, fetch
        As of `predict_items`; ``options.job`` is needed.
    address : str
        ``s3://bucket/results.csv``.
    io : IoOptions

    Raises
    ------
    UsageError
        As `staged_path`; if a shard is asked for.
    InputError
        If it is there and is not to be replaced, or the store does not take it.
    XraybatchError
        As `predict_items` raises it.
    """
    from xraybatch.sources.stores.store import exists, put

    staged = staged_path(address, options)
    if not options.overwrite and exists(address, io):
        raise _there(address)
    of = _digest(items, address)
    record = _waiting(staged, of, model, options)
    if record is not None:
        logged(progress).note("Going on: the results are written, and are put into the store now.")
    else:
        _clear(staged, options)
        record = predict_items(
            items,
            model,
            staged,
            options=options,
            skipped=skipped,
            progress=progress,
            fetch=fetch,
        )
        write_text(_of(staged), of)
    if not options.overwrite and exists(address, io):  # of another run, meanwhile
        raise _there(address)
    # the table last: where it is, all is
    put(record_path(staged), f"{address}.run.json", io, overwrite=True)
    put(staged, address, io, overwrite=options.overwrite)
    _clear(staged)
    return record


def _there(address: str) -> InputError:
    return InputError(
        f"{address} is there already and is not overwritten.",
        "Choose another --out, or give --overwrite.",
    )


def _of(staged: Path) -> Path:
    """Where it is written down which films, and which address, the staged results are of."""
    return staged.with_name(f"{staged.name}.of")


def _digest(items: Sequence[Item], address: str) -> str:
    whole = Whole()
    whole.add(items)
    return f"{whole.digest()} {address}\n"


def _waiting(
    staged: Path, of: str, model: Model, options: PredictOptions
) -> PredictionRecord | None:
    """The record of results that an earlier run of the same kind could not put into the store."""
    if options.is_of_a_job:
        return None
    try:
        if _of(staged).read_text(encoding="utf-8") != of:
            return None
        record = read_record(staged)
        is_whole = record.results_sha256 == sha256_of(staged)
    except (InputError, OSError):
        return None
    same = record.model["seal"] == model.seal and record.options == options.to_dict()
    return record if is_whole and same else None


def _clear(staged: Path, options: PredictOptions | None = None) -> None:
    """Remove results that no run waits for any more, and their folder if nothing else is in it.

    With `options`: before the run, which nobody else may be at.
    """
    files = [path for path in (staged, record_path(staged), _of(staged)) if path.exists()]
    if not files:
        return
    with Job(options.job) if options and options.job else nullcontext():
        for path in files:
            path.unlink(missing_ok=True)
    with suppress(OSError):
        staged.parent.rmdir()
