"""Handing chunks to an engine until every item of the job has its rows."""

from __future__ import annotations

from collections import Counter

from xraybatch.core.counting import counted
from xraybatch.core.errors import BarMissed, Interrupted
from xraybatch.core.progress import Stage
from xraybatch.core.status import FilmStatus
from xraybatch.prediction.bar import Watch
from xraybatch.prediction.engine import CHUNK, Chunk, Engine
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.pace import Pace
from xraybatch.prediction.rows import NO_FRAME, Row

_COMMIT_SECONDS = 1.0  # what a power cut may cost
_TRIES = 3


def dispatch(
    job: Job, engine: Engine, stage: Stage, watch: Watch | None = None, pace: Pace | None = None
) -> None:
    """Run `engine` over everything in `job` that has no row yet, committing about once a second.

    Parameters
    ----------
    job : Job
    engine : Engine
    stage : Stage
    watch : Watch, optional
        Is told of every row that was committed, and may stop the run.
    pace : Pace, optional
        Finds the words beside the bar.

    Raises
    ------
    Interrupted
        On Ctrl-C or SIGTERM, after what was known is committed.
    BarMissed
        As `watch` raises it.
    """
    watch = watch or Watch(job, None)
    watch.check()
    numbers = iter(range(-(-job.end() // CHUNK)))
    tries: Counter[int] = Counter()
    handed_out: set[int] = set()
    pace = pace or Pace("")

    def hand_out(number: int) -> None:
        items = job.pending(number * CHUNK, (number + 1) * CHUNK)
        if items:
            tries[number] += 1
            handed_out.add(number)
            stretch = (number * CHUNK, (number + 1) * CHUNK)
            engine.submit(Chunk(number, items, job.begun_items(*stretch)))

    try:
        while True:
            while len(handed_out) < engine.ahead() and (number := next(numbers, None)) is not None:
                hand_out(number)
            if not handed_out:
                return
            outcome = engine.wait(_COMMIT_SECONDS)
            if outcome.opened:
                job.note_frames(outcome.opened)
            if outcome.mixed and not job.mixed:  # before the first row that it may concern
                job.note_mixed()
            if outcome.rows:
                job.write(outcome.rows)
                stage.advance(outcome.done, pace.words(outcome.rows))
                watch.check(outcome.rows)
            handed_out.difference_update(outcome.finished)
            for number in outcome.lost:
                handed_out.discard(number)
                if tries[number] < _TRIES:
                    hand_out(number)
                else:
                    given_up = _give_up(job, number)
                    stage.advance(len(given_up))
                    watch.check(given_up)
    except BarMissed:
        engine.cancel()
        raise
    except KeyboardInterrupt:
        engine.cancel()
        raise Interrupted(
            f"Stopped with {job.count_done():,} of {counted(job.count(), 'film')} done; none is "
            "lost.",
            "The same command goes on from there.",
        ) from None


def _give_up(job: Job, number: int) -> list[Row]:
    sentence = f"The worker died {_TRIES} times on the chunk of this film."
    left = job.pending(number * CHUNK, (number + 1) * CHUNK)
    rows = [Row(index, NO_FRAME, FilmStatus.CRASHED, sentence) for index, _ in left]
    job.write(rows)
    return rows
