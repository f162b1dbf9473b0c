"""Draws figure 2, sample cells of both classes, and figure 4, test cells with what the model called them.

Start at `draw_samples` or `draw_classified`; `examples.py` chooses cells for the latter.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from leuknet.figures.frame import GREEN, MUTED, ORANGE, check_lengths, framed, house_style, shortened
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
        body.text(0.2 / width_in, middle, name, ha="left", va="center", fontsize=12, fontweight="bold")
        for column, place in enumerate(row):
            axes = _cell(
                body, images[place], left_in=_NAME_IN + column * side_in, bottom_in=bottom_in, side_in=side_in
            )
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
        axes = _cell(body, pixels, left_in=0.2 + column * side_in, bottom_in=bottom_in, side_in=side_in)
        called = Label(int(probabilities[place] >= threshold))
        _mark_call(axes, Label(int(labels[place])), called, class_names=class_names)
        probability = f"P({shortened(class_names[1], 10)}) {probabilities[place]:.1%}"
        axes.text(0.5, -0.24, probability, transform=axes.transAxes, ha="center", va="center", fontsize=8.5)
    return figure


def _mark_call(axes: Axes, true: Label, called: Label, *, class_names: tuple[str, str]) -> None:
    right = true == called
    colour, line, mark = (GREEN, "-", "✓") if right else (ORANGE, (0, (3, 1.5)), "✗")
    frame = Rectangle(
        (0, 0),
        1,
        1,
        transform=axes.transAxes,
        fill=False,
        edgecolor=colour,
        linestyle=line,
        linewidth=3,
        clip_on=False,
    )
    axes.add_patch(frame)
    text = f"{mark} {shortened(class_names[called], 12)}"
    axes.text(
        0.5, -0.11, text, transform=axes.transAxes,
        ha="center", va="center", fontsize=10, fontweight="bold", color=colour,
    )  # fmt: skip
    if not right:
        truth = f"truly {shortened(class_names[true], 14)}"
        axes.text(
            0.5, -0.36, truth, transform=axes.transAxes, ha="center", va="center", fontsize=8.5, color=MUTED
        )


def _cell(body: SubFigure, pixels: Pixels, *, left_in: float, bottom_in: float, side_in: float) -> Axes:
    """Show one image in a square whose place is given in inches from the lower left of the drawing."""
    width_in, height_in = body.bbox.width / body.dpi, body.bbox.height / body.dpi
    side = side_in - _GAP_IN
    axes: Axes = body.add_axes((left_in / width_in, bottom_in / height_in, side / width_in, side / height_in))
    axes.imshow(pixels, interpolation="antialiased")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes
