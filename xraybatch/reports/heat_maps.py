"""Heat maps of the gallery: where the model that predicted looked for each of its wrong answers."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xraybatch.core.errors import ModelError
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.mistakes import Mistake
from xraybatch.images.pool import DecodingPool, FilmSource
from xraybatch.images.rule import DecodingRule
from xraybatch.models.model import Model
from xraybatch.models.selftest import check_decoder
from xraybatch.models.session import Session
from xraybatch.reports.film import heat_colours
from xraybatch.reports.mistakes import Gallery, WrongFilm, place_of
from xraybatch.viewing.heatmap import OCCLUSION, HeatMap, heat_map

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LONGEST = 160  # pixels of the longer side of a heat map, which is smooth
_LEVELS = 256
_LONG = 20  # seconds: what takes longer is told
_APART = 0.01  # of a probability: more is another answer, not another processor


def with_heat_maps(
    wrong: Gallery, root: Path, model: Model, progress: Progress = SILENT, *, device: str = "auto"
) -> Gallery:
    """A gallery whose films have heat maps of the class that was wrongly answered.

    By the graph's own maps where it has them, else by occlusion, which asks the model hundreds of
    times a film.

    Parameters
    ----------
    wrong : Gallery
        With films; those that could not be decoded stay as they are.
    root : Path
        The folder that their paths begin in.
    model : Model
        The one that predicted them.
    progress : Progress
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    ModelError
        If the model cannot run here, or has no such task.
    """
    tasks = {entry.task.name: entry.task for entry in model.card.tasks}
    if unknown := [f.mistake.task for f in wrong.films if f.mistake.task not in tasks]:
        raise ModelError(f"The model has no task '{unknown[0]}', which the results answer.")
    places = {
        key: place
        for f in wrong.films
        if f.jpeg and (place := place_of((key := _key(f))[0], root)) is not None
    }
    if not places:
        return wrong
    check_decoder(model.card)
    session = Session(model, device=device)
    if session.note:
        progress.note(session.note)
    of_film: dict[tuple[str, str], list[int]] = {key: [] for key in places}
    for i, film in enumerate(wrong.films):
        if film.jpeg:
            of_film[_key(film)].append(i)
    total = sum(map(len, of_film.values()))
    made: dict[int, HeatMap] = {}
    begin = time.monotonic()
    with (
        progress.stage("Heat maps", total, unit="answers") as stage,
        DecodingPool(model.card.rule) as pool,
    ):
        sources = (FilmSource(place, key[0], int(key[1] or 0)) for key, place in places.items())
        for key, decoded in zip(places, pool.decode(sources), strict=True):
            for i in of_film[key]:
                if decoded.film is not None:
                    task = tasks[wrong.films[i].mistake.task]
                    name = class_of(wrong.films[i].mistake, task)
                    made[i] = heat_map(decoded.film, session, task, name)
                    if len(made) == 1:
                        _tell_how_long(made[i], time.monotonic() - begin, total, progress)
                stage.advance()
    shown = tuple(
        replace(film, heat=heat_png(made[i].values, model.card.rule), heat_sentence=_said(made[i]))
        if i in made
        else film
        for i, film in enumerate(wrong.films)
    )
    said = _sentences(list(made.values()), model, _other_answers(wrong.films, made, model))
    return replace(wrong, films=shown, sentences=(*wrong.sentences, *said))


def class_of(mistake: Mistake, task: Task) -> str:
    """The class whose probability a heat map of a mistake is about: the wrong answer, or the
    finding that it is about, whether it was claimed or missed."""
    if task.kind is TaskKind.MULTILABEL:
        # of 'mass' and 'no mass' one is the finding, whatever findings are called
        return min(mistake.truth, mistake.predicted, key=len)
    return mistake.predicted


def heat_png(values: NDArray[np.float32], rule: DecodingRule) -> bytes:
    """A heat map as a PNG to be laid over the film: clear where nothing matters.

    Parameters
    ----------
    values : ndarray of float32, shape (h, w)
        0 to 1.
    rule : DecodingRule
        Whose films it is laid over: the picture has their aspect ratio.
    """
    import numpy as np
    from PIL import Image

    scale = min(1.0, _LONGEST / max(rule.height, rule.width))
    size = (max(1, round(rule.width * scale)), max(1, round(rule.height * scale)))
    smooth = Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    levels = (np.asarray(smooth).clip(0, 1) * (_LEVELS - 1)).round().astype(np.uint8)
    colours, cover = heat_colours(np.linspace(0, 1, _LEVELS, dtype=np.float32))
    picture = Image.frombytes("P", size, levels.tobytes())
    picture.putpalette(colours.round().astype(np.uint8).tobytes())
    content = io.BytesIO()
    alpha = (255 * cover).round().astype(np.uint8).tobytes()
    picture.save(content, "PNG", optimize=True, transparency=alpha)
    return content.getvalue()


def _key(film: WrongFilm) -> tuple[str, str]:
    return film.mistake.path, film.mistake.frame


def _tell_how_long(first: HeatMap, seconds: float, total: int, progress: Progress) -> None:
    if first.method != OCCLUSION or seconds * total < _LONG:
        return
    minutes = seconds * total / 60
    about = f"{minutes:.0f} minutes" if minutes >= 2 else f"{seconds * total:.0f} seconds"
    progress.note(
        f"The model gives no maps, so places are covered one after the other: {seconds:.1f} "
        f"seconds a heat map, about {about} for {total:,} of them. Fewer: --max-images."
    )


def _said(found: HeatMap) -> str:
    if not found.values.any():
        return f"no place matters more for '{found.name}' than another"
    return (
        f"covering the reddest place takes '{found.name}' from {found.before:.3f} to "
        f"{found.after:.3f}"
    )


def _sentences(made: Sequence[HeatMap], model: Model, others: int) -> tuple[str, ...]:
    if not made:
        return ()
    by_covering = any(found.method == OCCLUSION for found in made)
    how = "covering one place after the other" if by_covering else "the network's last maps"
    said = [
        "Heat maps (button, or key H): yellow to red is where the wrong answer is sensitive to the "
        f"film, by {how}. They explain no disease."
    ]
    if any(entry.calibration is not None for entry in model.card.tasks):
        said.append("Probabilities beside them are the network's own, before calibration.")
    if others:
        said.append(
            f"The model answers {others:,} of these otherwise now: are the films still those that "
            "were predicted?"
        )
    return tuple(said)


def _other_answers(shown: Sequence[WrongFilm], made: Mapping[int, HeatMap], model: Model) -> int:
    """Mistakes whose probability is another than the model gives the film here."""
    raw = {entry.task.name for entry in model.card.tasks if entry.calibration is None}
    count = 0
    for i, found in made.items():
        mistake = shown[i].mistake
        if mistake.task not in raw or mistake.probability is None:
            continue
        claimed = found.before if found.name == mistake.predicted else 1 - found.before
        count += abs(claimed - mistake.probability) > _APART
    return count
