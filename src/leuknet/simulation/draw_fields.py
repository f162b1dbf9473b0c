"""Draws simulated fields of a smear, with every leukocyte's place, outline and class known.

The cells are those of `leuknet.simulation.draw`, on glass among red cells, some of them touching. Red cells,
glass and platelets are of made-up colours, and no pixel of a real smear is in here. A field is much tidier
than a real one: what is found in it says that the code works, not how well cells are found in a laboratory's
smears.

Start at `draw_field`; `write_fields` makes files of several.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from leuknet.data.c_nmc import SIMULATED
from leuknet.errors import SettingError
from leuknet.records import write_whole
from leuknet.records.results_folder import begin_results
from leuknet.simulation.draw import draw_cell
from leuknet.simulation.population import Cell, draw_population
from leuknet.simulation.simulate import NOTE
from leuknet.types import CellBox, Label, Mask, Pixels

FIELD_UM = 0.065
"""µm per pixel of a simulated field: a normal lymphocyte of the published mean area then measures 12 µm."""

TRUTH = "fields_truth.csv"
_COLUMNS = ("field", "top_px", "left_px", "bottom_px", "right_px", "label", "touching")

_GLASS = np.array([232.0, 226.0, 218.0])
_RED_CELL = np.array([0.10, 0.42, 0.30])  # optical density where it is thickest
_PLATELET = np.array([0.45, 0.60, 0.25])
_PALENESS = 0.6
"""The publisher normalised the stain of the crops to be dark; a smear's transmits this power of theirs."""
_BLUR_PX = 1.05  # about as sharp as the crops, once the stain is normalised
_RED_CELLS_PER_MM2 = 6_000
_PLATELETS_PER_MM2 = 1_000


@dataclass(frozen=True, eq=False)
class TrueCell:
    """A leukocyte that was drawn: its box, which pixels of it are the cell, its class, and whether it was set
    against another one.
    """

    box: CellBox
    mask: Mask
    label: Label
    touching: bool


def draw_field(
    height_px: int,
    width_px: int,
    *,
    cells: int = 6,
    leukaemic_share: float = 0.5,
    touching_share: float = 0.2,
    seed: int = 0,
) -> tuple[Pixels, tuple[TrueCell, ...]]:
    """Draw one field.

    Parameters
    ----------
    height_px, width_px
        At least 600 each.
    cells
        Leukocytes; fewer are drawn if there is no room. The border cuts none.
    leukaemic_share, touching_share
        Share of leukaemic cells, and of those set against the one before; 0 to 1.
    seed
        Decides all chance.

    Returns
    -------
    pixels : (H, W, 3) uint8
        sRGB, at `FIELD_UM`.
    cells
        In the order in which they were drawn.

    Raises
    ------
    SettingError
        If the field is too small or a share is none.
    """
    if min(height_px, width_px) < 600 or not (0 <= leukaemic_share <= 1 and 0 <= touching_share <= 1):
        raise SettingError(
            "cannot draw a field",
            why=f"its size is {height_px} x {width_px} px, the shares are {leukaemic_share:g} and "
            f"{touching_share:g}",
            fix="use at least 600 px a side and shares from 0 to 1",
        )
    rng = np.random.default_rng((seed, 7))
    chosen = _choose(cells, leukaemic_share, seed=seed, rng=rng)
    crops = [_crop(draw_cell(cell.traits, cell.nuisance, seed=cell.seed)) for cell in chosen]
    places = _place([mask for _, mask in crops], (height_px, width_px), touching_share, rng)
    taken = np.zeros((height_px, width_px), bool)
    found = []
    for (_, mask), cell, (top, left, touching) in zip(crops, chosen, places, strict=False):
        h, w = mask.shape
        taken[top : top + h, left : left + w] |= mask
        found.append(TrueCell(CellBox(top, left, top + h, left + w), mask, cell.subject.label, touching))
    density = _strewn(taken, rng)
    light = 1 + 0.03 * np.linspace(-1, 1, width_px)[None, :, None] * rng.uniform(-1, 1)
    picture = _GLASS * light * np.exp(-density)
    for (pixels, mask), true in zip(crops, found, strict=False):
        rows, columns = slice(true.box.top_px, true.box.bottom_px), slice(true.box.left_px, true.box.right_px)
        stained = _GLASS * (pixels.astype(np.float64) / 255) ** _PALENESS
        picture[rows, columns] = np.where(mask[..., None], stained, picture[rows, columns])
    picture = ndimage.gaussian_filter(picture, (_BLUR_PX, _BLUR_PX, 0)) + rng.normal(0, 0.6, picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), tuple(found)


def write_fields(
    folder: Path,
    number: int,
    *,
    height_px: int = 1536,
    width_px: int = 2048,
    seed: int = 0,
    overwrite: bool = False,
) -> Path:
    """Write fields as PNG files, `field-01.png` and so on, and their cells to `fields_truth.csv`.

    Fields with more and fewer leukaemic cells take turns: 20%, 50%, 80%. Returns the path of the table.
    """
    if number < 1:
        raise SettingError("cannot draw fields", why=f"their number is {number}", fix="ask for 1 or more")
    begin_results(folder, overwrite=overwrite)
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(_COLUMNS)
    for place in range(number):
        name = f"field-{place + 1:02d}.png"
        pixels, cells = draw_field(
            height_px, width_px, cells=12, leukaemic_share=(0.2, 0.5, 0.8)[place % 3], seed=seed + place
        )
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "PNG")
        write_whole(folder / name, content.getvalue())
        for cell in cells:
            box = cell.box
            corners = (box.top_px, box.left_px, box.bottom_px, box.right_px)
            writer.writerow((name, *corners, cell.label.short, int(cell.touching)))
    write_whole(folder / TRUTH, table.getvalue().encode())
    marker = {"note": NOTE, "seed": seed, "leuknet": version("leuknet")}
    write_whole(folder / SIMULATED, f"{json.dumps(marker, indent=2)}\n".encode())
    return folder / TRUTH


def _choose(number: int, leukaemic_share: float, *, seed: int, rng: np.random.Generator) -> list[Cell]:
    population = draw_population(("prelim",), scale=0.2, seed=seed)
    by_label = {label: [cell for cell in population if cell.subject.label is label] for label in Label}
    labels = [Label(int(rng.random() < leukaemic_share)) for _ in range(number)]
    return [by_label[label][rng.integers(len(by_label[label]))] for label in labels]


def _crop(drawn: Pixels) -> tuple[Pixels, Mask]:
    """Return the cell without the black around it; a fragment beside it, which is not of it, is left out."""
    labels, _ = ndimage.label(drawn.any(axis=2))
    mask = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    (window,) = ndimage.find_objects(mask.view(np.uint8))
    return drawn[window], mask[window]


def _place(
    masks: list[Mask], shape: tuple[int, int], touching_share: float, rng: np.random.Generator
) -> list[tuple[int, int, bool]]:
    """Return row, column and whether it touches another for as many of the masks as find room."""
    places: list[tuple[int, int, bool]] = []
    taken = np.zeros(shape, bool)
    for number, mask in enumerate(masks):
        h, w = mask.shape
        touching = number > 0 and rng.random() < touching_share
        for _ in range(300):
            if touching:
                spot = _beside(places[-1], masks[len(places) - 1], mask, rng)
            else:
                spot = (int(rng.integers(3, shape[0] - h - 3)), int(rng.integers(3, shape[1] - w - 3)))
            top, left = spot
            if not (3 <= top <= shape[0] - h - 3 and 3 <= left <= shape[1] - w - 3):
                continue
            # Cells that are not meant to touch keep 20 pixels apart.
            near = taken[max(0, top - 20) : top + h + 20, max(0, left - 20) : left + w + 20]
            if touching:
                near = taken[top : top + h, left : left + w] & mask
            if near.any():
                continue
            taken[top : top + h, left : left + w] |= mask
            places.append((top, left, touching))
            break
        else:
            return places
    return places


def _beside(
    place: tuple[int, int, bool], other: Mask, mask: Mask, rng: np.random.Generator
) -> tuple[int, int]:
    """Return the nearest place in some direction at which two masks touch and do not overlap."""
    turn = rng.uniform(0, 2 * np.pi)
    middle = np.array([place[0] + other.shape[0] / 2, place[1] + other.shape[1] / 2])
    corner = np.array(mask.shape) / 2
    step = np.array([np.sin(turn), np.cos(turn)])
    for distance in range(40, 500, 2):
        top, left = np.rint(middle + step * distance - corner).astype(int)
        if not _overlaps(place, other, (int(top), int(left)), mask):
            return int(top), int(left)
    return -1, -1


def _overlaps(place: tuple[int, int, bool], other: Mask, spot: tuple[int, int], mask: Mask) -> bool:
    top, left = max(place[0], spot[0]), max(place[1], spot[1])
    bottom = min(place[0] + other.shape[0], spot[0] + mask.shape[0])
    right = min(place[1] + other.shape[1], spot[1] + mask.shape[1])
    if bottom <= top or right <= left:
        return False
    first = other[top - place[0] : bottom - place[0], left - place[1] : right - place[1]]
    second = mask[top - spot[0] : bottom - spot[0], left - spot[1] : right - spot[1]]
    return bool((first & second).any())


def _strewn(taken: Mask, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the optical density, (H, W, 3), of red cells and platelets that lie where no leukocyte is."""
    density = np.zeros((*taken.shape, 3), np.float32)
    area_mm2 = taken.size * FIELD_UM**2 / 1e6
    for _ in range(rng.poisson(_RED_CELLS_PER_MM2 * area_mm2)):
        _add_disc(density, taken, rng, diameter_um=rng.normal(7.5, 0.4), colour=_RED_CELL, pallor=0.45)
    for _ in range(rng.poisson(_PLATELETS_PER_MM2 * area_mm2)):
        _add_disc(density, taken, rng, diameter_um=rng.uniform(1.5, 2.5), colour=_PLATELET, pallor=0.0)
    return density


def _add_disc(
    density: NDArray[np.float32],
    taken: Mask,
    rng: np.random.Generator,
    *,
    diameter_um: float,
    colour: NDArray[np.float64],
    pallor: float,
) -> None:
    """Add a disc, paler in its middle, unless its centre lies in or close to a leukocyte."""
    radius = diameter_um / FIELD_UM / 2
    y, x = rng.uniform(0, density.shape[0]), rng.uniform(0, density.shape[1])
    reach = int(radius * 1.1) + 2
    rows = slice(max(0, int(y) - reach), min(density.shape[0], int(y) + reach + 1))
    columns = slice(max(0, int(x) - reach), min(density.shape[1], int(x) + reach + 1))
    if taken[rows, columns].any():
        return
    grid_y, grid_x = np.ogrid[rows, columns]
    squash = rng.uniform(0.9, 1.1)
    away = np.hypot((grid_y - y) * squash, (grid_x - x) / squash) / radius
    thickness = np.clip((1 - away) * radius / 3, 0, 1) * (1 - pallor * np.exp(-((away / 0.45) ** 2)))
    density[rows, columns] += (thickness[..., None] * colour).astype(np.float32)
