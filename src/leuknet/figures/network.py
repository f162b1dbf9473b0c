"""Draws figure 3: a network as a row of blocks over its layer table.

Start at `draw_network`. Works for any network whose layer table is given, LeukNet's or a baseline's.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon

from leuknet.errors import ShapeError
from leuknet.figures.frame import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    SKY,
    TIMES,
    framed,
    house_style,
    shortened,
    write,
)
from leuknet.types import LayerRow

_COLOURS = ("#9aa5b1", BLUE, "#e6c229", "#cc79a7", SKY, GREEN, "#7b8794", ORANGE, "#5b4b8a", "#d9c8ae")
"""Given to kinds of layers in the order in which they first appear."""

_PITCH_IN = 0.575
_TABLE_LEFT_IN = 0.85
_BLOCK_IN = 2.1
_THICKEST_IN = 0.34
_THINNEST_IN = 0.05
_AXIS_Y_IN = 2.62
_HEIGHT_IN = 4.05


@house_style()
def draw_network(rows: Sequence[LayerRow], *, simulated: bool) -> Figure:
    """Draw a network's layers from left to right.

    A block is as high as its output map and as thick as its number of channels, both to a linear scale of
    their own; a layer without a map is a thin bar of fixed height. Name, output shape and number of
    trained values stand below each block.

    Parameters
    ----------
    rows
        The layer table, input first; at least one row.
    simulated
        Stamp the picture as belonging to a run on simulated cells.

    Raises
    ------
    ShapeError
        If there is no layer.
    """
    if not rows:
        raise ShapeError(
            "cannot draw the network", why="its layer table is empty", fix="pass at least one row"
        )
    width_in = max(8.0, _TABLE_LEFT_IN + _PITCH_IN * len(rows) + 0.25)
    values, cost = sum(row.parameters for row in rows), sum(row.gflop for row in rows)
    figure, body = framed(
        width_in,
        _HEIGHT_IN,
        title=f"The network: {len(rows)} layers",
        subtitle=f"{values:,} trained values, {cost:.2g} GFLOP per image forward. "
        "Block height: side of the map; thickness: channels.",
        simulated=simulated,
    )
    axes = body.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width_in), ylim=(0, _HEIGHT_IN))
    axes.set_axis_off()
    kinds = list(dict.fromkeys(row.kind for row in rows))
    colours = {kind: _COLOURS[place % len(_COLOURS)] for place, kind in enumerate(kinds)}
    for place, row in enumerate(rows):
        middle = _TABLE_LEFT_IN + _PITCH_IN * (place + 0.5)
        _draw_block(axes, middle, _block_size(row, rows), colour=colours[row.kind])
        _write_column(axes, middle, row)
    heads = {1.36: "number", 1.19: "layer", 1.01: "channels", 0.86: "map, px", 0.67: "trained"}
    for y, text in heads.items():
        write(axes, 0.2, y, text, 8, side="left", color=MUTED, fontstyle="italic")
    axes.legend(
        handles=[Patch(facecolor=colours[kind], edgecolor=INK, linewidth=0.5, label=kind) for kind in kinds],
        loc="lower center", bbox_to_anchor=(0.5, 0.0), ncols=min(5, len(kinds)), fontsize=9,
        handlelength=1.1, handleheight=1.0, columnspacing=1.8,
    )  # fmt: skip
    return figure


def _block_size(row: LayerRow, rows: Sequence[LayerRow]) -> tuple[float, float]:
    """Return thickness and height in inches."""
    maps = [other.output_shape for other in rows if len(other.output_shape) == 3]
    if len(row.output_shape) != 3:
        return _THINNEST_IN * 1.6, 0.62
    tallest, deepest = max(shape[1] for shape in maps), max(shape[0] for shape in maps)
    thickness = _THINNEST_IN + (_THICKEST_IN - _THINNEST_IN) * row.output_shape[0] / deepest
    return thickness, _BLOCK_IN * row.output_shape[1] / tallest


def _draw_block(axes: Axes, middle: float, size: tuple[float, float], *, colour: str) -> None:
    thickness, height = size
    # Seen from the right and above: the slant is short enough not to touch the next block.
    slant_x, slant_y = 0.13 * height, 0.1 * height
    left, right = middle - (thickness + slant_x) / 2, middle + (thickness - slant_x) / 2
    bottom, top = _AXIS_Y_IN - height / 2, _AXIS_Y_IN + height / 2
    behind = right + slant_x, top + slant_y
    front = [(left, bottom), (right, bottom), (right, top), (left, top)]
    lid = [(left, top), (right, top), behind, (left + slant_x, behind[1])]
    flank = [(right, bottom), (behind[0], bottom + slant_y), behind, (right, top)]
    for corners, lightening in ((front, 0.0), (lid, 0.35), (flank, 0.18)):
        face = tuple(channel + (1 - channel) * lightening for channel in to_rgb(colour))
        axes.add_patch(Polygon(corners, facecolor=face, edgecolor=INK, linewidth=0.5, joinstyle="round"))


def _write_column(axes: Axes, middle: float, row: LayerRow) -> None:
    write(axes, middle, 1.36, str(row.number), 8, color=MUTED)
    write(axes, middle, 1.19, shortened(row.name, 8), 8.5, fontweight="bold")
    first, *sides = row.output_shape
    write(axes, middle, 1.01, f"{first:,}", 8.5)
    if sides:
        write(axes, middle, 0.86, TIMES.join(map(str, sides)), 8)
    write(axes, middle, 0.67, _abbreviated(row.parameters), 8, color=MUTED)


def _abbreviated(count: int) -> str:
    if count < 1000:
        return str(count)
    return f"{count / 1000:.3g}k" if count < 999_500 else f"{count / 1_000_000:.3g}M"
