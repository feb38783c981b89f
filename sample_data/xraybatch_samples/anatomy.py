"""The shape of a stylised knee, seen from the front, in millimetres.

Axes: ``u`` points to the outer (lateral) side, where the fibula stands, ``v`` points down, and the
joint line lies near ``v = 0``.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEMUR = (
    (15, -135), (15.2, -105), (16, -80), (18.5, -63), (25, -49), (34, -38), (39, -28), (40, -17),
    (37, -8), (30, -3), (22, -2), (14, -4), (8.5, -10), (5, -17), (0, -20), (-5, -17),
    (-9, -10), (-14, -3.5), (-22, -1.2), (-31, -2.2), (-38, -7.5), (-41, -17), (-40.5, -27),
    (-36.5, -36), (-27, -47), (-19.5, -62), (-16.5, -80), (-15.5, -105), (-15, -135),
)  # fmt: skip
TIBIA = (
    (14.5, 135), (14.8, 100), (16.5, 74), (20, 56), (26, 42), (33, 30), (37.5, 20), (39, 11),
    (37.5, 5.5), (33, 4), (24, 3.8), (14, 4), (8, 2.4), (5, -1.8), (3.2, -2), (0.6, 0.8),
    (-2.2, 0.4), (-4.6, -2.8), (-6.4, -1.4), (-9, 2.4), (-15, 3.8), (-25, 4), (-34, 4.2),
    (-38.5, 6), (-39.5, 12), (-37, 22), (-30.5, 34), (-23, 47), (-18, 61), (-15.2, 80),
    (-14, 105), (-13.5, 135),
)  # fmt: skip
FIBULA = (
    (37.5, 14.5), (41.5, 17.5), (43.5, 24), (42, 33), (39.5, 44), (38.2, 60), (37.6, 90),
    (37.2, 135), (30.8, 135), (31, 90), (31.4, 60), (31.4, 44), (31, 33), (32, 24), (34.5, 17),
)  # fmt: skip
PATELLA = (
    (0, -46), (11, -44), (18.5, -36), (19, -27), (12, -16), (3, -9), (-3, -9), (-12, -16),
    (-19, -27), (-18.5, -36), (-11, -44),
)  # fmt: skip


def smooth(outline: tuple[tuple[float, float], ...], steps: int = 3) -> Floats:
    """Round a closed outline with a Catmull-Rom spline.

    Parameters
    ----------
    outline
        Corner points ``(u, v)``.
    steps
        Points per corner in the result.

    Returns
    -------
    Floats
        Points, shape ``(len(outline) * steps, 2)``.
    """
    here = np.asarray(outline, dtype=np.float64)
    before, after, later = np.roll(here, 1, 0), np.roll(here, -1, 0), np.roll(here, -2, 0)
    pieces = []
    for t in np.arange(steps) / steps:
        pieces.append(
            0.5
            * (
                2 * here
                + (after - before) * t
                + (2 * before - 5 * here + 4 * after - later) * t**2
                + (3 * here - before - 3 * after + later) * t**3
            )
        )
    return np.stack(pieces, axis=1).reshape(-1, 2)


def depth_inside(u: Floats, v: Floats, polygon: Floats) -> Floats:
    """Give the distance of each point to a polygon's edge, positive inside.

    Parameters
    ----------
    u, v
        Coordinates in mm, of one shape.
    polygon
        Corner points, shape ``(n, 2)``.

    Returns
    -------
    Floats
        Signed distance in mm, shaped as `u`.
    """
    nearest = np.full(u.shape, np.inf)
    inside = np.zeros(u.shape, dtype=np.bool_)
    for (u0, v0), (u1, v1) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        du, dv = u1 - u0, v1 - v0
        pu, pv = u - u0, v - v0
        along = np.clip((pu * du + pv * dv) / (du * du + dv * dv), 0.0, 1.0)
        np.minimum(nearest, (pu - along * du) ** 2 + (pv - along * dv) ** 2, out=nearest)
        if dv != 0:
            inside ^= ((v0 > v) != (v1 > v)) & (pu < pv * du / dv)
    return np.asarray(np.where(inside, 1.0, -1.0) * np.sqrt(nearest))


def chord(depth: Floats, rounding: float, thickness: Floats | float) -> Floats:
    """Give the length of a ray through a body whose rim is rounded like an ellipse.

    Parameters
    ----------
    depth
        Distance to the outline in mm, positive inside.
    rounding
        Distance in mm over which the body reaches its full thickness.
    thickness
        Full thickness in mm along the ray, one number or shaped as `depth`.

    Returns
    -------
    Floats
        Path length in mm, shaped as `depth`; zero outside.
    """
    inner = 1.0 - np.clip(depth / rounding, 0.0, 1.0)
    return np.asarray(thickness * np.sqrt(1.0 - inner * inner))
