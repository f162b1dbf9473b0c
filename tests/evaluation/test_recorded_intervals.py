"""Every kind of interval gives what was recorded in `tests/golden/intervals.json`, written by `record` below.

What is recorded is itself checked: scores over people against scikit-learn in a plain loop that leaves each
person out, shares at the edge against scipy's exact binomial limits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binomtest, t
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    roc_auc_score,
)

from leuknet.evaluation import agreement, curves
from leuknet.evaluation.by_subject import coverage, subject_rows
from leuknet.evaluation.crossed import Answers, mean_over_seeds
from leuknet.evaluation.evaluate import Judged, judge
from leuknet.evaluation.metrics import METRICS, metric_intervals
from leuknet.evaluation.optimism import Scored, measure_worth
from leuknet.evaluation.reliability import decided, reliability
from leuknet.evaluation.resampling import wilson
from leuknet.evaluation.share import subject_shares
from leuknet.evaluation.spread import fit_spread
from leuknet.evaluation.standings import make_row
from leuknet.inference.scored_table import ScoredCells
from leuknet.types import Calibration, CellImage, Dataset, Evaluation, Label, Split, SplitKind, TestSide

GOLDEN = Path(__file__).parents[1] / "golden" / "intervals.json"

# Whose cells are how many of each class: unequal, some of one class, one person with a single cell.
PEOPLE = [(9, 0), (0, 7), (4, 3), (1, 0), (0, 5), (6, 2), (2, 8), (0, 3), (5, 0), (3, 3), (1, 6), (8, 1)]
CELLS = tuple(
    CellImage(
        f"{person}/{number}", Path("x"), f"{person}/{number}", Label(int(number >= normal)), f"S{person:02}"
    )
    for person, (normal, leukaemic) in enumerate(PEOPLE)
    for number in range(normal + leukaemic)
)
LABELS = np.array([cell.label for cell in CELLS], dtype=np.int64)
SUBJECTS = np.array([cell.subject for cell in CELLS], dtype=np.str_)
CALIBRATION = Calibration(1.3, (0.35, 0.6), 0.9, 50, 6, 0.1, 0.05, quantile=0.6)


def probabilities(seed: int, noise: float = 1.5) -> np.ndarray:
    """P(leukaemic) of each cell, off by person as well, with ties."""
    generator = np.random.default_rng(seed)
    person = np.unique(SUBJECTS, return_inverse=True)[1]
    log_odds = 2.0 * LABELS - 0.8 + generator.normal(0, 1, len(PEOPLE))[person]
    return (1 / (1 + np.exp(-log_odds - generator.normal(0, noise, len(CELLS))))).round(2)


def judged(
    kind: SplitKind,
    seed: int = 0,
    *,
    noise: float = 1.5,
    recipe: str = "leuknet-paper",
    few: bool = False,
) -> Evaluation:
    """Return the evaluation of one model; `few` keeps four subjects."""
    dataset = Dataset("c-nmc-2019", "1", "none", "", Path(), CELLS)
    kept = np.isin(SUBJECTS, ("S02", "S05", "S06", "S09")) | (not few)
    cells = tuple(cell for cell, is_kept in zip(CELLS, kept, strict=True) if is_kept)
    side = TestSide(cells, kind, "0" * 64, "prelim", "official")
    model = Judged(f"{seed:012x}", recipe, seed, 0.45, "youden", CALIBRATION)
    return judge(model, dataset, side, cells=cells, probabilities=probabilities(seed, noise)[kept])


def answers(seed: int, *, noise: float = 1.5, leave_out: int = 0) -> Answers:
    """One seed's answers, without some of the first cells, so that seeds test different ones."""
    kept = slice(leave_out, None)
    ids = np.array([cell.id for cell in CELLS])
    return Answers(
        ids=ids[kept],
        labels=LABELS[kept],
        probabilities=probabilities(seed, noise)[kept],
        threshold=np.full(len(CELLS), 0.45)[kept],
        whose=SUBJECTS[kept],
    )


def curve(found: curves.Curve) -> dict[str, Any]:
    assert found.band is not None
    low, high = found.band.low[::20], found.band.high[::20]
    return {"points": len(found.x), "y": found.y[::20].tolist(), "low": low.tolist(), "high": high.tolist()}


def curves_of(clusters: np.ndarray | None) -> dict[str, Any]:
    stated = probabilities(0)
    by_risk = curves.risk_coverage(LABELS, stated, clusters, threshold=0.45)
    made = {
        function.__name__: curve(function(LABELS, stated, clusters))
        for function in (curves.roc, curves.precision_recall, curves.net_benefit)
    }
    bins = reliability(LABELS, stated, clusters)
    return made | {
        "risk_coverage": curve(by_risk.curve) | {"area": asdict(by_risk.area)},
        "reliability": [asdict(each) for each in bins],
    }


def raters() -> dict[str, Any]:
    generator = np.random.default_rng(8)
    ratings = np.where(generator.random((len(CELLS), 3)) < 0.7, LABELS[:, None], 2)
    ratings[::11, 1] = -1
    later = np.where(generator.random(ratings.shape) < 0.85, LABELS[:, None], 2)
    few = np.where(np.char.less(SUBJECTS, "S06"), SUBJECTS, "S00")
    found: dict[str, Any] = {}
    for name, cases in {"by case": SUBJECTS, "by cell": few}.items():
        for measure in agreement.MEASURES:
            pair = slice(0, 2 if measure == "cohen" else 3)
            before, after = ratings[:, pair], later[:, pair]
            found[f"{measure} {name}"] = asdict(agreement.agreement_of(before, measure=measure, cases=cases))
            change = agreement.change_of(before, after, measure=measure, cases=cases)
            found[f"change of {measure} {name}"] = asdict(change)
    # Without the first case there is no second category, and kappa is undefined.
    rare = np.zeros((12, 2), dtype=np.int64)
    rare[0] = 1
    found["rare"] = asdict(agreement.agreement_of(rare, measure="cohen", cases=np.arange(12)))
    return found


def over_seeds() -> dict[str, Any]:
    first = [answers(seed, leave_out=3 * seed) for seed in range(3)]
    cells = [each._replace(whose=each.ids) for each in first]
    over_cells = [name for name, metric in METRICS.items() if metric.unit == "cell"]
    found: dict[str, Any] = {
        "subjects": mean_over_seeds(first, unit="subjects", metrics=list(METRICS)),
        "one seed": mean_over_seeds(first[:1], unit="subjects", metrics=list(METRICS)),
        "cells": mean_over_seeds(cells, unit="cells", metrics=over_cells),
    }
    found = {name: {metric: asdict(one) for metric, one in each.items()} for name, each in found.items()}
    kinds: Mapping[SplitKind, int] = {"image-level": 0, "subject-level": 20}
    scored = [
        Scored(Split((), (), CELLS[2 * seed :], kind, seed, ""), probabilities(seed + shift)[2 * seed :])
        for kind, shift in kinds.items()
        for seed in range(3)
    ]
    worth = {name: asdict(measure_worth("it", scored, metric=name)) for name in ("auroc", "ece", "accuracy")}
    return found | {"optimism": worth}


def table() -> dict[str, Any]:
    row = make_row([judged("subject-level", seed, noise=0.7, recipe="leuknet-demo") for seed in (0, 1)])
    return {"row": asdict(row)}


def people() -> dict[str, Any]:
    evaluation = judged("subject-level")
    spread = fit_spread(evaluation)
    none = np.zeros(len(CELLS), dtype=bool)
    cells = ScoredCells(evaluation.model_id, 0.45, tuple(SUBJECTS), probabilities(0), none, none)
    return {
        "rows": [asdict(row) for row in subject_rows(evaluation)],
        "coverage": asdict(coverage(evaluation)),
        "spread": asdict(spread),
        "shares": [asdict(row) for row in subject_shares(cells, spread=spread).rows],
        "shares alone": [asdict(row) for row in subject_shares(cells, seed=1).rows],
    }


def evaluations() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in get_args(SplitKind):
        evaluation = judged(kind)
        left = decided(evaluation)
        assert left is not None
        assert left.risk is not None
        found[kind] = {name: asdict(interval) for name, interval in evaluation.metrics.items()}
        found[kind] |= {"decided": asdict(left.coverage), "risk": asdict(left.risk)}
    # All normal cells are one person's: without them, most scores are undefined.
    alone = np.where(LABELS, SUBJECTS, "S00")
    few = metric_intervals(LABELS, probabilities(1), threshold=0.45, clusters=alone, level=0.9)
    return found | {
        "one person's class": {name: asdict(interval) for name, interval in few.items()},
        "wilson": asdict(wilson(49, 50, level=0.9)),
    }


PARTS = {
    "evaluations": evaluations,
    "curves by subject": lambda: curves_of(SUBJECTS),
    "curves by cell": lambda: curves_of(None),
    "agreement": raters,
    "seeds": over_seeds,
    "table": table,
    "people": people,
}


def record() -> None:
    """Write the file; what it holds is then taken for right."""
    found = {name: part() for name, part in PARTS.items()}
    GOLDEN.write_text(json.dumps(found, indent=0, allow_nan=False) + "\n")


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    """Return each number and text with the way to it."""
    if isinstance(value, Mapping | list):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        return {way: leaf for key, inner in items for way, leaf in _leaves(inner, f"{name}/{key}").items()}
    return {name: value}


@pytest.mark.parametrize("part", PARTS)
def test_numbers_and_methods_are_those_recorded(part: str) -> None:
    recorded = _leaves(json.loads(GOLDEN.read_text())[part])
    found = _leaves(json.loads(json.dumps(PARTS[part](), allow_nan=False)))

    assert found.keys() == recorded.keys()
    # To the bit on the machine that recorded them; elsewhere sums may be taken in another order.
    assert found == {
        way: pytest.approx(leaf, abs=1e-12, rel=0) if isinstance(leaf, float) else leaf
        for way, leaf in recorded.items()
    }


def test_recorded_scores_over_people_agree_with_a_plain_loop() -> None:
    recorded = json.loads(GOLDEN.read_text())["evaluations"]["subject-level"]
    stated, names = probabilities(0), np.unique(SUBJECTS)
    called = (stated >= 0.45).astype(np.int64)
    scores: dict[str, Callable[[np.ndarray], float]] = {
        "auroc": lambda kept: roc_auc_score(LABELS[kept], stated[kept]),
        "auprc": lambda kept: average_precision_score(LABELS[kept], stated[kept]),
        "weighted_f1": lambda kept: f1_score(LABELS[kept], called[kept], average="weighted"),
        "balanced_accuracy": lambda kept: balanced_accuracy_score(LABELS[kept], called[kept]),
        "brier": lambda kept: brier_score_loss(LABELS[kept], stated[kept]),
    }
    sizes = np.array(PEOPLE, dtype=np.float64)  # (12, 2)
    kish = [column.sum() ** 2 / (column**2).sum() for column in (sizes.sum(axis=1), *sizes.T)]
    for name, score in scores.items():
        everyone = np.ones(LABELS.size, dtype=bool)
        without = np.array([score(person != SUBJECTS) for person in names])
        estimate = score(everyone)
        freedom = kish[0] - 1 if name == "brier" else min(kish[0], 2 * kish[1], 2 * kish[2]) - 1
        error = np.sqrt(11 / 12 * ((without - without.mean()) ** 2).sum())
        reach = t.ppf(0.975, freedom) * error / (estimate * (1 - estimate))
        low, high = expit(logit(estimate) + np.array([-reach, reach]))
        found = recorded[name]
        assert [found["estimate"], found["low"], found["high"]] == pytest.approx([estimate, low, high]), name


def test_recorded_answers_at_the_edge_are_exact() -> None:
    # In the first bin of the reliability diagram no cell of the six is leukaemic.
    (first, *_) = json.loads(GOLDEN.read_text())["curves by cell"]["reliability"]
    observed = first["observed"]
    wilson_limits = binomtest(0, observed["cells"]).proportion_ci(method="wilson")
    assert (observed["low"], observed["high"]) == pytest.approx(tuple(wilson_limits))
    (by_people, *_) = json.loads(GOLDEN.read_text())["curves by subject"]["reliability"]
    seen = by_people["observed"]
    exact = binomtest(0, seen["subjects"]).proportion_ci(method="exact")
    expected = tuple(exact) if seen["subjects"] >= 5 else (0.0, 1.0)
    assert (seen["low"], seen["high"]) == pytest.approx(expected)
