"""Counts the cells of a smear by what is said of them, and says how far they are from the trained ones.

Start at `count_outcomes`, then `measure_shift`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from leuknet.errors import DataError
from leuknet.evaluation.resampling import wilson
from leuknet.images.measures import Measures
from leuknet.inference.familiar import Reference
from leuknet.inference.outcome import OUTCOMES, Outcome
from leuknet.report.blocks import counted
from leuknet.smears.smear import SmearCell
from leuknet.types import Interval

SHARES_MEAN = (
    "Shares of unfamiliar cells are of all cells, other shares of the familiar ones; where most cells are "
    "unfamiliar, there are no others."
)


@dataclass(frozen=True)
class Shift:
    """How far the cells of a smear are from those that trained the model.

    Attributes
    ----------
    unfamiliar
        Share of cells that the model's reference does not know, with its interval.
    reasons
        Why, and how many cells, most frequent first.
    deviations
        Of each measure the mean over the cells, in standard deviations of the trained ones; empty for a model
        without a reference.
    """

    unfamiliar: Interval
    reasons: tuple[tuple[str, int], ...]
    deviations: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class OutcomeCount:
    """Cells with one outcome.

    Attributes
    ----------
    cells
        How many they are.
    share
        Of `unfamiliar` among all cells; of the other outcomes among the familiar cells, and None where more
        than half of all cells are unfamiliar, or none is familiar. With Wilson's 95% interval, which holds
        chance alone: that a smear with this share of such cells shows more or fewer of them among so many,
        each independent of the others. It says nothing of wrong outcomes.
    """

    cells: int
    share: Interval | None


def count_outcomes(cells: Sequence[SmearCell]) -> dict[Outcome, OutcomeCount]:
    """Count the cells with each outcome, and return their shares where there are any.

    Raises
    ------
    DataError
        If there are no cells.
    """
    if not cells:
        raise _no_cells()
    counts = Counter(cell.outcome for cell in cells)
    unfamiliar = counts["unfamiliar"]
    familiar = len(cells) - unfamiliar
    has_shares = 2 * unfamiliar <= len(cells)
    found: dict[Outcome, OutcomeCount] = {
        outcome: OutcomeCount(counts[outcome], wilson(counts[outcome], familiar) if has_shares else None)
        for outcome in OUTCOMES
    }
    return found | {"unfamiliar": OutcomeCount(unfamiliar, wilson(unfamiliar, len(cells)))}


def share_texts(share: Interval | None) -> tuple[str, str]:
    """Return a share and its interval as a table holds them."""
    if share is None:
        return "none", "most cells are unfamiliar"
    return f"{share.estimate:.1%}", f"{share.low:.1%} to {share.high:.1%}"


def measure_shift(cells: Sequence[SmearCell], reference: Reference | None) -> Shift:
    """Say how far cells are from the trained ones, as the model's reference sees it.

    Raises
    ------
    DataError
        If there are no cells.
    """
    if not cells:
        raise _no_cells()
    reasons = Counter(chain.from_iterable(cell.prediction.warnings for cell in cells))
    deviations: tuple[tuple[str, float], ...] = ()
    if reference is not None:
        means = reference.deviations(np.array([cell.measures for cell in cells])).mean(axis=0)
        deviations = tuple(zip(Measures._fields, means.tolist(), strict=True))
    unfamiliar = sum(cell.outcome == "unfamiliar" for cell in cells)
    return Shift(wilson(unfamiliar, len(cells)), tuple(reasons.most_common()), deviations)


def tile_texts(outcome: Outcome, found: OutcomeCount) -> tuple[str, str]:
    """Return the share with its interval, and what it is a share of."""
    share = found.share
    if share is None:
        return "no share", "most cells are unfamiliar"
    kind = "cell" if outcome == "unfamiliar" else "familiar cell"
    bounds = f"{share.estimate:.0%} ({share.low:.0%} to {share.high:.0%})"
    return bounds, f"of {counted(share.cells, kind)}"


def _no_cells() -> DataError:
    return DataError(
        "nothing to report",
        why="no leukocyte was found in the image",
        fix="check the scale (--scale): at a wrong one nothing is found; and that the smear is stained",
    )
