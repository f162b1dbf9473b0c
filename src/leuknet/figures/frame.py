"""What all figures share: palette, fonts, title, the two notices, and how a figure becomes files.

The notices are bands above and below the drawing, never over it: they cannot be missed and hide no data.
Colours are taken from Okabe & Ito's set, which people with any common colour blindness can tell apart;
still, nothing is told by colour alone.

Start at `framed`, which every `draw_` function calls first, and `save_figure`, which callers call last.
"""

from __future__ import annotations

import io
import textwrap
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from leuknet.errors import ShapeError
from leuknet.records import write_whole

INK = "#1f2933"
MUTED = "#52606d"
HAIRLINE = "#cbd2d9"
PAPER = "#f5f7fa"
BLUE = "#0072b2"
SKY = "#56b4e9"
GREEN = "#007a5a"
ORANGE = "#c24e00"
AMBER = "#f0b429"
_ON_AMBER = "#1a1200"

# matplotlib lists the keys as a type in its newer versions only: hence Any.
STYLE: Any = {
    # DejaVu Sans ships with matplotlib: the same picture on every machine.
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    # Class and file names are text: a `$` in them must not start a formula.
    "text.parse_math": False,
    "text.usetex": False,
    "axes.edgecolor": HAIRLINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": HAIRLINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "lines.linewidth": 1.6,
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "leuknet",
    "path.simplify": False,
}
"""Settings of every figure, applied by `house_style` while one is drawn and while it is saved."""

SIMULATED_NOTICE = "SIMULATED CELLS"
TIMES = "\N{MULTIPLICATION SIGN}"
RESEARCH_NOTICE = "Research use only. Not a medical device."

_BAND_IN = 0.34
_TITLE_IN = 0.52
_LINE_IN = 0.165
_CHARACTER_IN = 0.066
"""Mean width of a character of the subtitle."""
_FOOT_IN = 0.26
_MARGIN_IN = 0.2


@contextmanager
def house_style() -> Iterator[None]:
    """Apply the figures' settings, as a context or as a decorator; the caller's own are restored after it."""
    with mpl.rc_context(STYLE):
        yield


def framed(
    width_in: float, height_in: float, *, title: str, subtitle: str, simulated: bool
) -> tuple[Figure, SubFigure]:
    """Return an empty figure with title and notices, and the space for its drawing.

    Parameters
    ----------
    width_in, height_in
        Size of the drawing space, in inches; title and notices add to the height.
    title, subtitle
        What is shown, and on what. The title takes one line, the subtitle as many as it needs.
    simulated
        Whether to add the band that says so.

    Returns
    -------
    tuple
        The figure, and the part of it that belongs to the caller.
    """
    band_in = _BAND_IN if simulated else 0.0
    lines = textwrap.wrap(subtitle, int((width_in - 2 * _MARGIN_IN) / _CHARACTER_IN))
    head_in = _TITLE_IN + _LINE_IN * len(lines)
    heights = [band_in, head_in, height_in, _FOOT_IN] if simulated else [head_in, height_in, _FOOT_IN]
    figure = Figure(figsize=(width_in, sum(heights)), facecolor="white")
    parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights, hspace=0)
    *bands, head, body, foot = parts
    left = _MARGIN_IN / width_in
    for band in bands:
        band.set_facecolor(AMBER)
        # At both ends, so that half a picture on a small screen still says it.
        for x, side in ((left, "left"), (1 - left, "right")):
            write(band, x, 0.47, SIMULATED_NOTICE, 11, side=side, fontweight="bold", color=_ON_AMBER)
        write(band, 0.5, 0.47, "drawn by a program, not from any person", 8.5, color=_ON_AMBER)
    write(head, left, 1 - 0.25 / head_in, title, 12.5, side="left", fontweight="bold")
    below_title: dict[str, Any] = {"va": "top", "color": MUTED, "linespacing": 1.3}
    write(head, left, 1 - 0.42 / head_in, "\n".join(lines), side="left", **below_title)
    write(foot, left, 0.5, RESEARCH_NOTICE, 7.5, side="left", color=MUTED)
    write(foot, 1 - left, 0.5, "LeukNet", 7.5, side="right", color=MUTED)
    return figure, body


def write(
    on: Axes | SubFigure,
    x: float,
    y: float,
    text: str,
    size: float = 9,
    *,
    side: str = "center",
    **style: Any,
) -> None:
    """Write text of this size in points at a place, which is its middle, or the middle of its `side`."""
    on.text(x, y, text, ha=side, fontsize=size, **({"va": "center"} | style))


def axes_at(body: SubFigure, left_in: float, bottom_in: float, width_in: float, height_in: float) -> Axes:
    """Return new axes whose place is given in inches from the lower left of the drawing space."""
    whole_w, whole_h = body.bbox.width / body.dpi, body.bbox.height / body.dpi
    place = (left_in / whole_w, bottom_in / whole_h, width_in / whole_w, height_in / whole_h)
    axes: Axes = body.add_axes(place)
    return axes


def save_figure(figure: Figure, stem: Path) -> tuple[Path, Path]:
    """Write a figure as PNG (200 dots per inch) and as SVG.

    The same figure gives the same bytes: neither file carries a date or a random id. Each file appears
    whole or not at all.

    Parameters
    ----------
    figure
        As returned by a `draw_` function.
    stem
        Path without extension; its folder must exist. `.png` and `.svg` are appended.

    Returns
    -------
    tuple of Path
        The PNG file and the SVG file.

    Raises
    ------
    OSError
        If the folder is missing or cannot be written.
    """
    png = stem.with_name(f"{stem.name}.png")
    svg = stem.with_name(f"{stem.name}.svg")
    save_png(figure, png)
    write_whole(svg, _rendered(figure, format="svg", metadata={"Date": None, "Creator": None}))
    return png, svg


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as `save_figure` does, as PNG alone: for one that is mostly a photograph."""
    write_whole(path, png_of(figure, dpi=200, photograph=True))


def png_of(figure: Figure, *, dpi: int, photograph: bool = False) -> bytes:
    """Return a figure as a PNG file; the same figure gives the same bytes."""
    # The default, level 6, takes more than twice as long for a file smaller by a sixth. Of a photograph, zlib
    # finds runs and nothing else worth its time: as small as that, in a quarter of its time.
    how = {"compress_type": zlib.Z_RLE} if photograph else {"compress_level": 3}
    return _rendered(figure, format="png", dpi=dpi, metadata={"Software": None}, pil_kwargs=how)


def check_lengths(what: str, *lengths: int) -> None:
    """Raise `ShapeError` unless all lengths are equal and above zero."""
    if len(set(lengths)) != 1 or not lengths[0]:
        raise ShapeError(
            f"cannot show {what}",
            why=f"the lists hold {', '.join(map(str, lengths))} entries",
            fix="pass one entry for each cell in every list, and at least one cell",
        )


def _rendered(figure: Figure, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(buffer, **options)
    return buffer.getvalue()


def shortened(text: str, length: int) -> str:
    """Return text of at most `length` characters, on one line, with an ellipsis in its middle if cut.

    Characters that no font can draw, such as line breaks in file names, become `?`.
    """
    text = "".join(character if character.isprintable() else "?" for character in text)
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"
