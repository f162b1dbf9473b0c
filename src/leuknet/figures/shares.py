"""Draws the share of leukaemic cells in each person, the highest first.

Start at `draw_shares`. What is drawn is computed in `leuknet.evaluation.share`.
"""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from leuknet.errors import ShapeError
from leuknet.evaluation.share import ShareOutcome, SubjectShare, SubjectShares
from leuknet.evaluation.summary import share_text
from leuknet.figures.frame import BLUE, INK, MUTED, ORANGE, framed, house_style, shortened
from leuknet.figures.row_table import MARK, RowTable, row_table
from leuknet.types import Interval

MOST_ROWS = 80
"""Lines that still can be read on one tall page."""

_PITCH_IN = 0.235
_COLUMNS_IN = ((-2.25, "left"), (-0.2, "right"), (5.65, "left"))
_LOOKS: dict[ShareOutcome, dict[str, Any]] = {
    "above": {"color": ORANGE, "marker": "^", "markerfacecolor": ORANGE},
    "undecided": {"color": INK, "marker": "o", "markerfacecolor": "white"},
    "below": {"color": BLUE, "marker": "v", "markerfacecolor": BLUE},
}
_OUTCOMES: dict[ShareOutcome, str] = {
    "above": "above the cut-off",
    "undecided": "undecided: interval holds it",
    "below": "below it",
}
_CUT_OFF: dict[str, Any] = {"color": MUTED, "linestyle": (0, (4, 2)), "linewidth": 1.2}


@house_style()
def draw_shares(shares: SubjectShares) -> Figure:
    """Draw each person's expected share of leukaemic cells with its interval, the highest at the top.

    Marker and colour say where the whole interval lies as to the cut-off. Of more than `MOST_ROWS` people,
    the highest are shown; the subtitle says how many are not, and for how many no cell is left.

    Raises
    ------
    ShapeError
        If no person has a cell left.
    """
    known = [(row, row.share) for row in shares.rows if row.share is not None]
    if not known:
        raise ShapeError(
            "cannot draw shares",
            why=f"no cell is left for any of {len(shares.rows)} people",
            fix="score cells that can be read and are like those that trained the model",
        )
    ordered = sorted(known, key=lambda pair: (-pair[1].estimate, pair[0].subject))
    shown = ordered[:MOST_ROWS]
    height_in = _PITCH_IN * max(len(shown), 2)
    figure, body = framed(
        10.0,
        height_in + 1.3,
        title="Expected share of leukaemic cells in each person",
        subtitle=_subtitle(shares, known=len(known), hidden=len(ordered) - len(shown)),
        simulated=False,  # of the scored cells that is not known; the subtitle speaks of the evaluated ones
    )
    table = row_table(
        body, left_in=2.45, bottom_in=0.95, width_in=5.4, height_in=height_in, columns_in=_COLUMNS_IN
    )
    bottom, top = (1.0, -1.0) if len(shown) == 1 else (len(shown) - 0.5, -0.5)
    table.axes.set(xlim=(0, 1), ylim=(bottom, top))
    for place, (row, share) in enumerate(shown):
        _draw_row(table, place, row, share)
    table.axes.axvline(shares.cut_off, zorder=1, **_CUT_OFF)
    table.axes.set_xlabel("expected share of leukaemic cells: mean calibrated probability")
    table.axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    pitch = (bottom - top) / height_in
    table.write(top - 0.16 * pitch, ("subject", "cells", "share (95% interval)"), color=MUTED)
    handles = [
        Line2D([], [], markersize=6, linewidth=1.6, label=text, **_LOOKS[outcome])
        for outcome, text in _OUTCOMES.items()
    ]
    example = f"cut-off {shares.cut_off:.0%}: an example, no clinical meaning"
    handles.append(Line2D([], [], label=example, **_CUT_OFF))
    table.draw_key(handles, below_in=0.75, ncols=4, columnspacing=1.6)
    return figure


def _subtitle(shares: SubjectShares, *, known: int, hidden: int) -> str:
    if shares.spread is None:
        holds = (
            "Intervals are TOO NARROW: they hold the number of cells alone, not how far the model is off in "
            "each person."
        )
    else:
        tau = shares.spread.tau
        holds = (
            "95% intervals hold the number of cells, and that the model is off from person to person: by "
            f"tau = {tau.estimate:.2f} ({tau.low:.2f} to {tau.high:.2f}) in log odds, estimated on "
            f"{tau.cells:,} {'SIMULATED ' if shares.spread.simulated else ''}cells of {tau.subjects} people."
        )
    without = len(shares.rows) - known
    notes = f" {hidden:,} people with lower shares are not shown." if hidden else ""
    notes += f" {without:,} more have no share: no cell is left, or most are unfamiliar." if without else ""
    return f"Model {shares.model_id}. {holds}{notes}"


def _draw_row(table: RowTable, place: int, row: SubjectShare, share: Interval) -> None:
    look = _LOOKS[row.outcome]
    table.axes.hlines(place, share.low, share.high, color=look["color"], linewidth=1.6, zorder=3)
    table.axes.plot([share.estimate], [place], **MARK, **look)
    table.write(place, (shortened(row.subject, 20), f"{row.cells:,}", share_text(share)))
