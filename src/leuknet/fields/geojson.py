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

import gzip
import itertools
import json
import math
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from leuknet.errors import DataError
from leuknet.fields.geojson_shapes import drawn_around, parts_of
from leuknet.fields.outline import Outline, Parts, largest
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
    parts
        All of the cell where it was read: its pieces, each with its outer ring and then its holes. `outline`
        is that of the largest piece. Empty means that the outline is all.
    object_type
        What QuPath calls it where it was read: an annotation, which a person drew, a detection, a cell.
    """

    name: str
    outline: Outline
    nucleus: Outline | None = None
    kind: str | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)
    parts: Parts = ()
    object_type: str = ""


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


def read_geojson(path: Path, *, told: list[str] | None = None) -> tuple[OutlinedCell, ...]:
    """Read outlined cells: what QuPath exported, be they annotations, detections or cells; gzip is undone.

    A shape in several pieces is one cell, all of it, and its holes are no part of it. Objects of the same
    shape count once. A shape around others, such as an annotation in which cells were detected, is no cell.

    Parameters
    ----------
    path
        A feature collection, a list of features, one feature or one geometry.
    told
        Gets a sentence on each kind of object that was left out.

    Raises
    ------
    DataError
        If the file is no such GeoJSON, too large, or holds no outline; if one shape has two classes.
    """
    try:
        content = json.loads(_content(path))
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise _unusable(path, f"it cannot be read as JSON: {error}") from error
    features = content.get("features", content) if isinstance(content, dict) else content
    found: list[OutlinedCell] = []
    shapeless = 0
    for number, feature in enumerate(features if isinstance(features, list) else [features]):
        try:
            cell = _cell(feature, number)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
            why = f"object {number + 1} in it is none of GeoJSON: {error}"
            raise _unusable(path, why) from error
        found += [] if cell is None else [cell]
        shapeless += cell is None
    cells = _once(path, found)
    around = drawn_around([cell.parts for cell in cells], [cell.object_type for cell in cells])
    kept = tuple(cell for cell, is_region in zip(cells, around, strict=True) if not is_region)
    if not kept:
        raise _unusable(path, "it outlines nothing: there is no polygon in it")
    if told is not None:
        reasons = {
            "without an area: points, lines, empty": shapeless,
            "the same shape once more": len(found) - len(cells),
            "drawn around other outlines": len(cells) - len(kept),
        }
        told += [f"{n} of the outlined objects left out: {why}" for why, n in reasons.items() if n]
    return kept


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        opened = gzip.GzipFile(fileobj=file) if is_gzip else file
        content = opened.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"it has more than {_MAX_BYTES} bytes")
    return content


def _cell(feature: Any, number: int) -> OutlinedCell | None:
    """Return a feature or a bare geometry as a cell, None if it has no area."""
    if not isinstance(feature, dict):
        raise ValueError(f"{str(feature)[:40]!r} is no object")
    is_feature = "geometry" in feature or feature.get("type") == "Feature"
    parts = parts_of(feature.get("geometry") if is_feature else feature)
    if not parts:
        return None
    properties = feature.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    nucleus = parts_of(feature.get("nucleusGeometry"))
    return OutlinedCell(
        name=str(properties.get("name") or feature.get("id") or number),
        outline=largest(parts),
        nucleus=largest(nucleus) if nucleus else None,
        kind=_kind(properties.get("classification")),
        measurements=_numbers(properties.get("measurements")),
        parts=parts,
        object_type=str(properties.get("objectType", "")),
    )


def _kind(stated: Any) -> str | None:
    """Return the class of an object, which QuPath has written in several ways and others in more."""
    if isinstance(stated, dict):
        return _kind(stated.get("names")) or _kind(stated.get("name"))
    if isinstance(stated, list):
        return ": ".join(str(name) for name in stated if name is not None) or None
    return None if stated is None else str(stated).strip() or None


def _numbers(measurements: Any) -> dict[str, float]:
    # QuPath wrote a list of names and values up to 0.3, a map since.
    if isinstance(measurements, list):
        entries = [entry for entry in measurements if isinstance(entry, dict)]
        measurements = {entry.get("name"): entry.get("value") for entry in entries}
    if not isinstance(measurements, dict):
        return {}
    return {
        str(name): float(value)
        for name, value in measurements.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _once(path: Path, cells: Sequence[OutlinedCell]) -> list[OutlinedCell]:
    """Return cells without those of a shape that came before; a class counts wherever it stands."""
    found: dict[tuple[bytes, ...], OutlinedCell] = {}
    for cell in cells:
        key = tuple(ring.tobytes() for part in cell.parts for ring in part)
        known = found.setdefault(key, cell)
        if known.kind is None:
            found[key] = replace(known, kind=cell.kind)
        elif cell.kind not in (None, known.kind):
            classes = f"the classes {known.kind!r} and {cell.kind!r}"
            why = f"{known.name!r} and {cell.name!r} have one shape, and {classes}"
            raise _unusable(path, why)
    return [
        replace(cell, name=name) for cell, name in zip(found.values(), _names(found.values()), strict=True)
    ]


def _names(cells: Iterable[OutlinedCell]) -> list[str]:
    """Return a name for each cell, with a number where others bear it."""
    taken: set[str] = set()
    names = []
    for cell in cells:
        tries = (cell.name if number == 1 else f"{cell.name} ({number})" for number in itertools.count(1))
        names.append(next(name for name in tries if name not in taken))
        taken.add(names[-1])
    return names


def _polygon(outline: Outline) -> dict[str, Any]:
    closed = outline if (outline[0] == outline[-1]).all() else np.concatenate([outline, outline[:1]])
    return {"type": "Polygon", "coordinates": [closed.tolist()]}


def _unusable(path: Path, why: str) -> DataError:
    return DataError(
        f"cannot read outlines from {str(path)!r}",
        why=why,
        fix="export the objects of one image from QuPath as GeoJSON, and name that file",
    )
