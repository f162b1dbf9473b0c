"""Measures whether a bound on the risk of called cells holds on new people: a part of `studies/results.py`.

Validation people and new people are drawn alike: of 9 to 757 cells each, evenly by the logarithm, all of one class, by
each of whom the model's log odds are off by a shift of their own. Abstention is then chosen on the validation people by
the very functions that training calls, and judged on the new ones. Beside the bound stand what may break it, a threshold
or an epoch that the same people chose, and what it replaces, conformal sets of cells.

Start at `measure_bounds`; `bound_lines` says it in words.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from leuknet.evaluation.abstention import conformal_sets, risk_band, sets_of
from leuknet.evaluation.calibrate import choose_threshold, fit_temperature, subject_loss
from leuknet.types import Labels, ThresholdRule

CELLS = (9, 757)
"""Fewest and most cells of a person: those of C-NMC's training people."""

SEPARATION, WITHIN, BETWEEN = 2.0, 1.5, 1.0
"""Of the model's log odds: half the distance of the classes, and the spread within and between people."""

EPOCHS, OF_EPOCH = 10, 0.5
"""Epochs to choose from, and the spread between people that each of them adds."""

NEW = 200
DRAWS = 200
CASES: tuple[tuple[int, float], ...] = (
    (9, 0.10),
    (12, 0.10),
    (20, 0.05),
    (20, 0.10),
    (40, 0.05),
    (40, 0.10),
    (100, 0.05),
)
"""Validation people and the bound asked for."""

WAYS: dict[str, tuple[ThresholdRule, int]] = {
    "threshold 0.5": ("half", 1),
    "threshold by Youden on the same people": ("youden", 1),
    f"best of {EPOCHS} epochs on the same people": ("half", EPOCHS),
}
"""How the model was finished: rule of the threshold, and how many epochs were chosen from."""


class Drawn(NamedTuple):
    """Cells of some people: labels and person (N,), log odds (epochs, N)."""

    labels: Labels
    person: NDArray[np.intp]
    log_odds: NDArray[np.float64]


def draw(people: int, generator: np.random.Generator, *, epochs: int) -> Drawn:
    """Draw people of both classes in turn, and what a model says of their cells after each of some epochs."""
    fewest, most = CELLS
    sizes = np.exp(generator.uniform(np.log(fewest), np.log(most), people)).round().astype(int)
    person = np.repeat(np.arange(people), sizes)
    labels = (person % 2).astype(np.int64)
    shift = BETWEEN * generator.standard_normal(people)
    own = np.where(labels == 1, SEPARATION, -SEPARATION) + shift[person]
    own += WITHIN * generator.standard_normal(person.size)
    of_epoch = OF_EPOCH * (epochs > 1) * generator.standard_normal((epochs, people))
    return Drawn(labels, person, own + of_epoch[:, person])


def judge(
    drawn: Drawn, probabilities: NDArray[np.float64], threshold: float, band: tuple[float, float]
) -> list[float]:
    """Return of these people: mean risk, mean risk of those with a called cell, mean share called, share silent."""
    called = (probabilities < band[0]) | (probabilities >= band[1])
    wrong = called & ((probabilities >= threshold) != (drawn.labels == 1))
    cells, mine, missed = (np.bincount(drawn.person, each) for each in (None, called, wrong))
    own = np.divide(missed, mine, out=np.zeros(len(cells)), where=mine > 0)
    speaking = own[mine > 0].mean() if (mine > 0).any() else np.nan
    return [float(own.mean()), float(speaking), float((mine / cells).mean()), float((mine == 0).mean())]


def try_once(people: int, risk: float, way: str, seed: int, *, conformal: bool) -> dict[str, list[float]]:
    """Choose on some people and judge on others, by the bound and, if asked for, by conformal sets."""
    rule, epochs = WAYS[way]
    generator = np.random.default_rng((seed, people))
    validation, new = draw(people, generator, epochs=epochs), draw(NEW, generator, epochs=epochs)
    names = [str(number) for number in validation.person]
    best = int(np.argmin([subject_loss(validation.labels, each, names) for each in validation.log_odds]))
    temperature = fit_temperature(validation.labels, validation.log_odds[best], names)
    stated, tested = (expit(drawn.log_odds[best] / temperature) for drawn in (validation, new))
    threshold = choose_threshold(validation.labels, stated, rule)
    band, _ = risk_band(validation.labels, stated, threshold=threshold, subjects=names, risk=risk)
    found = {"bound": judge(new, tested, threshold, band)}
    if conformal:
        quantile, band = conformal_sets(validation.labels, stated)
        held = sets_of(tested, quantile).hold(new.labels)
        mine = np.bincount(new.person, held) / np.bincount(new.person)
        band = (min(band[0], threshold), max(band[1], threshold))
        found["sets"] = [
            *judge(new, tested, threshold, band),
            float(held.mean()),
            float((mine >= 0.9).mean()),
        ]
    return found


def measure_bounds(_: Path, *, draws: int = DRAWS) -> dict[str, Any]:
    """Draw validation people many times over, and average over the new people of each draw."""
    rows = []
    for way in WAYS:
        for people, risk in CASES if way == "threshold 0.5" else CASES[1:4]:
            found = np.array(
                [try_once(people, risk, way, seed, conformal=False)["bound"] for seed in range(draws)]
            )
            error = found[:, 0].std(ddof=1) / np.sqrt(draws)
            rows.append({"way": way, "people": people, "asked": risk, "error": float(error)} | _means(found))
    sets = [
        {"people": people}
        | _means(
            np.array(
                [
                    try_once(people, 0.5, "threshold 0.5", seed, conformal=True)["sets"]
                    for seed in range(draws)
                ]
            )
        )
        for people in (12, 40)
    ]
    return {
        "commands": ["python studies/results.py --only risk-bound"],
        "draws": draws,
        "new": NEW,
        "rows": rows,
        "sets": sets,
    }


def _means(found: NDArray[np.float64]) -> dict[str, float]:
    nothing = float((found[:, 2] == 0).mean())
    names = ("risk", "speaking", "called", "silent", "held", "reach")
    # Draws in which nothing is called have no risk of what is called.
    return {"nothing": nothing} | {
        name: float(np.nanmean(column))
        for name, column in zip(names, found.T, strict=False)
        if not np.isnan(column).all()
    }


def bound_lines(found: dict[str, Any]) -> list[str]:
    """Return the section of the page."""
    return [
        f"{found['draws']} times over, validation people and {found['new']} new ones are drawn alike: {CELLS[0]} to {CELLS[1]} cells each, all of one",
        f"class, log odds with a spread of {WITHIN:g} within and {BETWEEN:g} between people around ±{SEPARATION:g}. `--risk` promises that on average over new people",
        "at most so large a share of a person's called cells is wrong, 0 for a person of whom none is called. Of people with a called cell",
        "the mean can only be higher. Nothing called: draws in which no cut kept the bound.",
        "",
        "| validation people | asked for | how the model was finished | wrong, mean over new people (± s.e.) | of people with a called cell | cells called | people without a called cell | nothing called |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {row['people']} | {row['asked']:.0%} | {row['way']} | {row['risk']:.1%} (± {row['error']:.1%}) | {row.get('speaking', 0):.1%} | "
            f"{row['called']:.0%} | {row['silent']:.0%} | {row['nothing']:.0%} |"
            for row in found["rows"]
        ),
        "",
        "Conformal sets at 90%, on the same people:",
        "",
        "| validation people | cells whose set holds the class | new people of whom 90% of sets do | wrong among a person's called cells | cells called |",
        "|---|---|---|---|---|",
        *(
            f"| {row['people']} | {row['held']:.1%} | {row['reach']:.0%} | {row['risk']:.1%} | {row['called']:.0%} |"
            for row in found["sets"]
        ),
        "",
        "Sets are chosen over cells, so that people with many cells decide them; for a new person they promise nothing.",
        "",
    ]
