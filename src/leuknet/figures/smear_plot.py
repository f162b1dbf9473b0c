"""Draws the outlines of cells over the image in which they were found.

What became of a cell is told by the kind of line and a letter, not by colour alone. Start at `draw_overlay`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from leuknet.errors import ShapeError
from leuknet.fields.outline import Outline
from leuknet.figures.frame import BLUE, GREEN, INK, MUTED, ORANGE, framed, house_style, write
from leuknet.types import Pixels

_WIDTH_IN = 9.0
_NUMBERED = 150  # with more cells, numbers would hide them
_BAR_SHARE = 0.12  # of the image's width, about


class Look(NamedTuple):
    """How cells of one kind are drawn: line and letter, in a colour that is seen on a stained smear."""

    colour: str
    line: Any
    letter: str


LOOKS: Mapping[str, Look] = {
    "positive": Look(ORANGE, "-", "+"),
    "negative": Look(BLUE, "-", "\N{MINUS SIGN}"),
    "uncertain": Look("#6a3d9a", (0, (4, 1.5)), "?"),
    "unfamiliar": Look(INK, (0, (1, 1)), "x"),
    "found": Look(GREEN, "-", ""),
}
"""The outcomes of `leuknet.smears.smear`, and a cell that was found and not scored."""


def colour_of(kind: str) -> tuple[int, int, int]:
    """Return sRGB, 0..255, of a key of `LOOKS`."""
    red, green, blue = (round(255 * part) for part in to_rgb(LOOKS[kind].colour))
    return red, green, blue


class Outlined(NamedTuple):
    """A cell to be drawn: its outline in pixels of the full image, its kind (of `LOOKS`), its number."""

    outline: Outline
    kind: str
    number: int


@house_style()
def draw_overlay(
    overview: Pixels,
    cells: Sequence[Outlined],
    *,
    width_px: int,
    microns_per_pixel: float,
    names: Mapping[str, str],
    title: str,
    caption: str,
    simulated: bool,
) -> Figure:
    """Return the image with its cells outlined and numbered, a legend and a scale bar.

    Parameters
    ----------
    overview : (H, W, 3) uint8
        The image, or the whole of it reduced.
    cells
        Outlines in pixels of the full image; none is allowed.
    width_px
        Width of the full image.
    microns_per_pixel
        Scale of the full image.
    names
        What to call each kind in the legend.
    title, caption
        What is shown.
    simulated
        Stamp the picture as made from simulated cells.

    Raises
    ------
    ShapeError
        If a cell is of an unknown kind.
    """
    unknown = {cell.kind for cell in cells} - LOOKS.keys()
    if unknown:
        raise ShapeError(
            "cannot draw an overlay", why=f"kinds {sorted(unknown)}", fix=f"use {', '.join(LOOKS)}"
        )
    h, w = overview.shape[:2]
    height_in = min(_WIDTH_IN * h / w, 12.0)
    figure, body = framed(_WIDTH_IN, height_in + 0.55, title=title, subtitle=caption, simulated=simulated)
    axes = body.add_axes((0.02, 0.5 / (height_in + 0.55), 0.96, height_in / (height_in + 0.55)))
    # Matplotlib takes seven times as long to add the fourth channel.
    axes.imshow(Image.fromarray(overview).convert("RGBA"), interpolation="antialiased")
    axes.set_axis_off()
    shrunk = width_px / w
    handles = []
    for kind, look in LOOKS.items():
        lines = [(cell.outline - shrunk / 2) / shrunk for cell in cells if cell.kind == kind]
        if not lines:
            continue
        # White beneath, for a dark cytoplasm.
        axes.add_collection(LineCollection(lines, colors="white", linewidths=3.2))
        axes.add_collection(LineCollection(lines, colors=look.colour, linewidths=1.6, linestyles=[look.line]))
        label = f"{look.letter} {names[kind]}: {len(lines)}".strip()
        handles.append(Line2D([], [], color=look.colour, linestyle=look.line, label=label))
    if len(cells) <= _NUMBERED:
        for cell in cells:
            _number(axes, cell, shrunk)
    _scale_bar(axes, w, h, shrunk * microns_per_pixel)
    if handles:
        body.legend(handles=handles, loc="lower center", ncol=len(handles), handlelength=3.2, fontsize=10)
    return figure


def _number(axes: Axes, cell: Outlined, shrunk: float) -> None:
    look = LOOKS[cell.kind]
    x, y = cell.outline.min(axis=0) / shrunk
    box = {"facecolor": look.colour, "edgecolor": "none", "boxstyle": "round,pad=0.15"}
    text = f"{cell.number}{look.letter}"
    axes.text(x, y, text, color="white", fontsize=8, ha="right", va="bottom", clip_on=True, bbox=box)


def _scale_bar(axes: Axes, w: int, h: int, microns_per_pixel: float) -> None:
    wanted_um = _BAR_SHARE * w * microns_per_pixel
    lengths_um = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
    length_um = max((length for length in lengths_um if length <= wanted_um), default=1)
    length_px = length_um / microns_per_pixel
    x, y = w - 0.02 * w - length_px, h - 0.03 * h
    axes.plot([x, x + length_px], [y, y], color="white", linewidth=6, solid_capstyle="butt")
    axes.plot([x, x + length_px], [y, y], color=MUTED, linewidth=3.5, solid_capstyle="butt")
    box = {"facecolor": "white", "edgecolor": "none", "boxstyle": "round,pad=0.1", "alpha": 0.8}
    write(axes, x + length_px / 2, y - 0.012 * h, f"{length_um:,} µm", va="bottom", bbox=box)
