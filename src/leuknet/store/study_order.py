"""Draws the order in which a reader of a study is shown its cells, hidden repeats among them.

Each reader and phase has an order of its own, drawn from the study's seed: that one reader tires at the end,
or learns at the start, falls on other cells than for the next. A repeat shows whether a reader says the same
of a cell twice; it comes a third of the list or more after the first showing, when that is forgotten.

Start at `draw_order`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from leuknet.store.study_nouns import PHASES, Phase


def draw_order(
    cell_ids: Sequence[int], *, repeat_share: float, seed: int, reader_id: int, phase: Phase
) -> list[tuple[int, bool]]:
    """Return pairs of a cell and whether this is its second showing.

    Parameters
    ----------
    cell_ids
        At least one; their order counts, since it is what is shuffled.
    repeat_share
        Share of the cells that come twice, 0 to 0.5; above 0, at least one does.

    Returns
    -------
    list of tuple
        Of a cell that comes twice, the showings are a third of the list or more apart, as far as a list of
        less than four cells has room for it.
    """
    generator = np.random.default_rng((seed, reader_id, PHASES.index(phase)))
    order = generator.permutation(np.array(cell_ids, dtype=np.int64))
    n = order.size
    n_repeats = max(1, math.floor(repeat_share * n)) if repeat_share > 0 else 0
    apart = math.ceil((n + n_repeats) / 3)
    # Repeats are of cells that come early enough: with at most half as many repeats as cells, enough do.
    repeated = generator.choice(max(n - apart, n_repeats), size=n_repeats, replace=False)
    earliest = np.minimum(repeated + apart, n)
    places = earliest + (n - earliest) * generator.random(n_repeats)
    showings = [(float(place), int(cell), False) for place, cell in enumerate(order)]
    showings += [(float(at), int(order[cell]), True) for at, cell in zip(places, repeated, strict=True)]
    return [(cell, is_repeat) for _, cell, is_repeat in sorted(showings, key=lambda showing: showing[0])]
