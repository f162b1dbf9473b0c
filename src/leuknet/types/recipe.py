"""Everything that decides how a network is trained.

Start at `Recipe`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from leuknet.types.added import added
from leuknet.types.datasets import SplitKind
from leuknet.types.input_form import InputForm

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
    risk
        Largest share of wrong calls among a new person's called cells, on average over people; so many cells
        are left undecided that it holds, see `leuknet.evaluation.abstention`. 0 asks for none.
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
    risk: float = added(0.0)

    def input_form(self, canvas_px: int | None) -> InputForm:
        """Return the form in which images of a data set with this canvas are trained on."""
        return InputForm(canvas_px, self.image_size_px, self.crop_px)


@dataclass(frozen=True)
class Searched:
    """On whose labels the settings of a recipe were chosen, by `leuknet tune`.

    Attributes
    ----------
    recipe, protocol, round
        The recipe with the settings that won, and whose development cells the search used.
    contents
        Short hashes of all cells whose label had a part in it, one after the other; see
        `leuknet.evaluation.searches`. They name nobody.
    """

    recipe: str
    protocol: str
    round: str
    contents: str
