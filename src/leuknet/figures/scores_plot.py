"""Draws the scores of a benchmark: one panel for each metric, one line for each recipe and baseline.

Start at `draw_scores`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leuknet.errors import ShapeError
from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.standings import Row
from leuknet.figures.frame import BLUE, INK, MUTED, axes_at, framed, house_style, shortened

SHOWN = ("auroc", "balanced_accuracy", "subject_accuracy", "ece")
"""Metrics with a panel, of those that all rows have."""

_ROW_IN, _NAME_IN, _WIDTH_IN = 0.34, 2.35, 10.6


@house_style()
def draw_scores(rows: Sequence[Row], *, subtitle: str, simulated: bool) -> Figure:
    """Draw mean scores with their intervals, and small ticks where single seeds lie.

    Parameters
    ----------
    rows
        From top to bottom. Recipes are filled dots, baselines hollow diamonds.
    subtitle
        Protocol, cells, people and kind of interval, in words.
    simulated
        Stamp the picture as made from simulated cells.

    Raises
    ------
    ShapeError
        If there is no row, or the rows share no metric that is shown.
    """
    metrics = [name for name in SHOWN if all(name in row.scores for row in rows)]
    if not rows or not metrics:
        raise ShapeError(
            "cannot draw the scores",
            why=f"{len(rows)} rows share {len(metrics)} of the metrics {', '.join(SHOWN)}",
            fix="evaluate the models again with this version of LeukNet",
        )
    height_in = _ROW_IN * len(rows) + 0.85
    figure, body = framed(
        _WIDTH_IN, height_in, title="Scores of each model", subtitle=subtitle, simulated=simulated
    )
    width = (_WIDTH_IN - _NAME_IN) / len(metrics)
    for column, metric in enumerate(metrics):
        axes = axes_at(body, _NAME_IN + column * width, 0.42, width - 0.25, _ROW_IN * len(rows))
        _draw_panel(axes, rows, metric, names=column == 0)
    return figure


def _draw_panel(axes: Axes, rows: Sequence[Row], metric: str, *, names: bool) -> None:
    factor = 100 if METRICS[metric].is_percent else 1
    for place, row in enumerate(rows):
        score = row.scores[metric]
        low, high, estimate = (factor * value for value in (score.low, score.high, score.estimate))
        colour = MUTED if row.is_baseline else BLUE
        if score.is_known:
            axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot(
            [factor * value for value in row.by_seed[metric]],
            [place] * len(row.by_seed[metric]),
            linestyle="none", marker="|", markersize=9, color=INK, markeredgewidth=0.8,
        )  # fmt: skip
        axes.plot(
            estimate, place,
            marker="D" if row.is_baseline else "o", markersize=6.5, color=colour,
            markerfacecolor="white" if row.is_baseline else colour, markeredgewidth=1.4,
        )  # fmt: skip
    better = "higher is better" if METRICS[metric].higher_is_better else "lower is better"
    unit = " (%)" if METRICS[metric].is_percent else ""
    title = "\n".join(textwrap.wrap(f"{METRICS[metric].title}{unit}", 26))
    axes.set_title(title, fontsize=9, color=INK, loc="left", pad=5)
    axes.set_xlabel(better, fontsize=8, labelpad=2)
    axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=range(len(rows)))
    axes.set_yticklabels(_shown_names(rows) if names else [], color=INK, fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", linewidth=0.7)
    axes.spines["left"].set_visible(False)


def _shown_names(rows: Sequence[Row]) -> list[str]:
    """Names that fit: settings that were changed are left out where the rest tells rows apart."""
    brief = [
        f"{head} (changed)" if changed else head
        for head, changed, _ in (row.name.partition(" (changed: ") for row in rows)
    ]
    if len(set(brief)) < len(brief):
        brief = [row.name for row in rows]
    return [shortened(name, 30) for name in brief]
