"""Draws how a model did on each subject, the worst first.

Start at `draw_subjects`. What is drawn is computed in `leuknet.evaluation.by_subject`.
"""

from __future__ import annotations

from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from leuknet.evaluation.by_subject import SubjectRow, subject_rows
from leuknet.evaluation.summary import share_text
from leuknet.figures.frame import BLUE, INK, MUTED, ORANGE, framed, house_style, shortened
from leuknet.figures.key import tested_on
from leuknet.figures.row_table import RowTable, row_table
from leuknet.types import Evaluation, Label

MOST_ROWS = 40
"""Lines that still can be read on one page."""

_PITCH_IN = 0.235
_COLUMNS_IN = ((-2.4, "left"), (-0.95, "left"), (4.4, "left"), (5.5, "left"))
_LOOKS: dict[Label, dict[str, Any]] = {
    Label.LEUKAEMIC: {"facecolor": "#cfe4f2", "edgecolor": BLUE, "hatch": ""},
    Label.NORMAL: {"facecolor": "#fdf0e6", "edgecolor": ORANGE, "hatch": "/////"},
}
_MARKERS = {Label.LEUKAEMIC: "o", Label.NORMAL: "s"}
_MEAN: dict[str, Any] = {"color": INK, "linestyle": (0, (4, 2)), "linewidth": 1.2}


@house_style()
def draw_subjects(evaluation: Evaluation) -> Figure:
    """Draw the accuracy on each subject's cells with Wilson's 95% interval, the worst at the top.

    The classes differ in hatch and marker, and each line names its own. Of more than `MOST_ROWS` lines, the
    worst are shown, and the subtitle says how many are not. Where the evaluation holds `subject_accuracy`, a
    dashed line marks this mean over subjects.

    Parameters
    ----------
    evaluation
        Each of its cells must name its subject.

    Raises
    ------
    DataError
        If a cell names no subject.
    """
    rows = subject_rows(evaluation)
    shown = rows[:MOST_ROWS]
    side, _ = tested_on([evaluation])
    hidden = f"; {len(rows) - len(shown)} better ones are not shown" if rows[MOST_ROWS:] else ""
    height_in = _PITCH_IN * len(shown)
    figure, body = framed(
        10.0,
        height_in + 1.25,
        title="How the model did on each subject",
        subtitle=f"{side} Threshold {evaluation.threshold:.3g}. The worst come first{hidden}. Whiskers "
        "are Wilson's 95% intervals for more cells of this subject; they say nothing of other subjects.",
        simulated=evaluation.simulated,
    )
    table = row_table(
        body, left_in=2.6, bottom_in=0.9, width_in=4.2, height_in=height_in, columns_in=_COLUMNS_IN
    )
    for place, row in enumerate(shown):
        _draw_row(table, place, row, class_names=evaluation.class_names)
    table.axes.set(xlim=(0, 1), ylim=(len(shown) - 0.5, -0.5))
    table.axes.set_xlabel("share of the subject's cells called right")
    table.axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    heads = ("subject", "class", "called right", "share (95% interval)")
    table.write(-0.5 - 0.16 / _PITCH_IN, heads, color=MUTED)
    _draw_key(table, evaluation)
    return figure


def _draw_row(table: RowTable, place: int, row: SubjectRow, *, class_names: tuple[str, str]) -> None:
    share, look = row.accuracy, _LOOKS[row.label]
    table.axes.barh(place, share.estimate, height=0.68, linewidth=0.6, zorder=2, **look)
    table.axes.hlines(place, share.low, share.high, color=INK, linewidth=1.3, zorder=3)
    mark = {"color": look["edgecolor"], "markersize": 6.5, "markeredgecolor": "white", "clip_on": False}
    table.axes.plot([share.estimate], [place], marker=_MARKERS[row.label], zorder=4, **mark)
    name, class_name = shortened(row.subject, 19), shortened(class_names[row.label], 12)
    table.write(place, (name, class_name, f"{row.right:,} of {row.cells:,}", share_text(share)))


def _draw_key(table: RowTable, evaluation: Evaluation) -> None:
    handles: list[Artist] = [
        Patch(
            linewidth=0.6, label=f"{shortened(evaluation.class_names[label], 24)} subjects", **_LOOKS[label]
        )
        for label in (Label.LEUKAEMIC, Label.NORMAL)
    ]
    mean = evaluation.metrics.get("subject_accuracy")
    if mean is not None:
        table.axes.axvline(mean.estimate, zorder=5, **_MEAN)
        label = f"mean over subjects: {share_text(mean)}, {mean.method}"
        handles.append(Line2D([], [], label=label, **_MEAN))
    table.draw_key(handles, below_in=0.72, ncols=3, columnspacing=1.8)
