"""What the figures of one or more evaluations share: line styles, the key below the drawing, and its words.

Each evaluation has a colour, a dash and a marker of its own, so that it is known without its colour. The key
is a table: a sample of the line, the name, and scores that always come with their interval.

Start at `draw_key`; `tested_on` says what the scores rest on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import SubFigure

from leuknet.errors import ShapeError
from leuknet.figures.frame import (
    BLUE,
    GREEN,
    HAIRLINE,
    INK,
    MUTED,
    ORANGE,
    SKY,
    axes_at,
    shortened,
    write,
)
from leuknet.types import Evaluation, Interval

_PLUM = "#99407a"
_COLOURS = (BLUE, ORANGE, GREEN, _PLUM, SKY, INK)
_DASHES = (
    "-",
    (0, (5, 1.6)),
    (0, (1.4, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (9, 2)),
    (0, (3, 1.2, 1, 1.2, 1, 1.2)),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")

REFERENCE: dict[str, Any] = {"color": MUTED, "linestyle": (0, (1, 2.2)), "linewidth": 1.2}
"""Of a line that is no model: chance, or a policy that needs none."""

_PITCH_IN = 0.235
_NOTE_IN = 0.155
_HEAD_IN = 0.34
_NAME_AT_IN = 1.0
_CHARACTER_IN = 0.07


class KeyRow(NamedTuple):
    """One line of a key: its style, its name, its scores, and what these rest on where that differs."""

    style: Mapping[str, Any]
    name: str
    scores: Sequence[str] = ()
    note: str = ""


def style_of(place: int) -> dict[str, Any]:
    """Return colour, dash and marker of the evaluation at this place, counted from 0."""
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "linestyle": _DASHES[place % len(_DASHES)],
        "marker": _MARKERS[place % len(_MARKERS)],
    }


def line_of(place: int) -> dict[str, Any]:
    """Return the style of the line alone: its marker is kept for one point, such as the own threshold."""
    return _without_marker(style_of(place))


def mark_of(place: int) -> dict[str, Any]:
    """Return the style of one point of the evaluation's line."""
    edge = {"markersize": 8, "markeredgecolor": "white", "markeredgewidth": 1.1}
    return style_of(place) | edge | {"linestyle": "none", "zorder": 5}


def check_evaluations(what: str, evaluations: Iterable[Evaluation], *metrics: str) -> None:
    """Raise `ShapeError` unless there is an evaluation, and each holds these metrics."""
    evaluations = list(evaluations)
    if not evaluations:
        raise ShapeError(f"cannot draw {what}", why="no evaluation was given", fix="pass at least one")
    for evaluation in evaluations:
        missing = [name for name in metrics if name not in evaluation.metrics]
        if missing:
            raise ShapeError(
                f"cannot draw {what}",
                why=f"the evaluation of {evaluation.model_id} holds no {missing[0]}",
                fix="evaluate the model again with this version of LeukNet",
            )


def tested_on(evaluations: Sequence[Evaluation]) -> tuple[str, list[str]]:
    """Return what the scores rest on: once for all evaluations, and a note for each where they differ."""
    texts = [_side(evaluation) for evaluation in evaluations]
    if len(set(texts)) == 1:
        return f"{texts[0]}.", [""] * len(texts)
    return "Tested on different cells or splits: see below each name.", texts


def interval_words(intervals: Iterable[Interval]) -> str:
    """Return how these intervals were made, as the end of a sentence."""
    intervals = list(intervals)
    known = sorted({(each.level, each.method.label) for each in intervals if each.is_known})
    unknown = sorted({each.method.label for each in intervals if not each.is_known})
    if not known:
        return " or ".join(unknown)
    words = " or ".join(method for _, method in known)
    for kind in ("bootstrap", "jackknife"):
        words = words.replace(f" or {kind} over", " or over")
    return "; ".join([f"{known[0][0]:.0%} intervals: {words}", *unknown])


def key_height_in(rows: Sequence[KeyRow]) -> float:
    """Return the height that `draw_key` needs, in inches."""
    return _HEAD_IN + sum(_PITCH_IN + (_NOTE_IN if row.note else 0) for row in rows) + 0.08


def draw_key(
    body: SubFigure, rows: Sequence[KeyRow], *, heads: Sequence[str], columns_in: Sequence[float]
) -> None:
    """Write the key at the lower end of the drawing space.

    `heads` are the titles of the score columns, `columns_in` where these begin, in inches from the left; a
    name is cut to fit before the first of them.
    """
    height_in, width_in = key_height_in(rows), body.bbox.width / body.dpi
    axes = axes_at(body, 0, 0, width_in, height_in)
    axes.set(xlim=(0, width_in), ylim=(height_in, 0))
    axes.set_axis_off()
    axes.plot([0.2, width_in - 0.2], [0.27, 0.27], color=HAIRLINE, linewidth=0.8)
    for x, head in zip(columns_in, heads, strict=True):
        write(axes, x, 0.14, head, 8.5, side="left", color=MUTED)
    name_length = int(((columns_in[0] if columns_in else width_in) - _NAME_AT_IN - 0.1) / _CHARACTER_IN)
    y = _HEAD_IN + _PITCH_IN / 2
    for row in rows:
        axes.plot([0.25, 0.85], [y, y], **_without_marker(row.style))
        if "marker" in row.style:
            mark = {"marker": row.style["marker"], "markersize": 7, "markeredgecolor": "white"}
            axes.plot([0.55], [y], color=row.style["color"], linestyle="none", **mark)
        write(axes, _NAME_AT_IN, y, shortened(row.name, name_length), side="left")
        for x, score in zip(columns_in, row.scores, strict=False):
            write(axes, x, y, score, side="left")
        if row.note:
            y += _NOTE_IN
            note = shortened(row.note, int((width_in - _NAME_AT_IN - 0.2) / 0.066))
            write(axes, _NAME_AT_IN, y, note, 7.5, side="left", color=MUTED)
        y += _PITCH_IN


def _without_marker(style: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in style.items() if key != "marker"}


def _side(evaluation: Evaluation) -> str:
    subjects = "subjects not known" if evaluation.subjects is None else f"{evaluation.subjects:,} subjects"
    optimistic = " (optimistic)" if evaluation.split_kind == "image-level" else ""
    return f"{evaluation.cells:,} cells, {subjects}, {evaluation.split_kind} split{optimistic}"
