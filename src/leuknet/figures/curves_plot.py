"""Draws what one or more models do at every threshold: ROC, precision-recall, net benefit, risk and coverage.

All take evaluations by the names that the key shall show. One or two models get bands; of more, bands would
hide each other, and the key's intervals have to serve. A marker stands where the model itself works: at its
own threshold, or its own band of undecided cells.

Start at `draw_discrimination`. What is drawn is computed in `leuknet.evaluation.curves`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import PercentFormatter

from leuknet.evaluation.curves import (
    Curve,
    arrays_of,
    has_band,
    net_benefit,
    precision_recall,
    risk_coverage,
    roc,
)
from leuknet.evaluation.reliability import Decided, decided
from leuknet.evaluation.resampling import clusters_of
from leuknet.evaluation.summary import number_text, share_text
from leuknet.figures.frame import axes_at, framed, house_style, shortened
from leuknet.figures.key import (
    REFERENCE,
    KeyRow,
    check_evaluations,
    draw_key,
    interval_words,
    key_height_in,
    line_of,
    mark_of,
    style_of,
    tested_on,
)
from leuknet.types import Evaluation

_WIDTH_IN = 10.0
_MOST_BANDS = 2


@house_style()
def draw_discrimination(evaluations: Mapping[str, Evaluation]) -> Figure:
    """Draw the ROC curve and the precision-recall curve of each evaluation.

    Parameters
    ----------
    evaluations
        One or more, by the name that the key shows; six can be told apart at a glance. Each needs the metrics
        `auroc` and `auprc`, and cells of both classes.

    Raises
    ------
    ShapeError
        If there is no evaluation, or one lacks a metric or a class.
    """
    check_evaluations("the ROC curve", evaluations.values(), "auroc", "auprc")
    ordered = list(evaluations.values())
    side, notes = tested_on(ordered)
    areas = [[evaluation.metrics[key] for key in ("auroc", "auprc")] for evaluation in ordered]
    rows = [
        KeyRow(style_of(n), name, [number_text(area) for area in areas[n]], notes[n])
        for n, name in enumerate(evaluations)
    ]
    share = f"share of {shortened(ordered[0].class_names[1], 12)} cells"
    rows.append(KeyRow(REFERENCE, "a coin", ["0.5", share]))
    words = interval_words(chain.from_iterable(areas))
    subtitle = (
        f"{side} {_band_words(ordered)}{words[0].upper()}{words[1:]}. Markers: at the model's own threshold."
    )
    figure, body, bottom_in = _framed("How well the classes are told apart", subtitle, ordered, rows)
    left = axes_at(body, 0.75, bottom_in + 0.55, 4.0, 4.0)
    right = axes_at(body, 5.7, bottom_in + 0.55, 4.0, 4.0)
    left.plot([0, 1], [0, 1], **REFERENCE)
    band = len(ordered) <= _MOST_BANDS
    for n, evaluation in enumerate(ordered):
        cells = *arrays_of(evaluation), clusters_of(evaluation)
        _draw_curve(left, n, roc(*cells, band=band))
        _draw_curve(right, n, precision_recall(*cells, band=band), is_stepped=True)
        right.axhline(float(np.mean(evaluation.labels)), **REFERENCE)
        (kept, alarms), (missed, found) = evaluation.confusion
        left.plot([alarms / (kept + alarms)], [found / (missed + found)], **mark_of(n))
        if found + alarms:
            right.plot([found / (missed + found)], [found / (found + alarms)], **mark_of(n))
    of_class = shortened(ordered[0].class_names[1], 16)
    left.set(xlabel="false alarms: 1 - specificity", ylabel=f"sensitivity: {of_class} cells found")
    right.set(xlabel="recall: sensitivity", ylabel=f"precision: {of_class} among cells called so")
    for axes in (left, right):
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        axes.grid()
    draw_key(body, rows, heads=("AUROC", "AUPRC"), columns_in=(6.0, 7.95))
    return figure


@house_style()
def draw_decision(evaluations: Mapping[str, Evaluation]) -> Figure:
    """Draw the net benefit of acting on each model's probabilities, over the threshold for acting.

    Parameters and errors are those of `draw_discrimination`, except that no metric is needed.
    """
    check_evaluations("the decision curve", evaluations.values())
    ordered = list(evaluations.values())
    side, notes = tested_on(ordered)
    shares = [float(np.mean(evaluation.labels)) for evaluation in ordered]
    rows = [
        KeyRow(style_of(n), name, [f"{ordered[n].threshold:.3g}", f"{shares[n]:.1%}"], notes[n])
        for n, name in enumerate(evaluations)
    ]
    rows.append(KeyRow(REFERENCE, "act on every cell, or on none (0): needs no model"))
    subtitle = (
        f"{side} {_band_words(ordered)}Leukaemic cells found less the cost of false alarms, per tested cell. "
        "At threshold t, a false alarm weighs t / (1 - t) of a cell found. Markers: at the own threshold. "
        "Holds for the test's share of leukaemic cells."
    )
    figure, body, bottom_in = _framed("What acting on the probabilities gains", subtitle, ordered, rows)
    axes = axes_at(body, 0.85, bottom_in + 0.55, 8.85, 4.0)
    axes.axhline(0, **REFERENCE)
    top = max(shares)
    band = len(ordered) <= _MOST_BANDS
    for n, evaluation in enumerate(ordered):
        labels, probabilities = arrays_of(evaluation)
        curve = net_benefit(labels, probabilities, clusters_of(evaluation), band=band)
        _draw_curve(axes, n, curve)
        threshold = evaluation.threshold
        axes.plot([threshold], [np.interp(threshold, curve.x, curve.y)], **mark_of(n))
        if shares[n] not in shares[:n]:
            everyone = net_benefit(labels, np.ones(labels.size), band=False)
            axes.plot(everyone.x, everyone.y, **REFERENCE)
        # Other people may have more leukaemic cells than those tested, and gain more.
        top = top if curve.band is None else max(top, float(curve.band.high.max()))
    top *= 1.04
    axes.set(xlim=(0, 1), ylim=(-0.22 * top, top), ylabel="net benefit per cell")
    axes.set_xlabel("threshold t: act where the probability is t or more")
    axes.grid(axis="y")
    draw_key(body, rows, heads=("own threshold", "leukaemic cells"), columns_in=(6.6, 8.1))
    return figure


@house_style()
def draw_risk_coverage(evaluations: Mapping[str, Evaluation]) -> Figure:
    """Draw the share of wrong calls among the most certain cells, over the share of cells decided.

    Parameters and errors are those of `draw_discrimination`, except that no metric is needed. The marker is
    where the model's own undecided band leaves it; without such a band, all cells are decided.
    """
    check_evaluations("the risk-coverage curve", evaluations.values())
    ordered = list(evaluations.values())
    side, notes = tested_on(ordered)
    found = [
        risk_coverage(
            *arrays_of(evaluation),
            clusters_of(evaluation),
            threshold=evaluation.threshold,
            band=len(ordered) <= _MOST_BANDS,
        )
        for evaluation in ordered
    ]
    own = [decided(evaluation) for evaluation in ordered]
    rows = [
        KeyRow(style_of(n), name, [number_text(found[n].area), *_decided_texts(own[n])], notes[n])
        for n, name in enumerate(evaluations)
    ]
    words = interval_words(risk.area for risk in found)
    subtitle = (
        f"{side} {_band_words(ordered)}Cells are decided by certainty, the surest first. AURC: mean risk "
        f"over all coverages, less is better; {words}. Markers: what the model's own rule decides."
    )
    title = "What leaving uncertain cells to a person gains"
    figure, body, bottom_in = _framed(title, subtitle, ordered, rows)
    axes = axes_at(body, 0.85, bottom_in + 0.55, 8.85, 4.0)
    for n, (risk, rule) in enumerate(zip(found, own, strict=True)):
        curve = risk.curve if len(ordered) <= _MOST_BANDS else Curve(risk.curve.x, risk.curve.y, None)
        _draw_curve(axes, n, curve, is_stepped=True)
        if rule is None:
            axes.plot([1.0], [curve.y[-1]], **mark_of(n))
        elif rule.risk is not None:
            axes.plot([rule.coverage.estimate], [rule.risk.estimate], **mark_of(n))
    axes.set(xlim=(0, 1.012), xlabel="coverage: share of cells decided", ylabel="risk: wrong among decided")
    axes.set_ylim(bottom=-0.005)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(axis="y")
    draw_key(body, rows, heads=("AURC", "own rule decides", "wrong among these"), columns_in=(4.7, 6.4, 8.1))
    return figure


def _framed(
    title: str, subtitle: str, evaluations: Sequence[Evaluation], rows: Sequence[KeyRow]
) -> tuple[Figure, SubFigure, float]:
    """Return figure, drawing space, and where the axes' part begins above the key, in inches."""
    key_in = key_height_in(rows)
    simulated = any(evaluation.simulated for evaluation in evaluations)
    figure, body = framed(_WIDTH_IN, 4.7 + key_in, title=title, subtitle=subtitle, simulated=simulated)
    return figure, body, key_in


def _draw_curve(axes: Axes, place: int, curve: Curve, *, is_stepped: bool = False) -> None:
    style = line_of(place)
    axes.plot(curve.x, curve.y, drawstyle="steps-pre" if is_stepped else "default", zorder=3, **style)
    if curve.band is not None:
        look: dict[str, Any] = {"color": style["color"], "alpha": 0.16, "linewidth": 0, "zorder": 2}
        look["step"] = "pre" if is_stepped else None
        axes.fill_between(curve.band.x, curve.band.low, curve.band.high, **look)


def _band_words(evaluations: Sequence[Evaluation]) -> str:
    if len(evaluations) > _MOST_BANDS:
        return ""
    units = {
        "cells" if clusters_of(evaluation) is None else "subjects"
        for evaluation in evaluations
        if has_band(evaluation)
    }
    if not units:
        return "No band: too few subjects. "
    return f"Shaded: 95% at each place, jackknife over {' or '.join(sorted(units))}. "


def _decided_texts(rule: Decided | None) -> tuple[str, str]:
    if rule is None:
        return "all: it has no rule", ""
    return share_text(rule.coverage), "none decided" if rule.risk is None else share_text(rule.risk)
