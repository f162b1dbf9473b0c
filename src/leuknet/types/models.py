"""Recipes, what a trained model says of itself, and what it says of an image.

Start at `Recipe`, then `ModelCard`, then `Predictor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from leuknet.types.cells import Label, Pixels, SplitKind
from leuknet.types.input_form import InputForm

Probabilities = NDArray[np.float64]
"""(N,) P(leukaemic) of each cell, in [0, 1]."""

Features = NDArray[np.float32]
"""(N, F) what a network sees in each image, just before its answer."""

ThresholdRule = Literal["half", "youden"]
"""How the threshold was chosen: 0.5, or where sensitivity + specificity is largest on the validation side."""

LossName = Literal["cross-entropy", "class-balanced", "focal", "subject-balanced", "heterogeneity"]
"""See `leuknet.training.losses`."""

Sampling = Literal["once-each", "class-balanced", "subject-balanced"]
"""How an epoch is drawn: each cell once, or with replacement so that both classes, or in each class all
people, come up equally often."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is trained.

    Attributes
    ----------
    name, source, claim
        What it is called, where its settings come from, and the score that its source states.
    network, network_options
        A key of `leuknet.networks.MODELS` and the options that differ from its defaults.
    parts
        Parts of the data set that are used; empty means all labelled cells.
    balance
        Delete cells of the larger class at random until both have equal numbers.
    split
        `image-level` or `subject-level`.
    fractions
        Shares of training, validation and test cells; they sum to 1.
    image_size_px
        Side of the network's square input.
    batch_size
        Images per optimiser step.
    learning_rate, rate_drop_factor, rate_drop_epochs
        The rate is multiplied by the factor each time so many epochs have passed.
    weight_decay
        L2 factor on weights, not on biases; its gradient is added to the loss gradient.
    shuffle
        `once` before training (MATLAB's default) or `every-epoch`.
    validate_every
        Iterations between two validations.
    standardise
        Divide by the channels' standard deviation after subtracting their mean.
    threshold
        How the probability from which on a cell is called leukaemic is chosen.
    crop_px
        Side of a square that is cut from the middle of the canvas, at true scale, before it is resized; None
        takes the whole canvas.
    rotate_deg, flip, shift
        While training, turn each image by up to so many degrees either way, mirror it at random, move it by
        up to this share of its side. Its scale never changes.
    brightness, stain
        While training, multiply all channels by up to 1 +- `brightness`; raise each channel to a power of
        its own, log-normal with spread `stain`. Black stays black.
    mixup
        Parameter of the Beta distribution by which pairs of images are mixed; 0 mixes none.
    sampling
        How an epoch is drawn; see `Sampling`.
    loss
        See `leuknet.training.losses`.
    optimizer
        `adam` with `weight_decay` in the gradient, or `adamw` with it apart from the gradient.
    rate_factors
        Start of a parameter's name to a factor on its rate, such as `{"head": 10}`; the longest that fits
        counts.
    schedule
        `step`, by the two `rate_drop` settings, or `cosine`, from the rate to 0 over the whole training.
    ema
        Decay per step of a running mean of the weights, which is then validated and saved; 0 takes the
        weights themselves.
    keep
        `last`: the weights at the end. `best`: those of the epoch with the lowest loss on the validation
        side, where each person counts alike within a class, and both classes alike.
    rotations
        A score is the mean log odds over so many turns of the image, by equal angles; 1 turns nothing.
    draw
        Another number trains another network on the same cells.
    """

    name: str
    source: str
    claim: str
    network: str = "leuknet"
    network_options: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    balance: bool = True
    split: SplitKind = "image-level"
    fractions: tuple[float, float, float] = (0.7, 0.2, 0.1)
    image_size_px: int = 224
    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 1e-4
    rate_drop_factor: float = 0.5
    rate_drop_epochs: int = 7
    weight_decay: float = 1e-4
    shuffle: Literal["once", "every-epoch"] = "once"
    validate_every: int = 5
    standardise: bool = False
    seed: int = 0
    threshold: ThresholdRule = "half"
    crop_px: int | None = None
    rotate_deg: float = 0.0
    flip: bool = False
    shift: float = 0.0
    brightness: float = 0.0
    stain: float = 0.0
    mixup: float = 0.0
    sampling: Sampling = "once-each"
    loss: LossName = "cross-entropy"
    optimizer: Literal["adam", "adamw"] = "adam"
    rate_factors: Mapping[str, float] = field(default_factory=dict)
    schedule: Literal["step", "cosine"] = "step"
    ema: float = 0.0
    keep: Literal["last", "best"] = "last"
    rotations: int = 1
    draw: int = 0

    def input_form(self, canvas_px: int | None) -> InputForm:
        """Return the form in which images of a data set with this canvas are trained on."""
        return InputForm(canvas_px, self.image_size_px, self.crop_px)


@dataclass(frozen=True)
class HistoryRow:
    """One iteration of training; a column each in `history.csv`.

    `loss` and `accuracy` are of the mini-batch, before the step, with dropout and changed images.
    The validation values are None between validations, and plain cross-entropy whatever loss is trained with;
    in `validation_subject_loss` each person counts alike within a class, and both classes alike, see
    `Recipe.keep`. `elapsed_s` leaves out pauses between runs.
    """

    iteration: int
    epoch: int
    learning_rate: float
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    elapsed_s: float
    validation_subject_loss: float | None = None


@dataclass(frozen=True)
class Calibration:
    """What the validation side says about a network's outputs; no test cell has a part in it.

    Attributes
    ----------
    temperature
        The network's logits are divided by it; above 1 makes probabilities less extreme.
    undecided
        (low, high): a cell with low <= P(leukaemic) < high is called `uncertain`. The rule: the conformal
        set at the level `coverage` does not name one class, or names another than the threshold does.
    coverage
        Share of new cells whose conformal set shall hold the true class.
    cells, subjects
        What it was fitted on; subjects is None where cells do not name them.
    ece_before, ece_after
        Expected calibration error on these cells without and with the temperature: a fit, not a test.
    subject_loss
        Cross-entropy of these cells with the temperature, where each person counts alike within a class (a
        cell, where nobody is named), and both classes alike: recipes are chosen by it.
    """

    temperature: float
    undecided: tuple[float, float]
    coverage: float
    cells: int
    subjects: int | None
    ece_before: float
    ece_after: float
    subject_loss: float | None = None


@dataclass(frozen=True)
class ModelCard:
    """What a model folder says of itself; stored as `model.json`.

    Attributes
    ----------
    recipe
        The settings that trained it.
    class_names
        Meaning of label 0 and label 1.
    canvas_px
        Images are placed at true scale on a black square of this side before resizing (larger ones
        are cropped at the centre); None resizes them whole.
    channel_mean, channel_std
        Of the training images, in 0..255. The mean is subtracted; the division by the standard
        deviation happens only if `recipe.standardise`. A network that starts from published weights has the
        statistics that these were trained with, and is always divided by them.
    threshold
        Cells at or above this probability are called leukaemic.
    dataset, simulated, split_kind, split_fingerprint, protocol, round
        What it was trained on.
    leuknet_version, commit, created_at
        The code that trained it (commit is None outside a git checkout) and when (UTC, ISO 8601).
    microns_per_pixel
        Scale of all training images in µm per pixel; None where it is not stated, or not the same for all.
    calibration
        None where nothing was calibrated: probabilities are as the network gives them, and no cell is
        uncertain.
    """

    recipe: Recipe
    class_names: tuple[str, str]
    canvas_px: int | None
    channel_mean: tuple[float, float, float]
    channel_std: tuple[float, float, float]
    threshold: float
    dataset: str
    simulated: bool
    split_kind: SplitKind
    split_fingerprint: str
    leuknet_version: str
    commit: str | None
    created_at: str
    protocol: str = ""
    round: str = ""
    calibration: Calibration | None = None
    microns_per_pixel: float | None = None

    @property
    def input_form(self) -> InputForm:
        """What the model is shown of an image."""
        return self.recipe.input_form(self.canvas_px)


class Predictor(Protocol):
    """What scores pixels, whatever computes it."""

    @property
    def card(self) -> ModelCard:
        """What the model says of itself."""
        ...

    @property
    def model_id(self) -> str:
        """First 12 hex digits of the sha256 of the weights: names this very model."""
        ...

    def predict(self, pixels: Pixels) -> Probabilities:
        """Score images as they are read from disk.

        Parameters
        ----------
        pixels : (N, H, W, 3) uint8
            sRGB images of one size, any H and W; the model's canvas and input size are applied here.

        Returns
        -------
        (N,) float64
            P(leukaemic), in [0, 1].
        """
        ...

    def score(self, inputs: Pixels) -> Probabilities:
        """Score images that already have the network's input size: (N, S, S, 3) uint8."""
        ...

    def embed(self, inputs: Pixels) -> tuple[Probabilities, Features]:
        """As `score`, and in the same pass the network's features of each image.

        These are what its last fully connected layer is given: (N, F) float32.
        """
        ...


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image, or why it says nothing.

    `probability` is None exactly where `error` is set. `label` follows from the threshold.

    Attributes
    ----------
    undecided
        (low, high) of the model's `Calibration`, None where it has none.
    warnings
        How the image departs from what the model was trained on.
    """

    path: str
    probability: float | None
    threshold: float
    model_id: str
    subject: str | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    undecided: tuple[float, float] | None = None

    @property
    def is_uncertain(self) -> bool:
        """Whether the model should not decide: see `Calibration.undecided`."""
        if self.probability is None or self.undecided is None:
            return False
        low, high = self.undecided
        return low <= self.probability < high

    @property
    def label(self) -> Label | None:
        """The class called at the threshold, None where there is no probability."""
        if self.probability is None:
            return None
        return Label.LEUKAEMIC if self.probability >= self.threshold else Label.NORMAL


@dataclass(frozen=True)
class LayerRow:
    """One line of a network's layer table.

    Attributes
    ----------
    output_shape
        (channels, height, width), or (features,) after flattening.
    parameters
        Trained values.
    gflop
        Cost of one image, forward, in 1e9 floating-point operations; a multiplication and an addition
        count as two.
    """

    number: int
    name: str
    kind: str
    detail: str
    output_shape: tuple[int, ...]
    parameters: int
    gflop: float
