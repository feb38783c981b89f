"""Who is on the films and how each film was taken, all drawn from one seed.

Everything but the bone is dealt from the same deck to every class: formats, sizes, doses, mean
greys and the coarseness of lossy films tell nothing about the label.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xraybatch_samples.phantom import Body, Bone, Exposure, Pose, body_of, bone_of

__all__ = ["LABELS", "SEED", "Film", "plan"]

SEED = 2
LABELS = ("normal", "osteopenia", "osteoporosis")
# Bone density of a class as T-scores, from the middle of each clinical range: no film lies near
# the borders at -1 and -2.5.
T_SCORES = {"normal": (-0.3, 0.8), "osteopenia": (-2.0, -1.5), "osteoporosis": (-3.9, -3.2)}
FILMS_PER_PATIENT = (1,) * 3 + (2,) * 8 + (3,) * 9
FORMATS = (
    ("png8",) * 20 + ("jpeg",) * 19 + ("png16",) * 4 + ("dicom", "dicom-deflated", "dicom-inverted")
)
SUFFIXES = {"png8": "png", "png16": "png", "jpeg": "jpg"}


@dataclass(frozen=True)
class Film:
    """One film, ready to be made."""

    patient: str
    number: int
    label: str
    study: str
    storage: str
    quality: int
    bone: Bone
    body: Body
    pose: Pose
    exposure: Exposure

    @property
    def path(self) -> str:
        """Place in the folder, with ``/``."""
        suffix = SUFFIXES.get(self.storage, "dcm")
        return f"{self.patient}/{self.patient}_{self.number}.{suffix}"

    @property
    def seed(self) -> tuple[int, int, int]:
        """What the film's own noise is drawn from."""
        return SEED, int(self.patient[1:]), self.number


def _deal(rng: np.random.Generator, count: int, low: float, high: float) -> list[float]:
    """Draw `count` numbers spread evenly from `low` to `high`, in random order."""
    strata = (rng.permutation(count) + rng.uniform(size=count)) / count
    return [float(one) for one in low + (high - low) * strata]


def _exposures(rng: np.random.Generator, count: int) -> list[Exposure]:
    greys = _deal(rng, count, 72, 86)
    quanta = _deal(rng, count, np.log(5000), np.log(30000))
    blurs = _deal(rng, count, 0.45, 0.75)
    latitudes = _deal(rng, count, 0.97, 1.03)
    scatters = _deal(rng, count, 0.06, 0.12)
    across = np.multiply(_signs(rng, count), _deal(rng, count, 0.8, 0.9)).tolist()
    down = np.multiply(_signs(rng, count), _deal(rng, count, 0.75, 0.92)).tolist()
    return [
        Exposure(grey, float(np.exp(log)), blur, latitude, scatter, (x, y))
        for grey, log, blur, latitude, scatter, x, y in zip(
            greys, quanta, blurs, latitudes, scatters, across, down, strict=True
        )
    ]


def _signs(rng: np.random.Generator, count: int) -> list[int]:
    return [int(one) for one in rng.permutation(np.arange(count) % 2 * 2 - 1)]


def _poses(rng: np.random.Generator, sides: Sequence[str]) -> list[Pose]:
    count = len(sides)
    columns = _deal(rng, count, 150, 206)
    aspects = _deal(rng, count, 1.08, 1.3)
    widths = _deal(rng, count, 120, 132)
    turns = _deal(rng, count, -0.06, 0.06)
    right, down = _deal(rng, count, -4, 4), _deal(rng, count, -5, 5)
    return [
        Pose(min(260, round(wide * aspect)), round(wide), side, width, turn, (x, y))
        for wide, aspect, side, width, turn, x, y in zip(
            columns, aspects, sides, widths, turns, right, down, strict=True
        )
    ]


def _class_films(rng: np.random.Generator, label: str, names: Sequence[str]) -> list[Film]:
    counts = [int(one) for one in rng.permutation(FILMS_PER_PATIENT)]
    total = sum(counts)
    first_sides = _signs(rng, len(names))
    slots = [(who, n) for who, count in enumerate(counts) for n in range(count)]
    # The second film shows the other knee in the same study, the third the first knee later.
    sides = ["L" if first_sides[who] * (-1) ** n > 0 else "R" for who, n in slots]
    poses, exposures = _poses(rng, sides), _exposures(rng, total)
    storages = [FORMATS[int(one)] for one in rng.permutation(total)]
    qualities = _deal(rng, total, 72, 97)
    scores = _deal(rng, len(names), *T_SCORES[label])
    patients = [(bone_of(score, rng), body_of(rng)) for score in scores]
    return [
        Film(
            patient=names[who],
            number=n + 1,
            label=label,
            study=f"{names[who]}-S{n // 2 + 1}",
            storage=storages[slot],
            quality=round(qualities[slot]),
            bone=patients[who][0],
            body=patients[who][1],
            pose=poses[slot],
            exposure=exposures[slot],
        )
        for slot, (who, n) in enumerate(slots)
    ]


def plan() -> list[Film]:
    """Give every film, in the order of its path."""
    rng = np.random.default_rng(SEED)
    size = len(FILMS_PER_PATIENT)
    order = rng.permutation(size * len(LABELS)) + 1
    films = [
        film
        for index, label in enumerate(LABELS)
        for film in _class_films(
            rng, label, [f"P{n:03d}" for n in order[index * size : (index + 1) * size]]
        )
    ]
    return sorted(films, key=lambda film: film.path)
