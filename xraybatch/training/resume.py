"""An unfinished run: what it was asked for, and whether its films are still the same."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from xraybatch.core.errors import InputError
from xraybatch.core.files import write_text
from xraybatch.core.progress import Progress
from xraybatch.core.versions import versions_of
from xraybatch.models.runs import RUNS, partial
from xraybatch.training.data_source import is_address
from xraybatch.training.folder import ABOUT, STATE, clear, place_of
from xraybatch.training.gather import Gathered
from xraybatch.training.options import WEIGHTS, TrainOptions
from xraybatch.training.settings import Settings

_FILMS = "films.sha256"
_PATHS = ("data", "labels", "out")
_LIBRARIES = ("xraybatch", "tensorflow", "keras", "numpy")


@dataclass(frozen=True)
class Unfinished:
    """A run that was stopped.

    Attributes
    ----------
    building, final : Path
        Where it was being built, and where it will be.
    options : TrainOptions
    versions : dict
        Of what began it.
    """

    building: Path
    final: Path
    options: TrainOptions
    versions: dict[str, str]


def write_about(building: Path, final: Path, options: TrainOptions) -> None:
    """Write down what a run was asked for, so that it can go on from any folder."""
    asked = asdict(replace(options, out=final))
    for name in _PATHS:
        if asked[name] is not None:
            asked[name] = str(_absolute(Path(asked[name])))
    if options.weights not in WEIGHTS:
        asked["weights"] = str(Path(options.weights).absolute())
    about = {"schema": 1, "options": asked, "versions": dict(versions_of(_LIBRARIES))}
    write_text(building / ABOUT, json.dumps(about, indent=1) + "\n")


def find_unfinished(run: Path) -> Unfinished:
    """The unfinished run that a person names: by its own name, or the folder it is built in.

    Raises
    ------
    InputError
        If there is none, or it is finished.
    """
    run = place_of(run).absolute()
    building = run if run.name.startswith(".") else partial(run)
    if not building.is_dir():
        if run.is_dir():
            with suppress(OSError, ValueError, KeyError, TypeError):  # it is another folder's
                _read(run)
                clear(run)  # it was killed when it had its name already
            raise InputError(f"{run} is finished already.", "There is nothing to go on with.")
        raise InputError(
            f"There is no unfinished run {run}.", "Name it as it was to be called: runs/…"
        )
    try:
        options, versions = _read(building)
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{building} does not say what it was asked for, so it cannot be gone on with.",
            "Delete it and train again.",
        ) from None
    name = building.name.removeprefix(".").removesuffix(".partial")
    return Unfinished(building, building.parent / name, options, versions)


def tell_unfinished(options: TrainOptions, progress: Progress) -> None:
    """Say that a run of the same options was stopped and can be gone on with."""
    wanted = _comparable(options)
    for about in sorted(Path(RUNS).glob(f".*.partial/{ABOUT}")):
        try:
            found = find_unfinished(about.parent)
        except InputError:
            continue
        if _comparable(found.options) == wanted:
            place = Path(RUNS) / found.final.name
            progress.note(
                f"A run of the same options was stopped, unless it still runs: "
                f"`xraybatch train --resume {place}` goes on with it. This one begins anew."
            )


def check_versions(unfinished: Unfinished, progress: Progress) -> None:
    """Say which libraries are others than those that began the run."""
    now = dict(versions_of(_LIBRARIES))
    others = [
        f"{name} {then}, now {now.get(name)}"
        for name, then in unfinished.versions.items()
        if now.get(name) != then
    ]
    if others:
        progress.warn("Other versions", f"The run was begun with {'; '.join(others)}.")


def check_films(building: Path, given: Gathered, settings: Settings) -> None:
    """Remember the films of a run; when it goes on they must be the same.

    Raises
    ------
    InputError
        If they are not.
    """
    digest = hashlib.sha256(repr(settings).encode())
    for columns in (given.table.drop(columns=["_file"]).to_csv(index=False), *given.codes):
        digest.update(columns.encode())
    for film in given.digests:
        digest.update(film)
    for values in (*given.codes.values(), given.groups):
        digest.update(values.tobytes())
    path = building / STATE / _FILMS
    if not path.exists():
        write_text(path, digest.hexdigest())
    elif path.read_text(encoding="utf-8") != digest.hexdigest():
        raise InputError(
            "The films, their labels or the plugin are not what this run began with.",
            "Bring back what was there, or train again from the beginning.",
        )


def _read(folder: Path) -> tuple[TrainOptions, dict[str, str]]:
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    return _options(about["options"]), about["versions"]


def _comparable(options: TrainOptions) -> TrainOptions:
    def absolute(path: Path | None) -> Path | None:
        return None if path is None else _absolute(Path(path))

    weights = options.weights
    return replace(
        options,
        out=None,
        data=absolute(options.data),
        labels=absolute(options.labels),
        weights=weights if weights in WEIGHTS else str(Path(weights).absolute()),
    )


def _absolute(path: Path) -> Path:
    return path if is_address(path) else path.absolute()


def _options(given: dict[str, Any]) -> TrainOptions:
    known = {entry.name: entry for entry in fields(TrainOptions)}
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise KeyError(name)
        if name in _PATHS and value is not None:
            value = Path(value)
        found[name] = tuple(value) if isinstance(value, list) else value
    return TrainOptions(**found)
