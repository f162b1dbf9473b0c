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

Features = NDArray[np.float32]
"""(N, F) what a network sees in each image, just before its answer."""

SplitKind = Literal["image-level", "subject-level", "external"]
"""Whether one subject's cells may sit on two sides (`image-level`), may not (`subject-level`), or the
tested cells come from another source than the trained ones (`external`)."""

Severity = Literal["error", "warning", "info"]

ThresholdRule = Literal["half", "youden"]
"""How the threshold was chosen: 0.5, or where sensitivity + specificity is largest on the validation side."""


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
    protocol, round
        The protocol of `leuknet.data.protocols` that made it, and which of its rounds; `""` for a split
        that a recipe made by itself.
    """

    train: tuple[CellImage, ...]
    validation: tuple[CellImage, ...]
    test: tuple[CellImage, ...]
    kind: SplitKind
    seed: int
    fingerprint: str
    protocol: str = ""
    round: str = ""


@dataclass(frozen=True)
class TestSide:
    """Labelled cells to judge a model on, and what such a judgement is worth.

    Attributes
    ----------
    fingerprint
        Of the split that the cells come from, or of the cells alone where they are no split's test side.
    part
        What they are, in words: `test side`, or the publisher's parts.
    """

    cells: tuple[CellImage, ...]
    kind: SplitKind
    fingerprint: str
    part: str
    protocol: str = ""
    round: str = ""

    __test__ = False  # the name is not meant for pytest


@dataclass(frozen=True)
class SideOverlap:
    """What two sets of cells have in common.

    Attributes
    ----------
    first, second
        Names of the two sets, such as `train` and `test`.
    first_cells, second_cells
        Numbers of cells; every pair of them was compared.
    subjects
        People with cells in both.
    unnamed
        Cells of either set that name nobody: with any, people in common cannot be ruled out.
    contents
        Pairs of ids with the same bytes, first set first.
    near
        Pairs of ids whose perceptual hashes differ in at most `Overlap.near_bits` bits, and by how many;
        pairs with the same bytes are not repeated here.
    """

    first: str
    second: str
    first_cells: int
    second_cells: int
    subjects: tuple[str, ...]
    unnamed: int
    contents: tuple[tuple[str, str], ...]
    near: tuple[tuple[str, str, int], ...]

    @property
    def is_disjoint(self) -> bool:
        """Whether nothing is in common, and nobody unnamed leaves it open."""
        return not (self.subjects or self.unnamed or self.contents or self.near)


@dataclass(frozen=True)
class Overlap:
    """The proof that sides of a split have nothing in common, or what they have.

    Attributes
    ----------
    hash_name, hash_bits, near_bits
        The perceptual hash, its length, and the number of differing bits up to which two images count as
        near-duplicates.
    pairs
        One for each two sides.
    """

    hash_name: str
    hash_bits: int
    near_bits: int
    pairs: tuple[SideOverlap, ...]

    @property
    def is_disjoint(self) -> bool:
        """Whether no two sides have anything in common."""
        return all(pair.is_disjoint for pair in self.pairs)


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
    threshold
        How the probability from which on a cell is called leukaemic is chosen.
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
    threshold: ThresholdRule = field(default="half", metadata={"since": 2})


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
    """

    temperature: float
    undecided: tuple[float, float]
    coverage: float
    cells: int
    subjects: int | None
    ece_before: float
    ece_after: float


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
    dataset, simulated, split_kind, split_fingerprint, protocol, round
        What it was trained on.
    leuknet_version, commit, created_at
        The code that trained it (commit is None outside a git checkout) and when (UTC, ISO 8601).
    calibration
        None in models that were saved before it existed: their probabilities are as the network gave them,
        and no cell is uncertain.
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
    protocol: str = field(default="", metadata={"since": 2})
    round: str = field(default="", metadata={"since": 2})
    calibration: Calibration | None = field(default=None, metadata={"since": 2})


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
class Look:
    """One scoring of a test side, as the ledger of `leuknet.looks` keeps it.

    Attributes
    ----------
    at
        UTC, ISO 8601.
    test_fingerprint
        sha256 over ids, contents and labels of the scored cells, whatever split they belong to.
    recipe, seed, model_id
        Which model looked.
    """

    at: str
    test_fingerprint: str
    recipe: str
    seed: int
    model_id: str


@dataclass(frozen=True)
class Evaluation:
    """How a model did on cells that it was not trained on. It cannot hold a bare number.

    Attributes
    ----------
    model_id, recipe, seed
        The model. Baselines that are no network have a `model_id` that starts with `baseline:`.
    protocol, round
        The protocol whose test side was scored, `""` for a recipe's own split or other cells.
    threshold, threshold_rule, calibration
        As on the model's card; calibration is None for baselines and old models.
    metrics
        Name to interval, in the order of `leuknet.metrics.METRICS`; those over subjects only where each
        cell has one.
    confusion
        Counts, rows are the true class and columns the called class, class 0 first.
    paths, labels, probabilities, subject_ids
        Of each scored cell, in one order; a subject is None where none is published.
    unreadable
        Cells that could not be scored: path and reason. They count in no metric.
    warned
        Scored cells that depart from what the model was trained on: path and what was noticed. They count.
    looks
        Earlier scorings of these very cells by any model, oldest first.
    """

    model_id: str
    recipe: str
    seed: int
    dataset: str
    part: str
    protocol: str
    round: str
    simulated: bool
    split_kind: SplitKind
    split_fingerprint: str
    class_names: tuple[str, str]
    threshold: float
    threshold_rule: ThresholdRule
    calibration: Calibration | None
    cells: int
    subjects: int | None
    metrics: Mapping[str, Interval]
    confusion: tuple[tuple[int, int], tuple[int, int]]
    paths: tuple[str, ...]
    labels: tuple[int, ...]
    probabilities: tuple[float, ...]
    subject_ids: tuple[str | None, ...]
    unreadable: tuple[tuple[str, str], ...] = ()
    warned: tuple[tuple[str, str], ...] = ()
    looks: tuple[Look, ...] = ()


@dataclass(frozen=True)
class PartSummary:
    """What is there of one part of a data set.

    Attributes
    ----------
    unlabelled
        Images without a label; `images` is the sum of the three classes.
    subjects
        People, after merging ids that share an image; None if a cell of the part names nobody.
    """

    part: str
    images: int
    leukaemic: int
    normal: int
    unlabelled: int
    subjects: int | None


@dataclass(frozen=True)
class DataCard:
    """What a data set says of itself and what was noticed about it; kept beside an evaluation."""

    name: str
    version: str
    licence: str
    url: str
    simulated: bool
    class_names: tuple[str, str]
    canvas_px: int | None
    parts: tuple[PartSummary, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Gallery:
    """One picture of test cells with explanations, kept beside an evaluation.

    Attributes
    ----------
    name
        `certain-wrong`, `uncertain` or `typical`.
    file
        PNG beside this record.
    caption, alt
        How the cells were chosen; the same for someone who cannot see the picture.
    """

    name: str
    file: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Galleries:
    """All galleries of an evaluation."""

    galleries: tuple[Gallery, ...]


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
