"""Each image is read once, and what several judges need of it is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leuknet.images.measures import measure
from leuknet.images.near_duplicates import perceptual_hash
from leuknet.images.survey import THUMBNAIL_PX, Survey, survey
from leuknet.types import CellImage, Label


@pytest.fixture
def cells(tmp_path: Path) -> list[CellImage]:
    """Four discs of growing size on black; the third file is broken."""
    made = []
    rows, columns = np.ogrid[:64, :64]
    for number in range(4):
        disc = np.hypot(rows - 32, columns - 32) < 8 + 5 * number
        pixels = np.where(disc[:, :, None], np.array([90, 40, 110]), 0).astype(np.uint8)
        path = tmp_path / f"{number}.bmp"
        Image.fromarray(pixels).save(path)
        made.append(CellImage(path.name, path, f"{number:064x}", Label(number % 2), f"p{number}"))
    made[2].path.write_bytes(b"BM")
    return made


def look(cells: list[CellImage], *, canvas_px: int | None = None) -> Survey:
    return survey(cells, root=cells[0].path.parent, canvas_px=canvas_px)


def test_readable_cells_keep_their_order_and_broken_ones_are_named(cells: list[CellImage]) -> None:
    found = look(cells)

    assert [cell.id for cell in found.cells] == ["0.bmp", "1.bmp", "3.bmp"]
    ((broken, error),) = found.unreadable
    assert (broken.id, "2.bmp" in f"{error.what}{error.why}") == ("2.bmp", True)


def test_each_cell_has_the_facts_of_its_own_picture(cells: list[CellImage]) -> None:
    found = look(cells)

    for place, cell in enumerate(found.cells):
        pixels = np.array(Image.open(cell.path))
        assert found.hashes[place] == perceptual_hash(pixels)
        assert found.measures[place] == pytest.approx(measure(pixels))
    assert found.thumbnails.shape == (3, THUMBNAIL_PX, THUMBNAIL_PX, 3)
    assert (np.diff(found.thumbnails.astype(float).sum(axis=(1, 2, 3))) > 0).all()  # growing discs


def test_facts_are_those_of_the_picture_on_its_canvas(cells: list[CellImage]) -> None:
    whole, placed = look(cells), look(cells, canvas_px=128)

    areas = [found.measures[:, 0] for found in (whole, placed)]
    assert areas[0] == pytest.approx(areas[1])  # the cell at its true size
    assert (placed.measures[:, 1] > whole.measures[:, 1]).all()  # on more black


def test_cells_are_taken_in_the_order_asked_for_and_missing_ones_left_out(cells: list[CellImage]) -> None:
    found = look(cells)
    taken = found.take([cells[3], cells[2], cells[0]])

    assert [cell.id for cell in taken.cells] == ["3.bmp", "0.bmp"]
    assert taken.hashes == (found.hashes[2], found.hashes[0])
    assert (taken.measures == found.measures[[2, 0]]).all()
    assert (taken.thumbnails == found.thumbnails[[2, 0]]).all()
    assert [cell.id for cell, _ in taken.unreadable] == ["2.bmp"]
    assert found.take([cells[0]]).unreadable == ()


def test_no_cells_are_no_error(tmp_path: Path) -> None:
    found = survey([], root=tmp_path, canvas_px=None)

    assert (len(found.cells), found.measures.shape[0], found.thumbnails.shape[0]) == (0, 0, 0)


def test_a_picture_outside_the_root_is_not_read(cells: list[CellImage], tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()

    assert len(survey(cells, root=tmp_path / "inner", canvas_px=None).unreadable) == 4
