"""Draws figure 5: the confusion chart of a test, with shares by true and by called class.

Start at `draw_confusion`.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from leuknet.evaluation.summary import limits_text
from leuknet.figures.frame import INK, MUTED, ORANGE, PAPER, framed, house_style, shortened, write
from leuknet.figures.key import check_evaluations
from leuknet.types import Evaluation, Interval, Label

_DEEP_BLUE = "#005a8f"
"""Dark enough for white text to stand out on it."""

_CORNER = "#dbeaf5"

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
    check_evaluations("the confusion chart", [evaluation], "accuracy", "sensitivity", "specificity")
    subjects = "subjects not published"
    if evaluation.subjects is not None:
        subjects = f"{evaluation.subjects:,} subjects"
    figure, body = framed(
        7.8,
        5.0,
        title="True and called class of the test cells",
        subtitle=f"{evaluation.cells:,} cells, {subjects}, {evaluation.split_kind} split, "
        f"threshold {evaluation.threshold:g}",
        simulated=simulated,
    )
    axes = body.add_axes((0.19, 0.13, 0.79, 0.83))
    axes.set(xlim=(0, 3.3), ylim=(3.1, 0))
    axes.set_axis_off()
    _draw_counts(axes, evaluation)
    _draw_shares_of_called(axes, evaluation)
    for top, name, face in ((0, "sensitivity", PAPER), (1, "specificity", PAPER), (2.1, "accuracy", _CORNER)):
        _tile(axes, 2.1, top, width=1.2, face=face)
        _write_interval(axes, top, name=name, interval=evaluation.metrics[name])
    _write_names(axes, evaluation.class_names)
    return figure


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
            write(axes, column + 0.5, row + 0.45, f"{count:,}", 24, fontweight="bold", color=ink)
            write(axes, column + 0.5, row + 0.75, mark, 10, color=ink)


def _draw_shares_of_called(axes: Axes, evaluation: Evaluation) -> None:
    for column, called in enumerate(_ORDER):
        right = evaluation.confusion[called][called]
        total = sum(evaluation.confusion[true][called] for true in _ORDER)
        _tile(axes, column, 2.1, face=PAPER)
        share = f"{right / total:.1%}" if total else "none called"
        name = shortened(evaluation.class_names[called], 14)
        write(axes, column + 0.5, 2.38, f"of called {name}", color=MUTED)
        write(axes, column + 0.5, 2.6, share, 14, fontweight="bold")
        write(axes, column + 0.5, 2.82, f"{right:,} of {total:,} right")


def _write_interval(axes: Axes, top: float, *, name: str, interval: Interval) -> None:
    method = interval.method.label
    if interval.is_known:
        method = f"{interval.level:.0%}, {method}"
    write(axes, 2.7, top + 0.28, name, color=MUTED)
    write(axes, 2.7, top + 0.5, f"{interval.estimate:.1%}", 14, fontweight="bold")
    write(axes, 2.7, top + 0.72, limits_text(interval, ".1%"))
    write(axes, 2.7, top + 0.88, method, 7.5, color=MUTED)


def _write_names(axes: Axes, class_names: tuple[str, str]) -> None:
    for place, label in enumerate(_ORDER):
        name = shortened(class_names[label], 11)
        write(axes, -0.06, place + 0.5, name, 11, side="right", fontweight="bold")
        write(axes, place + 0.5, 3.2, name, 11, fontweight="bold")
    write(axes, -0.68, 1, "True class", 10, color=MUTED, rotation=90)
    write(axes, 1, 3.4, "Called class", 10, color=MUTED)


def _tile(axes: Axes, left: float, top: float, *, face: str | tuple[float, ...], width: float = 1.0) -> None:
    axes.add_patch(Rectangle((left, top), width, 1, facecolor=face, edgecolor="white", linewidth=2.5))
