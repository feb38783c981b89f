"""The physics of a synthetic frontal knee film: bone, soft tissue, beam, detector, display.

Every ray is attenuated by Beer and Lambert's law through soft tissue and four bones, each a shell
of cortical bone around a trabecular core. What sets the classes apart is `Bone` alone: trabecular
bone volume, the spacing of the struts, the thickness of the cortex and its mineral.
"""

from dataclasses import dataclass

import numpy as np

from xraybatch_samples.anatomy import (
    FEMUR,
    FIBULA,
    PATELLA,
    TIBIA,
    Floats,
    chord,
    depth_inside,
    smooth,
)

__all__ = ["Body", "Bone", "Exposure", "Pose", "body_of", "bone_of", "knee"]

BONE_ATTENUATION = 0.085  # per mm of solid bone, over what soft tissue takes
MUSCLE_ATTENUATION = 0.021  # per mm
FAT_ATTENUATION = 0.0175  # per mm
LEAD_ATTENUATION = 7.0  # of a side marker, as a whole
GREYS_PER_ATTENUATION = 135.0
SUPERSAMPLING = 1.5
TEXTURE_CONTRAST = 0.18
TEXTURE_STEP = 0.4  # mm
TEXTURE_SPACING = 3.0  # mm, in young adults; coarser than in life so that small films show it
TEXTURE_SHAPE = (640, 480)  # rows along v, columns along u: 256 mm by 192 mm
_OUTLINES = tuple(smooth(one) for one in (FEMUR, TIBIA, FIBULA, PATELLA))


@dataclass(frozen=True)
class Bone:
    """What bone loss changes, and nothing else does."""

    volume: float  # trabecular bone volume fraction
    spacing: float  # between struts, mm
    cross_struts: float  # strength of horizontal struts, which are lost first
    cortex: float  # cortical thickness of the shaft, mm
    mineral: float  # attenuation of the cortex, relative


@dataclass(frozen=True)
class Body:
    """What differs between people of every class alike."""

    size: float
    width: float
    leg_thickness: float
    leg_width: float
    fat: float
    joint_gap: float
    texture_seed: int


@dataclass(frozen=True)
class Pose:
    """How the knee lay on the detector."""

    rows: int
    columns: int
    side: str
    field_width: float
    rotation: float
    shift: tuple[float, float]


@dataclass(frozen=True)
class Exposure:
    """How the film was taken and shown."""

    mean_grey: float
    quanta: float
    blur: float
    latitude: float
    scatter: float
    marker: tuple[float, float]


def bone_of(t_score: float, rng: np.random.Generator) -> Bone:
    """Draw the bone of a patient whose density lies `t_score` deviations from young adults'."""
    volume, spacing, cross, cortex, mineral = 1 + 0.035 * rng.standard_normal(5)
    return Bone(
        volume=volume * 0.27 * (1 + 0.21 * t_score),
        spacing=spacing * TEXTURE_SPACING * float(np.exp(-0.17 * t_score)),
        cross_struts=cross * 0.8 * float(np.exp(0.25 * t_score)),
        cortex=cortex * 5.0 * (1 + 0.15 * t_score),
        mineral=1 + 0.5 * (mineral - 1) + 0.04 * t_score,
    )


def body_of(rng: np.random.Generator) -> Body:
    """Draw the anatomy of a patient of any class."""
    return Body(
        size=float(rng.uniform(0.95, 1.05)),
        width=float(rng.uniform(0.96, 1.04)),
        leg_thickness=float(rng.uniform(96, 104)),
        leg_width=float(rng.uniform(59, 65)),
        fat=float(rng.uniform(5, 9)),
        joint_gap=float(rng.uniform(-0.8, 1.6)),
        texture_seed=int(rng.integers(2**31)),
    )


def _struts(rng: np.random.Generator, spacing: float, vertical: bool) -> Floats:
    """Make a field of struts, mean 0 and deviation 1, of `TEXTURE_SHAPE`."""
    noise = np.fft.rfft2(rng.standard_normal(TEXTURE_SHAPE))
    down = np.abs(np.fft.fftfreq(TEXTURE_SHAPE[0], TEXTURE_STEP))[:, None]
    across = np.fft.rfftfreq(TEXTURE_SHAPE[1], TEXTURE_STEP)[None, :]
    over, along = (across, down) if vertical else (down, across)
    band = np.exp(-0.5 * ((over * spacing - 1) / 0.35) ** 2)
    field = np.fft.irfft2(noise * band * np.exp(-0.5 * (along * spacing * 3.2) ** 2), TEXTURE_SHAPE)
    ridges = np.exp(0.6 * field / field.std())  # bright struts, darker and wider gaps
    return np.asarray((ridges - ridges.mean()) / ridges.std())


def _texture(bone: Bone, seed: int) -> Floats:
    """Make the relative trabecular density around 1, of `TEXTURE_SHAPE`."""
    rng = np.random.default_rng(seed)
    upright = _struts(rng, bone.spacing, vertical=True)
    level = _struts(rng, bone.spacing * 1.15, vertical=False)
    return np.maximum(1 + TEXTURE_CONTRAST * (upright + bone.cross_struts * level), 0.15)


def _sample(texture: Floats, u: Floats, v: Floats) -> Floats:
    """Read a texture at places in mm, bilinearly; struts fan out towards the joint."""
    u = u / (0.75 + 0.25 * np.exp(-((v / 45) ** 2)))
    row = np.clip(v / TEXTURE_STEP + texture.shape[0] / 2, 0, texture.shape[0] - 1.001)
    column = np.clip(u / TEXTURE_STEP + texture.shape[1] / 2, 0, texture.shape[1] - 1.001)
    r, c = row.astype(np.intp), column.astype(np.intp)
    fr, fc = row - r, column - c
    top = texture[r, c] * (1 - fc) + texture[r, c + 1] * fc
    bottom = texture[r + 1, c] * (1 - fc) + texture[r + 1, c + 1] * fc
    return np.asarray(top * (1 - fr) + bottom * fr)


def _bones(u: Floats, v: Floats, bone: Bone, body: Body, texture: Floats) -> Floats:
    """Give the attenuation of all bones, over soft tissue's, at places in mm."""
    total = np.zeros(u.shape)
    #          depth of the bone in mm, rim, cortex relative to shaft's, distance of its end
    plans = ((47.0, 15.0, 1.0, 62.0), (44.0, 14.0, 1.0, 52.0), (13.0, 4.5, 0.6, 40.0))
    grain = _sample(texture, u, v)
    for index, (thick, rim, shell, reach) in enumerate(plans):
        v_here = v if index == 0 else v - body.joint_gap
        depth = depth_inside(u, v_here, _OUTLINES[index])
        shaft = 1 / (1 + np.exp(-(np.abs(v_here) - reach) / 7))  # 0 at the joint, 1 in the shaft
        cortex = bone.cortex * shell * (0.22 + 0.78 * shaft)
        outer_depth = thick * (1 - 0.36 * shaft)
        outer = chord(depth, rim, outer_depth)
        inner = chord(depth - cortex, rim - 1.0, np.maximum(outer_depth - 2 * cortex, 0.0))
        inner = np.minimum(inner, outer)
        fill = bone.volume * (1 - 0.8 * shaft) * grain
        total += BONE_ATTENUATION * (bone.mineral * (outer - inner) + fill * inner)
    depth = depth_inside(u, v, _OUTLINES[3])
    outer = chord(depth, 15.0, 10.0)
    inner = np.minimum(chord(depth - 0.12 * bone.cortex, 14.5, 10.0 - 0.24 * bone.cortex), outer)
    return np.asarray(
        total + BONE_ATTENUATION * (bone.mineral * (outer - inner) + bone.volume * inner)
    )


def _soft(u: Floats, v: Floats, body: Body) -> Floats:
    """Give the attenuation of muscle and fat at places in mm."""
    half = body.leg_width * (1 + 0.0016 * np.maximum(-v - 10, 0) - 0.0006 * np.maximum(v, 0))
    whole = body.leg_thickness * np.sqrt(np.maximum(1 - (u / half) ** 2, 0))
    lean_half = half - body.fat
    lean = (body.leg_thickness - 2 * body.fat) * np.sqrt(np.maximum(1 - (u / lean_half) ** 2, 0))
    lean = np.minimum(lean, whole)
    return np.asarray(MUSCLE_ATTENUATION * lean + FAT_ATTENUATION * (whole - lean))


def _marker(x: Floats, y: Floats, side: str) -> Floats:
    """Give the attenuation of the lead letter L or R, 7 mm high, around the origin."""
    stem = (np.abs(x + 2) < 0.7) & (np.abs(y) < 3.5)
    if side == "L":
        rest = (np.abs(y - 2.8) < 0.7) & (x > -2) & (x < 2.4)
    else:
        ring = np.hypot((x + 0.2) / 1.15, y + 1.6)
        rest = (np.abs(ring - 1.6) < 0.6) & (x > -2)
        rest |= (np.abs(x - (y - 0.2) * 0.75 + 0.4) < 0.7) & (y > 0) & (y < 3.5)
    return np.where(stem | rest, LEAD_ATTENUATION, 0.0)


def _blur(image: Floats, sigma: float) -> Floats:
    """Blur with a Gaussian of `sigma` pixels, edges mirrored."""
    reach = max(1, int(np.ceil(3 * sigma)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padding = [(reach, reach) if one == axis else (0, 0) for one in (0, 1)]
        padded = np.pad(image, padding, mode="symmetric")
        length = image.shape[axis]
        image = np.zeros(image.shape)
        for offset, weight in enumerate(kernel):
            image += weight * padded.take(range(offset, offset + length), axis=axis)
    return image


def _expose(attenuation: Floats, exposure: Exposure, rng: np.random.Generator) -> Floats:
    """Turn attenuation into the detector's log signal, with scatter, blur and quantum noise."""
    primary = np.exp(-attenuation)
    scattered = exposure.scatter * float(np.exp(-np.median(attenuation)))
    quanta = exposure.quanta * _blur(primary + scattered, exposure.blur)
    # Counts are in the hundreds and more, where Poisson's law is the normal one.
    quanta = quanta + np.sqrt(quanta) * rng.standard_normal(quanta.shape)
    return -np.log(np.maximum(quanta, 1.0) / exposure.quanta)


def _develop(signal: Floats, exposure: Exposure) -> Floats:
    """Shift the signal so that the mean of the clipped display value is the one asked for."""
    grey = signal * GREYS_PER_ATTENUATION * exposure.latitude
    low, high = -float(grey.max()), 255.0 - float(grey.min())
    for _ in range(40):
        middle = (low + high) / 2
        if float(np.clip(grey + middle, 0, 255).mean()) < exposure.mean_grey:
            low = middle
        else:
            high = middle
    return np.clip(grey + (low + high) / 2, 0, 255) / 255


def knee(
    bone: Bone, body: Body, pose: Pose, exposure: Exposure, rng: np.random.Generator
) -> Floats:
    """Make one film.

    Parameters
    ----------
    bone, body
        The patient.
    pose, exposure
        The film; `pose` gives the shape of the result.
    rng
        Source of the quantum noise.

    Returns
    -------
    Floats
        Display values from 0 (black) to 1 (white, most attenuating), shape ``(rows, columns)``.
    """
    fine_rows, fine_columns = (round(n * SUPERSAMPLING) for n in (pose.rows, pose.columns))
    pitch = pose.field_width / fine_columns
    y, x = np.meshgrid(
        (np.arange(fine_rows) - (fine_rows - 1) / 2) * pitch,
        (np.arange(fine_columns) - (fine_columns - 1) / 2) * pitch,
        indexing="ij",
    )
    cos, sin = np.cos(pose.rotation), np.sin(pose.rotation)
    xs, ys = x - pose.shift[0], y - pose.shift[1]
    u, v = (cos * xs + sin * ys) / body.size, (-sin * xs + cos * ys) / body.size
    u = u if pose.side == "L" else -u  # seen from the front, a left knee's outer side is right
    texture = _texture(bone, body.texture_seed + (pose.side == "L"))
    attenuation = body.size * _bones(u / body.width, v, bone, body, texture) + _soft(u, v, body)
    mark_x = x - exposure.marker[0] * fine_columns * pitch / 2
    attenuation += _marker(mark_x, y - exposure.marker[1] * fine_rows * pitch / 2, pose.side)
    return _develop(_expose(_shrink(attenuation, pose), exposure, rng), exposure)


def _shrink(image: Floats, pose: Pose) -> Floats:
    """Average the finer image down to the film's own pixels."""
    from PIL import Image

    fine = Image.fromarray(image.astype(np.float32))
    small = fine.resize((pose.columns, pose.rows), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64)
