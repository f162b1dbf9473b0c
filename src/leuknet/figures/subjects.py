"""Draws how a model did on each subject, the worst first.

Start at `draw_subjects`. What is drawn is computed in `leuknet.evaluation.by_subject`.
"""

from __future__ import annotations

from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from leuknet.evaluation.by_subject import SubjectRow, subject_rows
from leuknet.figures.frame import BLUE, HAIRLINE, INK, MUTED, ORANGE, framed, house_style, shortened
from leuknet.figures.key import axes_at, percent_text, tested_on
from leuknet.types import Evaluation, Label

MOST_ROWS = 40
"""Lines that still can be read on one page."""

_PITCH_IN = 0.235
_LEFT_IN = 2.6
_BARS_IN = 4.2
_COLUMNS_IN = (-2.4, -0.95, 4.4, 5.5)
"""Where the texts of a line begin, from the left end of its bar."""
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
    axes = axes_at(body, _LEFT_IN, 0.9, _BARS_IN, height_in)
    for place, row in enumerate(shown):
        _draw_row(axes, place, row, class_names=evaluation.class_names)
    axes.set(xlim=(0, 1), ylim=(len(shown) - 0.5, -0.5), yticks=[])
    axes.set_xlabel("share of the subject's cells called right")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=HAIRLINE, linewidth=0.6)
    axes.set_axisbelow(True)
    for x_in, head in zip(
        _COLUMNS_IN, ("subject", "class", "called right", "share (95% interval)"), strict=True
    ):
        _write(axes, x_in, -0.5 - 0.16 / _PITCH_IN, head, fontsize=8.5, color=MUTED)
    _draw_key(axes, evaluation, height_in=height_in)
    return figure


def _draw_row(axes: Axes, place: int, row: SubjectRow, *, class_names: tuple[str, str]) -> None:
    share, look = row.accuracy, _LOOKS[row.label]
    axes.barh(place, share.estimate, height=0.68, linewidth=0.6, zorder=2, **look)
    axes.hlines(place, share.low, share.high, color=INK, linewidth=1.3, zorder=3)
    axes.plot(
        [share.estimate], [place], marker=_MARKERS[row.label], color=look["edgecolor"],
        markersize=6.5, markeredgecolor="white", zorder=4, clip_on=False,
    )  # fmt: skip
    texts = (
        shortened(row.subject, 19),
        shortened(class_names[row.label], 12),
        f"{row.right:,} of {row.cells:,}",
        percent_text(share),
    )
    for x_in, text in zip(_COLUMNS_IN, texts, strict=True):
        _write(axes, x_in, place, text, fontsize=8.5)


def _draw_key(axes: Axes, evaluation: Evaluation, *, height_in: float) -> None:
    handles: list[Artist] = [
        Patch(
            linewidth=0.6, label=f"{shortened(evaluation.class_names[label], 24)} subjects", **_LOOKS[label]
        )
        for label in (Label.LEUKAEMIC, Label.NORMAL)
    ]
    mean = evaluation.metrics.get("subject_accuracy")
    if mean is not None:
        axes.axvline(mean.estimate, zorder=5, **_MEAN)
        handles.append(
            Line2D([], [], label=f"mean over subjects: {percent_text(mean)}, {mean.method}", **_MEAN)
        )
    axes.legend(
        handles=handles, loc="center", bbox_to_anchor=((5.0 - _LEFT_IN) / _BARS_IN, -0.72 / height_in),
        ncols=3, frameon=False, fontsize=8.5, handlelength=2.2, columnspacing=1.8,
    )  # fmt: skip


def _write(axes: Axes, x_in: float, place: float, text: str, **style: Any) -> None:
    """Write text that begins so many inches right of the bars' origin, at the height of a line."""
    transform = axes.get_yaxis_transform()
    axes.text(x_in / _BARS_IN, place, text, transform=transform, ha="left", va="center", **style)
