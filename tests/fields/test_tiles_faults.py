"""A tile sees as far around itself as it takes to tell a cell from a part of something longer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from leuknet.fields.colour import FieldColours, FieldView
from leuknet.fields.find import MOST_UM, REACH_UM, Regions
from leuknet.fields.finders import FINDERS
from leuknet.fields.slides import open_field
from leuknet.fields.tiles import find_cells
from leuknet.types import FieldScale

MICRONS = 0.5
TILE_PX = 160  # whole working pixels, so that a seam lies there
GLASS, TAIL, HEAD = (230, 220, 228), (140, 90, 130), (60, 10, 110)


def dark_things(view: FieldView, colours: FieldColours) -> Regions:
    """Anything dark that hangs together: a finder that knows nothing of how long a cell is."""
    numbers, _ = ndimage.label(view.pixels.max(axis=2) < 150)
    return np.asarray(numbers, np.int64)


@pytest.mark.parametrize("turned", [False, True])
def test_a_long_smudge_across_a_seam_is_no_cell_in_either_tile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turned: bool
) -> None:
    # Its dark end, which passes for a nucleus, is in the first tile; the rest reaches far into the second.
    head, tail = round(4 / MICRONS), round((REACH_UM - 6) / MICRONS)
    assert head + tail > MOST_UM / MICRONS
    pixels = np.full((80, 2 * TILE_PX, 3), GLASS, np.uint8)
    pixels[36:44, TILE_PX : TILE_PX + tail] = TAIL
    pixels[36:44, TILE_PX - head : TILE_PX] = HEAD
    pixels[10:20, 20:30] = TAIL  # and one thing that is as small as a cell
    pixels[13:17, 23:27] = HEAD
    Image.fromarray(pixels.transpose(1, 0, 2) if turned else pixels).save(tmp_path / "field.png")
    monkeypatch.setitem(FINDERS, "dark", dark_things)

    with open_field(tmp_path / "field.png") as field:
        whole, tiled = (
            list(find_cells(field, FieldScale(MICRONS, "stated"), finder="dark", tile_px=tile_px))
            for tile_px in (4096, TILE_PX)
        )

    assert len(whole) == 1
    assert [cell.id for cell in tiled] == [cell.id for cell in whole]
