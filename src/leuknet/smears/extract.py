"""Cuts the leukocytes out of the image of a smear, as `leuknet cells` does, where no model is at hand.

Start at `extract_cells`.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from leuknet.data.published_counts import CANVAS_PX
from leuknet.fields.deadlines import reading_s, searching_s
from leuknet.fields.geojson import write_geojson
from leuknet.fields.normalise import Stain
from leuknet.fields.scale import scale_of
from leuknet.fields.slides import open_field
from leuknet.fields.tiles import find_cells
from leuknet.figures.frame import save_png
from leuknet.figures.smear_plot import Outlined, colour_of, draw_overlay
from leuknet.images.transform import place_on_canvas
from leuknet.records import write_whole
from leuknet.report.blocks import counted
from leuknet.smears.examine import OVERVIEW_PX, HowToFind, is_simulated
from leuknet.smears.smear import cut_cells
from leuknet.smears.smear_files import as_outlined
from leuknet.types import FoundCell, Pixels

FOUND_NAME = "leukocyte"
"""Class of a cell that was found and not scored."""

_NO_PIXELS = np.zeros((0, 0, 3), np.uint8)


def extract_cells(
    image: Path,
    folder: Path,
    *,
    how: HowToFind,
    crop_um: float | None = None,
    canvas_px: int | None = CANVAS_PX,
    stain: Stain | None = None,
    progress: bool = False,
    allow: Callable[[float], None] = lambda _: None,
) -> tuple[FoundCell, ...]:
    """Find the leukocytes of a field or slide; write an overlay, outlines for QuPath, and each cell on black.

    Parameters
    ----------
    image, how, progress
        As for `examine_smear`.
    folder
        Gets `overlay.png`, `outlines.geojson`, and `crops/` with a PNG named like each cell.
    crop_um
        Scale of the crops in µm per pixel; None keeps the image's.
    canvas_px
        Side of their black square; what is larger is cropped. None writes no crops.
    stain
        The crops are recoloured to look like this; see `read_target`.
    allow
        Is told how many seconds the image may take from now on, tile by tile; see `leuknet.smears.guarded`.

    Returns
    -------
    tuple of FoundCell
        From top to bottom, without their pixels, which would fill the memory.
    """
    with open_field(image) as field:
        scale = scale_of(field, stated=how.scale, red_cell_px=how.red_cell_px)
        n_pixels = field.height_px * field.width_px
        allow(reading_s(n_pixels))
        still = partial(allow, searching_s(n_pixels))
        found = find_cells(
            field, scale, finder=how.finder, tile_px=how.tile_px, progress=progress, on_tile=still
        )
        folder.mkdir(parents=True, exist_ok=True)
        if canvas_px is not None:
            cut = cut_cells(found, scale=scale, crop_um=crop_um, stain=stain)
            found = _written(cut, folder / "crops", canvas_px=canvas_px)
        kept = [(replace(cell, pixels=_NO_PIXELS), as_outlined(cell, FOUND_NAME)) for cell in found]
        kept.sort(key=lambda pair: (pair[0].row_px, pair[0].column_px))
        outlines = [outlined for _, outlined in kept]
        write_geojson(outlines, folder / "outlines.geojson", colours={FOUND_NAME: colour_of("found")})
        um = scale.microns_per_pixel
        figure = draw_overlay(
            field.overview(OVERVIEW_PX),
            [Outlined(cell.outline, "found", number) for number, cell in enumerate(outlines, start=1)],
            width_px=field.width_px,
            microns_per_pixel=um,
            names={"found": FOUND_NAME},
            title=f"Leukocytes in {image.name}",
            caption=f"{counted(len(kept), 'cell')} found by {how.finder}; {um:g} µm/px, {scale.source}",
            simulated=is_simulated(image),
        )
        save_png(figure, folder / "overlay.png")
    return tuple(cell for cell, _ in kept)


def _written(cut: Iterable[tuple[FoundCell, Pixels]], folder: Path, *, canvas_px: int) -> Iterator[FoundCell]:
    """Write each cell on its canvas as PNG, and hand it on."""
    folder.mkdir(exist_ok=True)
    for cell, crop in cut:
        content = io.BytesIO()
        Image.fromarray(place_on_canvas(crop, canvas_px)).save(content, "PNG", compress_type=zlib.Z_RLE)
        write_whole(folder / f"{cell.id}.png", content.getvalue())
        yield cell
