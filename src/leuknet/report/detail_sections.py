"""The sections of a report that hold what reviewers ask for: thresholds for a purpose, people, subgroups.

Start at `thresholds` and `subgroups`; `weak_calibration` and `people_scores` are parts of other sections.
Each takes the runs and returns blocks.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from leuknet.evaluation.detail_tables import (
    TextTable,
    points_table,
    predictive_tables,
    subgroup_table,
)
from leuknet.evaluation.details import details_of
from leuknet.evaluation.summary import number_text
from leuknet.figures.subgroups_plot import draw_subgroups
from leuknet.report.blocks import Block, Heading, Picture, Table, Text, counted
from leuknet.report.facts import Runs
from leuknet.report.render import embedded_figure
from leuknet.report.run_record import RunRecord
from leuknet.types import Details, Evaluation, Subgroup

_MADE: dict[int, tuple[weakref.ref[Evaluation], Details]] = {}
_DETAILED = 6
"""Runs that are shown one at a time."""


def thresholds(runs: Runs) -> tuple[Block, ...]:
    """Return sensitivity at stated specificities and the reverse, and what a call is worth."""
    blocks: list[Block] = [
        Text(
            "A threshold that serves a purpose is chosen on the validation side, and judged here. Predictive "
            "values follow from sensitivity and specificity by Bayes' rule for each stated prevalence; their "
            "limits from those of both (MOVER-R)."
        )
    ]
    for run in runs[:_DETAILED]:
        blocks += _head(run, runs)
        points, names = details_for(run).operating_points, run.evaluation.class_names
        for table in (points_table(points, names), *predictive_tables(points, names)):
            blocks += as_blocks(table)
    return (*blocks, *_left_out(runs))


def subgroups(runs: Runs) -> tuple[Block, ...]:
    """Return a figure and a table of small and large, pale and dark cells, and of the parts."""
    blocks: list[Block] = []
    for run in runs[:_DETAILED]:
        blocks += _head(run, runs)
        groups = details_for(run).subgroups
        if not groups:
            blocks.append(
                Text(
                    "No subgroups stand beside this evaluation: it was made by an earlier LeukNet, or its "
                    "cells do not differ. `leuknet evaluate` looks at them."
                )
            )
            continue
        caption = f"Scores of subgroups of the tested cells, {run.name}."
        picture = embedded_figure(draw_subgroups(run.evaluation, groups))
        blocks.append(Picture(picture, caption, f"{caption} {_told(groups)}."))
        blocks += as_blocks(subgroup_table(groups, run.evaluation.class_names))
    return (*blocks, *_left_out(runs))


def weak_calibration(runs: Runs) -> tuple[Block, ...]:
    """Return calibration intercept and slope of each run."""
    rows = []
    for run in runs:
        found = details_for(run).calibration
        rows.append((run.name, number_text(found.intercept), number_text(found.slope), found.doubt))
    heads = ("Run", "Intercept (0 is right)", "Slope (1 is right)", "Note")
    caption = (
        "Logistic recalibration without a penalty: an intercept above 0 means that probabilities are too low "
        "as a whole, a slope below 1 that they are too extreme"
    )
    return Heading("Weak calibration on the tested cells"), Table(caption, heads, tuple(rows))


def people_scores(runs: Runs) -> tuple[Block, ...]:
    """Return what remains of each run where a person counts as one; nothing where people are not known."""
    rows = []
    for run in runs:
        found = details_for(run).people
        if found is None:
            continue
        normal, leukaemic = run.evaluation.class_names
        effect = "not known" if found.design_effect is None else f"{found.design_effect:.1f}"
        people = f"{found.leukaemic} {leukaemic}, {found.normal} {normal}"
        rows.append((run.name, people, number_text(found.auroc), number_text(found.intraclass), effect))
    if not rows:
        return ()
    heads = ("Run", "People", "AUROC over people", "Intra-class correlation", "Design effect")
    caption = (
        "Each person as one, by mean probability. The intra-class correlation is the share of the variance "
        "of the log odds within a class that lies between people; the design effect says by how much more a "
        "mean over these cells varies than one over independent cells"
    )
    return (Table(caption, heads, tuple(rows)),)


def details_for(run: RunRecord) -> Details:
    """Return the details that stand in an evaluation; of one that has none, all but subgroups."""
    evaluation = run.evaluation
    if evaluation.details is not None:
        return evaluation.details
    # Several sections ask, and an evaluation of thousands of cells takes a second.
    kept = _MADE.get(id(evaluation))
    if kept is None or kept[0]() is not evaluation:
        kept = _MADE[id(evaluation)] = (weakref.ref(evaluation), details_of(evaluation))
    return kept[1]


def as_blocks(table: TextTable) -> list[Block]:
    """Return a table and its note."""
    blocks: list[Block] = [Table(table.caption, table.heads, table.rows)]
    return [*blocks, Text(table.note)] if table.note else blocks


def _told(groups: Sequence[Subgroup]) -> str:
    """Return what the figure shows in words: AUROC, or what there is, of each group."""
    texts = []
    for one in groups:
        name = "auroc" if "auroc" in one.metrics else next(iter(one.metrics), "")
        score = f"{name} {number_text(one.metrics[name])}" if name else "no score"
        cells = counted(one.leukaemic + one.normal, "cell")
        texts.append(f"{one.attribute}, {one.group}: {score}, {cells}")
    return "; ".join(texts)


def _head(run: RunRecord, runs: Runs) -> list[Block]:
    return [Heading(run.name)] if len(runs) > 1 else []


def _left_out(runs: Runs) -> tuple[Block, ...]:
    if len(runs) <= _DETAILED:
        return ()
    return (Text(f"Only the first {_DETAILED} of {len(runs)} runs are shown here."),)
