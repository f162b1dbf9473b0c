"""Draws how far readers agree: kappas with their intervals, percent agreement beside each.

Start at `draw_agreement`. What is drawn is computed in `leuknet.evaluation.agreement`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leuknet.errors import ShapeError
from leuknet.evaluation.agreement import Agreement, Compared, ComparedKind
from leuknet.figures.frame import BLUE, HAIRLINE, INK, MUTED, ORANGE, framed, house_style, shortened
from leuknet.figures.key import axes_at

MOST_ROWS = 60
"""Lines that still can be read on one tall page."""

HEADINGS: dict[ComparedKind, str] = {
    "pair": "Two readers (Cohen's kappa)",
    "all": "All readers (Fleiss' kappa)",
    "self": "Same reader twice (Cohen's kappa)",
    "model": "Reader and model (Cohen's kappa)",
}

_PITCH_IN = 0.25
_LEFT_IN = 2.75
_BARS_IN = 3.7
_COLUMNS_IN = (-2.55, -0.75, 5.55, 6.4, 6.95)
"""Where the texts of a line are, from the left end of the scale; all but the first two end there."""
_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "marker": "o", "markerfacecolor": BLUE},
    {"color": ORANGE, "marker": "^", "markerfacecolor": "white"},
)


class _Line(NamedTuple):
    """A heading, with a text alone, or who is compared in which phase."""

    text: str
    phase: str = ""
    place: int = 0
    compared: Compared | None = None


@house_style()
def draw_agreement(
    phases: Mapping[str, Sequence[Compared]], *, title: str, subtitle: str, simulated: bool
) -> Figure:
    """Draw each kappa as a mark with its 95% interval, in groups by who is compared.

    Parameters
    ----------
    phases
        One or two, such as `unaided` and `assisted`: who was compared in each. A kappa that is undefined has
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
    axes = axes_at(body, _LEFT_IN, 0.85, _BARS_IN, height_in)
    kappas = [line.compared.kappa for line in shown if line.compared is not None]
    axes.set(xlim=(min(0.0, *(one.low or 0.0 for one in kappas), 0.0), 1), yticks=[])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlabel("kappa: 0 is agreement by chance, 1 is full agreement")
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=HAIRLINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.axvline(0, color=MUTED, linewidth=1.0, zorder=1)
    for place, line in enumerate(shown):
        _draw_line(axes, place, line)
    _write(axes, -0.5 - 0.14 / _PITCH_IN, ("", "", "kappa (95% interval)", "agree", "cells"), color=MUTED)
    if len(phases) > 1:
        _draw_key(axes, list(phases), height_in=height_in)
    return figure


def _lines(phases: Mapping[str, Sequence[Compared]]) -> list[_Line]:
    found: list[_Line] = []
    for kind, heading in HEADINGS.items():
        names = dict.fromkeys(one.name for rows in phases.values() for one in rows if one.kind == kind)
        found += [_Line(heading)] if names else []
        for name in names:
            found += [
                _Line(name, phase, place, one)
                for place, (phase, rows) in enumerate(phases.items())
                for one in rows
                if (one.kind, one.name) == (kind, name)
            ]
    return found


def _draw_line(axes: Axes, place: int, line: _Line) -> None:
    if line.compared is None:
        _write(axes, place + 0.1, (line.text, "", "", "", ""), fontweight="bold")
        return
    kappa, look = line.compared.kappa, _LOOKS[line.place]
    if kappa.low is not None and kappa.high is not None:
        axes.hlines(place, kappa.low, kappa.high, color=look["color"], linewidth=1.6, zorder=3)
    if kappa.estimate is not None:
        axes.plot(
            [kappa.estimate], [place], markersize=6, markeredgewidth=1.2, zorder=4, clip_on=False, **look
        )
    share = line.compared.agreement.estimate
    texts = (
        shortened(line.text, 26),
        line.phase,
        kappa_text(kappa),
        "" if share is None else f"{share:.0%}",
        f"{kappa.cells:,}",
    )
    _write(axes, place, texts)


def kappa_text(one: Agreement) -> str:
    """Return `0.71 (0.60 to 0.81)`, or what there is of it."""
    if one.estimate is None:
        return "undefined"
    if one.low is None or one.high is None:
        return f"{one.estimate:z.2f} (no interval)"
    return f"{one.estimate:z.2f} ({one.low:z.2f} to {one.high:z.2f})"


def _write(axes: Axes, place: float, texts: tuple[str, ...], **style: Any) -> None:
    transform = axes.get_yaxis_transform()
    for x_in, text, side in zip(_COLUMNS_IN, texts, ("left", "left", "right", "right", "right"), strict=True):
        if text:
            axes.text(
                x_in / _BARS_IN, place, text, transform=transform, ha=side, va="center", fontsize=8.5, **style
            )


def _draw_key(axes: Axes, phases: Sequence[str], *, height_in: float) -> None:
    handles = [
        Line2D([], [], markersize=6, linewidth=1.6, label=phase, **look)
        for phase, look in zip(phases, _LOOKS, strict=True)
    ]
    axes.legend(
        handles=handles, loc="center", bbox_to_anchor=((5.0 - _LEFT_IN) / _BARS_IN, -0.68 / height_in),
        ncols=2, frameon=False, fontsize=8.5, handlelength=2.2, columnspacing=1.8, labelcolor=INK,
    )  # fmt: skip
