"""Draws figure 5: the confusion chart of a test, with shares by true and by called class.

Start at `draw_confusion`.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from leuknet.errors import ShapeError
from leuknet.figures.frame import INK, MUTED, ORANGE, PAPER, framed, house_style, shortened
from leuknet.types import Evaluation, Interval, Label

_DEEP_BLUE = "#005a8f"
"""Dark enough for white text to stand out on it."""

_ORDER = (Label.LEUKAEMIC, Label.NORMAL)
"""The class that is looked for comes first, as in the paper's chart."""


@house_style()
def draw_confusion(evaluation: Evaluation, *, simulated: bool) -> Figure:
    """Draw counts of true against called class, in the manner of MATLAB's confusion chart.

    The column on the right holds shares by true class (sensitivity, specificity), the row below shares by
    called class (precision), the corner the accuracy with its interval.

    Parameters
    ----------
    evaluation
        The scored test; needs the metrics `accuracy`, `sensitivity` and `specificity`.
    simulated
        Stamp the picture as made from simulated cells.

    Raises
    ------
    ShapeError
        If one of these metrics is missing.
    """
    missing = [name for name in ("accuracy", "sensitivity", "specificity") if name not in evaluation.metrics]
    if missing:
        raise ShapeError(
            "cannot draw the confusion chart",
            why=f"the evaluation holds no {missing[0]}",
            fix="evaluate the model again with this version of LeukNet",
        )
    figure, body = framed(
        7.8,
        5.0,
        title="True and called class of the test cells",
        subtitle=f"{_tested(evaluation)}, {evaluation.split_kind} split, threshold {evaluation.threshold:g}",
        simulated=simulated,
    )
    axes = body.add_axes((0.19, 0.13, 0.79, 0.83))
    axes.set(xlim=(0, 3.3), ylim=(3.1, 0))
    axes.set_axis_off()
    _draw_counts(axes, evaluation)
    _draw_rows(axes, evaluation)
    _draw_columns(axes, evaluation)
    _draw_corner(axes, evaluation.metrics["accuracy"])
    _write_names(axes, evaluation.class_names)
    return figure


def _tested(evaluation: Evaluation) -> str:
    subjects = (
        "subjects not published" if evaluation.subjects is None else f"{evaluation.subjects:,} subjects"
    )
    return f"{evaluation.cells:,} cells, {subjects}"


def _draw_counts(axes: Axes, evaluation: Evaluation) -> None:
    for row, true in enumerate(_ORDER):
        total = sum(evaluation.confusion[true])
        for column, called in enumerate(_ORDER):
            count = evaluation.confusion[true][called]
            share = count / total if total else 0.0
            strength = 0.08 + 0.9 * share
            base = to_rgb(_DEEP_BLUE if true == called else ORANGE)
            face = tuple(1 - strength * (1 - channel) for channel in base)
            _tile(axes, column, row, face=face)
            ink = "white" if strength > 0.72 else INK
            mark = "✓ right" if true == called else "✗ wrong"
            axes.text(
                column + 0.5, row + 0.45, f"{count:,}",
                ha="center", va="center", fontsize=24, fontweight="bold", color=ink,
            )  # fmt: skip
            axes.text(column + 0.5, row + 0.75, mark, ha="center", va="center", fontsize=10, color=ink)


def _draw_rows(axes: Axes, evaluation: Evaluation) -> None:
    for row, name in enumerate(("sensitivity", "specificity")):
        _tile(axes, 2.1, row, width=1.2, face=PAPER)
        _write_interval(axes, (2.7, row), name=name, interval=evaluation.metrics[name])


def _draw_columns(axes: Axes, evaluation: Evaluation) -> None:
    for column, called in enumerate(_ORDER):
        right = evaluation.confusion[called][called]
        total = sum(evaluation.confusion[true][called] for true in _ORDER)
        _tile(axes, column, 2.1, face=PAPER)
        share = f"{right / total:.1%}" if total else "none called"
        name = shortened(evaluation.class_names[called], 14)
        axes.text(column + 0.5, 2.38, f"of called {name}", ha="center", va="center", fontsize=9, color=MUTED)
        axes.text(column + 0.5, 2.6, share, ha="center", va="center", fontsize=14, fontweight="bold")
        axes.text(column + 0.5, 2.82, f"{right:,} of {total:,} right", ha="center", va="center", fontsize=9)


def _draw_corner(axes: Axes, accuracy: Interval) -> None:
    _tile(axes, 2.1, 2.1, width=1.2, face="#dbeaf5")
    _write_interval(axes, (2.7, 2.1), name="accuracy", interval=accuracy)


def _write_interval(axes: Axes, place: tuple[float, float], *, name: str, interval: Interval) -> None:
    x, top = place
    axes.text(x, top + 0.28, name, ha="center", va="center", fontsize=9, color=MUTED)
    axes.text(
        x, top + 0.5, f"{interval.estimate:.1%}", ha="center", va="center", fontsize=14, fontweight="bold"
    )
    bounds = f"{interval.low:.1%} to {interval.high:.1%}"
    axes.text(x, top + 0.72, bounds, ha="center", va="center", fontsize=9)
    method = f"{interval.level:.0%}, {interval.method.replace('wilson', 'Wilson')}"
    axes.text(x, top + 0.88, method, ha="center", va="center", fontsize=7.5, color=MUTED)


def _write_names(axes: Axes, class_names: tuple[str, str]) -> None:
    for place, label in enumerate(_ORDER):
        name = shortened(class_names[label], 11)
        axes.text(-0.06, place + 0.5, name, ha="right", va="center", fontsize=11, fontweight="bold")
        axes.text(place + 0.5, 3.2, name, ha="center", va="center", fontsize=11, fontweight="bold")
    axes.text(-0.68, 1, "True class", ha="center", va="center", fontsize=10, color=MUTED, rotation=90)
    axes.text(1, 3.4, "Called class", ha="center", va="center", fontsize=10, color=MUTED)


def _tile(axes: Axes, left: float, top: float, *, face: str | tuple[float, ...], width: float = 1.0) -> None:
    axes.add_patch(Rectangle((left, top), width, 1, facecolor=face, edgecolor="white", linewidth=2.5))
