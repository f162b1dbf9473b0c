"""Measures whether intervals of a person's share hold the truth: a part of `studies/results.py`.

People are drawn from the very model that `leuknet.evaluation.share` states, so that the true share of each is known: this
shows that the arithmetic is right and what each part of it is worth, not that real people follow the model.

Start at `measure_shares`; `share_lines` says it in words.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leuknet.evaluation.spread import fit_spread
from simulated_people import People

TAU = 1.0
EVALUATED = (200, 60)
"""People and cells of each in the evaluation that tau is fitted on."""

NEW = 300
CELLS = (1, 5, 20, 100, 500)


def measure_shares(_: Path, *, new: int = NEW) -> dict[str, Any]:
    """Fit tau on simulated people, and count how often intervals of new ones hold their true share."""
    people, cells = EVALUATED
    tau = fit_spread(People(people, cells, tau=TAU, seed=1).evaluation()).tau
    rows = []
    for cells in CELLS:
        drawn = People(new, cells, tau=TAU, seed=2)
        rows.append(
            {"cells": cells, "fitted": drawn.covered(tau.estimate) / new, "alone": drawn.covered(0) / new}
        )
    return {
        "commands": ["python studies/results.py --only shares"],
        "tau": [tau.estimate, tau.low, tau.high],
        "rows": rows,
    }


def share_lines(found: dict[str, Any]) -> list[str]:
    """Return the section of the page."""
    estimate, low, high = found["tau"]
    return [
        f"{NEW} simulated people for each number of cells, drawn from the model that `leuknet subject` states, with true tau {TAU:g}.",
        f"Fitted on {EVALUATED[0]} other people of {EVALUATED[1]} cells each, tau is {estimate:.2f} ({low:.2f} to {high:.2f}). How many of the 95% intervals",
        "hold the person's true share:",
        "",
        "| cells a person | with the fitted tau (`--evaluation`) | cell count alone |",
        "|---|---|---|",
        *(f"| {row['cells']} | {row['fitted']:.0%} | {row['alone']:.0%} |" for row in found["rows"]),
        "",
        "Counting more cells makes the second interval narrower and no truer: the model is off by its own amount in each person.",
        "",
    ]
