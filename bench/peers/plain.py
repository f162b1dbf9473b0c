"""The peer of the benchmark: the paper's network and pipeline as most people would write them in PyTorch.

A figure such as "80 ms per image" says little by itself. This module is what a reader of the paper would
write in an afternoon from PyTorch's own tutorials, in eager fp32, with each part the library offers for it:
`nn.LocalResponseNorm`, `torchvision.transforms`, a `DataLoader` with workers, `optim.Adam`. It is meant to be
plain, not slow: it computes what LeukNet computes, and nothing that a careful author would leave out.

Start at `plain_network`, then `plain_loader`; `Plain` are its jobs. Nothing here imports LeukNet.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms  # type: ignore[import-untyped]  # torchvision ships no types

from peers import BATCH_SIZE, EPOCHS, VALIDATE_EVERY, Setup


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
def plain_log_odds(network: nn.Module, images: Tensor) -> Tensor:
    """(N, 3, S, S) to (N,) log odds."""
    logits: Tensor = network.eval()(images)
    return logits[:, 1] - logits[:, 0]


def give_weights(network: nn.Module, setup: Setup) -> None:
    """Start from the weights that all peers are given."""
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), setup.weights(), strict=True):
            parameter.copy_(torch.from_numpy(value))


class Plain:
    """The jobs, with any network that takes (N, 3, S, S) less the mean."""

    def __init__(self, setup: Setup, network: nn.Module) -> None:
        self.setup, self.network = setup, network
        self.adam = torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=1e-4)
        self.loaders: dict[int, DataLoader[Tensor]] = {}

    def images(self, n: int) -> Tensor:
        """(n, 3, S, S) as a loader gives them."""
        images = torch.from_numpy(self.setup.inputs(n)).permute(0, 3, 1, 2).contiguous().float()
        return images - torch.tensor(self.setup.mean).view(3, 1, 1)

    def training_step(self, n: int) -> float:
        """One step on images in memory."""
        torch.manual_seed(0)
        labels = torch.from_numpy(self.setup.first_labels(n))
        return plain_step(self.network, self.adam, self.images(n), labels)

    def forward(self, n: int) -> NDArray[np.float32]:
        """Images in memory to log odds."""
        return plain_log_odds(self.network, self.images(n)).numpy()

    def loader(self, n: int) -> DataLoader[Tensor]:
        """Return the loader of n files, the same in every round: its workers stay alive."""
        if n not in self.loaders:
            paths = (self.setup.paths * -(-n // len(self.setup.paths)))[:n]
            self.loaders[n] = plain_loader(
                paths,
                image_size_px=self.setup.image_size_px,
                channel_mean=self.setup.mean,
                batch_size=BATCH_SIZE,
            )
        return self.loaders[n]

    def predicting(self, n: int) -> NDArray[np.float32]:
        """Files to log odds."""
        return torch.cat([plain_log_odds(self.network, images) for images in self.loader(n)]).numpy()

    def decoding(self, n: int) -> float:
        """Files to tensors."""
        mean = torch.tensor(self.setup.mean).view(3, 1, 1)
        return float(np.mean([float((images + mean).mean()) for images in self.loader(n)]))

    def training(self) -> float:
        """Files to trained weights, with a shuffle of each epoch and validation every five steps."""
        learning, validating = self.setup.sides()
        labels = torch.tensor(self.setup.labels)
        give_weights(self.network, self.setup)
        loss, step = 0.0, 0
        held_out = plain_loader(
            self.setup.paths[validating],
            image_size_px=self.setup.image_size_px,
            channel_mean=self.setup.mean,
            batch_size=BATCH_SIZE,
        )
        n_steps = EPOCHS * (len(self.setup.paths[learning]) // BATCH_SIZE)
        for epoch in range(EPOCHS):
            order = np.random.default_rng(epoch).permutation(len(self.setup.paths[learning]))
            loader = plain_loader(
                [self.setup.paths[index] for index in order],
                image_size_px=self.setup.image_size_px,
                channel_mean=self.setup.mean,
                batch_size=BATCH_SIZE,
            )
            for place, images in enumerate(loader):
                chosen = order[place * BATCH_SIZE : (place + 1) * BATCH_SIZE]
                loss = plain_step(self.network, self.adam, images, labels[chosen])
                step += 1
                if step % VALIDATE_EVERY == 0 or step == n_steps:
                    torch.cat([plain_log_odds(self.network, images) for images in held_out])
        return loss


def open_peer(setup: Setup) -> Plain:
    """Return the paper's network."""
    network = plain_network(setup.image_size_px)
    give_weights(network, setup)
    return Plain(setup, network)
