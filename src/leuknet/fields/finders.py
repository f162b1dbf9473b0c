"""The table of what can find cells: our own finder by stain, and networks of others if you have them.

Whatever finds, `leuknet.fields.describe` measures, and what has no nucleus stained as a leukocyte's is left
out: networks for cells in general find red cells too. Cellpose and StarDist are not installed with LeukNet;
they load their own weights, in their own format, from where they keep them.

Start at `FINDERS`; `get_finder` is how it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from leuknet.errors import MissingExtraError, SettingError
from leuknet.fields.colour import FieldColours, FieldView, nuclei
from leuknet.fields.find import Regions, cell_mask, find_by_stain, flood, with_nucleus
from leuknet.fields.shapes import distance_to

Finder = Callable[[FieldView, FieldColours], Regions]

_CELL_UM = 12.0  # diameter that a network is told to look for


def find_by_cellpose(view: FieldView, colours: FieldColours) -> Regions:
    """Find cells with Cellpose 4: Pachitariu et al. (2025), "Cellpose-SAM", bioRxiv 2025.04.28.651001."""
    labels, *_ = _cellpose().eval(view.pixels, diameter=_CELL_UM / view.microns_per_pixel)
    nucleus = nuclei(view.density, view.score, view.microns_per_pixel)
    return with_nucleus(np.asarray(labels, np.int64), nucleus, view.microns_per_pixel)


def find_by_stardist(view: FieldView, colours: FieldColours) -> Regions:
    """Find nuclei with StarDist's model for stained tissue, and let them grow over the stained cytoplasm.

    Schmidt et al. (2018), "Cell Detection with Star-convex Polygons", MICCAI.
    """
    low, high = np.percentile(view.pixels, (1, 99.8), axis=(0, 1))
    scaled = ((view.pixels - low) / np.maximum(high - low, 1)).astype(np.float32)
    seeds, _ = _stardist().predict_instances(scaled)
    seeds = np.asarray(seeds, np.int64)
    if not seeds.any():
        return seeds
    nucleus = nuclei(view.density, view.score, view.microns_per_pixel)
    solid = nucleus | (seeds > 0)
    cell = cell_mask(view, colours, solid, distance_to(solid) * view.microns_per_pixel)
    grown = flood(distance_to(seeds > 0), seeds, cell, view)
    return with_nucleus(grown, nucleus, view.microns_per_pixel)


FINDERS: dict[str, Finder] = {
    "stain": find_by_stain,
    "cellpose": find_by_cellpose,
    "stardist": find_by_stardist,
}


def get_finder(name: str) -> Finder:
    """Return the finder of this name.

    Raises
    ------
    SettingError
        If there is none.
    MissingExtraError
        If it needs a package that is not installed: before any image is opened.
    """
    if name not in FINDERS:
        why, fix = f"there is no finder named {name!r}", f"use one of {', '.join(FINDERS)}"
        raise SettingError("cannot find cells", why=why, fix=fix)
    if name == "cellpose":
        _cellpose()
    elif name == "stardist":
        _stardist()
    return FINDERS[name]


@cache
def _cellpose() -> Any:
    try:
        from cellpose.models import CellposeModel
    except ImportError as error:
        raise _missing("cellpose", error) from error
    return CellposeModel(gpu=False)


@cache
def _stardist() -> Any:
    try:
        from stardist.models import StarDist2D
    except ImportError as error:
        raise _missing("stardist", error) from error
    return StarDist2D.from_pretrained("2D_versatile_he")


def _missing(package: str, error: ImportError) -> MissingExtraError:
    return MissingExtraError(
        f"cannot find cells with {package}",
        why=f"the package is not installed: {error}",
        fix=f"pip install '{package}' (it brings its own networks), or use --finder stain, which needs none",
    )
