"""Compares what a model states with what comes true: reliability, and cells left undecided.

A probability of 0.8 is worth its name if four of five such cells are leukaemic. A count over a few cells of a
few patients says so only roughly, hence each share comes with an interval; of very few patients it says too
little for one.

Start at `reliability`; `shares` holds its one computation. `uncalibrated` gives the same cells as they were
before the temperature, `decided` what a model's own undecided band leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from leuknet.evaluation.curves import arrays_of, share_of
from leuknet.evaluation.formulas import ECE_BINS, bin_of, checked
from leuknet.evaluation.jackknife import basis_of, jackknife_interval, leave_one_out
from leuknet.evaluation.resampling import Clusters, clusters_of, wilson
from leuknet.types import Evaluation, Interval, Labels, Probabilities


@dataclass(frozen=True)
class ReliabilityBin:
    """One or more cells with low <= P(leukaemic) < high; the last bin also holds P = 1.

    `stated` is their mean probability, `observed` the share of leukaemic cells among them, which also says
    how many cells and subjects they are.
    """

    low: float
    high: float
    stated: float
    observed: Interval


class Decided(NamedTuple):
    """Share of cells outside a model's undecided band, and of wrong calls among these (None without any)."""

    coverage: Interval
    risk: Interval | None


def reliability(
    labels: Labels, probabilities: Probabilities, clusters: Clusters = None
) -> tuple[ReliabilityBin, ...]:
    """Return stated and observed shares of leukaemic cells in bins of P, by ascending P.

    The bins are the `ECE_BINS` of the metric `ece`; those without cells are left out. Intervals are those of
    `shares`. A class may be missing.
    """
    checked(labels, probabilities, 0.5, None)
    bins = bin_of(probabilities)
    return tuple(
        ReliabilityBin(
            low=number / ECE_BINS,
            high=(number + 1) / ECE_BINS,
            stated=float(probabilities[bins == number].mean()),
            observed=observed,
        )
        for number, observed in shares(labels == 1, bins, clusters).items()
    )


def shares(
    hits: NDArray[np.bool_], groups: NDArray[np.intp], clusters: Clusters = None
) -> dict[int, Interval]:
    """Return the share of hits in each group of cells: Wilson's interval, or by leaving clusters out.

    `hits` (N,) says which cells count, `groups` (N,) the group of each; the result is by ascending group.
    Without clusters the cells are taken as independent, as Wilson's interval takes them. A group of fewer
    than `MIN_SUBJECTS` clusters has no interval: see `Interval.is_known`.
    """
    names, group_of = np.unique(groups, return_inverse=True)
    cells, found = np.bincount(group_of), np.bincount(group_of, weights=hits).astype(int)
    if clusters is None:
        return {int(name): wilson(int(found[n]), int(cells[n])) for n, name in enumerate(names)}
    member = np.eye(names.size)[group_of]
    left_out = leave_one_out(
        lambda weights: share_of(weights @ (member * hits[:, None]), weights @ member).T,
        basis_of(clusters, cells=hits.size).units,
    )
    return {
        int(name): jackknife_interval(
            found[n] / cells[n], left_out[n], basis_of(clusters, cells=hits.size, used=group_of == n)
        )
        for n, name in enumerate(names)
    }


def decided(evaluation: Evaluation) -> Decided | None:
    """Return what the model's own undecided band leaves; None for a model without one.

    A cell is undecided where `Prediction.is_uncertain` says so. Intervals are those of `shares`.
    """
    if evaluation.calibration is None:
        return None
    low, high = evaluation.calibration.undecided
    labels, probabilities = arrays_of(evaluation)
    outside = (probabilities < low) | (probabilities >= high)
    wrong = (probabilities >= evaluation.threshold) != (labels == 1)
    clusters = clusters_of(evaluation)
    coverage = shares(outside, np.zeros(labels.size, dtype=np.intp), clusters)
    risk = shares(wrong, outside.astype(np.intp), clusters)
    return Decided(coverage[0], risk.get(1))


def uncalibrated(evaluation: Evaluation) -> Probabilities | None:
    """Return P(leukaemic) (N,) of each cell as the network gave it, before the temperature.

    None where cells voted: the mean of probabilities does not tell what each of them was.

    The logit of a stated P is the network's own divided by the temperature. A P that was rounded to 0 or 1
    is taken for the nearest number that has a logit. Without a calibration, P is as the network gave it.
    """
    if evaluation.neighbours:
        return None
    _, probabilities = arrays_of(evaluation)
    if evaluation.calibration is None:
        return probabilities
    tiny = np.finfo(np.float64).epsneg
    log_odds = logit(np.clip(probabilities, tiny, 1 - tiny))
    raw: Probabilities = expit(evaluation.calibration.temperature * log_odds)
    return raw
