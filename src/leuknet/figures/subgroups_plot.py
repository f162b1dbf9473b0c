"""Draws how a model did on subgroups of the tested cells, each with its counts and intervals.

Start at `draw_subgroups`. What is drawn is computed in `leuknet.evaluation.subgroups`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leuknet.evaluation.summary import number_text
from leuknet.figures.frame import BLUE, GREEN, HAIRLINE, INK, MUTED, ORANGE, framed, house_style, shortened
from leuknet.figures.key import tested_on
from leuknet.figures.row_table import MARK, RowTable, row_table
from leuknet.types import Evaluation, Subgroup

_PITCH_IN = 0.42
_COLUMNS_IN = ((-4.5, "left"), (-1.35, "left"), (3.15, "left"))
_SCORES: dict[str, tuple[str, dict[str, Any], float]] = {
    "auroc": ("AUROC", {"color": INK, "marker": "D"}, -0.24),
    "sensitivity": ("sensitivity", {"color": BLUE, "marker": "o"}, 0.0),
    "specificity": ("specificity", {"color": ORANGE, "marker": "s"}, 0.24),
}


@house_style()
def draw_subgroups(evaluation: Evaluation, subgroups: Sequence[Subgroup]) -> Figure:
    """Draw AUROC, sensitivity and specificity of each subgroup with their 95% intervals.

    Each line names its group and counts its cells and people of both classes. Marks are hollow where a
    warning says that the numbers say little; a score without an interval is a mark alone.

    Parameters
    ----------
    evaluation
        Whose subgroups they are.
    subgroups
        One or more, in the order in which they are drawn.
    """
    height_in = _PITCH_IN * len(subgroups)
    side, _ = tested_on([evaluation])
    figure, body = framed(
        10.0,
        height_in + 1.35,
        title="How the model did on subgroups of the tested cells",
        subtitle=f"{side} Threshold {evaluation.threshold:.3g}. Hollow marks: few cells or people, see the "
        "table. Among many groups the worst is bad by chance too.",
        simulated=evaluation.simulated,
    )
    table = row_table(
        body, left_in=4.7, bottom_in=0.95, width_in=3.0, height_in=height_in, columns_in=_COLUMNS_IN
    )
    for place, group in enumerate(subgroups):
        _draw_group(table, place, group)
        if place and group.attribute != subgroups[place - 1].attribute:
            table.axes.axhline(place - 0.5, color=HAIRLINE, linewidth=0.8)
    table.axes.set(xlim=(0, 1), ylim=(len(subgroups) - 0.5, -0.5))
    table.axes.axvline(0.5, color=MUTED, linestyle=(0, (1, 2.2)), linewidth=1.0)
    normal, leukaemic = (shortened(name, 8) for name in evaluation.class_names)
    heads = ("group", f"cells {leukaemic} / {normal}", "AUROC (95% interval)")
    table.write(-0.5 - 0.16 / _PITCH_IN, heads, color=MUTED)
    table.draw_key(_key(), below_in=0.62, ncols=4, columnspacing=1.8)
    return figure


def _draw_group(table: RowTable, place: int, group: Subgroup) -> None:
    for name, (_, style, off) in _SCORES.items():
        if name not in group.metrics:
            continue
        found = group.metrics[name]
        if found.is_known:
            table.axes.hlines(place + off, found.low, found.high, color=style["color"], linewidth=1.4)
        face = "white" if group.warning else style["color"]
        table.axes.plot([found.estimate], [place + off], markerfacecolor=face, **MARK, **style)
    counts = f"{group.leukaemic:,} / {group.normal:,}"
    area = number_text(group.metrics["auroc"]) if "auroc" in group.metrics else "-"
    table.write(
        place - 0.18, (f"{group.attribute}: {shortened(group.group, 24)}", counts, shortened(area, 32))
    )
    people = ""
    if group.leukaemic_subjects is not None:
        people = f"{group.leukaemic_subjects} / {group.normal_subjects} people"
    table.write(place + 0.24, (shortened(group.limits, 44), people, ""), color=MUTED)


def _key() -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], label=title, linewidth=1.4, **{**style, "markersize": 6})
        for title, style, _ in _SCORES.values()
    ]
    hollow: dict[str, Any] = {"marker": "o", "color": GREEN, "markerfacecolor": "white", "linewidth": 0}
    return [*handles, Line2D([], [], label="few cells or people", **hollow)]
