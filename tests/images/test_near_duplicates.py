"""The perceptual hash: copies of a cell are found, other cells are not, in the figures that it states."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leuknet.data import read_pixels
from leuknet.images.near_duplicates import HASH_BITS, NEAR_BITS, perceptual_hash
from leuknet.simulation.simulate import golden_cells
from leuknet.types import Pixels


def bits_apart(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


def saved_as(pixels: Pixels, kind: str, **options: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return np.asarray(Image.open(file).convert("RGB"))


def brighter(pixels: Pixels, factor: float) -> Pixels:
    return np.clip(np.round(pixels * factor), 0, 255).astype(np.uint8)


def resized(pixels: Pixels) -> Pixels:
    small = Image.fromarray(pixels).resize((400, 400), Image.Resampling.BILINEAR)
    return np.asarray(small.resize((450, 450), Image.Resampling.BILINEAR))


@pytest.fixture(scope="module")
def cells() -> Pixels:
    return golden_cells(4)


COPIES: dict[str, Callable[[Pixels], Pixels]] = {
    "PNG": lambda pixels: saved_as(pixels, "PNG"),
    "JPEG": lambda pixels: saved_as(pixels, "JPEG", quality=75),
    "brighter": lambda pixels: brighter(pixels, 1.05),
    "darker": lambda pixels: brighter(pixels, 0.95),
    "resized": resized,
    "shifted": lambda pixels: np.roll(pixels, 1, axis=1),
}


def test_a_hash_is_the_librarys_256_bits_as_lower_case_hex(cells: Pixels) -> None:
    found = perceptual_hash(cells[0])

    assert HASH_BITS == 256
    assert len(found) == 64
    assert set(found) <= set("0123456789abcdef")


def test_a_black_image_has_a_hash_without_any_bit() -> None:
    assert perceptual_hash(np.zeros((450, 450, 3), dtype=np.uint8)) == "0" * 64


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_of_a_simulated_cell_is_near_it(cells: Pixels, copy: str) -> None:
    distances = [bits_apart(perceptual_hash(cell), perceptual_hash(COPIES[copy](cell))) for cell in cells]

    assert max(distances) <= NEAR_BITS


def test_simulated_cells_are_not_near_each_other(cells: Pixels) -> None:
    hashes = [perceptual_hash(cell) for cell in cells]

    assert min(bits_apart(*pair) for pair in combinations(hashes, 2)) > NEAR_BITS


def test_a_turned_cell_is_not_found_as_the_module_says(cells: Pixels) -> None:
    turned = np.rot90(cells[0]).copy()

    assert bits_apart(perceptual_hash(cells[0]), perceptual_hash(turned)) > NEAR_BITS


def test_real_crops_are_as_far_apart_as_the_module_says(shared_data: Path) -> None:
    paths = sorted((shared_data / "cnmc2019").rglob("*.bmp"))
    hashes = {path.name: perceptual_hash(read_pixels(path).pixels) for path in paths}

    apart = {pair: bits_apart(*(hashes[name] for name in pair)) for pair in combinations(hashes, 2)}

    near = {pair: bits for pair, bits in apart.items() if bits <= NEAR_BITS}
    # Looked at: each shows one cell of one person, photographed in two neighbouring fields.
    assert near == {
        ("UID_11_5_2_all.bmp", "UID_11_6_6_all.bmp"): 8,
        ("UID_14_11_2_all.bmp", "UID_14_12_3_all.bmp"): 10,
        ("UID_13_10_1_all.bmp", "UID_13_11_1_all.bmp"): 14,
        ("UID_14_30_1_all.bmp", "UID_14_31_1_all.bmp"): 16,
        ("UID_11_4_1_all.bmp", "UID_11_5_4_all.bmp"): 20,
        ("UID_14_11_1_all.bmp", "UID_14_12_1_all.bmp"): 20,
    }
    assert len(apart) == 129 * 128 / 2
    assert min(bits for pair, bits in apart.items() if pair not in near) == 50


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_of_a_real_crop_is_near_it(shared_data: Path, copy: str) -> None:
    for path in sorted((shared_data / "cnmc2019").rglob("*.bmp"))[::16]:
        pixels = read_pixels(path).pixels

        assert bits_apart(perceptual_hash(pixels), perceptual_hash(COPIES[copy](pixels))) <= NEAR_BITS
