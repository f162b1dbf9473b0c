"""Intervals of six scores that leave out a person at a time: LeukNet beside scikit-learn in a loop.

Start at `time_intervals`.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t
from sklearn import metrics

from leuknet.errors import ModelError
from leuknet.evaluation.metrics import METRICS, metric_intervals

NAMES = ("accuracy", "balanced_accuracy", "weighted_f1", "auroc", "auprc", "brier")
PEOPLE = 28


def time_intervals(*, rounds: int) -> tuple[list[float], list[float]]:
    """Return seconds of LeukNet and of the loop for each round.

    2,000 cells of 28 people, as in the preliminary set. Both leave out the same people, so that the limits
    are equal but for rounding.

    Raises
    ------
    ModelError
        If they are not.
    """
    generator = np.random.default_rng(0)
    subjects = generator.integers(PEOPLE, size=2000)
    labels = subjects % 2
    probabilities = expit(generator.normal(labels - 0.5 + 0.5 * np.sin(subjects), 1))
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        started = time.perf_counter()
        found = metric_intervals(labels, probabilities, threshold=0.5, clusters=subjects, metrics=NAMES)
        between = time.perf_counter()
        expected = plain_intervals(labels, probabilities, subjects)
        theirs.append(time.perf_counter() - between)
        ours.append(between - started)
        limits = np.array([[interval.low, interval.high] for interval in found.values()])
        difference = float(np.abs(limits - expected).max())
        if not difference <= 1e-6:
            raise ModelError(
                "the intervals differ: no timing is reported",
                why=f"limits are {difference:.2g} apart",
                fix="compare leuknet.evaluation.jackknife with the loop in bench/intervals.py",
            )
    return ours, theirs


def plain_intervals(labels: Any, probabilities: Any, subjects: Any) -> Any:
    """Return 95% limits (6, 2) of six scores by scikit-learn, in a loop that leaves people out."""
    estimates = _scores(labels, probabilities)
    without = np.array(
        [_scores(labels[kept], probabilities[kept]) for kept in (subjects != one for one in range(PEOPLE))]
    )
    errors = np.sqrt((PEOPLE - 1) / PEOPLE * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    sizes = np.bincount(subjects, minlength=PEOPLE)
    kish = [each.sum() ** 2 / (each**2).sum() for each in (sizes, sizes[::2], sizes[1::2])]
    balanced = min(kish[0], 2 * kish[1], 2 * kish[2])
    freedom = np.array([balanced if METRICS[name].compares else kish[0] for name in NAMES]) - 1
    reach = t.ppf(0.975, freedom) * errors / (estimates * (1 - estimates))
    return expit(logit(estimates)[:, None] + np.stack([-reach, reach], axis=1))


def _scores(truth: Any, stated: Any) -> Any:
    called = stated >= 0.5
    return np.array(
        [
            metrics.accuracy_score(truth, called),
            metrics.balanced_accuracy_score(truth, called),
            metrics.f1_score(truth, called, average="weighted"),
            metrics.roc_auc_score(truth, stated),
            metrics.average_precision_score(truth, stated),
            metrics.brier_score_loss(truth, stated),
        ]
    )
