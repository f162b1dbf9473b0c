"""What the benchmark times: LeukNet, and what a user would otherwise run, each in a file of its own.

Each module has a function that opens a peer, an object with some of these methods. A job gives its answer, so
that answers can be compared: log odds of images, or the loss of a training.

    training_step(n)    one optimiser step on n prepared images -> loss before it
    forward(n)          n prepared images -> log odds (n,)
    predicting(n)       n image files -> log odds (n,)
    decoding(n)         n image files -> mean of the prepared pixels
    training()          files to trained weights, with validation every five steps -> loss of the last step

Start at `Setup`; `bench/worker.py` runs a peer in its own process.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

EPOCHS, BATCH_SIZE, VALIDATE_EVERY = 2, 32, 5
"""Of the training from end to end. The paper trains 10 epochs of 8,491 images; this must end in minutes."""


@dataclass(frozen=True)
class Setup:
    """What all peers are given: the same files, the same prepared images, the same weights.

    Attributes
    ----------
    folder
        Holds `data/` (cells as files), `run/model/` (a model trained on them), `cells.npy` and `frames.npy`
        (prepared images, (N, S, S, 3) uint8; frames have no black margin).
    images
        `cells` or `frames`.
    paths, labels
        Image files and their labels, 1 leukaemic.
    mean
        Of the training images' channels, 0 to 255.
    """

    folder: Path
    images: str
    image_size_px: int
    paths: tuple[Path, ...]
    labels: tuple[int, ...]
    mean: tuple[float, float, float]

    @classmethod
    def read(cls, path: Path) -> Setup:
        """Read what `bench/run.py` wrote."""
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        content |= {"folder": Path(content["folder"]), "paths": tuple(map(Path, content["paths"]))}
        return cls(**content | {"labels": tuple(content["labels"]), "mean": tuple(content["mean"])})

    def inputs(self, n: int) -> NDArray[np.uint8]:
        """Return n prepared images (n, S, S, 3), from the start again where there are fewer."""
        stored = np.load(self.folder / f"{self.images}.npy")
        return np.ascontiguousarray(stored[np.arange(n) % len(stored)])

    def first_labels(self, n: int) -> NDArray[np.int64]:
        """Labels of `inputs(n)`."""
        return np.array(self.labels)[np.arange(n) % len(self.labels)]

    def weights(self) -> list[NDArray[np.float32]]:
        """Weights and biases of the paper's network, in the order of its layers; convolutions are OIHW."""
        stored = load_file(self.folder / "run" / "model" / "weights.safetensors")
        layers = ("conv1", "conv2", "conv3", "fc1", "fc2")
        return [stored[f"{layer}.{kind}"] for layer in layers for kind in ("weight", "bias")]

    def sides(self) -> tuple[slice, slice]:
        """Training and validation files of the training from end to end."""
        n = len(self.paths) * 3 // 4 // BATCH_SIZE * BATCH_SIZE
        return slice(0, n), slice(n, -1)  # the last is LeukNet's test side, which it does not look at
