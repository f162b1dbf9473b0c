"""Exchanges cells with QuPath, and whatever else reads and writes its GeoJSON.

QuPath opens the file by drag and drop on the image; File > Export objects as GeoJSON writes one. Coordinates
are pixels at full resolution. Each cell is a feature of the type `cell`, with its nucleus, class and
measurements.

Start at `write_geojson` and `read_geojson`.

References
----------
Bankhead et al. (2017), "QuPath: Open source software for digital pathology image analysis", Scientific
Reports 7, 16878. The layout is that of QuPath 0.4 and later: github.com/qupath/qupath, pull request 1099.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from leuknet.errors import DataError
from leuknet.fields.outline import Outline
from leuknet.records import write_whole

_MAX_BYTES = 2**30
_KEY = uuid.UUID("5f1e3a52-7d1c-5b0e-9d0a-6c6575006b6e")  # any, but always the same


@dataclass(frozen=True, eq=False)
class OutlinedCell:
    """A cell as QuPath has it.

    Attributes
    ----------
    name
        Unique within the image.
    outline, nucleus
        In pixels; the nucleus is None where it is not outlined.
    kind
        Its class, None where it has none.
    measurements
        Any numbers, each with its unit in its name.
    """

    name: str
    outline: Outline
    nucleus: Outline | None = None
    kind: str | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)


def write_geojson(
    cells: Iterable[OutlinedCell], path: Path, *, colours: Mapping[str, tuple[int, int, int]]
) -> None:
    """Write cells as one feature collection, whole or not at all.

    Parameters
    ----------
    cells
        Of one image.
    path
        Ends in `.geojson`.
    colours
        sRGB of each class, 0..255.
    """
    features = []
    for cell in cells:
        properties: dict[str, Any] = {"objectType": "cell", "name": cell.name}
        if cell.kind is not None:
            properties["classification"] = {"name": cell.kind, "color": list(colours[cell.kind])}
        properties["measurements"] = {name: v for name, v in cell.measurements.items() if math.isfinite(v)}
        feature = {
            "type": "Feature",
            "id": str(uuid.uuid5(_KEY, cell.name)),
            "geometry": _polygon(cell.outline),
            "properties": properties,
        }
        if cell.nucleus is not None:
            feature["nucleusGeometry"] = _polygon(cell.nucleus)
        features.append(feature)
    content = json.dumps({"type": "FeatureCollection", "features": features}, allow_nan=False)
    write_whole(path, content.encode())


def read_geojson(path: Path) -> tuple[OutlinedCell, ...]:
    """Read outlined cells: what QuPath exported, be they annotations, detections or cells.

    Of a shape in several pieces the largest counts, and holes are filled. Points and lines are no cells.

    Raises
    ------
    DataError
        If the file is no such GeoJSON, too large, or holds no outline.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES} bytes")
        content = json.loads(path.read_text(encoding="utf-8"))
        features = content["features"] if isinstance(content, dict) and "features" in content else content
        cells = [
            cell
            for number, feature in enumerate(features if isinstance(features, list) else [features])
            if (cell := _cell(feature, number)) is not None
        ]
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise _unusable(path, f"{type(error).__name__}: {error}") from error
    if not cells:
        raise _unusable(path, "it outlines nothing: there is no polygon in it")
    return tuple(cells)


def _cell(feature: dict[str, Any], number: int) -> OutlinedCell | None:
    outline = _outline(feature["geometry"])
    if outline is None:
        return None
    properties = feature.get("properties") or {}
    nucleus = feature.get("nucleusGeometry")
    kind = properties.get("classification") or {}
    names = kind.get("names")
    return OutlinedCell(
        name=str(properties.get("name") or feature.get("id") or number),
        outline=outline,
        nucleus=None if nucleus is None else _outline(nucleus),
        kind=": ".join(map(str, names)) if names else kind.get("name"),
        measurements=_numbers(properties.get("measurements")),
    )


def _numbers(measurements: Any) -> dict[str, float]:
    # QuPath wrote a list of names and values up to 0.3, a map since.
    if isinstance(measurements, list):
        measurements = {entry["name"]: entry["value"] for entry in measurements}
    return {
        str(name): float(value)
        for name, value in (measurements or {}).items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _outline(geometry: dict[str, Any]) -> Outline | None:
    if geometry["type"] == "Polygon":
        rings = [geometry["coordinates"][0]]
    elif geometry["type"] == "MultiPolygon":
        rings = [part[0] for part in geometry["coordinates"]]
    else:
        return None
    outlines = [np.array(ring, dtype=np.float64)[:, :2] for ring in rings]
    largest = max(outlines, key=lambda points: float(np.prod(np.ptp(points, axis=0))))
    if len(largest) < 4 or not np.isfinite(largest).all() or abs(largest).max() > 1e7:
        raise ValueError("an outline has fewer than four points, or one that is no place in an image")
    return largest


def _polygon(outline: Outline) -> dict[str, Any]:
    closed = outline if (outline[0] == outline[-1]).all() else np.concatenate([outline, outline[:1]])
    return {"type": "Polygon", "coordinates": [closed.tolist()]}


def _unusable(path: Path, why: str) -> DataError:
    return DataError(
        f"cannot read outlines from {str(path)!r}",
        why=why,
        fix="export the objects of one image from QuPath as GeoJSON, and name that file",
    )
