"""Intervals of six scores from a bootstrap over people: LeukNet beside scikit-learn's scores in a loop.

Start at `time_intervals`.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn import metrics

from leuknet.errors import ModelError
from leuknet.evaluation.metrics import bootstrap

NAMES = ("accuracy", "balanced_accuracy", "weighted_f1", "auroc", "auprc", "brier")


def time_intervals(*, rounds: int, resamples: int) -> tuple[list[float], list[float]]:
    """Return seconds of LeukNet and of the loop for each round.

    2,000 cells of 28 people, as in the preliminary set. Both draw the same people, so that the limits are
    equal but for rounding.

    Raises
    ------
    ModelError
        If they are not.
    """
    generator = np.random.default_rng(0)
    subjects = generator.integers(28, size=2000)
    labels = subjects % 2
    probabilities = expit(generator.normal(labels - 0.5 + 0.5 * np.sin(subjects), 1))
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        started = time.perf_counter()
        found = bootstrap(
            labels, probabilities, threshold=0.5, clusters=subjects, metrics=NAMES, resamples=resamples
        )
        between = time.perf_counter()
        expected = plain_intervals(labels, probabilities, subjects, resamples=resamples)
        theirs.append(time.perf_counter() - between)
        ours.append(between - started)
        limits = np.array([[interval.low, interval.high] for interval in found.values()])
        difference = float(np.abs(limits - expected).max())
        if not difference <= 1e-6:
            raise ModelError(
                "the intervals differ: no timing is reported",
                why=f"limits are {difference:.2g} apart",
                fix="compare leuknet.evaluation.metrics with the loop in bench/intervals.py",
            )
    return ours, theirs


def plain_intervals(labels: Any, probabilities: Any, subjects: Any, *, resamples: int) -> Any:
    """Return 95% limits (6, 2) of six scores by scikit-learn, in a loop that resamples people."""
    generator = np.random.default_rng(0)
    people = np.unique(subjects)
    cells_of = [np.flatnonzero(subjects == person) for person in people]
    scores = []
    for drawn in generator.integers(len(people), size=(resamples, len(people))):
        cells = np.concatenate([cells_of[person] for person in drawn])
        truth, stated = labels[cells], probabilities[cells]
        called = stated >= 0.5
        scores.append(
            (
                metrics.accuracy_score(truth, called),
                metrics.balanced_accuracy_score(truth, called),
                metrics.f1_score(truth, called, average="weighted"),
                metrics.roc_auc_score(truth, stated),
                metrics.average_precision_score(truth, stated),
                metrics.brier_score_loss(truth, stated),
            )
        )
    return np.quantile(scores, (0.025, 0.975), axis=0).T
