"""Draws a search for settings: the loss of each try, and the best so far.

Start at `draw_tuning`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from leuknet.figures.frame import BLUE, INK, MUTED, ORANGE, check_lengths, framed, house_style


@house_style()
def draw_tuning(losses: Sequence[float | None], *, own: float | None, recipe: str, simulated: bool) -> Figure:
    """Draw a search.

    Parameters
    ----------
    losses
        Of each try in order, in nats; None where it was given up. At least one is known.
    own
        Loss of the recipe's own settings, None if not tried.
    recipe
        Its name.
    simulated
        Stamp the picture as made from simulated cells.

    Raises
    ------
    ShapeError
        If there is no try.
    """
    check_lengths("a search", len(losses))
    values = np.array([np.nan if loss is None else loss for loss in losses])
    numbers = np.arange(1, len(values) + 1)
    given_up = numbers[np.isnan(values)]
    figure, body = framed(
        7.0,
        3.6,
        title=f"Search for settings of {recipe}",
        subtitle=f"{len(values)} tries, {len(given_up)} of them given up. Loss by subject on people held out "
        "of the development cells; the best of many is better than new people will see.",
        simulated=simulated,
    )
    axes = body.subplots()
    body.subplots_adjust(left=0.11, right=0.97, top=0.95, bottom=0.15)
    axes.plot(numbers, np.fmin.accumulate(values), color=BLUE, drawstyle="steps-post", label="best so far")
    axes.plot(numbers, values, "o", color=INK, markersize=4, label="a try")
    if len(given_up):
        top = np.nanmax(values)
        axes.plot(given_up, np.full(len(given_up), top), "x", color=MUTED, markersize=5, label="given up")
    if own is not None:
        axes.axhline(own, color=ORANGE, linestyle="--", linewidth=1.2, label="the recipe's own settings")
    axes.set(xlabel="try", ylabel="loss by subject (nats)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure
