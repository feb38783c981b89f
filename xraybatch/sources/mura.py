"""Where MURA has its films: ``train/XR_ELBOW/patient00011/study1_positive/image1.png``."""

from __future__ import annotations

import re
from typing import NamedTuple

_PLACE = re.compile(
    r"(?:(?:.*/)?(?P<part>train|valid)/|.*/|)"
    r"(?P<below>XR_(?P<region>[A-Z]+)/(?P<patient>patient\d+)"
    r"/(?P<study>study\d+)_(?P<answer>positive|negative)/[^/]+)\Z",
    re.IGNORECASE,
)


class MuraPlace(NamedTuple):
    """What a path of MURA says.

    Attributes
    ----------
    part : str
        ``train``, ``valid``, or empty where the path begins below.
    region, patient, study, answer : str
        ``elbow``, ``patient00011``, ``patient00011-elbow-study1``, ``positive``.
    tree : str
        The path from its part (else its region) on, in small letters.
    """

    part: str
    region: str
    patient: str
    study: str
    answer: str
    tree: str


def mura_place(path: str) -> MuraPlace | None:
    """Read a path, with whatever folders in front; None if it is no film of MURA."""
    found = _PLACE.match(path)
    if found is None:
        return None
    region, patient = found["region"].lower(), found["patient"].lower()
    part, below = (found["part"] or "").lower(), found["below"].lower()
    return MuraPlace(
        part,
        region,
        patient,
        f"{patient}-{region}-{found['study'].lower()}",
        found["answer"].lower(),
        f"{part}/{below}" if part else below,
    )
