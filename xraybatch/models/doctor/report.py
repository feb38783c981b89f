"""What an examination found: records that are shown, or printed as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

SCHEMA = "1.0"


class Verdict(StrEnum):
    """How a finding weighs."""

    OK = "ok"
    NOTE = "note"  # worth knowing; prediction works all the same
    PROBLEM = "problem"  # prediction does not work, or its records would be wrong


class DeviceState(StrEnum):
    """What became of the demonstration model on a device."""

    WORKS = "works"
    FALLS_BACK = "falls back"
    DIFFERS = "differs"
    FAILS = "fails"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    topic : str
    verdict : Verdict
    sentence : str
    hint : str
        What to do, in words; empty where nothing need be done.
    commands : tuple of str
        What to type for it, in order.
    """

    topic: str
    verdict: Verdict
    sentence: str
    hint: str = ""
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeviceRow:
    """The demonstration model on one device.

    Attributes
    ----------
    device : str
        ``cpu`` or ``cuda:N``.
    name : str
        Of the processor; empty where it is not known.
    state : DeviceState
    seconds : float or None
        For one batch, the median of three.
    batch_size : int or None
    difference : float or None
        Largest difference of a probability: of the CPU from the model's card, of a GPU from
        the CPU.
    sentence : str
        Why it does not work; else empty.
    """

    device: str
    name: str
    state: DeviceState
    seconds: float | None = None
    batch_size: int | None = None
    difference: float | None = None
    sentence: str = ""


@dataclass(frozen=True)
class Package:
    """A distribution that decides what xraybatch does; `version` is empty where it is not there."""

    name: str
    version: str
    needed_for: str


@dataclass(frozen=True)
class Diagnosis:
    """All findings, and the line that says what works.

    Attributes
    ----------
    schema : str
    created : str
        ISO 8601, UTC.
    packages : tuple of Package
    providers : tuple of str
        What this onnxruntime lists, whether it works or not.
    devices : tuple of DeviceRow
    findings : tuple of Finding
        In the order of the examination.
    summary : str
    """

    schema: str
    created: str
    packages: tuple[Package, ...]
    providers: tuple[str, ...]
    devices: tuple[DeviceRow, ...]
    findings: tuple[Finding, ...]
    summary: str

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that keep prediction from working."""
        return tuple(f for f in self.findings if f.verdict is Verdict.PROBLEM)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def plural(count: int, word: str) -> str:
    """``1 core``, ``2 cores``."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")
