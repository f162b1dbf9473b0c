"""Draws the pictures of `docs/performance.md`: ratios, the cost of many images, and peak memory.

Start at `draw_ratios`. Times and memory are those of simulated cells, so each picture carries the notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from leuknet.figures.frame import BLUE, HAIRLINE, INK, MUTED, ORANGE, SKY, TIMES, framed, house_style

NAMES = {
    "leuknet": "LeukNet (PyTorch)",
    "leuknet (onnx)": "LeukNet (ONNX Runtime)",
    "leuknet, again": "LeukNet, cache filled before",
}
"""Sides of `results.json` as a reader sees them; others keep their name."""

_WIDTH_IN, _NAME_IN, _ROW_IN, _GAP_IN, _FOOT_IN = 9.6, 2.5, 0.25, 0.42, 0.5


@house_style()
def draw_ratios(figures: Sequence[Mapping[str, Any]], *, subtitle: str) -> Figure:
    """Draw how many times LeukNet's time each peer takes: one panel for each contest, one logarithmic axis.

    Parameters
    ----------
    figures
        Contests of `results.json` with at least one measured peer; see `compared`.
    subtitle
        Machine and date, in words.
    """
    panels = [(figure, compared(figure)) for figure in figures]
    height_in = sum(_GAP_IN + _ROW_IN * len(rows) for _, rows in panels) + _FOOT_IN
    drawn, body = framed(
        _WIDTH_IN, height_in, title="Times LeukNet's time", subtitle=subtitle, simulated=True
    )
    limits = [
        side["ours_times_as_fast"][end] for _, rows in panels for _, side in rows for end in ("min", "max")
    ]
    low, high = min(0.7, *limits) / 1.15, max(1.5, *limits) * 1.6  # space for the number beside the bar
    top_in = height_in
    for figure, rows in panels:
        top_in -= _GAP_IN + _ROW_IN * len(rows)
        axes = body.add_axes(
            (
                _NAME_IN / _WIDTH_IN,
                top_in / height_in,
                (_WIDTH_IN - _NAME_IN - 0.25) / _WIDTH_IN,
                _ROW_IN * len(rows) / height_in,
            )
        )
        axes.set(xscale="log", xlim=(low, high))
        _draw_bars(axes, rows, figure)
        axes.set_title(figure["name"], fontsize=9.5, color=INK, loc="left", pad=4)
        axes.tick_params(axis="x", which="both", length=0, labelbottom=figure is figures[-1])
    axes.set_xlabel("peer's time / LeukNet's time in the same round, logarithmic", fontsize=8.5)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return drawn


def _draw_bars(axes: Axes, rows: Sequence[tuple[str, Mapping[str, Any]]], figure: Mapping[str, Any]) -> None:
    """Bars from 1: to the right where LeukNet is faster, hollow where the network is another one."""
    for place, (peer, side) in enumerate(rows):
        ratio = side["ours_times_as_fast"]
        colour = BLUE if ratio["median"] >= 1 else ORANGE
        hollow = peer.startswith("timm")
        axes.barh(
            place, ratio["median"] - 1, left=1, height=0.62,
            facecolor="white" if hollow else colour, edgecolor=colour, linewidth=1.2,
        )  # fmt: skip
        axes.plot([ratio["min"], ratio["max"]], [place, place], color=INK, linewidth=1.1)
        beside = max(ratio["max"], 1) * 1.06
        axes.text(beside, place, f"{ratio['median']:.3g}{TIMES}", va="center", fontsize=8.5, color=INK)
    axes.axvline(1, color=INK, linewidth=0.9)
    axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=range(len(rows)))
    axes.set_yticklabels([shown(peer, figure) for peer, _ in rows], color=INK, fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=HAIRLINE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


@house_style()
def draw_growth(figure: Mapping[str, Any], *, subtitle: str) -> Figure:
    """Draw time and peak memory over the number of images, both on logarithmic axes.

    Parameters
    ----------
    figure
        The figure `many images` of `results.json`.
    subtitle
        Network's side, machine and date, in words.
    """
    height_in = 3.0
    drawn, body = framed(
        _WIDTH_IN, height_in, title="Predicting many files", subtitle=subtitle, simulated=True
    )
    images = [row["images"] for row in figure["rows"]]
    panels = (("seconds", "time, s", BLUE), ("peak_rss_mb", "peak memory, MB", ORANGE))
    for column, (key, label, colour) in enumerate(panels):
        axes = body.add_axes((0.08 + 0.49 * column, 0.2, 0.4, 0.68))
        values = [row[key] for row in figure["rows"]]
        axes.loglog(images, values, marker="o", markersize=5, color=colour)
        for n, value in zip(images, values, strict=True):
            axes.annotate(
                f"{value:,.3g}" if value < 100 else f"{value:,.0f}",
                (n, value), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=8, color=INK,
            )  # fmt: skip
        # At least two decades, else a flat line would look like a slope.
        middle = (min(values) * max(values)) ** 0.5
        axes.set_ylim(min(min(values) / 1.6, middle / 10), max(max(values) * 2.2, middle * 10))
        axes.set_xlim(min(images) / 1.8, max(images) * 1.8)
        for axis in (axes.xaxis, axes.yaxis):
            # House style writes text as it is, and matplotlib's own numbers of such an axis are formulas.
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            axis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("images", fontsize=8.5)
        axes.set_title(label, fontsize=9.5, color=INK, loc="left", pad=6)
        axes.grid(color=HAIRLINE, linewidth=0.7)
    return drawn


@house_style()
def draw_memory(figure: Mapping[str, Any], *, subtitle: str) -> Figure:
    """Draw the peak resident memory of each side of a contest.

    Parameters
    ----------
    figure
        A contest of `results.json`.
    subtitle
        What was done, machine and date, in words.
    """
    rows = [(peer, side["peak_rss_mb"]) for peer, side in figure["sides"].items() if "peak_rss_mb" in side]
    height_in = _ROW_IN * len(rows) + 0.6
    drawn, body = framed(
        _WIDTH_IN, height_in, title="Peak memory of predicting", subtitle=subtitle, simulated=True
    )
    axes = body.add_axes(
        (
            _NAME_IN / _WIDTH_IN,
            0.5 / height_in,
            (_WIDTH_IN - _NAME_IN - 0.9) / _WIDTH_IN,
            1 - 0.6 / height_in,
        )
    )
    for place, (peer, value) in enumerate(rows):
        axes.barh(place, value, height=0.62, color=BLUE if peer.startswith("leuknet") else SKY)
        axes.text(value, place, f" {value:,.0f}", va="center", fontsize=8.5, color=INK)
    axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=range(len(rows)))
    axes.set_yticklabels([shown(peer, figure) for peer, _ in rows], color=INK, fontsize=8.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("MB, largest process", fontsize=8.5, color=MUTED)
    axes.spines["left"].set_visible(False)
    return drawn


def compared(figure: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the measured sides of a contest, without the one that all others are divided by."""
    return [
        (peer, side)
        for peer, side in figure.get("sides", {}).items()
        if peer != figure["ours"] and "ours_times_as_fast" in side
    ]


def shown(peer: str, figure: Mapping[str, Any]) -> str:
    """Return a side's name for readers; LeukNet's engine where it takes part with two."""
    if peer == "leuknet" and "leuknet (onnx)" not in figure["sides"]:
        return "LeukNet"
    return NAMES.get(peer, peer)
