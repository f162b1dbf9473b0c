"""What runs can say to items that guidelines for diagnostic accuracy ask beyond the others.

Start at `DIAGNOSTIC_ANSWERS`; `answers.py` holds all answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from leuknet.evaluation.detail_tables import purpose_text
from leuknet.report import facts
from leuknet.report.detail_sections import details_for
from leuknet.report.facts import Runs, each
from leuknet.report.provenance import training_data_text
from leuknet.report.run_record import RunRecord


def _cutoffs(runs: Runs) -> str:
    def tell(run: RunRecord) -> str:
        chosen = [purpose_text(one) for one in details_for(run).operating_points if one.chosen]
        others = f"; others from the validation side for {', '.join(chosen)}" if chosen else ""
        return f"{facts.threshold_text(run)}{others}"

    return each(runs, tell)


def _development(runs: Runs) -> str:
    def tell(run: RunRecord) -> str:
        training = f"{facts.optimiser_text(run.card.recipe)}. {training_data_text(run)}"
        return f"{training}; tested on {facts.tested_text(run)}"

    return each(runs, tell)


def _indeterminate(runs: Runs) -> str:
    text = each(runs, facts.undecided_text)
    return f"Undecided cells count in each score by the threshold. The rule for them: {text}"


def _subgroups(runs: Runs) -> str | None:
    def tell(run: RunRecord) -> str:
        return ", ".join(dict.fromkeys(one.attribute for one in details_for(run).subgroups))

    known = [run for run in runs if details_for(run).subgroups]
    text = each(known, tell)
    return f"Scores by {text}, and subject by subject" if text else None


def _prevalences(runs: Runs) -> str:
    def tell(run: RunRecord) -> str:
        (normal, alarms), (missed, found) = run.evaluation.confusion
        share = (missed + found) / (normal + alarms + missed + found)
        stated = details_for(run).operating_points[0].predictive
        values = ", ".join(f"{100 * one.prevalence:g}%" for one in stated)
        tested = f"{share:.0%} of the tested cells are {run.evaluation.class_names[1]}"
        return f"{tested}; predictive values are stated for {values}"

    return each(runs, tell)


def _crosstab(runs: Runs) -> str:
    def tell(run: RunRecord) -> str:
        normal, leukaemic = run.evaluation.class_names
        (cleared, alarms), (missed, found) = run.evaluation.confusion
        return (
            f"{leukaemic}: {found:,} called {leukaemic}, {missed:,} called {normal}; "
            f"{normal}: {cleared:,} called {normal}, {alarms:,} called {leukaemic}"
        )

    return each(runs, tell)


def _stored(_: Runs) -> str:
    return (
        "evaluation.json holds the probability of each tested cell, its label and person, and every earlier "
        "look at these cells"
    )


DIAGNOSTIC_ANSWERS: Mapping[str, Callable[[Runs], str | None]] = {
    "cutoffs": _cutoffs,
    "development": _development,
    "indeterminate": _indeterminate,
    "subgroups": _subgroups,
    "prevalences": _prevalences,
    "crosstab": _crosstab,
    "stored": _stored,
}
"""What the runs know, by the names that `checklist.json` uses."""
