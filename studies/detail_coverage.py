"""Counts how often the intervals of an evaluation's details hold the truth, on the simulated people of `coverage.py`.

    python studies/detail_coverage.py --draws 200     # the table of docs/protocol.md, some minutes

Start at `judge`, which draws people once and judges every interval.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np
from scipy.stats import norm
from tqdm import tqdm

import coverage_people as people
from leuknet.evaluation.operating_points import operating_point, predictive_values
from leuknet.evaluation.people_scores import people_scores
from leuknet.evaluation.summary import markdown_table
from leuknet.evaluation.weak_calibration import weak_calibration
from leuknet.types import Interval

COUNTS = (10, 28)
AREAS = (0.80, 0.94)
SEED = 18
MANY = 3000
"""People of whom the AUROC over people is taken for the true one."""

COLUMNS = (
    "sensitivity",
    "LR+",
    "PPV at 5%",
    "calibration intercept",
    "calibration slope",
    "AUROC over people",
    "intra-class correlation",
)


def true_people(auroc: float) -> float:
    """Return the AUROC over people of very many."""
    drawn = people.draw_people(MANY, auroc, seed=(SEED, 1))
    found = np.bincount(drawn.whose, drawn.probabilities) / np.bincount(drawn.whose)
    normal, leukaemic = np.sort(found[drawn.class_of == 0]), found[drawn.class_of == 1]
    return float(np.searchsorted(normal, leukaemic).mean() / normal.size)


def judge(count: int, auroc: float, over_people: float, number: int) -> Iterator[tuple[str, bool | None]]:
    """Yield of each column whether its interval held the truth; None where there is no interval."""
    drawn = people.draw_people(count, auroc, seed=(SEED, count, number))
    labels, stated, whose = drawn.labels, drawn.probabilities, drawn.whose
    right = norm.cdf(people.separation(auroc) / 2)  # sensitivity and specificity at 0.5
    point = operating_point(labels, stated, 0.5, whose, prevalences=[0.05])
    value = predictive_values(point.sensitivity, point.specificity, prevalence=0.05).positive
    weak, alike = weak_calibration(labels, stated, whose), people_scores(labels, stated, whose)
    ratio = point.positive_ratio
    yield "sensitivity", _held(point.sensitivity, right)
    yield "LR+", ratio.low <= right / (1 - right) <= (np.inf if ratio.high is None else ratio.high)
    yield "PPV at 5%", _held(value, 0.05 * right / (0.05 * right + 0.95 * (1 - right)))
    yield "calibration intercept", _held(weak.intercept, 0.0)
    yield "calibration slope", _held(weak.slope, 1.0)
    yield "AUROC over people", _held(alike.auroc, over_people)
    yield "intra-class correlation", _held(alike.intraclass, people.ICC)


def _held(interval: Interval | None, truth: float) -> bool | None:
    return None if interval is None or not interval.is_known else interval.low <= truth <= interval.high


def table(draws: int, counts: tuple[int, ...] = COUNTS, areas: tuple[float, ...] = AREAS) -> str:
    """Return the table as Markdown."""
    rows = []
    for count in counts:
        for auroc in areas:
            over_people = true_people(auroc)
            held: Counter[str] = Counter()
            there: Counter[str] = Counter()
            for number in tqdm(range(draws), desc=f"{count} people, {auroc:.2f}", leave=False):
                for name, outcome in judge(count, auroc, over_people, number):
                    held[name] += bool(outcome)
                    there[name] += outcome is not None
            texts = (f"{held[name] / there[name]:.0%}" if there[name] else "-" for name in COLUMNS)
            rows.append((f"{count} people, AUROC {auroc:.2f}", *texts))
    return markdown_table(("", *COLUMNS), rows)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200, help="sets of people for each line")
    sys.stdout.write(table(parser.parse_args(arguments).draws) + "\n")


if __name__ == "__main__":
    main()
