"""Scored cells of people whose true share of leukaemic cells is known, since they are drawn from a model.

`shares.py` measures on them whether intervals hold the truth, and the tests of `leuknet.evaluation.share` rest on
the same people. Start at `People`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, roots_hermitenorm

from leuknet.evaluation.share import draw_shares_of
from leuknet.types import Evaluation

MODEL_ID = "0123456789ab"


def evaluation_of(
    labels: NDArray[Any], probabilities: NDArray[np.float64], subjects: Iterable[object]
) -> Evaluation:
    """Return an evaluation of cells with these labels, P(leukaemic) and subjects, without scores."""
    ids = tuple(str(subject) for subject in subjects)
    return Evaluation(
        model_id=MODEL_ID,
        recipe="none",
        seed=0,
        dataset="drawn people",
        part="test",
        protocol="official",
        round="",
        simulated=False,
        split_kind="subject-level",
        split_fingerprint="f",
        class_names=("HEM", "ALL"),
        threshold=0.5,
        threshold_rule="half",
        calibration=None,
        cells=labels.size,
        subjects=len(set(ids)),
        metrics={},
        confusion=((0, 0), (0, 0)),
        paths=tuple(map(str, range(labels.size))),
        labels=tuple(labels.astype(int).tolist()),
        probabilities=tuple(probabilities.tolist()),
        subject_ids=ids,
    )


class People:
    """People drawn from the model: log odds of each person's cells are normal around a mean of its own."""

    def __init__(self, people: int, cells: int, *, tau: float, seed: int, width: float = 1.5) -> None:
        generator = np.random.default_rng(seed)
        means = 2 * generator.standard_normal((people, 1))
        deltas = tau * generator.standard_normal((people, 1))
        log_odds = means + width * generator.standard_normal((people, cells))
        self.probabilities = expit(log_odds)
        self.labels = generator.random(log_odds.shape) < expit(log_odds + deltas)
        nodes, weights = roots_hermitenorm(150)
        self.shares = expit(means + width * nodes + deltas) @ weights / np.sqrt(2 * np.pi)

    def evaluation(self) -> Evaluation:
        """Return their cells as one evaluation."""
        people, cells = self.labels.shape
        whose = np.repeat(np.arange(people), cells)
        return evaluation_of(self.labels.ravel(), self.probabilities.ravel(), whose)

    def covered(self, tau: float) -> int:
        """Return of how many people the 95% interval holds the true share."""
        limits = [
            np.quantile(draw_shares_of(mine, tau=tau, draws=600, seed=[9, number]), [0.025, 0.975])
            for number, mine in enumerate(self.probabilities)
        ]
        low, high = np.array(limits).T
        return int(((low <= self.shares) & (self.shares <= high)).sum())
