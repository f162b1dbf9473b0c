"""Changed images keep their scale and their black, and repeat themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from leuknet.images.transform import turned
from leuknet.recipes.leuknet_paper import LEUKNET_PAPER
from leuknet.training.augment import StainJitter, make_augmentation
from leuknet.training.batches import Epoch, LabelledInputs, batches
from leuknet.types import CellImage, Label
from tests.run_folders import cells_of

SIDE = 32


def disc() -> Tensor:
    """A grey disc of radius 8 on black, a quarter of the way from the top left corner."""
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[(y - 12) ** 2 + (x - 14) ** 2 <= 64] = (150, 90, 160)
    return torch.from_numpy(image)


def area(image: Tensor) -> int:
    return int((image.max(dim=2).values > 60).sum())


def test_a_recipe_that_changes_nothing_has_no_augmentation() -> None:
    assert make_augmentation(LEUKNET_PAPER) is None


@pytest.mark.parametrize(
    "settings", [{"rotate_deg": 180.0}, {"flip": True}, {"shift": 0.1}, {"brightness": 0.2}, {"stain": 0.3}]
)
def test_each_change_changes_an_image_and_leaves_its_size_and_its_black(settings: dict[str, float]) -> None:
    change = make_augmentation(replace(LEUKNET_PAPER, **settings))  # type: ignore[arg-type]
    assert change is not None
    torch.manual_seed(0)

    changed = [change(disc()) for _ in range(8)]

    assert all(one.shape == (SIDE, SIDE, 3) and one.dtype == torch.uint8 for one in changed)
    assert any(not torch.equal(one, disc()) for one in changed)
    for one in changed:
        assert area(one) == pytest.approx(area(disc()), rel=0.06)  # a cell's size tells the classes apart
        assert int((one == 0).all(dim=2).sum()) > 0.7 * SIDE**2


def test_stain_is_a_power_of_its_own_for_each_channel() -> None:
    torch.manual_seed(1)
    factors = torch.exp(0.3 * torch.randn(3))
    image = torch.arange(256, dtype=torch.uint8).expand(3, 1, 256)
    torch.manual_seed(1)

    found = StainJitter(0.3)(image)

    expected = 255 * (torch.arange(256) / 255) ** factors[:, None]
    assert torch.equal(found[:, 0], expected.round().to(torch.uint8))
    assert found[:, 0, 0].tolist() == [0, 0, 0]
    assert found[:, 0, 255].tolist() == [255, 255, 255]


def sided(cells: tuple[CellImage, ...]) -> LabelledInputs:
    inputs: NDArray[np.float32] = np.arange(len(cells), dtype=np.float32)[:, None]
    return LabelledInputs(inputs, cells)


def test_the_change_of_an_image_depends_on_its_place_alone() -> None:
    recipe = replace(LEUKNET_PAPER, rotate_deg=180.0, batch_size=2)
    pictures = np.stack([disc().numpy()] * 6)
    cells = cells_of(2, 3, side="train")
    side = LabelledInputs(pictures, cells)
    order = np.arange(6)
    change = make_augmentation(recipe)

    torch.manual_seed(5)
    first = [Epoch(side, order, change, (0, 1))[place][0] for place in range(6)]
    torch.manual_seed(6)
    again = [Epoch(side, order, change, (0, 1))[place][0] for place in reversed(range(6))]
    next_epoch = Epoch(side, order, change, (0, 2))[0][0]

    assert all(torch.equal(one, other) for one, other in zip(first, reversed(again), strict=True))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], next_epoch)


def drawn(cells: tuple[CellImage, ...], **settings: object) -> list[int]:
    recipe = replace(LEUKNET_PAPER, batch_size=10, **settings)  # type: ignore[arg-type]
    epochs = range(1, 41)
    side = sided(cells)
    return [int(one) for epoch in epochs for batch in batches(side, recipe, epoch) for one in batch[0]]


def test_sampling_draws_classes_or_people_evenly() -> None:
    # 30 cells of one leukaemic person, 5 + 5 of two normal ones.
    many = cells_of(1, 30, side="train")
    few = tuple(
        replace(cell, label=Label.NORMAL, subject=f"N{number % 2}", id=f"n{number}")
        for number, cell in enumerate(cells_of(1, 10, side="other"))
    )
    some = (*many, *few[:8], few[9])  # N0 has 4 cells, N1 has 5
    people = np.array([str(cell.subject) for cell in some])

    def shares(**settings: object) -> dict[str, float]:
        found = np.array(drawn(some, shuffle="every-epoch", **settings))
        return {name: float((people[found] == name).mean()) for name in ("train0", "N0", "N1")}

    assert shares(sampling="once-each")["train0"] == pytest.approx(30 / 39, abs=0.02)
    by_class = shares(sampling="class-balanced")
    assert by_class["train0"] == pytest.approx(0.5, abs=0.05)
    assert by_class["N0"] / by_class["N1"] == pytest.approx(4 / 5, abs=0.12)
    by_person = shares(sampling="subject-balanced")
    assert by_person["train0"] == pytest.approx(0.5, abs=0.05)
    assert by_person["N0"] == pytest.approx(by_person["N1"], abs=0.05)


def test_images_are_turned_by_equal_angles() -> None:
    images = np.stack([disc().numpy(), disc().numpy()[::-1]])

    first, quarter, half, rest = turned(images, 4)

    assert first is images
    np.testing.assert_array_equal(quarter, np.rot90(images, axes=(1, 2)))
    np.testing.assert_array_equal(half, np.rot90(images, 2, axes=(1, 2)))
    np.testing.assert_array_equal(rest, np.rot90(images, 3, axes=(1, 2)))
    eighth = list(turned(images, 8))[1]
    assert area(torch.from_numpy(eighth[0])) == pytest.approx(area(disc()), rel=0.06)
