"""The tables of a report on what its models leave undecided, and on their conformal sets, person by person.

Start at `undecided_tables`.
"""

from __future__ import annotations

from leuknet.evaluation.by_subject import called_risk, coverage
from leuknet.evaluation.reliability import decided
from leuknet.report.blocks import Cell, Table, counted
from leuknet.report.facts import Runs, share_cell
from leuknet.report.run_record import RunRecord


def undecided_tables(runs: Runs) -> tuple[Table, Table]:
    """Return what the rule for undecided cells, and the conformal sets, do on the test side."""
    decisions = (
        "Cells decided",
        "Wrong among them",
        "Wrong by subject",
        "Highest subject",
        "Decided by subject",
    )
    sets = (
        "Hold the class",
        "Mean over subjects",
        "Subjects that reach it",
        "Lowest subject",
        "Classes named",
    )
    return (
        Table(
            "What the rule for undecided cells does on the test side. By subject: the mean over subjects, "
            "who count alike; wrong ones over subjects with a decided cell",
            ("Run", *decisions),
            tuple(_undecided_row(run) for run in runs),
        ),
        Table(
            "Conformal sets on the test side. A set that names both classes holds the true one; a set that "
            "names none does not",
            ("Run", *sets),
            tuple(_sets_row(run) for run in runs),
        ),
    )


def _undecided_row(run: RunRecord) -> tuple[Cell, ...]:
    evaluation = run.evaluation
    rule = decided(evaluation)
    if rule is None:
        return run.name, "all: no calibration", "-", "-", "-", "-"
    risk: Cell = "none decided" if rule.risk is None else share_cell(rule.risk)
    if None in evaluation.subject_ids:
        return run.name, share_cell(rule.coverage), risk, "subjects not known", "-", "-"
    found = called_risk(evaluation)
    asked = "no bound asked for" if found.asked is None else f"asked for: {found.asked:.1%} at most"
    silent = f"no cell of {found.silent:,} of {counted(found.subjects, 'subject')}"
    return (
        run.name,
        share_cell(rule.coverage),
        risk,
        ("none decided", asked) if found.mean is None else (*share_cell(found.mean), asked),
        "-" if found.highest is None else (f"{found.highest:.1%}", found.highest_subject),
        (*share_cell(found.called), silent),
    )


def _sets_row(run: RunRecord) -> tuple[Cell, ...]:
    evaluation = run.evaluation
    if evaluation.neighbours:
        return run.name, ("not given", "cells voted, and sets are of single cells"), "-", "-", "-", "-"
    if evaluation.calibration is None or evaluation.calibration.quantile is None:
        return run.name, ("not known", "the model was saved without them"), "-", "-", "-", "-"
    if None in evaluation.subject_ids or len(set(evaluation.subject_ids)) < 2:
        return run.name, "subjects not known", "-", "-", "-", "-"
    found = coverage(evaluation)
    return (
        run.name,
        (*share_cell(found.found), f"asked for: {found.asked:.0%}"),
        share_cell(found.mean),
        f"{found.subjects_reached:.0%}",
        (f"{found.lowest:.0%}", found.lowest_subject),
        (f"one: {found.one:.1%}", f"both: {found.both:.1%}, none: {found.none:.1%}"),
    )
