"""Draws how far readers agree: kappas with their intervals, percent agreement beside each.

Start at `draw_agreement`. What is drawn is computed in `leuknet.evaluation.agreement`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leuknet.errors import ShapeError
from leuknet.evaluation.agreement import HEADINGS, Compared, kappa_text
from leuknet.figures.frame import BLUE, INK, MUTED, ORANGE, framed, house_style, shortened
from leuknet.figures.row_table import MARK, RowTable, row_table

MOST_ROWS = 60
"""Lines that still can be read on one tall page."""

_PITCH_IN = 0.25
_COLUMNS_IN = ((-2.55, "left"), (-0.75, "left"), (5.55, "right"), (6.4, "right"), (6.95, "right"))
_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "marker": "o", "markerfacecolor": BLUE},
    {"color": ORANGE, "marker": "^", "markerfacecolor": "white"},
)


class _Line(NamedTuple):
    """A heading, with a text alone, or two readings that are compared in a phase."""

    text: str
    phase: str = ""
    place: int = 0
    compared: Compared | None = None


@house_style()
def draw_agreement(
    phases: Mapping[str, Sequence[Compared]], *, title: str, subtitle: str, simulated: bool
) -> Figure:
    """Draw each kappa as a mark with its 95% interval, in groups by kind of comparison.

    Parameters
    ----------
    phases
        One or two, such as `unaided` and `assisted`: the comparisons in each. A kappa that is undefined has
        the word instead of a mark. Of more than `MOST_ROWS` lines the first are shown.

    Raises
    ------
    ShapeError
        If there is nothing to show, or there are more than two phases.
    """
    lines = _lines(phases)
    if not lines or len(phases) > len(_LOOKS):
        raise ShapeError(
            "cannot draw agreement",
            why=f"{len(phases)} phases hold {len(lines)} comparisons",
            fix="pass one or two phases with a comparison",
        )
    hidden = len(lines) - MOST_ROWS
    shown = lines[:MOST_ROWS]
    height_in = _PITCH_IN * len(shown)
    notes = f" {hidden} more lines are not shown." if hidden > 0 else ""
    figure, body = framed(
        10.0, height_in + 1.25, title=title, subtitle=f"{subtitle}{notes}", simulated=simulated
    )
    table = row_table(
        body, left_in=2.75, bottom_in=0.85, width_in=3.7, height_in=height_in, columns_in=_COLUMNS_IN
    )
    kappas = [line.compared.kappa for line in shown if line.compared is not None]
    lowest = min(0.0, *(kappa.low or 0.0 for kappa in kappas), 0.0)
    table.axes.set(xlim=(lowest, 1), ylim=(len(shown) - 0.5, -0.5))
    table.axes.set_xlabel("kappa: 0 is agreement by chance, 1 is full agreement")
    table.axes.axvline(0, color=MUTED, linewidth=1.0, zorder=1)
    for place, line in enumerate(shown):
        _draw_line(table, place, line)
    heads = ("", "", "kappa (95% interval)", "agree", "cells")
    table.write(-0.5 - 0.14 / _PITCH_IN, heads, color=MUTED)
    if len(phases) > 1:
        handles = [
            Line2D([], [], markersize=6, linewidth=1.6, label=phase, **look)
            for phase, look in zip(phases, _LOOKS, strict=True)
        ]
        table.draw_key(handles, below_in=0.68, ncols=2, columnspacing=1.8, labelcolor=INK)
    return figure


def _lines(phases: Mapping[str, Sequence[Compared]]) -> list[_Line]:
    found: list[_Line] = []
    for kind, heading in HEADINGS.items():
        lines = [
            _Line(row.name, phase, place, row)
            for place, (phase, rows) in enumerate(phases.items())
            for row in rows
            if row.kind == kind
        ]
        # Both phases of one comparison beside each other, in the order in which these first appear.
        names = list(dict.fromkeys(line.text for line in lines))
        found += [_Line(heading)] if lines else []
        found += sorted(lines, key=lambda line: names.index(line.text))
    return found


def _draw_line(table: RowTable, place: int, line: _Line) -> None:
    if line.compared is None:
        table.write(place + 0.1, (line.text, "", "", "", ""), fontweight="bold")
        return
    kappa, look = line.compared.kappa, _LOOKS[line.place]
    if kappa.low is not None and kappa.high is not None:
        table.axes.hlines(place, kappa.low, kappa.high, color=look["color"], linewidth=1.6, zorder=3)
    if kappa.estimate is not None:
        table.axes.plot([kappa.estimate], [place], **MARK, **look)
    share = line.compared.agreement.estimate
    agree = "" if share is None else f"{share:.0%}"
    table.write(place, (shortened(line.text, 26), line.phase, kappa_text(kappa), agree, f"{kappa.cells:,}"))
