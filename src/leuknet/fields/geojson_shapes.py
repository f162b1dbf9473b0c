"""The geometries of GeoJSON as shapes with pieces and holes, and which shapes were drawn around others.

Start at `parts_of` and `drawn_around`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.spatial import KDTree
from skimage.measure import points_in_poly

from leuknet.fields.outline import Outline, Parts

_FARTHEST = 1e7  # pixels from the corner: no image has more
_MUCH_LARGER = 25.0  # times the box of what it holds: a cell is at most some ten times its nucleus


def parts_of(geometry: Any) -> Parts:
    """Return the polygons of a geometry; what has no area, such as a point, is left out.

    Raises
    ------
    ValueError, TypeError, KeyError, IndexError
        If it is none of GeoJSON, or a point of it is no place in an image.
    """
    if geometry is None:
        return ()
    kind = geometry["type"]
    if kind == "GeometryCollection":
        return tuple(part for inner in geometry["geometries"] for part in parts_of(inner))
    if kind not in ("Polygon", "MultiPolygon"):
        return ()
    polygons = [geometry["coordinates"]] if kind == "Polygon" else geometry["coordinates"]
    parts = []
    for polygon in polygons or ():
        outer, *holes = [_ring(ring) for ring in polygon or ()] or [None]
        if outer is not None:  # without it a polygon is nothing, whatever holes are left
            parts.append((outer, *(hole for hole in holes if hole is not None)))
    return tuple(parts)


def drawn_around(shapes: Sequence[Parts], types: Sequence[str]) -> list[bool]:
    """Say of each shape whether it is a region in which others were drawn or detected, and no cell.

    It is one if it holds the middles of two others, or of one that is much smaller, or, if it is an
    annotation, of one that is none. What QuPath calls a cell never is.
    """
    if not shapes:
        return []
    boxes = np.array([_box(parts) for parts in shapes])
    middles, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    sizes, is_drawn = sides.prod(axis=1), np.array([name == "annotation" for name in types])
    # What a shape holds lies within half of its longer side from its middle, across or down.
    near = KDTree(middles).query_ball_point(middles, sides.max(axis=1) / 2, p=np.inf)
    around = []
    for number, parts in enumerate(shapes):
        at = np.array(near[number])
        at = at[sizes[at] < sizes[number]]
        if types[number] == "cell" or not len(at):
            around.append(False)
            continue
        at = at[np.any([points_in_poly(middles[at], outer) for outer, *_ in parts], axis=0)]
        tells = (sizes[number] > _MUCH_LARGER * sizes[at]) | (is_drawn[number] & ~is_drawn[at])
        around.append(len(at) > 1 or bool(tells.any()))
    return around


def _box(parts: Parts) -> tuple[float, ...]:
    points = np.concatenate([outer for outer, *_ in parts])
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def _ring(points: Any) -> Outline | None:
    """Return a closed ring; None if it has no area."""
    if not points:
        return None
    ring = np.array(points, dtype=np.float64)[:, :2]
    if ring.shape[1] != 2 or not np.isfinite(ring).all() or abs(ring).max() > _FARTHEST:
        raise ValueError("an outline has a point that is no place in an image")
    ring = ring if (ring[0] == ring[-1]).all() else np.concatenate([ring, ring[:1]])
    return ring if len(ring) >= 4 and np.ptp(ring, axis=0).all() else None
