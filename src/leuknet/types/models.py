"""What a trained model says of itself, and what it says of an image.

Start at `ModelCard`, then `Predictor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from leuknet.types.added import added
from leuknet.types.datasets import Label, Pixels, SplitKind
from leuknet.types.input_form import InputForm
from leuknet.types.origin import RestsOn
from leuknet.types.recipe import Recipe, Searched
from leuknet.types.reviewing import ChosenThreshold

Probabilities = NDArray[np.float64]
"""(N,) P(leukaemic) of each cell, in [0, 1]."""

NO_CLASS: tuple[Literal["uncertain"], Literal["unfamiliar"]] = ("uncertain", "unfamiliar")
"""What a model says of an image where it names no class; no class may be called so."""

Features = NDArray[np.float32]
"""(N, F) what a network sees in each image, just before its answer."""


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
class RiskBound:
    """A bound on the share of wrong calls among a new person's called cells, on average over people.

    Attributes
    ----------
    asked
        The bound, in (0, 1).
    people
        Validation people that it rests on.
    silent
        Those of them of whom no cell is called. If all are, no call keeps the bound, and every cell is
        uncertain.
    called
        Share of each of these people's cells that is called, averaged over people.
    risk
        Share of wrong calls among these, averaged over people with a called cell: a fit, not a test. None if
        no cell is called.
    """

    asked: float
    people: int
    silent: int
    called: float
    risk: float | None


@dataclass(frozen=True)
class Calibration:
    """What the validation side says about a network's outputs; no test cell has a part in it.

    Attributes
    ----------
    temperature
        The network's logits are divided by it; above 1 makes probabilities less extreme.
    undecided
        (low, high): a cell with low <= P(leukaemic) < high is called `uncertain`. Without a `bound`, its
        conformal set at the level `coverage` does not name one class, or names another than the threshold
        does.
    coverage
        Share of new cells of the validation people whose conformal set shall hold the true class.
    cells, subjects
        What it was fitted on; subjects is None where cells do not name them.
    ece_before, ece_after
        Expected calibration error on these cells without and with the temperature: a fit, not a test.
    subject_loss
        Cross-entropy of these cells with the temperature, where each person counts alike within a class (a
        cell, where nobody is named), and both classes alike: recipes are chosen by it.
    thresholds
        For stated sensitivities and specificities, chosen on these cells; empty in models that an earlier
        LeukNet trained.
    quantile
        A class is in a cell's conformal set if its probability is 1 - `quantile` or more. None for models
        that were saved before it was kept: their sets are not known.
    bound
        What decides which cells are undecided, where a bound on the risk was asked for.
    """

    temperature: float
    undecided: tuple[float, float]
    coverage: float
    cells: int
    subjects: int | None
    ece_before: float
    ece_after: float
    subject_loss: float | None = None
    thresholds: tuple[ChosenThreshold, ...] = added(())
    quantile: float | None = added(None)
    bound: RiskBound | None = added(None)


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
        None where nothing was calibrated: probabilities are the network's, and no cell is uncertain.
    searched
        On whose labels the settings were chosen; None if no search is known that found them.
    name
        What its user calls it in tables and reports; empty where it was given no name.
    precision
        How it was trained: `no` (32-bit floats) or `bf16`; empty in a model from before this was kept.
    rests_on
        How many cells and people developed it; None for models that were saved before it was kept.
    started_from
        The model whose weights its training began with, in words; empty where there was none.
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
    searched: Searched | None = added(None)
    name: str = added("")
    precision: str = added("")
    rests_on: RestsOn | None = added(None)
    started_from: str = added("")

    @property
    def origin(self) -> str:
        """On which data, and on how many people of which class, the model rests, in words."""
        counts = [self.rests_on.in_words(self.class_names)] if self.rests_on else []
        begun = [f"starting from model {self.started_from}"] if self.started_from else []
        return ", ".join([self.dataset, *counts, *begun])

    @property
    def input_form(self) -> InputForm:
        """What the model is shown of an image."""
        return self.recipe.input_form(self.canvas_px)

    @property
    def temperature(self) -> float:
        """What the network's log odds are divided by: that of the calibration, or 1."""
        return 1.0 if self.calibration is None else self.calibration.temperature

    @property
    def undecided(self) -> tuple[float, float] | None:
        """That of the calibration, None without one."""
        return None if self.calibration is None else self.calibration.undecided


class Predictor(Protocol):
    """What scores pixels, whatever computes it."""

    @property
    def card(self) -> ModelCard:
        """What the model says of itself."""
        ...

    @property
    def model_id(self) -> str:
        """Names this very model: 16 hex digits, see `leuknet.inference.model_id`."""
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
