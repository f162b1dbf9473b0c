"""Draws what an image-level split is worth: for each learner, its score by image and its score by subject.

Start at `draw_optimism`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leuknet.evaluation.summary import limits_text
from leuknet.figures.frame import (
    BLUE,
    HAIRLINE,
    INK,
    MUTED,
    ORANGE,
    check_lengths,
    framed,
    house_style,
    shortened,
    write,
)
from leuknet.figures.key import interval_words
from leuknet.types import Interval

_OFFSET = 0.13
"""Of the two scores from their learner's line, so that intervals do not hide each other."""


@house_style()
def draw_optimism(
    scores: Mapping[str, tuple[Interval, Interval, Interval]],
    *,
    metric: str,
    ceiling: float | None,
    n_seeds: int,
    simulated: bool,
) -> Figure:
    """Draw both scores of each learner, joined by a line, each with its interval.

    Parameters
    ----------
    scores
        Learner to its image-level score, its subject-level score and the difference, in the order drawn.
    metric
        Title of the metric; scores lie in [0, 1].
    ceiling
        The best possible score on unseen people, None where nobody knows it.
    n_seeds
        Over how many the scores are means.
    simulated
        Stamp the picture as made from simulated cells.

    Raises
    ------
    ShapeError
        If there are no learners.
    """
    check_lengths("the optimism of learners", len(scores))
    first = next(iter(scores.values()))[2]
    height_in = 0.9 + 0.62 * len(scores)
    figure, body = framed(
        7.8,
        height_in,
        title="What an image-level split is worth",
        subtitle=f"{metric} on {first.cells:,} test cells of {first.subjects} people, mean of {n_seeds} "
        f"seeds; bars: {interval_words([image for image, *_ in scores.values()])}",
        simulated=simulated,
    )
    axes = body.add_axes((0.16, 0.5 / height_in, 0.56, 1 - 0.86 / height_in))
    for place, (image, subject, optimism) in enumerate(scores.values()):
        _draw_learner(axes, place, image=image, subject=subject)
        text = f"{optimism.estimate:+.3f} ({limits_text(optimism, '+.3f')})"
        write(axes, 1.03, place, text, 8.5, side="left", transform=axes.get_yaxis_transform())
    axes.text(1.03, -0.36, "optimism", fontsize=8.5, color=MUTED, transform=axes.get_yaxis_transform())
    _draw_references(axes, ceiling)
    axes.set_yticks(range(len(scores)), [shortened(name, 14) for name in scores], color=INK)
    lowest = min(
        interval.low if interval.is_known else interval.estimate
        for image, subject, _ in scores.values()
        for interval in (image, subject)
    )
    axes.set(ylim=(len(scores) - 0.5, -0.5), xlim=(min(0.45, lowest - 0.02), 1.01), xlabel=metric)
    axes.tick_params(axis="y", length=0)
    handles = [axes.plot([], [], **style)[0] for style in _STYLES.values()]
    axes.legend(handles, list(_STYLES), loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=9)
    return figure


_STYLES: dict[str, dict[str, Any]] = {
    "by subject: people it has not met": {"color": BLUE, "marker": "o", "linestyle": "none"},
    "by image: people it has met": {"color": ORANGE, "marker": "s", "linestyle": "none"},
}


def _draw_learner(axes: Axes, place: int, *, image: Interval, subject: Interval) -> None:
    ends = (place + _OFFSET, place - _OFFSET)
    axes.plot([subject.estimate, image.estimate], ends, color=MUTED, linewidth=1.0, zorder=1)
    for interval, y, style in zip((subject, image), ends, _STYLES.values(), strict=True):
        if interval.is_known:
            axes.hlines(y, interval.low, interval.high, color=style["color"], linewidth=2.2, alpha=0.45)
        axes.plot(interval.estimate, y, markersize=6.5, **style)


def _draw_references(axes: Axes, ceiling: float | None) -> None:
    axes.axvline(0.5, color=HAIRLINE, linewidth=1.2, zorder=0)
    axes.text(0.5, 0.01, " chance", fontsize=7.5, color=MUTED, transform=axes.get_xaxis_transform())
    if ceiling is not None:
        axes.axvline(ceiling, color=INK, linewidth=1.0, linestyle=(0, (4, 3)), zorder=0)
        text = f"best on unseen people, {ceiling:.3f} "
        below = axes.get_xaxis_transform()
        axes.text(ceiling, 0.01, text, fontsize=7.5, color=MUTED, ha="right", transform=below)
