"""LeukNet: PyTorch for training, and both engines for predicting."""

from __future__ import annotations

import dataclasses
import os
import shutil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

import leuknet
from leuknet.data import open_dataset
from leuknet.data.split import fingerprint
from leuknet.images.transform import load_inputs
from leuknet.inference.predict import predict_files
from leuknet.recipes import get_recipe
from leuknet.types import InputForm, Split
from peers import BATCH_SIZE, EPOCHS, VALIDATE_EVERY, Setup


class Ours:
    """The calls that users make; only the optimiser's step is taken out of the loop."""

    def __init__(self, setup: Setup, engine: Any) -> None:
        self.setup, self.engine = setup, engine
        self.model = leuknet.load(setup.folder / "run" / "model", engine=engine)
        self.dataset = open_dataset(setup.folder / "data")
        place = {cell.path: cell for cell in self.dataset.cells}
        self.cells = [place[path] for path in setup.paths]
        if engine == "torch":
            self._get_ready_to_train()

    def _get_ready_to_train(self) -> None:
        """Import what training needs, and make its optimiser: the others do so before they are timed, too."""
        from leuknet.networks.windowed import windowed
        from leuknet.training.optimise import make_optimizer

        network: Any = self.model
        self.windowed = windowed(network.network)
        self.adam = make_optimizer(network.network, get_recipe("leuknet-paper"))

    def training_step(self, n: int) -> float:
        """Forward, backward and Adam of `leuknet.training.loop`, without its history and checkpoints."""
        import torch
        from torch.nn import functional

        from leuknet.networks.predictor import channels_first

        images = channels_first(torch.from_numpy(self.setup.inputs(n)))
        labels = torch.from_numpy(self.setup.first_labels(n))
        torch.manual_seed(0)  # all sides drop the same values
        loss = functional.cross_entropy(self.windowed.train()(images), labels)
        self.adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        return float(loss.item())

    def forward(self, n: int) -> NDArray[np.float64]:
        """Prepared images to log odds."""
        return self.model.run(self.setup.inputs(n))[0]

    def predicting(self, n: int) -> NDArray[np.float64]:
        """What `leuknet predict` does, its checks for unfamiliar images included."""
        paths = (self.setup.paths * -(-n // len(self.setup.paths)))[:n]
        lines = predict_files(self.model, paths, reference=self.model.reference)
        # A file without a probability becomes nan, which no tolerance lets pass.
        found = np.array([np.nan if line.probability is None else line.probability for line in lines])
        calibration = self.model.card.calibration
        return np.asarray(logit(found) * (1.0 if calibration is None else calibration.temperature))

    def decoding(self, n: int) -> float:
        """Files to inputs, by the reader that training uses where its cache is empty."""
        form = InputForm(self.dataset.canvas_px, self.setup.image_size_px)
        loaded = load_inputs(self.cells[:n], form, root=self.dataset.root)
        return float(loaded.inputs.mean())

    def training(self) -> float:
        """`leuknet.training.train.train` with an empty cache; survey, calibration and saving included."""
        shutil.rmtree(os.environ["LEUKNET_CACHE"], ignore_errors=True)
        return self.training_again()

    def training_again(self) -> float:
        """The same with the cache that an earlier training left."""
        from leuknet.training.train import train

        learning, validating = self.setup.sides()
        sides = tuple(self.cells[learning]), tuple(self.cells[validating]), tuple(self.cells[-1:])
        split = Split(*sides, kind="image-level", seed=0, fingerprint=fingerprint(*sides))
        recipe = dataclasses.replace(
            get_recipe("leuknet-paper"),
            epochs=EPOCHS,
            batch_size=BATCH_SIZE,
            validate_every=VALIDATE_EVERY,
            image_size_px=self.setup.image_size_px,
        )
        out = self.setup.folder / f"trained-{os.getpid()}"
        shutil.rmtree(out, ignore_errors=True)
        return train(self.dataset, recipe, out=out, split=split).history[-1].loss


def open_peer(setup: Setup, *, engine: str) -> Ours:
    """Return LeukNet with one of its engines."""
    return Ours(setup, engine)
