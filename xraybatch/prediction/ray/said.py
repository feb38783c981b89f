"""What actors say of themselves: several as one, and whether one can take part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from xraybatch.core.counting import counted
from xraybatch.core.errors import InputError, XraybatchError
from xraybatch.prediction.engine import Facts, as_one
from xraybatch.prediction.ray.actor import Joined
from xraybatch.prediction.ray.plan import Plan
from xraybatch.prediction.record import deciding_versions


def refusal(joined: Joined, decoder: tuple[str, ...]) -> XraybatchError | None:
    """Why an actor cannot take part; None where it can.

    Parameters
    ----------
    joined : Joined
    decoder : tuple of str
        The decoder's digest here, and who reads what.
    """
    where = f"On the node {joined.machine}"
    if joined.error is not None:
        return on_its_node(joined.error, joined)
    if joined.facts is None:
        return InputError(f"{where} the engine cannot be opened: {joined.fault}.")
    ours, theirs = deciding_versions()["xraybatch"], joined.facts.versions.get("xraybatch")
    if ours != theirs:
        return InputError(
            f"{where} xraybatch is {theirs}, and here it is {ours}.",
            "Install the same version on every node.",
        )
    if joined.decoder != decoder:
        return InputError(
            f"{where} films are decoded otherwise than here: other image readers or libraries.",
            "Install the same extras and plugins on every node; XRAYBATCH_BLOCK is passed on.",
        )
    if not joined.sees_films:
        return InputError(
            f"{where} none of the films is there.",
            "Put them where every node finds them by the same path, or into an object store.",
        )
    return None


def on_its_node(error: XraybatchError, joined: Joined) -> XraybatchError:
    """The same error, which says where."""
    return type(error)(f"On the node {joined.machine}: {error.message}", error.hint)


class Said:
    """Collects the facts of actors; those that were lost stay in it, for so do their rows.

    Parameters
    ----------
    asked : Plan
    """

    def __init__(self, asked: Plan) -> None:
        self._asked = asked
        self._all: list[Facts] = []
        self._happened: list[str] = []

    def add(self, facts: Facts) -> None:
        """Take in another actor."""
        self._all.append(facts)

    def happened(self, sentence: str) -> None:
        """Keep what a person was told."""
        self._happened.append(sentence)

    def facts(self) -> Facts:
        """Of all of them; there is at least one."""
        one = self._all[0]
        device = as_one(each.device for each in self._all)
        differences = [
            each.self_test_difference for each in self._all if each.self_test_difference is not None
        ]
        deciding = {(each.processor, *sorted(each.versions.items())) for each in self._all}
        return replace(
            one,
            device=device,
            processor=as_one(each.processor for each in self._all),
            versions=merged([each.versions for each in self._all]),
            self_test_difference=max(differences, default=None),
            works=f"{device}, {counted(self._asked.actors, 'actor')}",
            cores=self._asked.cpus,
            note=" ".join(sorted({each.note for each in self._all if each.note})),
            sessions=self._asked.actors,
            mixed=len(deciding) > 1 or any(each.mixed for each in self._all),
            happened=tuple(self._happened),
        )


def merged(versions: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Versions of several installations; where they differ, each once."""
    known = dict.fromkeys(name for one in versions for name in one)
    return {name: as_one(one[name] for one in versions if name in one) for name in known}
