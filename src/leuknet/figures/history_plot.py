"""Draws the training curve: accuracy and loss of training and validation, iteration by iteration.

Start at `draw_history`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from leuknet.errors import ShapeError
from leuknet.figures.frame import BLUE, INK, MUTED, ORANGE, framed, house_style
from leuknet.types import HistoryRow

_MARKED = 8
"""Changes of the learning rate that are marked one by one; a rate that falls all the time is named once."""

_SMOOTHING = 5
"""Iterations of the moving mean: as many as the paper lets pass between two validations."""


@house_style()
def draw_history(rows: Sequence[HistoryRow], *, simulated: bool) -> Figure:
    """Draw a training run in the manner of MATLAB's training progress plot.

    Thin lines are single mini-batches, thick ones their moving mean over five iterations, dots the
    validations. Epochs are shaded in turn; a dotted line marks each change of the learning rate. The loss has
    a logarithmic axis, named as such, where its greatest value is above 20 times its median.

    Parameters
    ----------
    rows
        One for each iteration in order, at least one; accuracies in [0, 1].
    simulated
        Stamp the picture as made from simulated cells.

    Raises
    ------
    ShapeError
        If there is no row.
    """
    if not rows:
        why = "the history holds no iteration"
        raise ShapeError("cannot draw the training curve", why=why, fix="train for at least one iteration")
    epochs, seconds = int(_column(rows, "epoch")[-1]), _column(rows, "elapsed_s")[-1]
    figure, body = framed(
        10.0,
        5.4,
        title="Training",
        subtitle=f"{len(rows):,} iterations in {epochs} epochs, {seconds / 60:.1f} minutes",
        simulated=simulated,
    )
    upper, lower = body.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    body.subplots_adjust(left=0.075, right=0.9, top=0.93, bottom=0.1, hspace=0.2)
    for axes, name, percent in ((upper, "accuracy", True), (lower, "loss", False)):
        _draw_curves(axes, rows, name=name, percent=percent)
        _mark_epochs(axes, rows)
    _name_epochs(upper, rows)
    _mark_rates(upper, lower, rows)
    upper.set(ylabel="accuracy", ylim=(0, 1.02))
    upper.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    box = {"facecolor": "white", "edgecolor": "none", "framealpha": 0.9}
    upper.legend(loc="lower right", frameon=True, fontsize=9, **box)
    lower.set(xlabel="iteration")
    _scale_loss(lower, _column(rows, "loss"))
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _scale_loss(axes: Axes, losses: NDArray[np.float64]) -> None:
    # Weights drawn at random can start with a loss of hundreds, beside which all that follows is flat.
    if losses.max() > 20 * np.median(losses) and losses.min() > 0:
        axes.set(yscale="log", ylabel="loss (log scale)")
    else:
        axes.set_ylabel("loss")
        axes.set_ylim(bottom=0)


def _column(rows: Sequence[HistoryRow], name: str) -> NDArray[np.float64]:
    """Return one column; None becomes NaN."""
    return np.array([getattr(row, name) for row in rows], dtype=np.float64)


def _draw_curves(axes: Axes, rows: Sequence[HistoryRow], *, name: str, percent: bool) -> None:
    iterations, training = _column(rows, "iteration"), _column(rows, name)
    validation = _column(rows, f"validation_{name}")
    measured = np.isfinite(validation)
    axes.plot(iterations, training, color=BLUE, alpha=0.3, linewidth=0.9, label="training, mini-batch")
    smooth = uniform_filter1d(training, _SMOOTHING, mode="nearest")
    axes.plot(iterations, smooth, color=BLUE, linewidth=2, label=f"training, mean of {_SMOOTHING}")
    axes.plot(
        iterations[measured], validation[measured],
        color=ORANGE, linestyle="--", linewidth=1.3, marker="o", markersize=3.4, label="validation",
    )  # fmt: skip
    axes.grid(axis="y")
    if measured.any():
        last = validation[measured][-1]
        text = f"validation\n{last:.1%}" if percent else f"validation\n{last:.3g}"
        axes.annotate(
            text, xy=(1.012, last), xycoords=("axes fraction", "data"),
            ha="left", va="center", fontsize=9, color=ORANGE, fontweight="bold", annotation_clip=False,
        )  # fmt: skip


def _epoch_bounds(rows: Sequence[HistoryRow]) -> list[tuple[int, float, float]]:
    """Return each epoch with the iterations between which its band is drawn."""
    epochs, iterations = _column(rows, "epoch"), _column(rows, "iteration")
    return [
        (int(epoch), iterations[epochs == epoch].min() - 0.5, iterations[epochs == epoch].max() + 0.5)
        for epoch in np.unique(epochs)
    ]


def _mark_epochs(axes: Axes, rows: Sequence[HistoryRow]) -> None:
    bounds = _epoch_bounds(rows)
    for place, (_, start, end) in enumerate(bounds):
        if place % 2 == 0:
            axes.axvspan(start, end, color="#eef1f4", linewidth=0, zorder=0)
    axes.set_xlim(bounds[0][1], bounds[-1][2])


def _name_epochs(axes: Axes, rows: Sequence[HistoryRow]) -> None:
    bounds = _epoch_bounds(rows)
    # Twenty numbers fit side by side: of more epochs, every second, third, ... is named.
    for epoch, start, end in bounds[:: 1 + len(bounds) // 20]:
        axes.text(
            (start + end) / 2, 1.025, f"{epoch}" if epoch != bounds[0][0] else f"epoch {epoch}",
            transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=8.5, color=MUTED,
        )  # fmt: skip


def _mark_rates(upper: Axes, lower: Axes, rows: Sequence[HistoryRow]) -> None:
    rates, iterations = _column(rows, "learning_rate"), _column(rows, "iteration")
    changes = np.flatnonzero(np.diff(rates))
    if len(changes) > _MARKED:
        text = f"learning rate {rates[0]:.2g} to {rates[-1]:.2g}, a little lower at each iteration"
        lower.text(
            0.99, 0.96, text, transform=lower.transAxes, ha="right", va="top", fontsize=8.5, color=MUTED
        )
        return
    for place in changes:
        for axes in (upper, lower):
            axes.axvline(iterations[place] + 0.5, color=INK, linestyle=(0, (2, 3)), linewidth=1)
        # Losses have come down by now: there is room at the top of their panel.
        lower.annotate(
            f"learning rate {rates[place + 1]:.2g}", xy=(iterations[place] + 0.5, 0.96),
            xycoords=("data", "axes fraction"), xytext=(5, 0), textcoords="offset points",
            ha="left", va="top", fontsize=8.5, color=MUTED,
        )  # fmt: skip
