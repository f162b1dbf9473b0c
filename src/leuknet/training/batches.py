"""Prepared images, in the batches that the training loop takes.

Start at `read_material`, then `batches`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from leuknet.errors import DatasetError
from leuknet.images.inputs import MappedInputs, cached_inputs
from leuknet.images.survey import Survey, cached_survey
from leuknet.training.augment import Augmentation, make_augmentation
from leuknet.training.losses import even_weights, number_people, person_weights
from leuknet.types import CellImage, Dataset, Features, Recipe, Split

Item = tuple[Tensor, int, int]
"""What the network is given of one cell, its label, and the number of its person."""


@dataclass(frozen=True)
class Material:
    """What a network is trained on and judged by while it is trained.

    Attributes
    ----------
    train, validation : (N, S, S, 3) uint8
        The images of these sides at the network's size, in the order of the split.
    surveyed
        A survey that holds all cells of the split.
    """

    dataset: Dataset
    split: Split
    train: MappedInputs
    validation: MappedInputs
    surveyed: Survey


def read_material(
    split: Split, dataset: Dataset, recipe: Recipe, *, surveyed: Survey | None = None, progress: bool
) -> Material:
    """Read what a recipe's network needs of a split; images that the cache lacks are decoded.

    Raises
    ------
    DatasetError
        If an image cannot be read: a training leaves none out in silence.
    """
    train, validation = (
        _read_inputs(cells, dataset, recipe, progress=progress) for cells in (split.train, split.validation)
    )
    surveyed = surveyed or cached_survey(split.cells, dataset, progress=progress)
    return Material(dataset, split, train, validation, surveyed)


def _read_inputs(
    cells: tuple[CellImage, ...], dataset: Dataset, recipe: Recipe, *, progress: bool
) -> MappedInputs:
    form = recipe.input_form(dataset.canvas_px)
    loaded = cached_inputs(cells, form, pool=dataset.cells, root=dataset.root, progress=progress)
    if loaded.unreadable:
        cell, error = loaded.unreadable[0]
        raise DatasetError(
            f"{len(loaded.unreadable)} of {len(cells)} images cannot be read",
            why=f"the first is {cell.id!r}: {error.why}",
            fix="run `leuknet data verify` on the folder, then mend or remove what it lists",
        )
    return loaded


class LabelledInputs(torch.utils.data.Dataset[Item]):
    """Images (S, S, 3) uint8, read from the cache as they are asked for, or features (F,), with labels."""

    def __init__(self, inputs: MappedInputs | Features, cells: tuple[CellImage, ...]) -> None:
        self.inputs = inputs
        self.labels = [int(cell.label) for cell in cells if cell.label is not None]
        self.people = number_people(cells)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Item:
        return torch.from_numpy(self.inputs[index].copy()), self.labels[index], self.people[index]


class Epoch(torch.utils.data.Dataset[Item]):
    """The cells of one epoch in their order, each changed by a chance that its place decides."""

    def __init__(
        self,
        side: LabelledInputs,
        order: NDArray[np.int64],
        augmentation: Augmentation | None,
        chance: tuple[int, ...],
    ) -> None:
        self._side, self._order, self._augmentation, self._chance = side, order, augmentation, chance

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, place: int) -> Item:
        image, label, person = self._side[self._order[place]]
        if self._augmentation is not None:
            # Neither what ran before nor the number of processes has a part in it.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed_of(*self._chance, place))
                image = self._augmentation(image)
        return image, label, person


def batches(side: LabelledInputs, recipe: Recipe, epoch: int) -> DataLoader[Item]:
    """Return the whole batches of one epoch.

    MATLAB's default shuffles once and takes the same batches each epoch; the recipe says which is meant.
    Images are changed anew each epoch in any case.
    """
    chance = chance_of(recipe)
    stream = (*chance, 0 if recipe.shuffle == "once" else epoch)
    generator = np.random.default_rng(stream)
    if recipe.sampling == "once-each":
        order = generator.permutation(len(side))
    else:
        order = generator.choice(len(side), len(side), p=_shares(side, recipe))
    changed = Epoch(side, order, make_augmentation(recipe), (*chance, epoch))
    return DataLoader(changed, recipe.batch_size, drop_last=True)


def chance_of(recipe: Recipe) -> tuple[int, ...]:
    """Return the numbers that begin each seed of a training; those of the split are the recipe's alone."""
    return (recipe.seed, recipe.draw) if recipe.draw else (recipe.seed,)


def seed_of(*numbers: int) -> int:
    """Return one seed for torch that several numbers decide."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _shares(side: LabelledInputs, recipe: Recipe) -> NDArray[np.float64]:
    labels, people = torch.tensor(side.labels), torch.tensor(side.people)
    if recipe.sampling == "class-balanced":
        weights = even_weights(labels)[labels]
    else:
        weights = person_weights(labels, people)[people]
    shares = weights.double().numpy()
    return np.asarray(shares / shares.sum())
