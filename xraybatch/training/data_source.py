"""``--data``: a folder as it is, or archives or an address, prepared once and kept."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from xraybatch.core.errors import UsageError
from xraybatch.core.lock import exclusive
from xraybatch.core.progress import Progress
from xraybatch.core.tasks import TaskKind, parse_task_request
from xraybatch.core.versions import versions_of
from xraybatch.extension.records import Preset
from xraybatch.extension.registry import registry
from xraybatch.models.runs import partial
from xraybatch.sources.addresses import public_url
from xraybatch.sources.archives.folder import find_archives
from xraybatch.training.datasets.fetch import FILMS, holds_archives_alone, kind_of_source
from xraybatch.training.datasets.options import TABLE_FORM, PrepareOptions
from xraybatch.training.datasets.prepare import prepare_data
from xraybatch.training.datasets.record import NOT_STATED
from xraybatch.training.folder import remove
from xraybatch.training.labels import DATASET, TABLE
from xraybatch.training.options import TrainOptions
from xraybatch.training.presets import is_place_of
from xraybatch.training.split import AS_DISTRIBUTED
from xraybatch.training.store import cache_folder

_ADDRESS = ("http:/", "https:/", "s3:/", "gs:/", "az:/")
_PATH = "path"
_READ = ("data", "path_column", "label_column", "patient_column", "label_map")
# options with which `prepare` writes something else
_MAKES_OTHER_FILES = (
    *("classes", "task", "path_column", "label_column", "patient_column", "label_map"),
)
_MURA_PARTS = ("train", "valid")


def with_folder(options: TrainOptions, progress: Progress) -> TrainOptions:
    """Options whose `data` is a folder with labels, and that say where its films come from.

    An archive, an address, a folder of archives or a tree of MURA is prepared into the user's cache
    at first, and taken from there afterwards; `xraybatch prepare` does the same into a folder of
    one's own and has more options. Parts that the data have not are drawn by training, so that
    another share or seed needs nothing fetched or unpacked again.

    Parameters
    ----------
    options : TrainOptions
    progress : Progress

    Raises
    ------
    InputError, UsageError
        If it cannot be prepared, or something would have to be asked.
    """
    if options.data is None or options.labels is not None:
        return options
    source = _as_typed(options.data)
    is_folder = options.data.is_dir()
    if (
        is_folder
        and not _is_mura(options.data)
        and not holds_archives_alone(options.data, progress)
    ):
        return _of_preset(_with_origin(options, options.data), options.data, progress)
    if not is_folder and kind_of_source(source, PrepareOptions()) == "folder":
        return options  # which is not there: told where it is read
    if options.no_cache and not _is_mura(options.data):
        raise UsageError(
            "--no-cache keeps no films, and these must be unpacked to somewhere.",
            "Name the place yourself: xraybatch prepare SOURCE --out DIR, then --data DIR.",
        )
    task, classes = _asked_of_one(options)
    asked = PrepareOptions(
        task=task,
        classes=classes,
        path_column=None if options.path_column == _PATH else options.path_column,
        label_column=options.label_column,
        patient_column=options.patient_column,
        label_map=options.label_map,
        source_name=options.source,
        licence=options.licence,
        citation=options.citation,
    )
    place = cache_folder() / "data" / _name(source, options.data, asked)
    _prepared_once(source, place, asked, progress)
    return _of_preset(_with_origin(_prepared(options, place), place), options.data, progress)


def how_prepared(options: TrainOptions) -> str:
    """How `prepare` dealt the films of a folder that it made, a sentence; empty: it did not."""
    table = options.labels or (options.data and options.data / TABLE)
    if table is None or table.name != TABLE:
        return ""
    try:
        return str(_record(table.parent)["split"]["how"])
    except (KeyError, TypeError):
        return ""


def is_distributed(options: TrainOptions) -> bool:
    """Whether parts or folds that the data have came with them: `prepare` did not draw them."""
    how = how_prepared(options)
    return not how or how.startswith(AS_DISTRIBUTED)


def as_typed(options: TrainOptions, typed: TrainOptions) -> TrainOptions:
    """Options in which the films lie where a person said, so that they repeat a run."""
    return replace(options, **{name: getattr(typed, name) for name in _READ})


def typed_source(data: Path) -> str:
    """``--data`` for a file that is kept: from any folder, and nothing that gives access."""
    if not is_address(data):
        return str(data.resolve())
    address = _as_typed(data)
    shown = public_url(address)
    return shown if "=…" in shown else address


def is_address(data: Path) -> bool:
    """Whether a person typed an address, which became a path."""
    return str(data).startswith(_ADDRESS)


def _prepared_once(source: str, place: Path, asked: PrepareOptions, progress: Progress) -> None:
    """Prepare into the cache, unless it is there, or another run makes it at this moment."""

    def waiting() -> None:
        progress.note("Another run prepares the same data: waiting until it is done.")

    with suppress(OSError):  # told by what follows
        place.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(place.with_suffix(".lock"), waiting):
        if (place / TABLE).is_file():
            shown = public_url(source) if source.startswith(_ADDRESS) else source
            progress.note(f"{shown} was prepared before, in {place}.")
            return
        remove(partial(place))  # of a run that was killed: a living one would hold the lock
        prepare_data(source, place, asked, progress=progress, trained_next=True)
        if (place / FILMS).is_dir():
            progress.note(f"The unpacked films stay in {place}, for the next run.")


def _as_typed(data: Path) -> str:
    text = str(data)
    for scheme in _ADDRESS:  # a path keeps one of two slashes
        if text.startswith(scheme):
            return text.replace(scheme, f"{scheme}/", 1)
    return text


def _is_mura(folder: Path) -> bool:
    # unpacked into a folder of its name, the tree has that name twice
    return any(
        any(folder.glob(f"{above}{part}/XR_*")) for above in ("", "*/") for part in _MURA_PARTS
    )


def _asked_of_one(options: TrainOptions) -> tuple[str, tuple[str, ...]]:
    """The task, where there is one that labels name, and the classes that must be in the data."""
    requests = [parse_task_request(text) for text in options.task]
    if len(requests) != 1 or requests[0].kind is TaskKind.MULTILABEL:
        return "", ()
    classes = () if options.label_map else tuple(requests[0].classes)
    return requests[0].name, classes


def _name(source: str, data: Path, asked: PrepareOptions) -> str:
    known: list[Any] = [versions_of(["xraybatch"]), source]
    known += [getattr(asked, name) for name in _MAKES_OTHER_FILES]
    with suppress(OSError):
        status = data.stat()
        known += [str(data.resolve()), status.st_size, status.st_mtime_ns]
        if data.is_dir():  # one that is replaced does not change the folder
            for name in _films_below(data) if _is_mura(data) else _archives_below(data):
                status = (data / name).stat()
                known += [name, status.st_size, status.st_mtime_ns]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]


def _archives_below(folder: Path) -> list[str]:
    inside = find_archives(folder)
    return [*inside.archives, *inside.tables]


def _films_below(folder: Path) -> list[str]:
    """Films of a tree that is read where it is, and its tables."""
    found = [Path(above, name) for above, _, names in os.walk(folder) for name in names]
    return sorted(str(path.relative_to(folder)) for path in found)


def _prepared(options: TrainOptions, place: Path) -> TrainOptions:
    """Options for what lies in `place`, where columns have our names and classes their own."""
    options = replace(options, data=place)
    if _record(place).get("form") != TABLE_FORM:
        return options
    return replace(
        options, path_column=_PATH, label_column=None, patient_column=None, label_map=None
    )


def _record(folder: Path) -> dict[str, Any]:
    """What `prepare` wrote down beside a table; empty where it did not."""
    try:
        stored = json.loads((folder / DATASET).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _with_origin(options: TrainOptions, folder: Path) -> TrainOptions:
    """Source, licence and citation that `prepare` wrote down, where nobody says others."""
    try:
        stored = _record(folder)["source"]
        known = {name: str(stored[name]) for name in ("name", "licence", "citation")}
    except (KeyError, TypeError):
        return options
    said = {name: "" if value == NOT_STATED else value for name, value in known.items()}
    return replace(
        options,
        source=options.source or said["name"],
        licence=options.licence or said["licence"],
        citation=options.citation or said["citation"],
    )


def _of_preset(options: TrainOptions, typed: Path, progress: Progress) -> TrainOptions:
    """Source and licence as the preset has them, where nobody says them of what lies in its place.

    Anybody's films may be trained on as a preset does: they are not its data.
    """
    if not options.preset or options.source or options.licence:
        return options
    preset = registry().get(Preset, options.preset).record
    if not is_place_of(preset.name, typed):
        progress.note(
            f"Not in the documented place of the data of the preset '{preset.name}' "
            f"({preset.default_place}), so the card says no source: --source and --licence say it."
        )
        return options
    progress.note(
        f"Taken for the data of the preset '{preset.name}': {preset.source} (licence: "
        f"{preset.licence}). If it is other data, say so with --source and --licence."
    )
    return replace(
        options,
        source=f"{preset.source} (so the preset '{preset.name}' says)",
        licence=preset.licence,
    )
