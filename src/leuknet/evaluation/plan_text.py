"""Says a plan in words, for the command line and whoever else asks what a study needs.

Start at `plan_rows` and `plan_notes`.
"""

from __future__ import annotations

import math

from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.study_plan import Plan, PlanPoint


def plan_title(plan: Plan) -> str:
    """Return what is asked: `95% interval of AUROC no wider than 0.1, in 80% of studies`."""
    title = METRICS[plan.metric].title
    simulated = " (SIMULATED CELLS)" if plan.simulated else ""
    if plan.question == "width":
        asked = f"95% interval of {title} no wider than {plan.wanted:g}"
    else:
        asked = f"{title} {plan.wanted:+g} told from chance"
    return f"{asked}, in {plan.share:.0%} of studies{simulated}"


def plan_rows(plan: Plan) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return heads and rows of a table: for each number of cells the people needed, and what they get."""
    is_width = plan.question == "width"
    heads = ("cells", "people needed", "studies that reach it", *(("mean width",) if is_width else ()))
    rows = []
    for name, needed in plan.needed.items():
        points = [point for point in plan.points if point.cells == name]
        at = next((point for point in points if point.people == needed), points[-1])
        people = f"more than {at.people}" if needed is None else _people(at)
        width = (f"{at.mean_width:.3f}",) if at.mean_width is not None else ()
        rows.append((name, people, f"{at.reached:.0%}", *width))
    return heads, rows


def plan_notes(plan: Plan) -> list[str]:
    """Return what a reader must know before trusting the numbers."""
    people = plan.pilot_leukaemic + plan.pilot_normal
    # Of n people a standard deviation is known to within 1 / sqrt(2 (n - 2)), two classes being told apart.
    rough = 1 / math.sqrt(2 * (people - 2))
    if plan.question == "width":
        truth = f"{METRICS[plan.metric].title} of all the people drawn from: {plan.truths[0]:.3f}"
    else:
        truth = (
            f"AUROC of all the people drawn from: {plan.truths[0]:.3f} and {plan.truths[1]:.3f}; power is "
            "that of the t test; `leuknet compare` also swaps answers and takes the larger p: less power"
        )
    chance = 1.96 * math.sqrt(plan.share * (1 - plan.share) / plan.studies)
    return [
        f"pilot: {' and '.join(plan.models)}, {people} people; {plan.between_share:.0%} of the variance of "
        f"the log odds lies between people; {truth}",
        f"rough: from {people} people, how much people differ is known to within about {rough:.0%}; of "
        f"{plan.studies} studies a share is known to within {100 * chance:.0f} points",
        f"seed {plan.seed}: the same seed draws the same studies",
    ]


def _people(point: PlanPoint) -> str:
    return f"{point.people} ({point.leukaemic} leukaemic, {point.normal} normal)"
