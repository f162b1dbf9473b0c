"""Does with the image of a smear all that `leuknet smear` does, and writes the files.

Start at `examine_smear`; `leuknet.smears.extract` is its counterpart where no model is at hand.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from leuknet.data.c_nmc import SIMULATED
from leuknet.errors import SettingError
from leuknet.fields.field import Field
from leuknet.fields.geojson import read_geojson
from leuknet.fields.normalise import STAIN_METHODS, Stain, learn_stain
from leuknet.fields.outlined import cells_from_outlines
from leuknet.fields.scale import scale_of
from leuknet.fields.slides import open_field
from leuknet.fields.surroundings import surroundings
from leuknet.fields.tiles import TILE_PX, colours_of, find_cells
from leuknet.figures.frame import save_png
from leuknet.images.clutter import PassedOver, no_image_found
from leuknet.images.reading import IMAGE_SUFFIXES, read_pixels
from leuknet.inference.model_folder import FolderPredictor
from leuknet.inference.outcome import Outcome
from leuknet.records.results_folder import begin_results, check_free
from leuknet.report.pdf import check_printer, write_page
from leuknet.report.render import encoded
from leuknet.smears.counts import OutcomeCount, Shift, count_outcomes, measure_shift
from leuknet.smears.smear import SeenCell, SmearCell, score_smear
from leuknet.smears.smear_files import write_cells, write_outlines
from leuknet.smears.smear_page import SmearContent, draw_smear_gallery, draw_smear_overlay, smear_html
from leuknet.types import FieldScale, FoundCell, ModelCard

OVERVIEW_PX = 2400
"""Longer side of the picture over which cells are outlined."""

GALLERY_FILE_CELLS = 240
"""Most cells of `gallery.png`."""

SLIDE_SUFFIXES = frozenset({".svs", ".ndpi", ".mrxs", ".scn", ".dcm", ".vms", ".bif"})
"""Beside `leuknet.images.reading.IMAGE_SUFFIXES`, names of files that are looked for in folders."""


@dataclass(frozen=True)
class HowToFind:
    """How the cells of an image are found.

    Attributes
    ----------
    scale, red_cell_px
        As for `leuknet.fields.scale.scale_of`.
    finder, tile_px
        As for `leuknet.fields.tiles.find_cells`.
    """

    scale: float | None = None
    red_cell_px: float | None = None
    finder: str = "stain"
    tile_px: int = TILE_PX


@dataclass(frozen=True, eq=False)
class Examination:
    """What `examine_smear` found and wrote.

    Attributes
    ----------
    card
        Of the model.
    counts
        Cells and share of each outcome; empty if there is no cell.
    shift
        None if there is no cell.
    notes
        What is to be said of the image and of the outlines that were given.
    """

    scale: FieldScale
    card: ModelCard
    cells: tuple[SmearCell, ...]
    counts: dict[Outcome, OutcomeCount]
    shift: Shift | None
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def examine_smear(
    image: Path,
    predictor: FolderPredictor,
    folder: Path,
    *,
    how: HowToFind,
    model_um: float | None = None,
    subject: str | None = None,
    outlines: Path | None = None,
    stain: Stain | None = None,
    table: str = "cells.csv",
    pdf: bool = True,
    command: str = "",
    overwrite: bool = False,
    progress: bool = False,
) -> Examination:
    """Find and score the leukocytes of a field or slide, and write table, page, pictures and outlines.

    Parameters
    ----------
    image
        A field or slide.
    predictor
        Of `leuknet.load`.
    folder
        Where the files go, and nothing else is; made where it lacks.
    how
        How the cells are found.
    model_um
        Scale of the model in µm per pixel, where its card lacks it.
    subject
        Whose smear it is.
    outlines
        GeoJSON of cells that a person outlined: they are scored, and no cell is sought. Their classes become
        the column `reviewed`.
    stain
        The stain that the model knows; see `read_target`. The cells are then scored twice, with and without.
    table
        Name of the table: ends in .csv or .parquet.
    pdf
        Whether to print the page too.
    command
        The command line, for the page.
    overwrite
        Whether an earlier run's folder is emptied first; see `leuknet.records.results_folder`.
    progress
        Draw a bar on stderr.

    Returns
    -------
    Examination
        An image without leukocytes gives an empty table and no page: that too is a result.

    Raises
    ------
    UnreadableImageError, SettingError, ModelError, DataError, MissingExtraError
        As the parts do; nothing is written then.
    """
    # Not split further: each step takes what several of the steps before it made.
    if pdf:
        check_printer()
    check_free(folder, overwrite=overwrite, reads=[image])
    card, reference = predictor.card, predictor.reference
    with open_field(image) as field:
        scale = scale_of(field, stated=how.scale, red_cell_px=how.red_cell_px)
        told = list(field.warnings)
        found, reviewed = _find(field, scale, how, outlines=outlines, told=told, progress=progress)
        score = partial(
            score_smear, predictor=predictor, path=str(image), scale=scale, model_um=model_um, subject=subject
        )
        unnormalised = None
        if stain is not None:
            found = list(found)  # they are scored twice
            plain = _sorted(score(found), reviewed, progress=progress)
            unnormalised = measure_shift(plain, reference) if plain else None
        cells = _sorted(score(found, stain=stain), reviewed, progress=progress)
        begin_results(folder, overwrite=overwrite)
        files = [folder / table, folder / "outlines.geojson"]
        write_cells(cells, files[0], card=card)
        write_outlines(cells, files[1], card=card)
        if not cells:
            return Examination(scale, card, (), {}, None, tuple(files), tuple(told))
        content = SmearContent(
            name=image.name,
            height_px=field.height_px,
            width_px=field.width_px,
            scale=scale,
            overview=field.overview(OVERVIEW_PX),
            cells=cells,
            crop_of=lambda cell: surroundings(field, cell.box),
            shift=measure_shift(cells, reference),
            unnormalised=unnormalised,
            stain_method=None if stain is None else stain.method,
            finder=how.finder if outlines is None else f"a person, in {outlines.name}",
            card=card,
            model_id=predictor.model_id,
            model_um=card.microns_per_pixel if model_um is None else model_um,
            simulated=is_simulated(image),
            command=command,
            notes=tuple(told),
        )
        files += _write_page(content, folder, pdf=pdf)
    outcomes = count_outcomes(cells)
    return Examination(scale, card, tuple(cells), outcomes, content.shift, tuple(files), tuple(told))


def _sorted(
    seen: Iterable[SeenCell], reviewed: Mapping[str, str | None], *, progress: bool
) -> list[SmearCell]:
    """Return cells from top to bottom, each with the class that a person gave it."""
    bar = tqdm(seen, desc="scoring cells", unit="cell", disable=not progress)
    cells = (replace(scored.cell, reviewed=reviewed.get(scored.cell.id)) for scored in bar)
    return sorted(cells, key=lambda cell: (cell.row_px, cell.column_px))


def _write_page(content: SmearContent, folder: Path, *, pdf: bool) -> list[Path]:
    pages = write_page(encoded(smear_html(content)), folder / "report", pdf=pdf)
    overlay, gallery = folder / "overlay.png", folder / "gallery.png"
    save_png(draw_smear_overlay(content), overlay)
    save_png(draw_smear_gallery(content, at_most=GALLERY_FILE_CELLS), gallery)
    return [*pages, overlay, gallery]


def find_fields(
    inputs: Iterable[Path], over: PassedOver | None = None, *, without: Path | None = None
) -> list[Path]:
    """Return the images of smears named by `inputs`, files or folders with all folders in them, each once.

    Parameters
    ----------
    inputs
        Links to folders are not followed, unless named here.
    over
        Counts what is passed over.
    without
        A folder that is not searched: the one that results go to.

    Raises
    ------
    SettingError
        If there is none.
    """
    over = PassedOver() if over is None else over
    left_out = None if without is None else without.resolve()
    found: list[Path] = []
    for path in inputs:
        if not path.is_dir():
            found.append(path)
            continue
        for folder, subfolders, names in os.walk(path):
            subfolders[:] = [name for name in subfolders if Path(folder, name).resolve() != left_out]
            found += [
                Path(folder, name) for name in over.sort_out(folder, subfolders, names, wanted=_is_field)
            ]
    if not found:
        raise no_image_found(over)
    return list(dict.fromkeys(found))


def _is_field(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES | SLIDE_SUFFIXES


def read_target(method: str, images: Sequence[Path]) -> Stain:
    """Learn the stain that is wanted from images of cells on black, such as training crops of the model.

    Raises
    ------
    SettingError
        If there is no such method, or no image.
    """
    for name in STAIN_METHODS:  # gives the method its type
        if method == name and images:
            return learn_stain([read_pixels(path).pixels for path in images], name)
    raise SettingError(
        "cannot change the stain",
        why=f"the method is {method!r}, with {len(images)} target images",
        fix=f"use --normalise with {' or '.join(STAIN_METHODS)}, and --target with cells on black as the "
        "model was trained on",
    )


def is_simulated(image: Path) -> bool:
    """Whether an image lies among those that `leuknet data fields` drew."""
    return (image.parent / SIMULATED).is_file()


def _find(
    field: Field,
    scale: FieldScale,
    how: HowToFind,
    *,
    outlines: Path | None,
    told: list[str],
    progress: bool,
) -> tuple[Iterable[FoundCell], dict[str, str | None]]:
    """Return the cells of an image, and the class of each that a person outlined."""
    if outlines is None:
        return find_cells(field, scale, finder=how.finder, tile_px=how.tile_px, progress=progress), {}
    colours = colours_of(field, scale.microns_per_pixel)
    pairs = list(cells_from_outlines(field, scale, read_geojson(outlines, told=told), colours))
    return [cell for _, cell in pairs], {cell.id: outlined.kind for outlined, cell in pairs}
