"""The peer of the benchmark: the paper's network and pipeline as most people would write them in PyTorch.

A figure such as "80 ms per image" says little by itself. This module is what a reader of the paper would
write in an afternoon from PyTorch's own tutorials, in eager fp32, with each part the library offers for it:
`nn.LocalResponseNorm`, `torchvision.transforms`, a `DataLoader` with workers, `optim.Adam`. It is meant to be
plain, not slow: it computes what LeukNet computes, and nothing that a careful author would leave out.

Intervals are what scikit-learn's scores in a loop give.

Start at `plain_network`, then `plain_loader`. Nothing here imports LeukNet.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn import metrics
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms  # type: ignore[import-untyped]  # torchvision ships no types


def plain_network(image_size_px: int) -> nn.Sequential:
    """Return the 17 layers with PyTorch's fresh weights; (N, 3, S, S) float32 to logits (N, 2)."""
    side = image_size_px
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1),
        nn.ReLU(),
        nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 128, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(128, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Flatten(),
        nn.Linear(256 * side * side, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 2),
    )


class CellFiles(Dataset[Tensor]):
    """Image files as (3, S, S) float32 in 0..255, less the training images' channel mean.

    Parameters
    ----------
    channel_mean
        Red, green, blue, in 0..255.
    """

    def __init__(
        self, paths: Sequence[Path], *, image_size_px: int, channel_mean: tuple[float, float, float]
    ) -> None:
        self.paths = paths
        self.transform = transforms.Compose(
            [
                transforms.Resize((image_size_px, image_size_px)),
                transforms.ToTensor(),
                # ToTensor divides by 255. The paper's toolbox keeps 0..255, and so does this.
                transforms.Normalize([value / 255 for value in channel_mean], [1 / 255] * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        tensor: Tensor = self.transform(Image.open(self.paths[index]).convert("RGB"))
        return tensor


def plain_loader(
    paths: Sequence[Path],
    *,
    image_size_px: int,
    channel_mean: tuple[float, float, float],
    batch_size: int,
) -> DataLoader[Tensor]:
    """Return a loader of batches (N, 3, S, S), with four workers, or one per core where there are fewer.

    The workers stay alive between passes, so that only the first pass pays for their start.
    """
    files = CellFiles(paths, image_size_px=image_size_px, channel_mean=channel_mean)
    workers = min(4, os.cpu_count() or 1)
    return DataLoader(files, batch_size=batch_size, num_workers=workers, persistent_workers=True)


def plain_step(network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> float:
    """Do one training step; return the loss before it."""
    network.train()
    optimizer.zero_grad()
    loss = functional.cross_entropy(network(images), labels)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


@torch.no_grad()
def plain_probabilities(network: nn.Module, images: Tensor) -> Tensor:
    """(N, 3, S, S) to (N,) P(leukaemic)."""
    network.eval()
    return functional.softmax(network(images), dim=1)[:, 1]


def plain_intervals(labels: Any, probabilities: Any, subjects: Any, *, resamples: int) -> Any:
    """Return 95% limits (6, 2) of six scores by scikit-learn, in a loop that resamples people."""
    generator = np.random.default_rng(0)
    people = np.unique(subjects)
    cells_of = [np.flatnonzero(subjects == one) for one in people]
    scores = []
    for drawn in generator.integers(len(people), size=(resamples, len(people))):
        cells = np.concatenate([cells_of[one] for one in drawn])
        truth, stated = labels[cells], probabilities[cells]
        called = stated >= 0.5
        scores.append(
            (
                metrics.accuracy_score(truth, called),
                metrics.balanced_accuracy_score(truth, called),
                metrics.f1_score(truth, called, average="weighted"),
                metrics.roc_auc_score(truth, stated),
                metrics.average_precision_score(truth, stated),
                metrics.brier_score_loss(truth, stated),
            )
        )
    return np.quantile(scores, (0.025, 0.975), axis=0).T
