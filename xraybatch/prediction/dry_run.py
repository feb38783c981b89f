"""``predict --dry-run``: what a run would find and take, from headers and a few films; no writing.

Of a million films the headers of a few thousand are looked at, spread evenly over all of them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraybatch.core.cores import available_cores
from xraybatch.core.counting import films
from xraybatch.core.errors import UsageError
from xraybatch.core.progress import SILENT, Progress
from xraybatch.core.status import FilmStatus
from xraybatch.images.fetching import Fetch
from xraybatch.images.pool import DecodingPool
from xraybatch.models.devices import each_device
from xraybatch.models.model import Model
from xraybatch.models.session import Session
from xraybatch.prediction.glance import glances
from xraybatch.prediction.local import film_source
from xraybatch.prediction.options import LOCAL, PredictOptions
from xraybatch.prediction.places import no_job
from xraybatch.prediction.portion import portion
from xraybatch.prediction.writing import check_suffix
from xraybatch.sources.item import Item

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_HEADERS = 2_000
_MOST_FETCHED = 48  # the same of films that are elsewhere, each of which is fetched whole
_PROBE = 24  # films that are decoded
_PROBE_SECONDS = 10.0  # after which no further one is waited for
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Forecast:
    """What a run would find and take; `to_dict` is the JSON of ``--dry-run --json``.

    Attributes
    ----------
    films : int
        Files and members of archives; each has one film at least.
    bytes : int
        Of all of them.
    skipped : dict of str to int
        What is no film, by reason.
    looked_at : int
        Films whose header was looked at; fewer than `films` where there are very many.
    formats : dict of str to int
        Of those, by what their first bytes are.
    by_status : dict of str to int
        Of those, by what their header makes of them. ``ok``: nothing in it is against the film.
    reasons : dict of str to int
        Sentences of those that would fail or be left out.
    device : str
        Where the model would run.
    probed : int
        Films that were decoded to foretell the speed.
    films_per_second, seconds : float or None
        Foretold, without what starting takes; None where no film could be decoded.
    notes : list of str
    """

    films: int
    bytes: int
    skipped: dict[str, int]
    looked_at: int
    formats: dict[str, int]
    by_status: dict[str, int]
    reasons: dict[str, int]
    device: str
    probed: int
    films_per_second: float | None
    seconds: float | None
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """The forecast as plain JSON values."""
        return {"schema": "1.0", "dry_run": True, **asdict(self)}


def dry_run(
    items: Sequence[Item],
    model: Model,
    out: Path,
    *,
    options: PredictOptions,
    skipped: Mapping[str, int],
    progress: Progress = SILENT,
    fetch: Fetch | None = None,
) -> Forecast:
    """Foretell a run over `items`; nothing is written.

    Parameters
    ----------
    items : sequence of Item
    model : Model
    out : Path
    options : PredictOptions
    skipped : mapping of str to int
    progress : Progress
    fetch : Fetch, optional
        Reads films that are elsewhere.

    Raises
    ------
    UsageError
        If results cannot be written to a file called `out`; if a shard is asked for of films that
        are no manifest.
    InputError
        If something is to be done again and there is no job.
    ModelError
        If the model does not run here.
    XraybatchError
        If films are elsewhere and none can be fetched.
    """
    part = portion(items, out, options, skipped)
    items, out, options = part.items, part.out, part.options
    check_suffix(out)
    if options.engine != LOCAL:
        raise UsageError(
            "--dry-run looks from this machine and foretells what it would take here.",
            f"Leave --engine {options.engine} out; a cluster divides the time by its machines.",
        )
    notes = _places(out, options)
    formats: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    sample = evenly(items, MOST_HEADERS)
    if any(item.is_remote for item in sample):
        sample = evenly(sample, _MOST_FETCHED)
    sound: list[Item] = []
    with progress.stage("looking at headers", len(sample)) as stage:
        looks = glances(sample, options.max_pixels, options.asked, fetch)
        for item, seen in zip(sample, looks, strict=True):
            formats[seen.format or _UNKNOWN] += 1
            statuses[seen.status.value] += 1
            if seen.sentence:
                reasons[seen.sentence] += 1
            if seen.status is FilmStatus.OK:
                sound.append(item)
            stage.advance()
    # of several GPUs the first: what it says is an estimate
    device = each_device(options.device)[0]
    session = Session(model, device=device, batch_size=options.batch_size, threads=options.threads)
    if session.note:
        notes.append(session.note)
    chosen = evenly(sound, _PROBE)
    with progress.stage("trying a few films", len(chosen)) as stage:
        probed, a_film = _probe(chosen, model, session, options, fetch)
        stage.advance(probed)
    if len(sample) < len(items):
        notes.append(
            f"The headers of {films(len(sample))}, spread evenly over all, were looked at."
        )
    expected = len(items) * len(sound) / max(len(sample), 1)
    return Forecast(
        films=len(items),
        bytes=sum(item.size for item in items),
        skipped=dict(part.skipped),
        looked_at=len(sample),
        formats=dict(formats.most_common()),
        by_status=dict(sorted(statuses.items())),
        reasons=dict(reasons.most_common(20)),
        device=session.device,
        probed=probed,
        films_per_second=round(1 / a_film, 2) if a_film else None,
        seconds=round(expected * a_film, 1) if a_film else None,
        notes=notes,
    )


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many items, spread evenly over all of them."""
    count = min(most, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def _places(out: Path, options: PredictOptions) -> list[str]:
    """What would become of the output."""
    job = options.job or out.with_name(out.name + ".job")
    if job.exists():
        return [
            f"There is a state of an earlier run, {job.name}: what it has done already is not "
            "counted here."
        ]
    if options.is_of_a_job:
        raise no_job(job, options)
    if out.exists() and not options.overwrite:
        return [f"{out} is there already: without --overwrite nothing would be run."]
    return []


def _probe(
    items: Sequence[Item],
    model: Model,
    session: Session,
    options: PredictOptions,
    fetch: Fetch | None,
) -> tuple[int, float | None]:
    """How many films were decoded, and the seconds that a run would take for one."""
    begin = time.monotonic()
    seconds: list[float] = []
    decoded: list[NDArray[np.uint8]] = []
    with DecodingPool(
        model.card.rule,
        workers=options.workers,
        timeout=options.timeout,
        limits=options.limits,
        fetch=fetch,
    ) as pool:
        for film in pool.decode(map(film_source, items), ahead=max(2, pool.workers)):
            seconds.append(film.seconds + film.fetching)
            if film.film is not None:
                decoded.append(film.film)
            if time.monotonic() - begin > _PROBE_SECONDS:
                break
        at_once = min(pool.workers or available_cores(), available_cores())
    if not decoded:
        return len(seconds), None
    decoding = sum(seconds) / len(seconds) / max(at_once, 1)
    classifying = _classifying(decoded, session)
    # on a CPU both take turns on the same cores
    together = max(decoding, classifying) if session.device != "cpu" else decoding + classifying
    return len(seconds), together


def _classifying(decoded: Sequence[NDArray[np.uint8]], session: Session) -> float:
    """Seconds that the model takes for one film of a full batch."""
    import numpy as np

    wanted = session.batch_size
    batch = np.stack([decoded[i % len(decoded)] for i in range(wanted)])
    session.predict(batch)  # the first one is slower
    begin = time.perf_counter()
    session.predict(batch)
    session.predict(batch)
    return (time.perf_counter() - begin) / (2 * wanted)
