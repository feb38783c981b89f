"""Going on: may this run continue that job, and what is to be said of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from xraybatch.core.counting import counted, verb
from xraybatch.core.errors import InputError
from xraybatch.images.decode import readers_in_use
from xraybatch.images.fingerprint import fingerprint_digest
from xraybatch.models.model import Model
from xraybatch.models.session import Session
from xraybatch.prediction.job import Job, Reconciled
from xraybatch.prediction.options import PredictOptions
from xraybatch.prediction.record import deciding_versions
from xraybatch.sources.item import Item


def begin_or_go_on(job: Job, items: Sequence[Item], identity: dict[str, Any]) -> Reconciled | None:
    """Put the items into a new job, or compare them with those of one that was begun.

    Returns
    -------
    Reconciled or None
        None for a job that begins here.

    Raises
    ------
    InputError
        If the job is of another model, other thresholds, another rule, other films, or of options
        that change what is read of them.
    """
    if job.published:  # its results were deleted, or may be overwritten
        job.forget()
    if not job.begun:
        job.begin(items, identity)
        return None
    for word in ("model", "decisions", "rule", "decoder", *_ASKED):
        if job.identity.get(word) != identity[word]:
            raise InputError(
                f"{job.path.name} holds a run with another {_WORDS[word]}: rows of two would mix.",
                f"{_finish(word, job)} Or delete {job.path} to start anew.",
            )
    return job.reconcile(items)


def _finish(word: str, job: Job) -> str:
    name = job.identity.get("name")
    if word == "model" and name:
        return f"Finish it with the model '{name}': --model MODEL."
    return "Finish it with that one."


_WORDS = {
    "model": "model",
    "decisions": "set of thresholds",
    "rule": "decoding rule",
    "decoder": "set of image readers, or one that decodes otherwise",
    "max_pixels": "--max-pixels",
    "frames": "--frames",
    "where": "--where",
    "tags": "list of --tags",
    "salt": "salt, or one without --dicom-ids",
}
_ASKED = ("max_pixels", "frames", "where", "tags", "salt")


def resumed_sentences(
    state: Reconciled, job: Job, identity: dict[str, Any]
) -> tuple[list[str], list[str]]:
    """What a person should know of a run that goes on, and what nobody may overlook."""
    said = [
        f"Going on: {state.done:,} of {counted(job.count(), 'film')} {verb('is', state.done)} "
        "done already."
    ]
    if state.changed:
        said.append(f"{counted(state.changed, 'film')} changed since the run began: read anew.")
    if state.again:
        said.append(
            "Could not be read, crashed or took too long, and tried again: "
            f"{counted(state.again, 'film')}."
        )
    left_out = []
    if state.new:
        left_out.append(
            f"{counted(state.new, 'film')} {verb('is', state.new)} new since the run began and not "
            "in it: run again with another --out, or with --overwrite once this one is published."
        )
    if state.vanished:
        are = verb("is", state.vanished)
        left_out.append(f"{counted(state.vanished, 'film')} of the run {are} no longer there.")
    old = job.identity
    if (old.get("processor"), old.get("versions")) != (
        identity["processor"],
        identity["versions"],
    ):
        left_out.append(
            "The run began on another processor or with other library versions: probabilities are "
            "equal within tolerance, not to the last bit."
        )
    return said, left_out


def identity_of(model: Model, session: Session, options: PredictOptions) -> dict[str, Any]:
    """What a run is: everything that changes its results."""
    asked = options.asked
    return {
        "max_pixels": options.max_pixels,
        "frames": options.frames,
        "where": [[keyword, list(values)] for keyword, values in asked.where],
        "tags": list(asked.tags),
        "salt": asked.salt_check,
        "model": hashlib.sha256(model.content).hexdigest(),
        "name": model.card.name,
        "decisions": [entry["thresholds"] for entry in model.card.to_dict()["tasks"]],
        "rule": model.card.rule.to_dict(),
        "decoder": [fingerprint_digest(), *readers_in_use()],
        "processor": session.processor,
        "versions": deciding_versions(),
    }
