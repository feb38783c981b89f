"""The films that a model got wrong, made ready to be looked at: found, and decoded small."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from xraybatch.core.errors import InputError
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.status import FilmStatus
from xraybatch.core.tasks import TaskRequest
from xraybatch.evaluation.mistakes import Mistake, mistakes
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.scoring import answers_by_task, join_for
from xraybatch.evaluation.studies import Grouping
from xraybatch.images.pool import DecodingPool, FilmSource
from xraybatch.images.rule import DecodingRule, rule_from_dict
from xraybatch.reports.given import Given
from xraybatch.reports.recorded import tasks_of
from xraybatch.sources.keys import ENCODED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 200
_LONGEST = 320  # pixels of the longer side of a thumbnail
_UNKNOWN_RULE = DecodingRule(_LONGEST, _LONGEST, "pad")
_QUALITY = 80


@dataclass(frozen=True)
class WrongFilm:
    """A wrong answer and the film it was given to.

    Attributes
    ----------
    mistake : Mistake
    jpeg : bytes
        The film, small; empty if it was not asked for or could not be decoded.
    status : str
        ``ok``, or why there is no film; empty if it was not asked for.
    sentence : str
        The same in words.
    heat : bytes
        Where the model looked, a PNG to be laid over the film; empty if it was not asked for.
    heat_sentence : str
        What that rests on.
    """

    mistake: Mistake
    jpeg: bytes = b""
    status: str = ""
    sentence: str = ""
    heat: bytes = b""
    heat_sentence: str = ""


@dataclass(frozen=True)
class Gallery:
    """The worst mistakes of a model.

    Attributes
    ----------
    films : tuple of WrongFilm
        Of each task the wrong answers that it was surest of, highest probability first.
    wrong : mapping of str to int
        All wrong answers of each task, those left out included.
    pictured : bool
        Whether films were asked for.
    sentences : tuple of str
        How the films were decoded, and what heat maps show.
    """

    films: tuple[WrongFilm, ...]
    wrong: Mapping[str, int]
    pictured: bool
    sentences: tuple[str, ...] = ()


def gallery_of(
    results: Given,
    labels: Given,
    *,
    root: Path | None,
    most: int = MOST,
    requests: Sequence[TaskRequest] = (),
    positive: str | None = None,
    options: ScoreOptions | None = None,
    progress: Progress = SILENT,
) -> Gallery:
    """Find the worst mistakes of a results table and decode their films.

    Parameters
    ----------
    results, labels, requests, positive, options
        As `xraybatch.reports.scoring.score_tables` takes them.
    root : Path or None
        The folder that the paths of the results begin in; None: a list without films.
    most : int
        How many wrong answers to keep, shared by the tasks.
    progress : Progress

    Raises
    ------
    InputError
        If the tables do not fit each other, `root` is no folder, or none of the films is in it.
    ModelError
        If the decoding rule of the run record cannot be read.
    """
    # a person looks at films, also where numbers are of studies
    chosen = replace(options or ScoreOptions(), grouping=Grouping())
    if root is not None and not root.is_dir():
        raise InputError(f"--images {root} is not a folder.", "Name the one that was predicted.")
    tasks = tasks_of(results, requests, positive)
    joined, _ = join_for(results.table, labels.table, tasks, chosen)
    given = answers_by_task(joined, tasks, chosen)
    kept: list[WrongFilm] = []
    wrong = {}
    for task in tasks:
        found = mistakes(joined, given[task.name], task)
        wrong[task.name] = len(found)
        kept += [WrongFilm(one) for one in found[: max(1, most // len(tasks))]]
    if root is None:
        return Gallery(tuple(kept), wrong, False)
    rule, sentences = thumbnail_rule(results.record)
    films = with_films(kept, root, rule, progress)
    return Gallery(films, wrong, True, sentences)


def thumbnail_rule(record: Mapping[str, Any]) -> tuple[DecodingRule, tuple[str, ...]]:
    """The rule of a run record, made small, and how to say it.

    Raises
    ------
    ModelError
        If it cannot be read.
    """
    if not isinstance(record.get("rule"), dict):
        return _UNKNOWN_RULE, ("The model's decoding rule is not known: films have black borders.",)
    rule = rule_from_dict(record["rule"])
    said = f"Films are decoded as the model saw them: {rule.height}×{rule.width}, {rule.resize}"
    scale = _LONGEST / max(rule.height, rule.width)
    if scale >= 1:
        return rule, (f"{said}.",)
    height, width = (max(8, round(side * scale)) for side in (rule.height, rule.width))
    small = replace(rule, height=height, width=width)
    return small, (f"{said}; shown at {height}×{width}.",)


def with_films(
    wrong: Sequence[WrongFilm], root: Path, rule: DecodingRule, progress: Progress = SILENT
) -> tuple[WrongFilm, ...]:
    """Wrong answers with their films, each decoded once; a film that fails has its status.

    Raises
    ------
    InputError
        If there are films and none of them is below `root`.
    """
    odd = next((f for f in (w.mistake.frame for w in wrong) if f and not f.isdecimal()), None)
    if odd is not None:
        raise InputError(
            f"'{odd}' is no number of a frame.", "Were the results edited? Frames count from 0."
        )
    keys = list(dict.fromkeys((one.mistake.path, one.mistake.frame) for one in wrong))
    places = {path: place_of(path, root) for path, _ in keys}
    there = [key for key in keys if (place := places[key[0]]) and os.path.lexists(place)]
    if keys and not there:
        raise InputError(
            f"None of the wrongly classified films is in {root}; one would be "
            f"'{keys[0][0]}' there.",
            "Give --images the folder that the paths of the results begin in.",
        )
    made: dict[tuple[str, str], tuple[bytes, str, str]] = {}
    with (
        progress.stage("Films of the gallery", len(there)) as stage,
        DecodingPool(rule) as pool,
    ):
        sources = (FilmSource(str(places[p]), p, int(f or 0)) for p, f in there)
        for key, one in zip(there, pool.decode(sources), strict=True):
            jpeg = b"" if one.film is None else _jpeg(one.film)
            made[key] = (jpeg, str(one.status), one.sentence)
            stage.advance()
    absent = (b"", str(FilmStatus.UNREADABLE), "The film is not in the folder given by --images.")
    return tuple(
        WrongFilm(one.mistake, *made.get((one.mistake.path, one.mistake.frame), absent))
        for one in wrong
    )


def place_of(key: str, root: Path) -> str | None:
    """Where a film of a results table lies; None if its path leads out of `root`.

    A table that somebody sent must not make this program show other files than those meant.
    """
    name = os.fsdecode(unquote_to_bytes(key[len(ENCODED) :])) if key.startswith(ENCODED) else key
    base = os.path.realpath(root)
    place = os.path.normpath(os.path.join(base, name))  # noqa: PTH118 - may be no UTF-8
    return place if os.path.commonpath([base, place]) == base and "\0" not in place else None


def _jpeg(film: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(film).save(content, "JPEG", quality=_QUALITY, optimize=True)
    return content.getvalue()
