"""What a run waited for most, and the setting that would relieve it."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_SECONDS = 10.0  # of a run; below that it is its start
_MOST_OF_IT = 0.6  # share of the cores' time from which one stage is told alone
_IDLE = 0.3  # share of the wall clock that the model may wait for films
_MOST_THREADS = 64  # more reads in flight hardly help


@dataclass(frozen=True)
class Stages:
    """Where the time of a run went.

    Attributes
    ----------
    wall : float
        Seconds from the first film to the last row.
    classifying : float
        Seconds that the session took.
    waiting : float
        Seconds that the session waited for films.
    decoding : float
        Seconds of decoding, summed over the processes.
    workers, threads, cores : int
        Decoding processes, threads of the session, and cores that may be used.
    device : str
        ``cpu`` or ``cuda:N``.
    batch_size : int
        Films of a batch.
    precision : str
        Of the model: ``fp32``, ``fp16``, ``int8``.
    fetching : float
        Seconds that decoding waited for the bytes of films, summed over the processes.
    io_threads : int
        Reads in flight of a process; 0: no film was fetched.
    """

    wall: float
    classifying: float
    waiting: float
    decoding: float
    workers: int
    threads: int
    cores: int
    device: str
    batch_size: int
    precision: str
    fetching: float = 0.0
    io_threads: int = 0


def bottleneck(stages: Stages) -> str:
    """A sentence about what took most of the time, with what would relieve it.

    Returns
    -------
    str
        Empty for runs that were too short to tell.
    """
    if stages.wall < LEAST_SECONDS:
        return ""
    if stages.fetching > stages.decoding and stages.waiting > _IDLE * stages.wall:
        both = stages.fetching + stages.decoding
        return f"Decoding waited for the network {_percent(stages.fetching, both)}. " + _fetch(
            stages
        )
    if stages.device != "cpu":
        if stages.waiting > _IDLE * stages.wall:
            return f"The GPU waited for films {_percent(stages.waiting, stages.wall)}. " + _decode(
                stages
            )
        return (
            f"The model took {_percent(stages.classifying, stages.wall)}: a larger --batch-size"
            f"{_or_export(stages, 'onnx-fp16')} may be faster."
        )
    # the session's threads and the decoding processes share the cores
    session = stages.classifying * min(stages.threads, stages.cores)
    both = session + stages.decoding
    if stages.decoding > _MOST_OF_IT * both:
        return f"Decoding took {_percent(stages.decoding, both)}. " + _decode(stages)
    if session > _MOST_OF_IT * both:
        idle = stages.threads < stages.cores
        # a batch gets at most as many threads as it has films
        setting = "--threads" if stages.threads < stages.batch_size else "--batch-size"
        relief = (
            f"{setting} {stages.cores}"
            if idle
            else f"a GPU{_or_export(stages, 'onnx-int8')}, or a smaller network"
        )
        return f"The model took {_percent(session, both)}: {relief} would relieve it."
    return "Decoding and the model took about as much: more cores would relieve both."


def _decode(stages: Stages) -> str:
    if stages.workers < stages.cores:
        return f"--workers {stages.cores} would relieve it."
    return f"All {stages.cores} cores decode: only more or faster cores would relieve it."


def _fetch(stages: Stages) -> str:
    if stages.io_threads < _MOST_THREADS:
        more = min(2 * stages.io_threads, _MOST_THREADS)
        return f"--io-threads {more} may relieve it; of a PACS, more --max-connections."
    return "Only a faster way to the films would relieve it."


def _or_export(stages: Stages, form: str) -> str:
    return f" or `xraybatch export RUN --to {form}`" if stages.precision == "fp32" else ""


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.0%} of the time"
