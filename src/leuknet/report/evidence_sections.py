"""The sections of a report that show how its scores came about: curves, calibration, people, cells.

Start at `curves`, `calibration`, `people` and `galleries`. Each takes the runs and returns blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure

from leuknet.evaluation.by_subject import SubjectRow, subject_rows
from leuknet.evaluation.curves import arrays_of, net_benefit
from leuknet.evaluation.metrics import metric_intervals
from leuknet.evaluation.reliability import decided, uncalibrated
from leuknet.evaluation.resampling import clusters_of
from leuknet.figures.curves_plot import draw_decision, draw_discrimination, draw_risk_coverage
from leuknet.figures.reliability_plot import draw_reliability
from leuknet.figures.subjects import draw_subjects
from leuknet.report.abstention_tables import undecided_tables
from leuknet.report.blocks import Block, Cell, Facts, Heading, Picture, Table, Text, counted, shortened
from leuknet.report.facts import Runs, each, share_cell, threshold_text, undecided_text
from leuknet.report.render import embedded_figure, embedded_file
from leuknet.report.run_record import RunRecord
from leuknet.report.score_sections import baseline_title, scores_text, value_bounds
from leuknet.types import Evaluation

_CURVES = 6
"""Models in one figure: more cannot be told apart."""

_DETAILED = 6
"""Runs whose people and cells are shown one run at a time."""

_WORST = 15

Evaluations = Mapping[str, Evaluation]


def curves(runs: Runs) -> tuple[Block, ...]:
    """Return ROC and precision-recall, decision and risk-coverage curves, and the confusion matrices."""
    shown = {run.name: run.evaluation for run in runs[:_CURVES]}
    if len(runs) == 1:
        shown |= {baseline_title(name): baseline for name, baseline in runs[0].baselines.items()}
    areas = "ROC curve and precision-recall curve."
    benefit = "Decision curve: net benefit of acting on the probabilities, over the threshold for acting."
    risk = "Risk-coverage curve: wrong calls among the most certain cells, over the share of cells decided."
    blocks: list[Block] = [
        _drawn(draw_discrimination, shown, areas, lambda scored: scores_text(scored, ("auroc", "auprc"))),
        _drawn(draw_decision, shown, benefit, _benefit_told),
        _drawn(draw_risk_coverage, shown, risk, _risk_told),
    ]
    if len(runs) > _CURVES:
        blocks.insert(0, Text(f"The first {_CURVES} of {len(runs)} runs; more cannot be told apart."))
    for run in runs[:_DETAILED]:
        blocks += _files_of(run)
    return tuple(blocks)


def calibration(runs: Runs) -> tuple[Block, ...]:
    """Return how far probabilities can be taken at their word, the threshold, and who is left undecided."""
    shown = {run.name: run.evaluation for run in runs[:_CURVES]}
    caption = "Reliability diagram: observed share of leukaemic cells over the stated probability."
    errors = ("Temperature", "Validation ECE, before → after", "Test ECE before", "Test ECE after", "Brier")
    return (
        Text(
            "One number, the temperature, is fitted on the validation side; the network's logits are "
            "divided by it. The error on the validation side is that of a fit, and only the test side "
            "tells what it is worth."
        ),
        Table(
            "Expected calibration error (ECE) and Brier score; less is better",
            ("Run", *errors),
            tuple(_calibration_row(run) for run in runs),
        ),
        _drawn(draw_reliability, shown, caption, lambda scored: scores_text(scored, ("ece", "brier"))),
        Heading("Threshold and undecided cells"),
        Facts((("Threshold", each(runs, threshold_text)), ("Undecided", each(runs, undecided_text)))),
        *undecided_tables(runs),
    )


def people(runs: Runs) -> tuple[Block, ...]:
    """Return the subjects on whom each model did worst, and a figure of all."""
    blocks: list[Block] = []
    for run in runs[:_DETAILED]:
        if len(runs) > 1:
            blocks.append(Heading(run.name))
        if None in run.evaluation.subject_ids:
            blocks.append(
                Text("Subjects are not published for all of these cells, so nobody can be singled out.")
            )
            continue
        rows = subject_rows(run.evaluation)
        blocks += [_subject_picture(run, rows), _subject_table(run, rows)]
    return (*blocks, *_left_out(runs))


def galleries(runs: Runs) -> tuple[Block, ...]:
    """Return pictures of single cells with what the network looked at."""
    blocks: list[Block] = []
    for run in runs[:_DETAILED]:
        if len(runs) > 1:
            blocks.append(Heading(run.name))
        if not run.galleries:
            blocks.append(
                Text("No galleries stand beside this evaluation; `leuknet evaluate --galleries` draws them.")
            )
        for gallery, path in run.galleries or ():
            blocks.append(Picture(embedded_file(path), gallery.caption, gallery.alt))
    return (*blocks, *_left_out(runs))


def _drawn(
    draw: Callable[[Evaluations], Figure], shown: Evaluations, caption: str, tell: Callable[[Evaluation], str]
) -> Picture:
    """Return a figure whose alternative text gives the numbers that it shows."""
    told = "; ".join(f"{name}: {tell(evaluation)}" for name, evaluation in shown.items())
    return Picture(embedded_figure(draw(shown)), caption, f"{caption} {told}.")


def _benefit_told(evaluation: Evaluation) -> str:
    labels, probabilities = arrays_of(evaluation)
    curve = net_benefit(labels, probabilities, band=False)
    everyone = net_benefit(labels, np.ones_like(probabilities), band=False)
    texts = []
    for threshold in (0.2, 0.5, 0.8):
        at = int(np.abs(curve.x - threshold).argmin())
        texts.append(f"at {threshold} {curve.y[at]:.3f} against {everyone.y[at]:.3f} of acting on every cell")
    return ", ".join(texts)


def _risk_told(evaluation: Evaluation) -> str:
    wrong = 1 - evaluation.metrics["accuracy"].estimate
    rule = decided(evaluation)
    own = ""
    if rule is not None and rule.risk is not None:
        own = f", {rule.risk.estimate:.1%} of the {rule.coverage.estimate:.1%} that its own rule decides"
    return f"{wrong:.1%} wrong of all cells{own}"


def _files_of(run: RunRecord) -> list[Block]:
    """Return the figures that stand beside an evaluation."""
    (right_normal, missed_normal), (missed_leukaemic, right_leukaemic) = run.evaluation.confusion
    normal, leukaemic = run.evaluation.class_names
    texts = {
        "confusion": (
            f"Confusion matrix of {run.name}.",
            f"Of {right_leukaemic + missed_leukaemic:,} {leukaemic} cells {right_leukaemic:,} were called "
            f"{leukaemic}; of {right_normal + missed_normal:,} {normal} cells {right_normal:,} were called "
            f"{normal}.",
        ),
        "classified": (
            f"Some test cells with what {run.name} says of them.",
            "Each with its true class, the class called and the probability.",
        ),
    }
    return [
        Picture(embedded_file(path), texts[name][0], " ".join(texts[name]), narrow=name == "confusion")
        for name, path in run.pictures.items()
    ]


def _calibration_row(run: RunRecord) -> tuple[Cell, ...]:
    evaluation, fit = run.evaluation, run.evaluation.calibration
    after = value_bounds("ece", evaluation.metrics["ece"])
    brier = value_bounds("brier", evaluation.metrics["brier"])
    if fit is None:
        return run.name, "none", "not calibrated", after, after, brier
    subjects = "subjects not known" if fit.subjects is None else counted(fit.subjects, "subject")
    basis = f"a fit on {counted(fit.cells, 'cell')}, {subjects}"
    validation = (f"{fit.ece_before:.3f} → {fit.ece_after:.3f}", basis)
    return run.name, f"{fit.temperature:.3f}", validation, _ece_before(evaluation), after, brier


def _ece_before(evaluation: Evaluation) -> Cell:
    """Return the calibration error without the temperature, as it was before cells voted."""
    raw = uncalibrated(evaluation)
    if raw is None:
        return "not known", "cells voted"
    before = metric_intervals(
        arrays_of(evaluation)[0],
        raw,
        threshold=evaluation.threshold,
        clusters=clusters_of(evaluation),
        metrics=["ece"],
    )
    return value_bounds("ece", before["ece"])


def _subject_picture(run: RunRecord, rows: tuple[SubjectRow, ...]) -> Picture:
    caption = f"Accuracy of each subject's cells, {run.name}."
    worst = rows[0]
    class_name = run.evaluation.class_names[worst.label]
    by_vote = sum(row.vote_is_right is True for row in rows)
    told = (
        f"{counted(len(rows), 'subject')}; lowest {worst.subject} ({class_name}) with {worst.right} of "
        f"{worst.cells} cells right; {by_vote} called right by the majority of their cells"
    )
    return Picture(embedded_figure(draw_subjects(run.evaluation)), caption, f"{caption} {told}.")


def _subject_table(run: RunRecord, rows: tuple[SubjectRow, ...]) -> Table:
    shown, more = shortened(rows, _WORST)
    return Table(
        f"Subjects by accuracy, lowest first: {run.name}. Intervals take a subject's cells as independent",
        ("Subject", "Class", "Cells", "Right", "Accuracy", "Mean P", "Undecided"),
        tuple(
            (
                row.subject,
                run.evaluation.class_names[row.label],
                f"{row.cells:,}",
                f"{row.right:,}",
                share_cell(row.accuracy),
                f"{row.mean_probability:.2f}",
                f"{row.uncertain:,}",
            )
            for row in shown
        ),
        more,
    )


def _left_out(runs: Runs) -> tuple[Block, ...]:
    if len(runs) <= _DETAILED:
        return ()
    return (
        Text(f"Only the first {_DETAILED} of {len(runs)} runs are shown here, to keep the page readable."),
    )
