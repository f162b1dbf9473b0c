"""What reviewers ask for beyond the metrics: thresholds for a purpose, predictive values, people, subgroups.

Start at `Details`, which an `Evaluation` holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from leuknet.types.interval import Interval

Purpose = Literal["sensitivity", "specificity"]
"""What a threshold was chosen to reach."""


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold that was chosen on validation cells for a stated sensitivity or specificity.

    Attributes
    ----------
    purpose, target
        What was to be reached on the validation side, and how much of it, in (0, 1).
    threshold
        Cells at or above this probability are called leukaemic; in [0, 1]. For a specificity it is the lowest
        that reaches the target, for a sensitivity the highest.
    reached
        The share that was reached on the validation side, at least `target`: a fit, not a test.
    cells
        Validation cells of the class that the target counts.
    """

    purpose: Purpose
    target: float
    threshold: float
    reached: float
    cells: int


@dataclass(frozen=True)
class LikelihoodRatio:
    """By how much a call multiplies the odds of leukaemia, with its limits.

    Attributes
    ----------
    estimate, low, high
        From 0; None stands for infinity: no cell of the class was called wrong. `estimate` is also None where
        the ratio is 0 / 0, and `low` is then 0.
    """

    estimate: float | None
    low: float
    high: float | None


@dataclass(frozen=True)
class PredictiveValues:
    """What a call is worth where a stated share of cells is leukaemic.

    Attributes
    ----------
    prevalence
        Share of leukaemic cells among those that are called, in (0, 1): stated, not measured.
    positive, negative
        Share of cells called leukaemic that are, and of cells called normal that are; None where no cell is
        called so.
    """

    prevalence: float
    positive: Interval | None
    negative: Interval | None


@dataclass(frozen=True)
class OperatingPoint:
    """What the tested cells say of one threshold.

    Attributes
    ----------
    chosen
        How the threshold was chosen; None for the model's own.
    threshold
        In [0, 1].
    sensitivity, specificity
        On the tested cells.
    positive_ratio, negative_ratio
        Likelihood ratio of a call "leukaemic", sensitivity / (1 - specificity), and of a call "normal",
        (1 - sensitivity) / specificity.
    predictive
        By ascending prevalence.
    """

    chosen: ChosenThreshold | None
    threshold: float
    sensitivity: Interval
    specificity: Interval
    positive_ratio: LikelihoodRatio
    negative_ratio: LikelihoodRatio
    predictive: tuple[PredictiveValues, ...]


@dataclass(frozen=True)
class WeakCalibration:
    """How far the stated log odds are off as a whole: weak calibration (Van Calster et al. 2016).

    Attributes
    ----------
    intercept
        Calibration in the large: what must be added to the stated log odds so that their mean agrees with the
        share of leukaemic cells; 0 is right, above 0 probabilities are too low.
    slope
        What the stated log odds must be multiplied with; 1 is right, below 1 they are too extreme.
    doubt
        Why an estimate is None, `""` where none is.
    """

    intercept: Interval | None
    slope: Interval | None
    doubt: str


@dataclass(frozen=True)
class PeopleScores:
    """What remains where each person counts as one, and how alike the cells of a person are.

    A person with cells of both classes is one entry in each.

    Attributes
    ----------
    leukaemic, normal
        Entries of each class.
    auroc
        Chance that the mean probability of a leukaemic person lies above that of a normal one; None where
        there are fewer than two people.
    intraclass
        Intra-class correlation: the share of the variance of the log odds, within a class, that lies between
        people. At most 1; below 0 where people differ less than their cells let expect. None where it is
        undefined, as where each person has one cell.
    design_effect
        By how much the variance of a mean over these cells exceeds that over independent ones, at least 1:
        1 + (m - 1) * intraclass, where m is the sum of n^2 over the sum of n for people of n cells each.
    """

    leukaemic: int
    normal: int
    auroc: Interval | None
    intraclass: Interval | None
    design_effect: float | None


@dataclass(frozen=True)
class Subgroup:
    """The tested cells that are alike in something, and how the model did on them.

    Attributes
    ----------
    attribute, group
        What was looked at, such as `cell size`, and which of it, such as `smallest third`.
    limits
        The values that the group has, in words with their unit; `""` where the name says all.
    leukaemic, normal
        Cells of each class.
    leukaemic_subjects, normal_subjects
        People who have such cells; None where cells name nobody.
    metrics
        Sensitivity, specificity and AUROC where their classes are there, by the names of `METRICS`.
    warning
        Why these numbers say little; `""` where nothing speaks against them.
    """

    attribute: str
    group: str
    limits: str
    leukaemic: int
    normal: int
    leukaemic_subjects: int | None
    normal_subjects: int | None
    metrics: Mapping[str, Interval]
    warning: str


@dataclass(frozen=True)
class Details:
    """What reviewers ask for beyond the metrics of an `Evaluation`.

    Attributes
    ----------
    operating_points
        The model's own threshold first; then those for a stated specificity and sensitivity, where the
        thresholds are known.
    calibration
        Weak calibration on the tested cells.
    people
        None where cells name nobody.
    subgroups
        By attribute; empty where nothing is known of the cells but their answers.
    """

    operating_points: tuple[OperatingPoint, ...]
    calibration: WeakCalibration
    people: PeopleScores | None
    subgroups: tuple[Subgroup, ...] = ()
