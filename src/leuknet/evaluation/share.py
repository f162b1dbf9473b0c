"""The share of leukaemic cells in each person of a table of scored cells, and how uncertain it is.

It is uncertain twice: few cells were seen, and a calibrated probability is right over people, not within
one. The model: the label of cell i of person s is Bernoulli(sigmoid(logit q_is + delta_s)), where q is the
calibrated probability and delta_s ~ Normal(0, tau^2) is by how much, in log odds, the model is off for this
person. tau is fitted on labelled cells of other people. Cells without labels say nothing of delta_s, so that
a new person's is a new draw. tau is then taken as known; fitted on few people it is not, and intervals are
too narrow.

Wanted is the share in the person's blood, of which the n cells are a random sample. It is drawn as
sum_i w_i sigmoid(logit q_i + delta) + w_0 b, with one w_i for each cell and w_0 for all that was not seen,
w ~ Dirichlet(1, ..., 1), b ~ Beta(1/2, 1/2): for a given delta the posterior mean of a Dirichlet process of
mass 1 with half its base at either class. It is the Bayesian bootstrap plus one unknown cell. With
probabilities 0 and 1 it is exactly the Jeffreys posterior Beta(1/2 + k, 1/2 + n - k); with one cell, or equal
probabilities, it still has a width. Drawing labels from q and then a Beta posterior was tried: it counts the
doubt about each label twice, its variance is too large by about 2 mean(q (1 - q)) / n, and its intervals from
100 cells with tau = 0 were more than twice as wide (0.21 to 0.08), with a coverage of 100%.

Start at `subject_shares`; its cells are of `leuknet.inference.scored_table.read_scored`, its spread of
`leuknet.evaluation.spread.fit_spread`.

References
----------
Rubin (1981), "The Bayesian Bootstrap", Annals of Statistics 9, 130-134. Ferguson (1973), "A Bayesian Analysis
of Some Nonparametric Problems", Annals of Statistics 1, 209-230: Dirichlet processes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from leuknet.errors import SettingError
from leuknet.evaluation.resampling import blocks, bounded, interval_of, wilson
from leuknet.evaluation.spread import NEAREST, Spread
from leuknet.inference.scored_table import ScoredCells
from leuknet.types import Interval, IntervalMethod, Probabilities

CUT_OFF = 0.5
"""An arbitrary example of a share to compare with; it has no clinical meaning."""

DRAWS = 4000
"""Of each person's interval."""

ShareOutcome = Literal["above", "below", "undecided", "no cells", "unfamiliar"]
"""Where a person's whole interval lies as to the cut-off; `undecided` where it holds the cut-off.

`unfamiliar` where most cells are, so that there is no share.
"""


@dataclass(frozen=True)
class SubjectShare:
    """One person's cells.

    Attributes
    ----------
    cells
        Cells that the shares rest on; 0 where there is no share.
    errors, unfamiliar
        Cells without a score, which are left out; cells unlike those that trained the model, left out unless
        `SubjectShares.includes_unfamiliar`.
    uncertain
        Of `cells`, those on which the model does not decide. They stay in.
    called
        Share of cells called leukaemic at the threshold, with Wilson's interval; None without cells, or where
        more than half of the scored ones are unfamiliar.
    share
        Mean probability, with the interval of the share in the person's blood; None as `called` is.
    """

    subject: str
    cells: int
    errors: int
    unfamiliar: int
    uncertain: int
    called: Interval | None
    share: Interval | None
    outcome: ShareOutcome


@dataclass(frozen=True)
class SubjectShares:
    """A line for each person, by name, and all that the lines rest on.

    `spread` is None where no evaluation told it: intervals then hold the number of cells alone, and are too
    narrow by an unknown amount.
    """

    model_id: str
    threshold: float
    cut_off: float
    includes_unfamiliar: bool
    spread: Spread | None
    rows: tuple[SubjectShare, ...]


def subject_shares(
    cells: ScoredCells,
    *,
    spread: Spread | None = None,
    cut_off: float = CUT_OFF,
    include_unfamiliar: bool = False,
    seed: int = 0,
) -> SubjectShares:
    """Return a line for each person; a line rests on the person's own cells and `seed`, not on other lines.

    Parameters
    ----------
    cells
        As `read_scored` returns them.
    spread
        Of the same model. Without it, intervals hold the number of cells alone.
    cut_off
        Share to compare with, in (0, 1).
    include_unfamiliar
        Count cells unlike those that trained the model, too; a person most of whose cells are so has no share
        even then. Cells with an error are always left out.

    Raises
    ------
    SettingError
        If the spread is another model's, or the cut-off is out of range.
    """
    if not 0 < cut_off < 1:
        raise SettingError(
            f"cannot compare shares with {cut_off:g}", why="it is not between 0 and 1", fix="use 0.5"
        )
    if spread is not None and spread.model_id != cells.model_id:
        raise SettingError(
            "the evaluation is another model's",
            why=f"the cells were scored by {cells.model_id}, the evaluation is of {spread.model_id}",
            fix="evaluate the model that scored the cells",
        )
    scored = ~np.isnan(cells.probabilities)
    names, person = np.unique(cells.subjects, return_inverse=True)
    rows = []
    for number, name in enumerate(names.tolist()):
        mine = person == number
        unfamiliar = mine & scored & cells.unfamiliar
        used = mine & scored if include_unfamiliar else mine & scored & ~cells.unfamiliar
        is_foreign = 2 * unfamiliar.sum() > (mine & scored).sum()
        if is_foreign:
            used = np.zeros_like(used)
        probabilities = cells.probabilities[used]
        called = share = None
        outcome: ShareOutcome = "unfamiliar" if is_foreign else "no cells"
        if n := probabilities.size:
            called = wilson(int((probabilities >= cells.threshold).sum()), n)
            share = _share(probabilities, spread=spread, seed=[seed, zlib.crc32(name.encode())])
            outcome = "above" if share.low > cut_off else "below" if share.high < cut_off else "undecided"
        rows.append(
            SubjectShare(
                subject=name,
                cells=n,
                errors=int((mine & ~scored).sum()),
                unfamiliar=int(unfamiliar.sum()),
                uncertain=int((used & cells.uncertain).sum()),
                called=called,
                share=share,
                outcome=outcome,
            )
        )
    return SubjectShares(cells.model_id, cells.threshold, cut_off, include_unfamiliar, spread, tuple(rows))


def _share(probabilities: Probabilities, *, spread: Spread | None, seed: list[int]) -> Interval:
    """Return the mean probability of a person's cells, with the interval of the share in the blood."""
    tau = 0.0 if spread is None else spread.tau.estimate
    alone, people = IntervalMethod.MONTE_CARLO_CELLS, IntervalMethod.MONTE_CARLO_PEOPLE
    share = interval_of(
        probabilities.mean(),
        bounded(draw_shares_of(probabilities, tau=tau, seed=seed)),
        method=alone if spread is None else people,
        cells=probabilities.size,
        subjects=1,
    )
    # As Brown, Cai & DasGupta (2001) do to Jeffreys' interval at 0 and 1: it holds its estimate.
    return replace(share, low=min(share.low, share.estimate), high=max(share.high, share.estimate))


def draw_shares_of(
    probabilities: Probabilities, *, tau: float, draws: int = DRAWS, seed: int | list[int] = 0
) -> NDArray[np.float64]:
    """Draw the share in one person's blood (draws,) as the module's header says, from (n,) cells, n >= 1."""
    generator = np.random.default_rng(seed)
    deltas = tau * generator.standard_normal(draws)
    unseen = generator.beta(0.5, 0.5, draws)
    # Sorted, so that the order of the rows in a table decides nothing.
    log_odds = logit(np.clip(np.sort(probabilities), NEAREST, 1 - NEAREST))
    shares = []
    for block in blocks(draws, width=log_odds.size):
        # Exponential draws, divided by their sum, are the Dirichlet's.
        weights = generator.standard_exponential((deltas[block].size, log_odds.size))
        rest = generator.standard_exponential(deltas[block].size)
        seen = np.einsum("ij,ij->i", weights, expit(log_odds + deltas[block, None]))
        shares.append((seen + rest * unseen[block]) / (weights.sum(axis=1) + rest))
    return np.concatenate(shares)
