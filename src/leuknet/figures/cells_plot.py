"""Draws figure 2, sample cells of both classes, and figure 4, test cells with what the model called them.

Start at `draw_samples` or `draw_classified`; `examples.py` chooses cells for the latter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from leuknet.figures.frame import (
    GREEN,
    MUTED,
    ORANGE,
    axes_at,
    check_lengths,
    framed,
    house_style,
    shortened,
    write,
)
from leuknet.types import Label, Labels, Pixels, Probabilities

_GAP_IN = 0.1
_NAME_IN = 1.15
"""Space for the class names left of the sample rows."""


@house_style()
def draw_samples(
    images: Sequence[Pixels],
    labels: Sequence[int],
    *,
    titles: Sequence[str],
    class_names: tuple[str, str],
    simulated: bool,
) -> Figure:
    """Draw sample cells, one row for each class, the leukaemic class above.

    Parameters
    ----------
    images
        Each (H, W, 3) uint8; sizes may differ.
    labels
        The class of each image.
    titles
        What to write below each image, such as its file name; long ones are cut in the middle.
    class_names
        Meaning of label 0 and label 1.
    simulated
        Stamp the picture as made from simulated cells.

    Raises
    ------
    ShapeError
        If there is no image, or not one label and one title for each.
    """
    check_lengths("sample cells", len(images), len(labels), len(titles))
    rows = {
        kind: [place for place, label in enumerate(labels) if label == kind]
        for kind in (Label.LEUKAEMIC, Label.NORMAL)
    }
    side_in = min(2.2, (10.0 - _NAME_IN - 0.2) / max(map(len, rows.values())))
    pitch_in = side_in + 0.28
    width_in = max(6.0, _NAME_IN + side_in * max(map(len, rows.values())) + 0.2)
    counts = " and ".join(f"{len(row)} {shortened(class_names[kind], 20)}" for kind, row in rows.items())
    figure, body = framed(
        width_in, 2 * pitch_in, title="Sample cells", subtitle=f"{counts} cells", simulated=simulated
    )
    for line, (kind, row) in enumerate(rows.items()):
        bottom_in = 2 * pitch_in - line * pitch_in - side_in
        middle = (bottom_in + side_in / 2) / (2 * pitch_in)
        name = shortened(class_names[kind], 12)
        write(body, 0.2 / width_in, middle, name, 12, side="left", fontweight="bold")
        for column, place in enumerate(row):
            axes = image_axes(body, _NAME_IN + column * side_in, bottom_in, side_in - _GAP_IN)
            axes.imshow(images[place], interpolation="antialiased")
            axes.set_xlabel(shortened(titles[place], int(side_in / 0.068)), fontsize=7.5, labelpad=3)
    return figure


@house_style()
def draw_classified(
    images: Sequence[Pixels],
    labels: Labels,
    probabilities: Probabilities,
    *,
    threshold: float,
    class_names: tuple[str, str],
    caption: str,
    simulated: bool,
) -> Figure:
    """Draw cells with the class that the model called, its probability, and whether that is right.

    A right call has a green frame and a tick; a wrong one a dashed orange frame, a cross and the true
    class. The probability is always that of the leukaemic class.

    Parameters
    ----------
    images
        Each (H, W, 3) uint8; sizes may differ.
    labels, probabilities : (N,)
        True class and P(leukaemic) of each image.
    threshold
        Cells at or above it are called leukaemic.
    class_names
        Meaning of label 0 and label 1.
    caption
        How the cells were chosen, as `Examples.caption` says it.
    simulated
        Stamp the picture as made from simulated cells.

    Raises
    ------
    ShapeError
        If there is no image, or not one label and one probability for each.
    """
    check_lengths("classified cells", len(images), len(labels), len(probabilities))
    n_columns = min(6, len(images))
    n_rows = -(-len(images) // n_columns)
    side_in, text_in = 9.6 / 6, 0.66
    height_in = n_rows * (side_in + text_in)
    width_in = max(6.0, 0.4 + side_in * n_columns)
    figure, body = framed(
        width_in, height_in, title="Classified test cells", subtitle=caption, simulated=simulated
    )
    for place, pixels in enumerate(images):
        row, column = divmod(place, n_columns)
        bottom_in = height_in - row * (side_in + text_in) - side_in
        axes = image_axes(body, 0.2 + column * side_in, bottom_in, side_in - _GAP_IN)
        axes.imshow(pixels, interpolation="antialiased")
        truth, called = Label(int(labels[place])), Label(int(probabilities[place] >= threshold))
        colour, line, mark = (GREEN, "-", "✓") if truth == called else (ORANGE, (0, (3, 1.5)), "✗")
        edge: dict[str, Any] = {"edgecolor": colour, "linestyle": line, "linewidth": 3}
        axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, clip_on=False, **edge))
        call = f"{mark} {shortened(class_names[called], 12)}"
        write_call(axes, call, float(probabilities[place]), colour=colour, class_names=class_names)
        if truth != called:
            write_truth(axes, truth, class_names=class_names)
    return figure


def write_call(
    axes: Axes, call: str, probability: float, *, colour: str, class_names: tuple[str, str]
) -> None:
    """Write below a cell what it was called, in a colour, and the probability of the leukaemic class."""
    write(axes, 0.5, -0.11, call, 10, fontweight="bold", color=colour, transform=axes.transAxes)
    stated = f"P({shortened(class_names[1], 10)}) {probability:.1%}"
    write(axes, 0.5, -0.24, stated, 8.5, transform=axes.transAxes)


def write_truth(axes: Axes, truth: Label, *, class_names: tuple[str, str]) -> None:
    """Write below a cell and its call what it truly is."""
    text = f"truly {shortened(class_names[truth], 14)}"
    write(axes, 0.5, -0.36, text, 8.5, color=MUTED, transform=axes.transAxes)


def image_axes(body: SubFigure, left_in: float, bottom_in: float, side_in: float) -> Axes:
    """Return a square for an image, its place in inches from the lower left of the drawing."""
    axes = axes_at(body, left_in, bottom_in, side_in, side_in)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes
