"""Measures how often equal models and equal recipes are called different: a part of `studies/results.py`.

Log odds are drawn, not images: the label of a person, what all models share of how odd the person is, what each
recipe and each training makes of it, and cells. All recipes have the same true AUROC, so that every verdict is
an error. "Before" is what LeukNet once did: swapping answers alone, and recipes told apart wherever the interval
of a crossed bootstrap left out 0.

Start at `measure_verdicts`; `verdict_lines` says it in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from coverage_people import crossed_means
from leuknet.evaluation.compare import swap_test
from leuknet.evaluation.crossed import Answers
from leuknet.evaluation.margins import SIGNIFICANT
from leuknet.evaluation.paired import paired_difference
from leuknet.evaluation.standings import MIN_SEEDS, holm
from leuknet.evaluation.summary import markdown_table

SIZES = (9, 12, 20, 40)
"""Cells of a person: one of these, each as often."""

PAIRS = tuple(
    (people, auroc, spread)
    for people, auroc in ((10, 0.80), (10, 0.94), (28, 0.80), (28, 0.94), (60, 0.80), (10, 0.98))
    for spread in ((0.3, 0.3), (0.05, 0.6))
)
"""People, true AUROC, and how much of each model's variance is between people."""

GRIDS = tuple(
    (auroc, luck, seeds)
    for auroc, luck in ((0.80, 0.0), (0.80, 0.25), (0.94, 0.25))
    for seeds in (1, 2, 3, 5)
)
"""True AUROC, how much the separation varies from seed to seed, and seeds; of 28 people."""

RECIPES = 5
"""In a table: one to compare with, and four others."""

METRICS = ("auroc", "subject_accuracy")


@dataclass(frozen=True)
class Drawn:
    """People whose cells equal recipes score."""

    people: int
    separation: float
    generator: np.random.Generator

    def answers(self, spreads: Sequence[float], *, seeds: int = 1, luck: float = 0.0) -> list[list[Answers]]:
        """Return what each recipe says with each seed; `spreads` is each one's variance between people."""
        generator = self.generator
        owner = np.repeat(np.arange(self.people), generator.choice(SIZES, self.people))
        labels, cells = owner % 2, owner.size
        odd, hard = generator.normal(size=self.people), generator.normal(size=cells)
        found = []
        for spread in spreads:
            own = generator.normal(size=self.people)
            of_recipe = []
            for _ in range(seeds):
                person = (np.sqrt([0.5, 0.25, 0.25]) @ [odd, own, generator.normal(size=self.people)])[owner]
                cell = np.sqrt([0.5, 0.5]) @ [hard, generator.normal(size=cells)]
                distance = self.separation + luck * generator.normal()
                odds = distance * (labels - 0.5) + np.sqrt(spread) * person + np.sqrt(1 - spread) * cell
                of_recipe.append(_as_answers(owner, labels, expit(2 * odds)))
            found.append(of_recipe)
        return found


def _as_answers(owner: NDArray[np.int64], labels: NDArray[np.int64], said: NDArray[np.float64]) -> Answers:
    ids = np.char.mod("%05d", np.arange(owner.size))
    return Answers(ids, labels, said, np.full(owner.size, 0.5), np.char.mod("%03d", owner))


def measure_verdicts(_: Path, *, draws: int = 200) -> dict[str, Any]:
    """Count verdicts on pairs of equal models, and in tables of equal recipes."""
    return {
        "commands": ["python studies/results.py --only verdicts"],
        "draws": draws,
        "pairs": [_measure_pair(number, draws=draws) for number in range(len(PAIRS))],
        "grids": [_measure_grid(number, draws=draws) for number in range(len(GRIDS))],
    }


def _measure_pair(number: int, *, draws: int) -> dict[str, Any]:
    people, auroc, spread = PAIRS[number]
    drawn = Drawn(people, _separation(auroc), np.random.default_rng((1, number)))
    errors = {(when, metric): 0 for when in ("before", "after") for metric in METRICS}
    for _ in range(draws):
        first, second = drawn.answers(spread)
        for metric in METRICS:
            swapped, _least = swap_test([*first, *second], metric, resamples=199, seed=0)
            left_out = paired_difference(first, second, unit="subjects", metric=metric).p_value
            errors["before", metric] += swapped < SIGNIFICANT
            errors["after", metric] += max(swapped, left_out) < SIGNIFICANT
    found = {f"{when} {metric}": n / draws for (when, metric), n in errors.items()}
    return {"people": people, "auroc": auroc, "spread": list(spread), **found}


def _measure_grid(number: int, *, draws: int) -> dict[str, Any]:
    auroc, luck, seeds = GRIDS[number]
    drawn = Drawn(28, _separation(auroc), np.random.default_rng((2, number)))
    before, one, any_of_them = 0, 0, 0
    for _ in range(draws):
        first, *others = drawn.answers([0.3] * RECIPES, seeds=seeds, luck=luck)
        before += _told_apart_before(first, others[0])
        p_values = [
            paired_difference(first, other, unit="subjects", metric="auroc").p_value for other in others
        ]
        one += p_values[0] < SIGNIFICANT
        any_of_them += min(holm(p_values)) < SIGNIFICANT
    return {
        "auroc": auroc,
        "luck": luck,
        "seeds": seeds,
        "before": before / draws,
        "one": one / draws,
        "any": any_of_them / draws,
    }


def _told_apart_before(first: Sequence[Answers], second: Sequence[Answers]) -> bool:
    drawn = []
    for stream, count in enumerate((np.unique(first[0].whose).size, len(first))):
        even = np.ones(count) / count
        drawn.append(np.random.default_rng((0, stream)).multinomial(count, even, size=200).astype(np.float64))
    times, shares = drawn[0], drawn[1] / len(first)
    before, after = (crossed_means(answers, times, shares)[0] for answers in (first, second))
    gap = after - before
    low = np.quantile(np.nan_to_num(gap, nan=-1.0), 0.025)
    high = np.quantile(np.nan_to_num(gap, nan=1.0), 0.975)
    return not low <= 0 <= high


def _separation(auroc: float) -> float:
    """Distance of the classes, in standard deviations of a class, with this AUROC."""
    return float(np.sqrt(2) * norm.ppf(auroc))


def verdict_lines(found: dict[str, Any]) -> list[str]:
    """Return the section of the page."""
    pair_rows = [
        (
            str(row["people"]),
            f"{row['auroc']:.2f}",
            " and ".join(f"{share:g}" for share in row["spread"]),
            *(f"{row[f'{when} {metric}']:.1%}" for metric in METRICS for when in ("before", "after")),
        )
        for row in found["pairs"]
    ]
    grid_rows = [
        (
            f"{row['auroc']:.2f}",
            f"{row['luck']:g}",
            str(row["seeds"]),
            f"{row['before']:.1%}",
            *(
                (f"{row['one']:.1%}", f"{row['any']:.1%}")
                if row["seeds"] >= MIN_SEEDS
                else ("no verdict" + f" (test alone: {row['one']:.1%})" * (row["seeds"] > 1), "no verdict")
            ),
        )
        for row in found["grids"]
    ]
    return [
        f"Equal models and equal recipes, drawn {found['draws']} times for each row: people of {min(SIZES)} to {max(SIZES)} cells, labels by person, a",
        f"known AUROC that is the same for all. Every verdict is an error; 5% is the goal, and {found['draws']} draws know a rate of 5% to 3 points. Before: the answers were swapped and nothing else,",
        "and recipes were told apart wherever the interval of a crossed bootstrap left out 0.",
        "",
        "Two models, `leuknet compare`:",
        "",
        *markdown_table(
            (
                "people",
                "AUROC",
                "variance between people",
                "AUROC: before",
                "AUROC: now",
                "mean over subjects: before",
                "mean over subjects: now",
            ),
            pair_rows,
        ).splitlines(),
        "",
        "Recipes, `leuknet benchmark --against`, of 28 people and AUROC. Luck is how much the classes' separation varies from seed to seed: 0.25",
        f"moves an AUROC of 0.80 by 0.05. Any of four: at least one wrong verdict in a table of {RECIPES - 1} recipes, corrected by Holm.",
        "",
        *markdown_table(
            ("AUROC", "luck", "seeds", "one recipe: before", "one recipe: now", "any of four: now"),
            grid_rows,
        ).splitlines(),
        "",
        f"With fewer than {MIN_SEEDS} seeds no verdict is given.",
        "",
    ]
