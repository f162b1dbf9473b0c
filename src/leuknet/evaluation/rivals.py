"""Makes the second model of a planned comparison: one that varies as the first, better by a stated gap.

Start at `with_rival` and `with_gap`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from leuknet.errors import SettingError
from leuknet.evaluation.formulas import require
from leuknet.evaluation.pilot import Pilot
from leuknet.evaluation.resampling import Array

_POPULATION = 20_000
"""People of each class, with one cell each, of which the population's AUROC is computed."""


def with_rival(pilot: Pilot, correlation: float) -> Pilot:
    """Return a pilot of two models: the one that there is, and one that varies alike.

    Parameters
    ----------
    pilot
        Of one model.
    correlation
        Of the two models' log odds, of people and of cells, in [0, 1); else SettingError. 0 means that what
        is hard for one says nothing of the other.
    """
    fix = "use one in [0, 1), such as 0.7; two evaluations of the same cells make it known"
    require(0 <= correlation < 1, f"a correlation of {correlation}", fix=fix, error=SettingError)
    mixing = np.array([[1.0, correlation], [correlation, 1.0]])
    generator = np.random.default_rng(0)
    other = np.sqrt(1 - correlation**2)
    own = tuple(
        np.column_stack([cells, correlation * cells + other * generator.permutation(cells, axis=0)])
        for cells in pilot.own
    )
    return replace(
        pilot,
        names=(*pilot.names, "a second model"),
        thresholds=np.repeat(pilot.thresholds, 2),
        means=np.repeat(pilot.means, 2, axis=1),
        between=pilot.between * mixing,
        own=(own[0], own[1]),
    )


def with_gap(pilot: Pilot, gap: float) -> Pilot:
    """Return a pilot of two models whose second has an AUROC that is `gap` above the first's.

    The leukaemic cells of the second are moved as a whole; how people and cells vary stays as it is. A
    SettingError if no such AUROC lies between 0 and 1.
    """
    wanted = population_auroc(pilot)[0] + gap
    fix = "ask for a gap that leaves the second model's AUROC between 0 and 1"
    require(0 < wanted < 1, f"an AUROC of {wanted:.3f} for the second model", fix=fix, error=SettingError)
    normal, leukaemic = _population(pilot, model=1)

    def off(shift: float) -> float:
        return _area(normal, leukaemic + shift) - wanted

    shift = float(brentq(off, -60, 60, xtol=1e-4))
    means = pilot.means.copy()
    means[1, 1] += shift
    return replace(pilot, means=means)


def population_auroc(pilot: Pilot) -> tuple[float, ...]:
    """Return each model's AUROC over cells of people of whom every one is another."""
    return tuple(_area(*_population(pilot, model=model)) for model in range(len(pilot.names)))


def _population(pilot: Pilot, *, model: int) -> tuple[Array, Array]:
    """Return sorted log odds of many normal and leukaemic cells, each of another person."""
    generator = np.random.default_rng(1)
    drawn = []
    for label in (0, 1):
        off = generator.normal(0.0, np.sqrt(pilot.between[label][model, model]), _POPULATION)
        own = pilot.own[label][generator.integers(len(pilot.own[label]), size=_POPULATION), model]
        drawn.append(np.sort(pilot.means[label, model] + off + own))
    return drawn[0], drawn[1]


def _area(normal: Array, leukaemic: Array) -> float:
    """Return the AUROC of sorted scores."""
    below = np.searchsorted(normal, leukaemic, side="left") + np.searchsorted(normal, leukaemic, side="right")
    return float(below.mean() / (2 * normal.size))
