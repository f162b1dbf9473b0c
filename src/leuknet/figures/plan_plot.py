"""Draws what a planned study would reach over its number of people.

Start at `draw_plan`. What is drawn is computed in `leuknet.evaluation.planning`.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.study_plan import Plan, PlanPoint
from leuknet.figures.frame import INK, MUTED, axes_at, framed, house_style
from leuknet.figures.key import REFERENCE, line_of

_WIDTH_IN, _HEIGHT_IN = 10.0, 4.2


@house_style()
def draw_plan(plan: Plan) -> Figure:
    """Draw the share of studies that reach what is wanted over people, one line for each number of cells.

    A dotted line marks the share that is asked for, a ring the fewest people that are enough. A plan for a
    width has a second panel with the mean width.
    """
    title = METRICS[plan.metric].title
    if plan.question == "width":
        asked = f"a 95% interval of {title} no wider than {plan.wanted:g}"
    else:
        asked = f"a difference in {title} of {plan.wanted:+g} told from chance (p < 0.05)"
    figure, body = framed(
        _WIDTH_IN,
        _HEIGHT_IN,
        title="How many people a study needs",
        subtitle=f"Share of {plan.studies} drawn studies of each size that get {asked}. People and cells "
        f"vary as in a pilot of {plan.pilot_leukaemic + plan.pilot_normal} people: the fewer, the rougher "
        "the plan.",
        simulated=plan.simulated,
    )
    panels = 2 if plan.question == "width" else 1
    width_in = 3.9 if panels == 2 else 6.5
    axes = axes_at(body, 0.85, 0.75, width_in, _HEIGHT_IN - 1.15)
    _draw_lines(axes, plan, share=True)
    axes.axhline(plan.share, **REFERENCE)
    axes.set(ylim=(-0.02, 1.04), ylabel="share of studies that reach it")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    if panels == 2:
        second = axes_at(body, 5.7, 0.75, width_in, _HEIGHT_IN - 1.15)
        _draw_lines(second, plan, share=False)
        second.axhline(plan.wanted, **REFERENCE)
        second.set(ylabel="mean width of the interval")
        second.set_ylim(bottom=0)
    axes.legend(loc="lower right", fontsize=8.5)
    return figure


def _draw_lines(axes: Axes, plan: Plan, *, share: bool) -> None:
    groups: dict[str, list[PlanPoint]] = {}
    for point in plan.points:
        groups.setdefault(point.cells, []).append(point)
    for place, (name, points) in enumerate(groups.items()):
        people = [point.people for point in points]
        values = [point.reached if share else point.mean_width or 0.0 for point in points]
        needed = plan.needed[name]
        label = f"{name}: {f'{needed} people' if needed else 'more than were tried'}"
        axes.plot(people, values, label=label, markersize=5, **line_of(place))
        if needed is not None:
            at = values[people.index(needed)]
            axes.plot([needed], [at], "o", markersize=13, markerfacecolor="none", markeredgecolor=INK)
    axes.set_xscale("log")
    shown = _apart(sorted({point.people for point in plan.points}))
    axes.set_xticks(shown, [str(size) for size in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y")
    axes.set_xlabel("people in the study", color=MUTED)


def _apart(sizes: list[int]) -> list[int]:
    """Return those sizes whose ticks do not touch."""
    shown = sizes[:1]
    for size in sizes[1:]:
        if size >= 1.3 * shown[-1]:
            shown.append(size)
    return shown
