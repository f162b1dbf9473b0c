"""The nouns of LeukNet: what passes from one part to the next.

All are frozen dataclasses. Images are `uint8 (H, W, 3)`, sRGB, row 0 at the top. Lengths in pixels end
in `_px`, in micrometres in `_um`; times are seconds `_s` or UTC `_at`. A probability is always
P(leukaemic), in [0, 1].

Start at `CellImage`, then `Split`, `Recipe`, `ModelCard`, `Predictor`, `Evaluation`: that is the way
from pixels to a score. Nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""One image (H, W, 3) or several of one size (N, H, W, 3); sRGB."""

Labels = NDArray[np.int64]
"""(N,) class of each cell: 1 leukaemic, 0 normal."""

Probabilities = NDArray[np.float64]
"""(N,) P(leukaemic) of each cell, in [0, 1]."""

SplitKind = Literal["image-level", "subject-level", "external"]
"""Whether one subject's cells may sit on two sides (`image-level`), may not (`subject-level`), or the
tested cells come from another source than the trained ones (`external`)."""

Severity = Literal["error", "warning", "info"]


class Label(IntEnum):
    """The two classes. The values are those of the publisher's label file."""

    NORMAL = 0
    LEUKAEMIC = 1

    @property
    def short(self) -> str:
        """The publisher's name of the class: `ALL` or `HEM`."""
        return "ALL" if self is Label.LEUKAEMIC else "HEM"


CLASS_NAMES = (Label.NORMAL.short, Label.LEUKAEMIC.short)
"""What label 0 and label 1 are called unless a data set says otherwise."""


@dataclass(frozen=True)
class CellImage:
    """One cell on disk.

    Attributes
    ----------
    id
        Unique within its data set: the path below the root, with forward slashes.
    path
        Where the file lies.
    sha256
        Hex digest of the file's bytes.
    label
        None where no label is published.
    subject
        The person the cell came from, after merging ids that share an image; None if unpublished.
    part
        The publisher's part, such as `fold_0`, `prelim` or `final`; `""` where there are none.
    microns_per_pixel
        Scale in µm per pixel, None if unknown.
    """

    id: str
    path: Path
    sha256: str
    label: Label | None
    subject: str | None
    part: str = ""
    microns_per_pixel: float | None = None


@dataclass(frozen=True)
class Finding:
    """One thing that a check noticed about the data.

    An `error` would make results wrong or stop a run, a `warning` deserves a look, `info` is a fact
    worth knowing. `path` is relative to the data set's root; `""` speaks of the whole.
    """

    severity: Severity
    kind: str
    path: str
    message: str


@dataclass(frozen=True)
class Dataset:
    """The cells of one data set, in a fixed order, and what the reader noticed on the way.

    Attributes
    ----------
    name
        The key in `leuknet.data.DATASETS`.
    simulated
        True if the cells were drawn by `leuknet data simulate`. Figures and reports then say so.
    canvas_px
        Side of the square canvas on which the publisher placed each cell at true scale; None where
        images have no common scale, and are resized whole.
    class_names
        What label 0 and label 1 mean here, in this order.
    """

    name: str
    version: str
    licence: str
    url: str
    root: Path
    cells: tuple[CellImage, ...]
    findings: tuple[Finding, ...] = ()
    simulated: bool = False
    canvas_px: int | None = None
    class_names: tuple[str, str] = CLASS_NAMES


@dataclass(frozen=True)
class Split:
    """A division of cells into training, validation and test sides.

    Attributes
    ----------
    train, validation, test
        The cells of each side, in the order in which they are used.
    kind
        `image-level` splits flatter a model: cells of one person sit on several sides.
    fingerprint
        sha256 over the ids, contents and labels of each side: two runs with one fingerprint used the
        same cells in the same roles.
    """

    train: tuple[CellImage, ...]
    validation: tuple[CellImage, ...]
    test: tuple[CellImage, ...]
    kind: SplitKind
    seed: int
    fingerprint: str


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is trained.

    Attributes
    ----------
    name, source, claim
        What it is called, where its settings come from, and the score that its source states.
    network, network_options
        A key of `leuknet.models.MODELS` and the options that differ from its defaults.
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


@dataclass(frozen=True)
class HistoryRow:
    """One iteration of training; a column each in `history.csv`.

    `loss` and `accuracy` are of the mini-batch, before the step, with dropout. The validation values are
    None between validations. `elapsed_s` leaves out pauses between runs.
    """

    iteration: int
    epoch: int
    learning_rate: float
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    elapsed_s: float


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
        deviation happens only if `recipe.standardise`.
    threshold
        Cells at or above this probability are called leukaemic.
    dataset, simulated, split_kind, split_fingerprint
        What it was trained on.
    leuknet_version, commit, created_at
        The code that trained it (commit is None outside a git checkout) and when (UTC, ISO 8601).
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


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image, or why it says nothing.

    `probability` is None exactly where `error` is set. `label` follows from the threshold.
    """

    path: str
    probability: float | None
    threshold: float
    model_id: str
    subject: str | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None

    @property
    def label(self) -> Label | None:
        """The class called at the threshold, None where there is no probability."""
        if self.probability is None:
            return None
        return Label.LEUKAEMIC if self.probability >= self.threshold else Label.NORMAL


@dataclass(frozen=True)
class Interval:
    """An estimate that never travels alone.

    Attributes
    ----------
    method
        `wilson` (counts, cells taken as independent), `bootstrap over cells` or
        `bootstrap over subjects`.
    cells, subjects
        What the estimate rests on; subjects is None where the data do not name them.
    resamples
        0 for a closed form.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: str
    cells: int
    subjects: int | None
    resamples: int


@dataclass(frozen=True)
class Evaluation:
    """How a model did on cells that it was not trained on. It cannot hold a bare number.

    Attributes
    ----------
    metrics
        Name to interval, in the order of `leuknet.metrics.METRICS`.
    confusion
        Counts, rows are the true class and columns the called class, class 0 first.
    paths, labels, probabilities
        Of each scored cell, in one order.
    unreadable
        Cells that could not be scored: path and reason. They count in no metric.
    """

    model_id: str
    recipe: str
    dataset: str
    part: str
    simulated: bool
    split_kind: SplitKind
    split_fingerprint: str
    class_names: tuple[str, str]
    threshold: float
    cells: int
    subjects: int | None
    metrics: Mapping[str, Interval]
    confusion: tuple[tuple[int, int], tuple[int, int]]
    paths: tuple[str, ...]
    labels: tuple[int, ...]
    probabilities: tuple[float, ...]
    unreadable: tuple[tuple[str, str], ...] = ()


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
