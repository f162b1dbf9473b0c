"""Finds and scores the leukocytes of a smear in one call, without writing a file.

Start at `find_cells` or `score_field`; `leuknet.smears.examine` adds a table, a page and pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import leuknet
from leuknet.fields import tiles
from leuknet.fields.field import Field
from leuknet.fields.normalise import Stain
from leuknet.fields.scale import scale_of
from leuknet.fields.slides import hold_field, open_field
from leuknet.inference.model_folder import FolderPredictor
from leuknet.smears.smear import SmearCell, score_smear
from leuknet.types import FieldScale, FoundCell, Pixels


def find_cells(
    image: str | Path | Pixels,
    *,
    scale: float | None = None,
    red_cell_px: float | None = None,
    finder: str = "stain",
    progress: bool = False,
) -> list[FoundCell]:
    """Find the leukocytes of a field or slide.

    Parameters
    ----------
    image
        An image file, or (H, W, 3) uint8 pixels.
    scale
        µm per pixel; None takes what the file states.
    red_cell_px
        Instead of the scale: diameter of a usual red cell in pixels.
    finder
        `stain`; or `cellpose` or `stardist` where they are installed.
    progress
        Show a bar on standard error.

    Returns
    -------
    list of FoundCell
        From top to bottom, each with its box, masks and pixels: of a slide with many cells they fill memory.

    Raises
    ------
    SettingError
        If the scale is not known, stated twice or none at which cells can be found.
    UnreadableImageError, ShapeError
        If the file or the array is no such image.
    DataError
        If the image is of one colour.
    MissingExtraError
        If the file needs the slide libraries and they are not installed.
    """
    with _opened(image, scale=scale, red_cell_px=red_cell_px) as (field, known_scale):
        found = tiles.find_cells(field, known_scale, finder=finder, progress=progress)
        return sorted(found, key=lambda cell: (cell.row_px, cell.column_px))


def score_field(
    image: str | Path | Pixels,
    model: str | Path | FolderPredictor,
    *,
    scale: float | None = None,
    red_cell_px: float | None = None,
    model_scale: float | None = None,
    subject: str | None = None,
    stain: Stain | None = None,
    finder: str = "stain",
    progress: bool = False,
) -> list[SmearCell]:
    """Find the leukocytes of a field or slide, and score each.

    No model is validated on raw smears: a cell unlike those that trained the model has the outcome
    `unfamiliar`, whatever its probability. `leuknet.smears.counts` counts outcomes and measures the shift.

    Parameters
    ----------
    image, scale, red_cell_px, finder, progress
        As for `find_cells`.
    model
        A model folder, `owner/name` on the hub, or what `leuknet.load` gave.
    model_scale
        Scale of the model in µm per pixel, where its card lacks it.
    subject
        Whose smear it is.
    stain
        The stain that the model knows, see `leuknet.smears.examine.read_target`; None changes no colours.

    Returns
    -------
    list of SmearCell
        From top to bottom; of their pixels only outlines are kept.

    Raises
    ------
    LeukNetError
        As `find_cells`, `leuknet.load` and `leuknet.smears.smear.score_smear` do.
    """
    predictor = model if isinstance(model, FolderPredictor) else leuknet.load(model)
    with _opened(image, scale=scale, red_cell_px=red_cell_px) as (field, known_scale):
        found = tiles.find_cells(field, known_scale, finder=finder, progress=progress)
        path, um = str(field.path), model_scale
        scored = score_smear(
            found, predictor, path=path, scale=known_scale, model_um=um, stain=stain, subject=subject
        )
        return sorted((seen.cell for seen in scored), key=lambda cell: (cell.row_px, cell.column_px))


@contextmanager
def _opened(
    image: str | Path | Pixels, *, scale: float | None, red_cell_px: float | None
) -> Iterator[tuple[Field, FieldScale]]:
    with open_field(Path(image)) if isinstance(image, str | Path) else hold_field(image) as field:
        yield field, scale_of(field, stated=scale, red_cell_px=red_cell_px)
