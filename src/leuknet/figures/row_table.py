"""A table whose lines have a scale in their midst: texts on both sides, marks on the scale, a key below.

Start at `row_table`; lengths are in inches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from leuknet.figures.frame import axes_at, write

MARK: dict[str, Any] = {"markersize": 6, "markeredgewidth": 1.2, "zorder": 4, "clip_on": False}
"""Of an estimate on the scale, over the line of its interval."""


class RowTable(NamedTuple):
    """The axes of the scale, and where texts stand, from its left end: the places of which sides of them."""

    axes: Axes
    left_in: float
    width_in: float
    height_in: float
    columns_in: Sequence[tuple[float, str]]

    def write(self, place: float, texts: Sequence[str], **style: Any) -> None:
        """Write a line of texts at a height of the scale."""
        style["transform"] = self.axes.get_yaxis_transform()
        for (x_in, side), text in zip(self.columns_in, texts, strict=True):
            write(self.axes, x_in / self.width_in, place, text, 8.5, side=side, **style)

    def draw_key(self, handles: Sequence[Artist], *, below_in: float, **style: Any) -> None:
        """Explain the marks below the scale."""
        anchor = ((5.0 - self.left_in) / self.width_in, -below_in / self.height_in)
        self.axes.legend(handles=handles, loc="center", bbox_to_anchor=anchor, handlelength=2.2, **style)


def row_table(
    body: SubFigure,
    *,
    left_in: float,
    bottom_in: float,
    width_in: float,
    height_in: float,
    columns_in: Sequence[tuple[float, str]],
) -> RowTable:
    """Return a table without lines in part of the drawing space, its scale upright lines alone."""
    axes = axes_at(body, left_in, bottom_in, width_in, height_in)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    return RowTable(axes, left_in, width_in, height_in, columns_in)
