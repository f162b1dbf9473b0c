"""Features of texture against pictures whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from leuknet.images.texture import TEXTURES, describe_texture
from leuknet.types import Pixels


def disc(radius: int = 40, colour: tuple[int, int, int] = (120, 60, 140)) -> Pixels:
    y, x = np.mgrid[:200, :200]
    image = np.zeros((200, 200, 3), np.uint8)
    image[(y - 100) ** 2 + (x - 90) ** 2 <= radius**2] = colour
    return image


def named(pixels: Pixels) -> dict[str, float]:
    return dict(zip(TEXTURES, describe_texture(pixels).tolist(), strict=True))


def test_a_plain_disc_is_round_whole_and_without_texture() -> None:
    found = named(disc())

    assert found["shape area"] == pytest.approx(np.pi * 40**2, rel=0.01)
    assert found["shape perimeter"] == pytest.approx(2 * np.pi * 40, rel=0.05)
    assert found["shape eccentricity"] < 0.05
    assert found["shape solidity"] > 0.97
    assert found["contrast at 1 px"] == found["contrast at 4 px"] == 0
    assert found["homogeneity at 1 px"] == found["energy at 4 px"] == 1
    assert found["deviation L"] == pytest.approx(0, abs=1e-9)
    # A uniform pixel has no neighbour that is darker: the last but one of the uniform patterns.
    assert found["pattern 8 at 1 px"] > 0.9


def test_the_colour_is_cielab() -> None:
    found = named(disc(colour=(255, 255, 255)))

    assert found["mean L"] == pytest.approx(100, abs=0.01)
    assert (found["mean a"], found["mean b"]) == pytest.approx((0, 0), abs=0.01)


def test_stripes_are_seen_in_the_directions_that_cross_them() -> None:
    image = disc()
    stripes = image.copy()
    stripes[:, ::2] = stripes[:, ::2] // 2

    found = named(stripes)

    # A column away all but the vertical pairs differ; four away only the diagonal ones, which lie 3 columns
    # apart: three directions of four against two.
    assert found["contrast at 1 px"] / found["contrast at 4 px"] == pytest.approx(1.5, rel=0.05)


def test_a_turn_by_a_quarter_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    image = disc()
    lit = image.max(axis=2) > 0
    image[lit] = rng.integers(60, 180, (int(lit.sum()), 3))

    np.testing.assert_allclose(
        describe_texture(image), describe_texture(np.rot90(image).copy()), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("image", [np.zeros((50, 50, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)])
def test_a_black_picture_has_no_features(image: Pixels) -> None:
    image[0, 0] = 200

    assert not describe_texture(image).any()


def test_a_whole_picture_is_one_piece() -> None:
    image = np.full((60, 80, 3), 90, np.uint8)

    assert named(image)["shape extent"] == 1
