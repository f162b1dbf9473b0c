"""A model folder, and what all that open one have in common; nothing here computes a score.

    model.json            what the model says of itself, a `ModelCard`
    weights.safetensors   its weights
    model.onnx            its network as a graph, which takes the weights from the file above
    split.json            which cells trained it
    reference.npz         what these cells look like
    golden.npz            images with the probabilities they had when the model was saved

Opening a folder scores the golden images again, and refuses a folder that gives other answers. No pickle is
ever read.

Start at `FolderPredictor`; `leuknet.inference.onnx_predictor` and `leuknet.networks.predictor` are its two
kinds.
"""

from __future__ import annotations

import functools
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from leuknet.data.split_file import Manifest, read_manifest
from leuknet.errors import ModelError, ShapeError
from leuknet.images.transform import prepare, turned
from leuknet.inference.card_bounds import check_card
from leuknet.inference.familiar import Reference, read_arrays
from leuknet.records import read_record, write_record
from leuknet.types import Features, ModelCard, Pixels, Probabilities

WEIGHTS, GRAPH, REFERENCE, GOLDEN = "weights.safetensors", "model.onnx", "reference.npz", "golden.npz"
CARD, SPLIT = "model.json", "split.json"

FILES = (CARD, WEIGHTS, GRAPH, SPLIT, REFERENCE, GOLDEN)
"""All files of a model folder; one whose network PyTorch cannot export has no graph."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

GOLDEN_TOLERANCE = 1e-4
"""Largest difference in probability between two machines; kernels round differently by about 1e-6."""

COPY_AGAIN = "copy the whole folder again"


class FolderPredictor(ABC):
    """Scores pixels with the model of a folder; `leuknet.types.Predictor` describes its methods.

    Attributes
    ----------
    card
        What the model says of itself.
    model_id
        Names this very model, see `leuknet.inference.model_id`.
    reference
        What its training cells look like; None where nobody fitted it, as for a network in memory.
    folder
        Where it was opened; None for a network that lies in no folder.
    """

    computes_gradients = False
    """Whether explanations that need gradients can be drawn with it."""

    def __init__(
        self, card: ModelCard, model_id: str, reference: Reference | None, folder: Path | None = None
    ) -> None:
        self.card = card
        self.model_id = model_id
        self.reference = reference
        self.folder = folder

    @functools.cached_property
    def manifest(self) -> Manifest:
        """Which cells trained it: `split.json`, read once.

        Raises
        ------
        SplitError
            If the file is missing or damaged, or the model lies in no folder.
        """
        return read_manifest((self.folder or Path()) / SPLIT)

    @abstractmethod
    def run(self, inputs: Pixels) -> tuple[NDArray[np.float64], Features]:
        """(N, S, S, 3) uint8 to log odds before calibration (N,) and features (N, F)."""

    def predict(self, pixels: Pixels) -> Probabilities:
        """Score images as they are read from disk; see `leuknet.types.Predictor`.

        Raises
        ------
        ShapeError
            If the array is not (N, H, W, 3) uint8.
        """
        _check_images(pixels)
        form = self.card.input_form
        inputs = np.empty((len(pixels), *form.shape), dtype=np.uint8)
        for index, image in enumerate(pixels):
            inputs[index] = prepare(image, form)
        return self.score(inputs)

    def score(self, inputs: Pixels) -> Probabilities:
        """Score images that have the network's input size; see `leuknet.types.Predictor`.

        Raises
        ------
        ShapeError
            If the array is not (N, S, S, 3) uint8.
        """
        return self.embed(inputs)[0]

    def embed(self, inputs: Pixels) -> tuple[Probabilities, Features]:
        """Score inputs and return their features too; see `leuknet.types.Predictor`.

        Raises
        ------
        ShapeError
            If the array is not (N, S, S, 3) uint8.
        """
        _check_images(inputs)
        height, width, _ = self.card.input_form.shape
        if inputs.shape[1:3] != (height, width):
            raise ShapeError(
                "cannot score these inputs",
                why=f"the network takes {height}x{width} pixels, not {inputs.shape[1]}x{inputs.shape[2]}",
                fix="call .predict(pixels), which resizes",
            )
        log_odds, features = mean_over_turns(self.run, inputs, self.card.recipe.rotations)
        return np.asarray(expit(log_odds / self.card.temperature)), features


def mean_over_turns(
    run: Callable[[Pixels], tuple[NDArray[np.float64], Features]], inputs: Pixels, rotations: int
) -> tuple[NDArray[np.float64], Features]:
    """Return the mean log odds (N,) and features (N, F) over turns of the images; see `Recipe.rotations`."""
    log_odds, features = zip(*(run(images) for images in turned(inputs, rotations)), strict=True)
    return np.mean(log_odds, axis=0), np.mean(features, axis=0, dtype=np.float32)


def prove(predictor: FolderPredictor, folder: Path) -> None:
    """Let a predictor score the golden images of its folder.

    Raises
    ------
    ModelError
        If they are missing or damaged, or score otherwise than when the model was saved.
    """
    inputs, expected = read_golden(folder, predictor.card.recipe.image_size_px)
    difference = float(np.abs(predictor.score(inputs) - expected).max())
    if not difference <= GOLDEN_TOLERANCE:  # also if it is nan
        raise ModelError(
            f"model folder {folder} does not prove itself",
            why=f"its reference images score {difference:.2g} away from the recorded probabilities, "
            f"over the tolerance of {GOLDEN_TOLERANCE:g}",
            fix=f"{COPY_AGAIN}; the files do not belong together or were changed",
        )


def read_golden(folder: Path, image_size_px: int) -> tuple[Pixels, Probabilities]:
    """Return the golden images of a folder (N, S, S, 3) and the probabilities (N,) recorded for them.

    Raises
    ------
    ModelError
        If they are missing, damaged, or of another size.
    """
    path = folder / GOLDEN
    try:
        inputs, probabilities = read_arrays(path, "inputs", "probabilities")
    except ValueError as error:
        why = f"{path.name}: {error}"
        raise ModelError(f"cannot check model folder {folder}", why=why, fix=COPY_AGAIN) from error
    expected = (len(probabilities), image_size_px, image_size_px, 3)
    if inputs.shape != expected or inputs.dtype != np.uint8 or not len(inputs):
        raise ModelError(
            f"cannot check model folder {folder}",
            why=f"{path.name} holds images of shape {inputs.shape}, not of {image_size_px}x{image_size_px} "
            "pixels",
            fix=COPY_AGAIN,
        )
    return inputs, probabilities


def is_repository(text: str) -> bool:
    """Whether a text looks like `owner/name`, as the Hugging Face hub names its repositories."""
    return _REPOSITORY.fullmatch(text) is not None


def has_graph(folder: Path) -> bool:
    """Whether a model can be run without PyTorch."""
    return (folder / GRAPH).exists()


def open_card(folder: Path) -> ModelCard:
    """Read `model.json` of a model folder.

    Raises
    ------
    ModelError
        If there is none, or one of its fields is missing, unknown, of another type or out of range.
    """
    path = folder / CARD
    fix = "use the folder as `leuknet train` wrote it"
    if not path.exists() and (folder / "model" / path.name).is_file():
        fix = f"it is the folder of a run: name that of its model, {folder / 'model'}"
    card = read_record(ModelCard, path, error=ModelError, fix=fix)
    check_card(card, path)
    return card


def write_card(card: ModelCard, folder: Path) -> None:
    """Write `model.json` of a model folder, whole or not at all."""
    write_record(card, folder / CARD)


def _check_images(pixels: Pixels) -> None:
    if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != np.uint8:
        raise ShapeError(
            "these are not images",
            why=f"expected (N, H, W, 3) uint8, got {pixels.shape} {pixels.dtype}",
            fix="pass one image as pixels[None]; values are 0..255",
        )
