"""Puts the details of an evaluation into tables of texts, once for the command line, files and reports.

Start at `detail_tables`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leuknet.evaluation.summary import markdown_table, number_text, share_text
from leuknet.types import (
    Details,
    Evaluation,
    LikelihoodRatio,
    OperatingPoint,
    PeopleScores,
    Subgroup,
    WeakCalibration,
)


@dataclass(frozen=True)
class TextTable:
    """A table: what it shows, the heads of its columns, its rows, and what a reader must know of it."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def detail_tables(evaluation: Evaluation, details: Details) -> tuple[TextTable, ...]:
    """Return all tables that there is something to put into."""
    names = evaluation.class_names
    tables = [
        points_table(details.operating_points, names),
        *predictive_tables(details.operating_points, names),
        calibration_table(details.calibration),
    ]
    if details.people is not None:
        tables.append(people_table(details.people, names))
    if details.subgroups:
        tables.append(subgroup_table(details.subgroups, names))
    return tuple(tables)


def points_table(points: Sequence[OperatingPoint], names: tuple[str, str]) -> TextTable:
    """Return what each threshold gives on the tested cells."""
    if any(point.chosen for point in points):
        note = (
            "Each threshold was chosen on the validation cells alone, so that it reaches its target there; "
            "on the tested cells it may miss it."
        )
    else:
        note = (
            "No thresholds for a stated sensitivity or specificity are known: the model was trained by an "
            "earlier LeukNet and its validation cells were not at hand, or tested cells voted on each other."
        )
    return TextTable(
        "At thresholds chosen on the validation side",
        ("chosen for", "threshold", "sensitivity", "specificity", "LR+", "LR-"),
        tuple(
            (
                purpose_text(point),
                f"{point.threshold:.3f}",
                share_text(point.sensitivity),
                share_text(point.specificity),
                ratio_text(point.positive_ratio),
                ratio_text(point.negative_ratio),
            )
            for point in points
        ),
        f"{note} LR+ and LR-: likelihood ratios of the calls {names[1]} and {names[0]}.",
    )


def predictive_tables(points: Sequence[OperatingPoint], names: tuple[str, str]) -> tuple[TextTable, ...]:
    """Return what a call is worth at each prevalence: one table for each of both calls."""
    tables = []
    for call, name, title in ((1, names[1], "Positive"), (0, names[0], "Negative")):
        rows = []
        for point in points:
            values = [one.positive if call else one.negative for one in point.predictive]
            rows.append(
                (purpose_text(point), *("no such call" if v is None else share_text(v) for v in values))
            )
        heads = ("chosen for", *(f"{100 * one.prevalence:g}% {names[1]}" for one in points[0].predictive))
        tables.append(
            TextTable(
                f"{title} predictive value: how many cells called {name} are {name}",
                heads,
                tuple(rows),
                f"Columns state a prevalence: the share of {names[1]} cells where the model is used. No test "
                "tells it.",
            )
        )
    return tuple(tables)


def calibration_table(calibration: WeakCalibration) -> TextTable:
    """Return calibration intercept and slope."""
    rows = (
        ("intercept (calibration in the large)", number_text(calibration.intercept), "0"),
        ("slope", number_text(calibration.slope), "1"),
    )
    note = (
        "Logistic recalibration without a penalty. Intercept above 0: probabilities are too low as a whole. "
        "Slope below 1: they are too extreme."
    )
    doubt = f" Not known: {calibration.doubt}." if calibration.doubt else ""
    return TextTable(
        "Weak calibration on the tested cells", ("number", "estimate", "ideal"), rows, note + doubt
    )


def people_table(people: PeopleScores, names: tuple[str, str]) -> TextTable:
    """Return what remains where each person counts as one."""
    effect = "not known" if people.design_effect is None else f"{people.design_effect:.1f}"
    rows = (
        ("people", f"{people.leukaemic} {names[1]}, {people.normal} {names[0]}"),
        ("AUROC over people, by mean probability", number_text(people.auroc)),
        ("intra-class correlation of the log odds", number_text(people.intraclass)),
        ("design effect", effect),
    )
    note = (
        "The correlation is the share of the variance within a class that lies between people. The design "
        "effect says by how much more a mean over these cells varies than one over independent cells."
    )
    return TextTable("Each person as one", ("number", "value"), rows, note)


def subgroup_table(subgroups: Sequence[Subgroup], names: tuple[str, str]) -> TextTable:
    """Return the scores of each group with its counts and warning."""
    rows = tuple(
        (
            f"{one.attribute}: {one.group}" + (f" ({one.limits})" if one.limits else ""),
            _counts(one.leukaemic, one.leukaemic_subjects),
            _counts(one.normal, one.normal_subjects),
            *(tell(one.metrics[name]) if name in one.metrics else "-" for name, tell in GROUP_SCORES.items()),
            one.warning,
        )
        for one in subgroups
    )
    heads = ("group", f"{names[1]} cells", f"{names[0]} cells", *GROUP_HEADS, "warning")
    note = (
        "People in brackets. Among many groups the worst is bad by chance too; and where size or stain goes "
        "with the class, a group holds the easy cells of one class and the hard ones of the other."
    )
    return TextTable("Subgroups of the tested cells", heads, rows, note)


def as_markdown(tables: Sequence[TextTable], *, title: str) -> str:
    """Return the tables as one Markdown page."""
    blocks = [f"# {title}"]
    for table in tables:
        blocks += [f"## {table.caption}", markdown_table(table.heads, table.rows)]
        blocks += [table.note] if table.note else []
    return "\n\n".join([*blocks, "Research software, not a medical device."]) + "\n"


def purpose_text(point: OperatingPoint) -> str:
    """Return what a threshold is for: `specificity 95%`."""
    if point.chosen is None:
        return "the model's own"
    return f"{point.chosen.purpose} {100 * point.chosen.target:g}%"


def ratio_text(ratio: LikelihoodRatio) -> str:
    """Return a ratio with its interval: `8.50 (3.14 to 21.2)`, or `none wrong (at least 3.14)`."""
    if ratio.estimate is None and not ratio.low:
        return "not known"
    if not ratio.low and ratio.high is None:
        return f"{_rounded(ratio.estimate or 0.0)} (no interval)"
    low = _rounded(ratio.low)
    if ratio.high is None:
        estimate = "none wrong" if ratio.estimate is None else _rounded(ratio.estimate)
        return f"{estimate} (at least {low})"
    estimate = "not known" if ratio.estimate is None else _rounded(ratio.estimate)
    return f"{estimate} ({low} to {_rounded(ratio.high)})"


def _rounded(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


GROUP_SCORES = {"auroc": number_text, "sensitivity": share_text, "specificity": share_text}
"""Scores of a subgroup, and how each is told."""

GROUP_HEADS = ("AUROC", "sensitivity", "specificity")


def _counts(cells: int, people: int | None) -> str:
    return f"{cells:,}" if people is None else f"{cells:,} ({people})"
