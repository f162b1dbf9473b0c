"""The paper's network as most public code on this data set is written: Keras, with TensorFlow below it.

Runs in an environment of its own, see bench/README.md. Start at `open_peer`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from peers import BATCH_SIZE, EPOCHS, VALIDATE_EVERY, Setup


def keras_network(image_size_px: int) -> Any:
    """Return the 17 layers for pixels (N, S, S, 3) less the mean."""
    layers = keras.layers

    def normalize(x: Any) -> Any:  # TensorFlow's alpha is not divided by the window
        return tf.nn.local_response_normalization(x, depth_radius=2, bias=2.0, alpha=1e-4 / 5, beta=0.75)

    return keras.Sequential(
        [
            keras.Input((image_size_px, image_size_px, 3)),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Lambda(normalize),
            layers.MaxPooling2D(3, strides=2),
            layers.Conv2D(128, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(3, strides=2),
            layers.Conv2D(256, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(3, strides=2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(2),
        ]
    )


class InKeras:
    """The jobs."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.network = keras_network(setup.image_size_px)
        self.network.compile(
            keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        self.give_weights()

    def give_weights(self) -> None:
        """Start from the weights that all peers are given, in the order of axes that Keras wants."""
        given = self.setup.weights()
        moved = [value.transpose(2, 3, 1, 0) if value.ndim == 4 else value for value in given]
        side = int(np.sqrt(given[6].shape[1] / 256))
        dense = given[6].reshape(-1, 256, side, side).transpose(2, 3, 1, 0).reshape(side * side * 256, -1)
        self.network.set_weights([*moved[:6], dense, given[7], given[8].T, given[9]])

    def images(self, n: int) -> NDArray[np.float32]:
        """(n, S, S, 3) less the mean."""
        return self.setup.inputs(n).astype(np.float32) - np.array(self.setup.mean, dtype=np.float32)

    def load(self, paths: Sequence[Path]) -> NDArray[np.float32]:
        """Files to (n, S, S, 3) less the mean."""
        size = (self.setup.image_size_px, self.setup.image_size_px)
        arrays = [
            keras.utils.img_to_array(keras.utils.load_img(path, target_size=size, interpolation="bilinear"))
            for path in paths
        ]
        return np.stack(arrays) - np.array(self.setup.mean, dtype=np.float32)

    def batches(self, paths: Sequence[Path]) -> Iterator[NDArray[np.float32]]:
        """Read files batch by batch."""
        for start in range(0, len(paths), BATCH_SIZE):
            yield self.load(paths[start : start + BATCH_SIZE])

    def training_step(self, n: int) -> float:
        """One step on images in memory; Keras drops other values than PyTorch."""
        return float(self.network.train_on_batch(self.images(n), self.setup.first_labels(n)))

    def log_odds(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, S, S, 3) to (n,)."""
        logits = self.network.predict_on_batch(images)
        return np.asarray(logits[:, 1] - logits[:, 0])

    def forward(self, n: int) -> NDArray[np.float32]:
        """Images in memory to log odds."""
        return self.log_odds(self.images(n))

    def predicting(self, n: int) -> NDArray[np.float32]:
        """Files to log odds."""
        paths = (self.setup.paths * -(-n // len(self.setup.paths)))[:n]
        return np.concatenate([self.log_odds(images) for images in self.batches(paths)])

    def training(self) -> float:
        """Files to trained weights, with validation every five steps."""
        self.give_weights()
        learning, validating = self.setup.sides()
        paths, labels = self.setup.paths, np.array(self.setup.labels)
        loss, step, n_steps = 0.0, 0, EPOCHS * (len(paths[learning]) // BATCH_SIZE)
        for epoch in range(EPOCHS):
            order = np.random.default_rng(epoch).permutation(len(paths[learning]))
            for place, images in enumerate(self.batches([paths[index] for index in order])):
                chosen = order[place * BATCH_SIZE : (place + 1) * BATCH_SIZE]
                loss = float(self.network.train_on_batch(images, labels[chosen]))
                step += 1
                if step % VALIDATE_EVERY == 0 or step == n_steps:
                    np.concatenate([self.log_odds(images) for images in self.batches(paths[validating])])
        return loss


def open_peer(setup: Setup) -> InKeras:
    """Return the network with the weights that all peers are given."""
    return InKeras(setup)
