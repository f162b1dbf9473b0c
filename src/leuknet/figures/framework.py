"""Draws figure 1: the way from published images to a score, with the counts of this very run.

Start at `draw_framework`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from leuknet.evaluation.naming import short_recipe
from leuknet.figures.frame import (
    BLUE,
    GREEN,
    HAIRLINE,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    TIMES,
    framed,
    house_style,
    shortened,
    write,
)
from leuknet.types import CellImage, Dataset, Label, Recipe, Split

_WIDTH_IN, _HEIGHT_IN = 10.4, 3.3
_BOX_IN = 1.42

_SPLIT_NAMES = {
    "image-level": "Split by image",
    "subject-level": "Split by subject",
    "external": "Split by source",
    "unknown": "Split not known",
}


@house_style()
def draw_framework(
    dataset: Dataset, split: Split, recipe: Recipe, *, n_layers: int, simulated: bool
) -> Figure:
    """Draw how a run got from images to a score.

    Parameters
    ----------
    dataset
        What was read; its labelled cells in `recipe.parts` are counted as the input.
    split
        The cells that were used, by side.
    recipe
        The settings of the run.
    n_layers
        Layers of the network, as its table counts them.
    simulated
        Stamp the picture as made from simulated cells.
    """
    figure, body = framed(
        _WIDTH_IN,
        _HEIGHT_IN,
        title="From images to a score",
        subtitle=f"Counts of this run: data set {shortened(dataset.name, 40)}, "
        f"recipe {short_recipe(recipe.name)}",
        simulated=simulated,
    )
    axes = body.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH_IN), ylim=(0, _HEIGHT_IN))
    axes.set_axis_off()
    columns = [0.2 + column * (_BOX_IN + 0.296) for column in range(6)]
    used = split.cells
    _draw_preparation(axes, columns, dataset, used=used, recipe=recipe)
    _draw_sides(axes, columns, split)
    _draw_scoring(axes, columns, split, recipe=recipe, n_layers=n_layers, class_names=dataset.class_names)
    return figure


def _draw_preparation(
    axes: Axes, columns: Sequence[float], dataset: Dataset, *, used: Sequence[CellImage], recipe: Recipe
) -> None:
    read = [
        cell
        for cell in dataset.cells
        if cell.label is not None and (not recipe.parts or cell.part in recipe.parts)
    ]
    before, after = (Counter(cell.label for cell in cells) for cells in (read, used))
    rows = [(shortened(dataset.class_names[label], 12), label) for label in (Label.LEUKAEMIC, Label.NORMAL)]
    counted = "\n".join(f"{name} {before[label]:,}" for name, label in rows)
    kept = "\n".join(f"{name} {before[label]:,} → {after[label]:,}" for name, label in rows)
    size = f"{recipe.image_size_px} {TIMES} {recipe.image_size_px}"
    canvas = "each image whole"
    if dataset.canvas_px:
        canvas = f"from {dataset.canvas_px} {TIMES} {dataset.canvas_px}"
    middle, height = _HEIGHT_IN / 2, 1.24
    texts = [
        ("Images", f"{len(read):,} cells\n{counted}"),
        ("Balance", f"delete at random\n{kept}")
        if recipe.balance
        else ("No balancing", f"cells used\n{kept}"),
        ("Resize", f"to {size} RGB\n{canvas}"),
    ]
    for column, (head, text) in enumerate(texts):
        _box(axes, columns[column], middle, height, head=head, text=text)
    for column in range(2):
        _arrow(axes, (columns[column] + _BOX_IN, middle), (columns[column + 1], middle))


def _draw_sides(axes: Axes, columns: Sequence[float], split: Split) -> None:
    total = len(split.train) + len(split.validation) + len(split.test)
    sides = [
        ("Training set", split.train, BLUE),
        ("Validation set", split.validation, MUTED),
        ("Test set", split.test, ORANGE),
    ]
    for (name, cells, colour), middle in zip(sides, _LANES, strict=True):
        text = f"{len(cells):,} cells ({len(cells) / total:.0%})"
        _box(axes, columns[3], middle, 0.66, head=name, text=text, edge=colour)
        _arrow(axes, (columns[2] + _BOX_IN, _HEIGHT_IN / 2), (columns[3], middle))
    middle, kind = columns[3] + _BOX_IN / 2, _SPLIT_NAMES[split.kind]
    write(axes, middle, _HEIGHT_IN - 0.12, kind, color=MUTED, fontstyle="italic")


_LANES = (2.62, 1.65, 0.68)
"""Heights of the three sides in the drawing, in inches."""


def _draw_scoring(
    axes: Axes,
    columns: Sequence[float],
    split: Split,
    *,
    recipe: Recipe,
    n_layers: int,
    class_names: tuple[str, str],
) -> None:
    train_y, test_y = (_LANES[0] + _LANES[1]) / 2, _LANES[2]
    train = f"{n_layers} layers\n{recipe.epochs} epochs\nbatches of {recipe.batch_size}"
    _box(axes, columns[4], train_y, 1.32, head="Train", text=train, edge=BLUE)
    _box(axes, columns[4], test_y, 0.86, head="Test", text=f"{len(split.test):,} cells, once", edge=ORANGE)
    names = f"{shortened(class_names[1], 9)} or {shortened(class_names[0], 9)}"
    result = f"{names}\nand probability\nof {shortened(class_names[1], 14)}"
    _box(axes, columns[5], test_y, 1.16, head="Result", text=result, edge=GREEN)
    for lane, y in zip(_LANES, (train_y + 0.3, train_y - 0.3, test_y), strict=True):
        _arrow(axes, (columns[3] + _BOX_IN, lane), (columns[4], y))
    _arrow(axes, (columns[4] + _BOX_IN / 2, train_y - 0.66), (columns[4] + _BOX_IN / 2, test_y + 0.43))
    _arrow(axes, (columns[4] + _BOX_IN, test_y), (columns[5], test_y))


def _box(
    axes: Axes, left: float, middle: float, height: float, *, head: str, text: str, edge: str = HAIRLINE
) -> None:
    shape = FancyBboxPatch(
        (left, middle - height / 2), _BOX_IN, height,
        boxstyle="round,pad=0,rounding_size=0.07", facecolor=PAPER, edgecolor=edge, linewidth=1.4,
    )  # fmt: skip
    axes.add_patch(shape)
    centre = left + _BOX_IN / 2
    write(axes, centre, middle + height / 2 - 0.2, head, 10, fontweight="bold")
    write(axes, centre, middle - 0.15, text, linespacing=1.35, color=INK)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>", "color": MUTED, "linewidth": 1.2, "shrinkA": 1, "shrinkB": 1}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)
