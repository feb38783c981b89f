"""Going on: may this run continue that job, and what is to be said of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from xraybatch.core.counting import films, verb
from xraybatch.core.errors import InputError
from xraybatch.images.decode import readers_in_use
from xraybatch.images.fingerprint import fingerprint_digest
from xraybatch.models.model import Model
from xraybatch.prediction.engine import Facts
from xraybatch.prediction.jobs.job import Job
from xraybatch.prediction.jobs.reconciling import Reconciled, Wanted
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.places import no_job
from xraybatch.sources.item import Item
from xraybatch.sources.manifest import Manifest


@dataclass(frozen=True)
class Begun:
    """How a run began.

    Attributes
    ----------
    state : Reconciled or None
        None: with all its films.
    said, warned : list of str
        What a person should know of it, and what nobody may overlook.
    mixed : bool
        Whether rows are there that another processor or other versions may have computed.
    """

    state: Reconciled | None = None
    said: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    mixed: bool = False


def begin_or_go_on(
    job: Job, items: Sequence[Item], identity: dict[str, Any], options: PredictOptions
) -> Begun:
    """Put the items into a new job, or compare them with those of one that was begun.

    Raises
    ------
    InputError
        If the job is of another model, other thresholds, another rule, other films, or of options
        that change what is read of them; if there is none and something is to be done again.
    """
    if job.published and not options.is_of_a_job:  # its results were deleted, or may be overwritten
        job.forget()
    if not job.begun:
        if options.is_of_a_job:
            raise no_job(job.path, options)
        job.begin(items, identity)
        return Begun()
    was = {"embeddings": False, **job.identity}  # of a job before there were any
    if was["embeddings"] != identity["embeddings"]:
        raise _other_embeddings(job)
    for word in WORDS:
        # a job that was begun before there was such a word says nothing of it
        if was.get(word, identity[word]) == identity[word]:
            continue
        if word == "max_pixels" and options.retry_failed and was[word] < identity[word]:
            continue
        raise InputError(
            f"{job.path.name} holds a run with another {WORDS[word]}: rows of two would mix.",
            f"{_finish(word, job)} Or delete {job.path} to start anew.",
        )
    is_other_list = was.get("manifest", "") != identity["manifest"]
    if is_other_list and options.shard is not None and not options.update:
        raise InputError(
            f"{job.path.name} holds a shard of another manifest, in which other films stand there.",
            "Give that manifest again, or --update to go over to this one.",
        )
    limits = {name: identity[name] for name in _LIMITS}
    redoing = json.dumps(limits, sort_keys=True) if options.retry_failed else ""
    goes_on = options.retry_failed and job.redoing == redoing
    now = {**was, **(limits if options.retry_failed else {})}
    if options.update:
        now["manifest"] = identity["manifest"]
    state = job.reconcile(
        items,
        Wanted(options.update, options.retry_failed, goes_on),
        identity=now if now != was else None,
        redoing=redoing,
    )
    said, warned = _resumed(state, job.count(), options)
    differs = any(was.get(word) != identity[word] for word in ("processor", "versions"))
    if differs and state.done < job.count():
        job.note_mixed()
    if differs:
        warned.append(f"The run began {_ELSEWHERE}")
    elif job.mixed:
        warned.append(f"Some rows were computed {_ELSEWHERE}")
    if options.retry_failed:
        said += _limits(was, identity)
    return Begun(state, said, warned, mixed=differs or job.mixed)


def _other_embeddings(job: Job) -> InputError:
    anew = f"Or delete {job.path} to start anew."
    if job.identity.get("embeddings"):
        return InputError(
            f"{job.path.name} holds a run with --embeddings: that file would no longer be of the "
            "same films as the table.",
            f"Go on with --embeddings FILE.parquet. {anew}",
        )
    return InputError(
        f"{job.path.name} holds a run without --embeddings: films that are done have none.",
        f"Go on without --embeddings. {anew}",
    )


def _finish(word: str, job: Job) -> str:
    if word == "max_pixels":
        return "Give that one again; --retry-failed may give a larger one."
    name = job.identity.get("name")
    if word == "model" and name:
        return f"Go on with the model '{name}': --model MODEL."
    return "Go on with that one."


WORDS = {
    "model": "model",
    "decisions": "set of thresholds",
    "rule": "decoding rule",
    "decoder": "set of image readers, or one that decodes otherwise",
    "max_pixels": "--max-pixels",
    "frames": "--frames",
    "where": "--where",
    "tags": "list of --tags",
    "salt": "salt, or one without --dicom-ids",
    "shard": "--shard",
}
_ELSEWHERE = (
    "on another processor or with other library versions: probabilities are equal within "
    "tolerance, not to the last bit."
)
_LIMITS = ("max_pixels", "timeout")  # that may be larger for films that are done again


def _resumed(state: Reconciled, total: int, options: PredictOptions) -> tuple[list[str], list[str]]:
    """What a person should know of a run that goes on, and what nobody may overlook."""
    said = [f"Going on: {state.done:,} of {films(total)} {verb('is', state.done)} done already."]
    warned = []
    if options.update:
        if state.new:
            said.append(f"{films(state.new)} {verb('is', state.new)} new: done now.")
        if state.vanished:
            warned.append(
                f"{films(state.vanished)} {verb('is', state.vanished)} no longer there and "
                f"{verb('has', state.vanished)} no row in the new table. "
                "Look whether a folder is missing."
            )
    else:
        left = [f"{state.new:,} new"] if state.new else []
        left += [f"{state.vanished:,} no longer there"] if state.vanished else []
        if options.retry_failed and state.changed:
            left.append(f"{state.changed:,} changed (read anew only if they had no answer)")
        if left:
            warned.append(
                f"Films since the run began: {', '.join(left)}. The table does not follow that; "
                "--update makes it that of the films as they are."
            )
    if state.changed and (options.update or not options.retry_failed):
        said.append(f"{films(state.changed)} changed since then: read anew.")
    if options.update and not (state.new or state.vanished or state.changed):
        said.append("Nothing is new, changed or gone.")
    if state.again:
        why = (
            "without an answer"
            if options.retry_failed
            else ("that could not be read, crashed or took too long")
        )
        said.append(f"{films(state.again)} {why}: tried again.")
    return said, warned


def _limits(was: dict[str, Any], identity: dict[str, Any]) -> list[str]:
    """Which limits are others for the films that are done again."""
    return [
        f"--{name.replace('_', '-')} is {identity[name]:,} for the films that are done again; "
        f"it was {was[name]:,}."
        for name in _LIMITS
        if name in was and was[name] != identity[name]
    ]


def identity_of(
    model: Model, facts: Facts | None, options: PredictOptions, manifest: Manifest | None = None
) -> dict[str, Any]:
    """What a run is: everything that changes its results; without `facts`, but for where."""
    asked = options.asked
    return {
        "max_pixels": options.max_pixels,
        "timeout": options.timeout,
        "frames": options.frames,
        "embeddings": options.embeddings is not None,
        "where": [[keyword, list(values)] for keyword, values in asked.where],
        "tags": list(asked.tags),
        "salt": asked.salt_check,
        "model": hashlib.sha256(model.content).hexdigest(),
        "name": model.card.name,
        "decisions": [entry["thresholds"] for entry in model.card.to_dict()["tasks"]],
        "rule": model.card.rule.to_dict(),
        "decoder": [fingerprint_digest(), *readers_in_use()],
        "manifest": "" if manifest is None else manifest.digest,
        "shard": "" if options.shard is None else str(options.shard),
        "processor": "" if facts is None else facts.processor,
        "versions": {} if facts is None else dict(facts.versions),
    }
