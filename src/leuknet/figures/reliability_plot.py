"""Draws whether stated probabilities come true: reliability diagrams over histograms of what is stated.

Start at `draw_reliability`. What is drawn is computed in `leuknet.evaluation.reliability`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from leuknet.evaluation.curves import arrays_of
from leuknet.evaluation.formulas import ECE_BINS
from leuknet.evaluation.metrics import metric_intervals
from leuknet.evaluation.reliability import ReliabilityBin, reliability, uncalibrated
from leuknet.evaluation.resampling import MIN_SUBJECTS, clusters_of
from leuknet.evaluation.summary import number_text
from leuknet.figures.frame import MUTED, ORANGE, axes_at, framed, house_style, shortened
from leuknet.figures.key import (
    REFERENCE,
    KeyRow,
    check_evaluations,
    draw_key,
    interval_words,
    key_height_in,
    style_of,
    tested_on,
)
from leuknet.types import Evaluation, Probabilities

_BEFORE: dict[str, Any] = {"color": ORANGE, "linestyle": (0, (4, 1.6)), "marker": "s"}
_COLUMNS = 3
_GAP_IN = 0.7
_COUNTS_IN = 0.75
_HEAD_IN = 0.3
"""Above each of several diagrams, for its name."""


@house_style()
def draw_reliability(evaluations: Mapping[str, Evaluation]) -> Figure:
    """Draw observed over stated probability in `ECE_BINS` bins, one diagram for each evaluation.

    Whiskers are 95% intervals of the observed share: a jackknife over subjects, or Wilson's where cells are
    taken as independent; a bin of too few subjects has none.

    Below each diagram stands how many cells are stated at which probability, and in grey where
    the model leaves them undecided. Of a single calibrated evaluation, the diagram also shows, without
    whiskers, the probabilities before the temperature.

    Parameters
    ----------
    evaluations
        One or more, by the name that is shown; each needs the metric `ece`.

    Raises
    ------
    ShapeError
        If there is no evaluation, or one lacks the metric.
    """
    check_evaluations("the reliability diagram", evaluations.values(), "ece")
    ordered = list(evaluations.values())
    side, notes = tested_on(ordered)
    rows = _rows(evaluations, notes)
    n_columns = min(_COLUMNS, len(ordered))
    square_in = {1: 4.3, 2: 3.9}.get(n_columns, 2.5)
    pitch_in = 0.85 + _COUNTS_IN + square_in + (_HEAD_IN if len(ordered) > 1 else 0)
    key_in = key_height_in(rows)
    n_lines = -(-len(ordered) // n_columns)
    words = interval_words(evaluation.metrics["ece"] for evaluation in ordered)
    figure, body = framed(
        10.0,
        n_lines * pitch_in + key_in,
        title="Do the stated probabilities come true?",
        subtitle=f"{side} Points: cells in one of {ECE_BINS} bins; whiskers: 95%, {_whiskers(ordered)}. "
        f"ECE: mean distance from the diagonal over the cells, less is better; {words}. "
        "Grey: left undecided.",
        simulated=any(evaluation.simulated for evaluation in ordered),
    )
    left_in = (10.0 - n_columns * square_in - (n_columns - 1) * _GAP_IN) / 2 + 0.15
    for n, (name, evaluation) in enumerate(evaluations.items()):
        line, column = divmod(n, n_columns)
        x = left_in + column * (square_in + _GAP_IN)
        bottom = key_in + (n_lines - 1 - line) * pitch_in + 0.5
        diagram = axes_at(body, x, bottom + _COUNTS_IN + 0.15, square_in, square_in)
        counts = axes_at(body, x, bottom, square_in, _COUNTS_IN)
        _draw_diagram(diagram, evaluation, style=style_of(n))
        _draw_counts(counts, evaluation, colour=style_of(n)["color"])
        _name_axes(diagram, counts, shortened(evaluation.class_names[1], 12), is_first=column == 0)
        if len(ordered) > 1:
            title = shortened(name, int(square_in / 0.083))
            diagram.set_title(title, fontsize=9.5, fontweight="bold", loc="left")
        elif (before := _before(evaluation)) is not None:
            _draw_points(diagram, reliability(arrays_of(evaluation)[0], before), style=_BEFORE)
    draw_key(body, rows, heads=(f"ECE ({ECE_BINS} bins)",), columns_in=(7.7,))
    return figure


def _name_axes(diagram: Axes, counts: Axes, class_name: str, *, is_first: bool) -> None:
    counts.set_xlabel(f"stated P({class_name})")
    if is_first:
        diagram.set_ylabel(f"observed share of {class_name}")
        counts.set_ylabel("cells")


def _rows(evaluations: Mapping[str, Evaluation], notes: list[str]) -> list[KeyRow]:
    rows = [
        KeyRow(style_of(n), name, [number_text(evaluation.metrics["ece"])], notes[n])
        for n, (name, evaluation) in enumerate(evaluations.items())
    ]
    first, *others = evaluations.values()
    raw = None if others else _before(first)
    if raw is not None and first.calibration is not None:
        labels, _ = arrays_of(first)
        before = metric_intervals(
            labels,
            raw,
            threshold=first.threshold,
            clusters=clusters_of(first),
            metrics=["ece"],
        )["ece"]
        words = f"the same before its temperature of {first.calibration.temperature:.2f}"
        rows.append(KeyRow(_BEFORE, words, [number_text(before)]))
    rows.append(KeyRow(REFERENCE, "probabilities that come true", ["0"]))
    return rows


def _before(evaluation: Evaluation) -> Probabilities | None:
    """Return the probabilities before the temperature, where there was one and they are known."""
    return None if evaluation.calibration is None else uncalibrated(evaluation)


def _whiskers(evaluations: list[Evaluation]) -> str:
    held_out = {clusters_of(evaluation) is not None for evaluation in evaluations}
    words = {True: f"jackknife over subjects, none of fewer than {MIN_SUBJECTS}", False: "Wilson"}
    return " or ".join(words[each] for each in sorted(held_out))


def _draw_diagram(axes: Axes, evaluation: Evaluation, *, style: Mapping[str, Any]) -> None:
    bins = reliability(*arrays_of(evaluation), clusters_of(evaluation))
    axes.plot([0, 1], [0, 1], **REFERENCE)
    for place in bins:
        if place.observed.is_known:
            low, high = place.observed.low, place.observed.high
            axes.vlines(place.stated, low, high, color=style["color"], linewidth=1.2, alpha=0.6)
    _draw_points(axes, bins, style=style)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=np.linspace(0, 1, 6), yticks=np.linspace(0, 1, 6))
    axes.tick_params(labelbottom=False)
    axes.grid()


def _draw_points(axes: Axes, bins: Sequence[ReliabilityBin], *, style: Mapping[str, Any]) -> None:
    stated, observed = [place.stated for place in bins], [place.observed.estimate for place in bins]
    axes.plot(stated, observed, markersize=6.5, markeredgecolor="white", zorder=3, **style)


def _draw_counts(axes: Axes, evaluation: Evaluation, *, colour: str) -> None:
    _, probabilities = arrays_of(evaluation)
    bins = np.linspace(0, 1, 2 * ECE_BINS + 1).tolist()
    axes.hist(probabilities, bins=bins, color=colour, alpha=0.75, rwidth=0.9)
    if evaluation.calibration is not None:
        axes.axvspan(*evaluation.calibration.undecided, color=MUTED, alpha=0.13, linewidth=0, zorder=0)
    axes.set(xlim=(-0.02, 1.02), xticks=np.linspace(0, 1, 6))
    axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
