"""Measures of drawn pictures, worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from leuknet.errors import ShapeError
from leuknet.images.measures import Measures, measure
from leuknet.images.reading import read_pixels
from leuknet.types import Pixels

# Rounding three channels has the variance 1/12 each, grey (0.299^2 + 0.587^2 + 0.114^2) / 12 = 0.03725, and
# its Laplacian 4^2 + 1 + 1 + 1 + 1 = 20 times as much.
ROUNDING = 0.745


def test_size_and_colour_are_those_worked_out_by_hand() -> None:
    picture = np.zeros((20, 10, 3), np.uint8)
    picture[2:8, 3:7] = (100, 50, 150)
    picture[2:5, 3:7] = (200, 50, 100)
    picture[7, 6] = 0  # a corner of the box

    found = measure(picture)

    assert found[:3] == pytest.approx((23, 1 - 23 / 200, 23 / 24))
    # 12 pixels of the one colour, 11 of the other.
    means = ((12 * 200 + 11 * 100) / 23, 50, (12 * 100 + 11 * 150) / 23)
    assert (found.red, found.green, found.blue) == pytest.approx(means)
    # Grey levels differ by 0.299 * 100 - 0.114 * 50 = 24.2; shares of 12 and 11 in 23.
    assert found.contrast == pytest.approx(24.2 * math.sqrt(12 * 11) / 23, rel=1e-5)


@pytest.mark.parametrize(("level", "area"), [(8, 0), (9, 1)])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_channel_above_eight_makes_a_pixel_part_of_the_cell(channel: int, level: int, area: int) -> None:
    picture = np.zeros((5, 5, 3), np.uint8)
    picture[2, 3, channel] = level

    assert measure(picture).area_px == area


def test_an_all_black_picture_has_finite_measures() -> None:
    assert measure(np.zeros((9, 9, 3), np.uint8)) == Measures(0, 1, 0, 0, 0, 0, 0, 0)


def test_a_cell_without_an_inside_has_finite_measures() -> None:
    picture = np.zeros((9, 9, 3), np.uint8)
    picture[2:6, 2:6] = 90  # four pixels wide: none is three from the rim

    found = measure(picture)

    assert np.isfinite(found).all()
    assert found.sharpness == 0


def test_sharpness_of_a_checkerboard_is_the_one_worked_out_by_hand() -> None:
    picture = np.full((30, 30, 3), 100, np.uint8)
    picture[::2, ::2] = picture[1::2, 1::2] = 110

    # Each pixel's four neighbours differ by 10: Laplacians of +40 and -40, half and half.
    assert measure(picture).sharpness == pytest.approx(math.log(1600 + ROUNDING))


def test_a_black_surround_adds_no_sharpness() -> None:
    plain = np.full((20, 20, 3), 200, np.uint8)
    disc = np.hypot(*np.mgrid[-10:10, -10:10]) < 9
    on_black = plain * disc[:, :, None].astype(np.uint8)

    assert (
        measure(on_black).sharpness == measure(plain).sharpness == pytest.approx(math.log(ROUNDING), abs=1e-3)
    )


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 5, 3), np.float32),
    ],
)
def test_what_is_no_colour_image_is_refused(picture: Pixels) -> None:
    with pytest.raises(ShapeError, match="cannot measure"):
        measure(picture)


def test_real_cells_fill_their_outline_and_lose_sharpness_by_blur(shared_data: Path) -> None:
    folder = shared_data / "cnmc2019" / "C-NMC_Leukemia" / "training_data"
    cells = [read_pixels(path).pixels for path in sorted(folder.rglob("*.bmp"))[::8]]
    blurred = [np.array(Image.fromarray(cell).filter(ImageFilter.GaussianBlur(2))) for cell in cells]

    found = [measure(cell) for cell in cells]

    assert all(20_000 < one.area_px < 51_000 and 0.4 < one.fill < 0.83 for one in found)
    assert all(one.blue > one.red > one.green for one in found)  # haematoxylin and eosin: purple
    assert all(
        measure(after).sharpness < before.sharpness - 0.3
        for after, before in zip(blurred, found, strict=True)
    )
