"""Prepared images, in the batches that the training loop takes.

Start at `read_inputs`, then `batches`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from leuknet.data.cache import MappedInputs, cached_inputs
from leuknet.errors import DatasetError
from leuknet.types import CellImage, Dataset, Recipe


def read_inputs(
    cells: tuple[CellImage, ...], dataset: Dataset, image_size_px: int, *, progress: bool
) -> MappedInputs:
    """Return one side's images at the network's size; those that the cache lacks are decoded.

    Raises
    ------
    DatasetError
        If an image cannot be read: a training leaves none out in silence.
    """
    loaded = cached_inputs(
        cells,
        pool=dataset.cells,
        root=dataset.root,
        canvas_px=dataset.canvas_px,
        image_size_px=image_size_px,
        progress=progress,
    )
    if loaded.unreadable:
        cell, error = loaded.unreadable[0]
        raise DatasetError(
            f"{len(loaded.unreadable)} of {len(cells)} images cannot be read",
            why=f"the first is {cell.id!r}: {error.why}",
            fix="run `leuknet data verify` on the folder, then mend or remove what it lists",
        )
    return loaded.inputs


class LabelledInputs(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Images (S, S, 3) uint8 with their labels, read from the cache as they are asked for."""

    def __init__(self, inputs: MappedInputs, cells: tuple[CellImage, ...]) -> None:
        self.inputs = inputs
        self.labels = [int(cell.label) for cell in cells if cell.label is not None]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.from_numpy(self.inputs[index].copy()), self.labels[index]


def batches(side: LabelledInputs, recipe: Recipe, epoch: int) -> DataLoader[tuple[Tensor, int]]:
    """Return the whole batches of one epoch.

    MATLAB's default shuffles once and takes the same batches each epoch; the recipe says which is meant.
    """
    stream = (recipe.seed, 0 if recipe.shuffle == "once" else epoch)
    order = np.random.default_rng(stream).permutation(len(side))
    return DataLoader(side, recipe.batch_size, sampler=order.tolist(), drop_last=True)


def as_float(images: Tensor) -> Tensor:
    """(N, S, S, 3) uint8 to (N, 3, S, S) float32; they stay in memory as convolutions want them."""
    return images.permute(0, 3, 1, 2).float()
