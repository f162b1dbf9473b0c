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

Start at `read_scored`, then `fit_spread` and `subject_shares`.

References
----------
Rubin (1981), "The Bayesian Bootstrap", Annals of Statistics 9, 130-134. Ferguson (1973), "A Bayesian Analysis
of Some Nonparametric Problems", Annals of Statistics 1, 209-230: Dirichlet processes. Liu & Pierce (1994), "A
Note on Gauss-Hermite Quadrature", Biometrika 81, 624-629: nodes around each person's mode.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, logit, logsumexp, roots_hermite

from leuknet.errors import DataError, LeakError, NoSubjectsError, SettingError
from leuknet.metrics import wilson
from leuknet.prediction_table import UNCERTAIN
from leuknet.types import Evaluation, Interval, Probabilities, SplitKind

if TYPE_CHECKING:
    import polars as pl

CUT_OFF = 0.5
"""An arbitrary example of a share to compare with; it has no clinical meaning."""

DRAWS = 4000
"""Of each person's interval."""

MOST_TAU = 10.0
"""A larger tau is not told apart from none at all: within one person, scores would say nothing."""

_LEVEL = 0.95
_LIKELIHOOD_DROP = 1.9207  # half the 95% quantile of chi-squared with one degree of freedom
_NODES, _WEIGHTS = roots_hermite(31)
# Networks compute in single precision: closer to 0 or 1 a probability says no more.
_NEAREST = 1e-7
_BLOCK = 256 * 1024
_NEEDED = ("probability", "outcome", "threshold", "model_id", "warnings", "error")

Outcome = Literal["above", "below", "undecided", "no cells"]
"""Where a person's whole interval lies as to the cut-off; `undecided` where it holds the cut-off."""


@dataclass(frozen=True)
class ScoredCells:
    """A table of cells that one model scored at one threshold; all arrays are (N,), N >= 1.

    Attributes
    ----------
    subjects
        Whose each cell is.
    probabilities
        P(leukaemic), calibrated, in [0, 1]; NaN for a cell that has an error instead.
    uncertain, flagged
        Whether the model does not decide on the cell; whether the cell has a warning.
    """

    model_id: str
    threshold: float
    subjects: tuple[str, ...]
    probabilities: Probabilities
    uncertain: NDArray[np.bool_]
    flagged: NDArray[np.bool_]


@dataclass(frozen=True)
class Spread:
    """By how much a model's log odds are off from person to person, on people it was not trained on.

    Attributes
    ----------
    tau
        Standard deviation over people, in log odds, >= 0; limits where the profile likelihood has dropped by
        1.92, the upper one `MOST_TAU` where it has not by then. It rests on these cells and subjects.
    one_class
        Subjects whose cells are all of one class. They can be explained by any large delta, and make tau
        larger than it is within people who have both.
    model_id, dataset, split_kind, simulated
        As in the evaluation.
    """

    tau: Interval
    one_class: int
    model_id: str
    dataset: str
    split_kind: SplitKind
    simulated: bool


@dataclass(frozen=True)
class SubjectShare:
    """One person's cells.

    Attributes
    ----------
    cells
        Cells that the shares rest on.
    errors, flagged
        Cells without a score, which are left out; cells with a warning, left out if
        `SubjectShares.leaves_out_flagged`.
    uncertain
        Of `cells`, those on which the model does not decide. They stay in.
    called
        Share of cells called leukaemic at the threshold, with Wilson's interval; None without cells.
    share
        Mean probability, with the interval of the share in the person's blood; None without cells.
    """

    subject: str
    cells: int
    errors: int
    flagged: int
    uncertain: int
    called: Interval | None
    share: Interval | None
    outcome: Outcome


@dataclass(frozen=True)
class SubjectShares:
    """A line for each person, by name, and all that the lines rest on.

    `spread` is None where no evaluation told it: intervals then hold the number of cells alone, and are too
    narrow by an unknown amount.
    """

    model_id: str
    threshold: float
    cut_off: float
    leaves_out_flagged: bool
    spread: Spread | None
    rows: tuple[SubjectShare, ...]


def read_scored(
    path: Path, *, subject_column: str = "subject", one_subject: str | None = None
) -> ScoredCells:
    """Read a table as `leuknet.prediction_table` writes it: `.parquet`, or else CSV.

    Parameters
    ----------
    path
        Columns may stand in any order, and others beside them.
    subject_column
        Where the subjects are.
    one_subject
        Name of the one person whose all cells are; the table need not name it then.

    Raises
    ------
    DataError
        If the file cannot be read, has no rows, lacks a column, a row is amiss or names no subject.
    SettingError
        If there are several models or thresholds, or several subjects where one was stated.
    """
    names = (*_NEEDED, subject_column)
    texts = _read_texts(path, names if one_subject is None else _NEEDED, also=subject_column)
    numbers = {name: _numbers(path, texts[name]) for name in ("probability", "threshold")}
    failed = texts["error"].is_not_null()
    for row in (failed == numbers["probability"].is_not_null()).arg_true():
        both = "both a probability and" if failed[row] else "neither a probability nor"
        raise _unreadable(path, f"row {row + 1} has {both} an error")
    return ScoredCells(
        model_id=str(_only(path, "model_id", texts["model_id"])),
        threshold=float(_only(path, "threshold", numbers["threshold"])),
        subjects=_whose(path, texts, column=subject_column, one_subject=one_subject),
        probabilities=numbers["probability"].fill_null(float("nan")).to_numpy(),
        uncertain=(texts["outcome"] == UNCERTAIN).fill_null(False).to_numpy(),
        flagged=texts["warnings"].is_not_null().to_numpy(),
    )


def fit_spread(evaluation: Evaluation) -> Spread:
    """Fit tau by marginal maximum likelihood: each person's delta is integrated out by quadrature.

    Parameters
    ----------
    evaluation
        Of people that the model was not trained on, every cell with its subject. Some of them must have
        cells of both classes: where labels go by person, as in C-NMC, no tau is large enough.

    Raises
    ------
    LeakError
        If the split is by image.
    DataError
        If a cell names no subject, there is one subject only, no tau up to `MOST_TAU` is the likeliest, or
        probabilities are not the model's own.
    """
    cannot = f"cannot tell from this evaluation how far {evaluation.model_id} is off from person to person"
    fix = "evaluate the model on people that it was not trained on, who have cells of both classes"
    if evaluation.split_kind == "image-level":
        why = "its split is image-level: the model was trained on cells of the same people"
        raise LeakError(cannot, why=why, fix=fix)
    names, person = np.unique([str(name) for name in evaluation.subject_ids], return_inverse=True)
    mixed = sum(len(set(np.array(evaluation.labels)[person == one])) > 1 for one in range(len(names)))
    reasons = {
        f"{evaluation.subject_ids.count(None)} of {evaluation.cells} cells name no subject": (
            None in evaluation.subject_ids
        ),
        f"each probability is a mean with {evaluation.neighbours} other cells": evaluation.neighbours > 0,
        "all cells are one person's": len(names) < 2,
        f"each of its {len(names)} people has cells of one class only: labels go by person": not mixed,
    }
    for why, applies in reasons.items():
        if applies:
            raise DataError(cannot, why=why, fix=fix)
    log_odds = logit(np.clip(evaluation.probabilities, _NEAREST, 1 - _NEAREST))
    signs = 2.0 * np.array(evaluation.labels) - 1
    interval = _maximise(lambda tau: _log_likelihood(tau, signs, log_odds, person))
    if interval is None:
        why = f"no tau up to {MOST_TAU:g} is the likeliest; {mixed} of {len(names)} people have both classes"
        raise DataError(cannot, why=why, fix=fix)
    estimate, low, high = interval
    return Spread(
        tau=Interval(
            estimate, low, high, _LEVEL, "profile likelihood", evaluation.cells, len(names), resamples=0
        ),
        one_class=len(names) - mixed,
        model_id=evaluation.model_id,
        dataset=evaluation.dataset,
        split_kind=evaluation.split_kind,
        simulated=evaluation.simulated,
    )


def subject_shares(
    cells: ScoredCells,
    *,
    spread: Spread | None = None,
    cut_off: float = CUT_OFF,
    leave_out_flagged: bool = False,
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
    leave_out_flagged
        Leave out cells with a warning, too. Cells with an error are always left out.

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
    tau = 0.0 if spread is None else spread.tau.estimate
    method = f"Monte Carlo over cells {'alone' if spread is None else 'and people'}"
    scored = ~np.isnan(cells.probabilities)
    used = scored & ~cells.flagged if leave_out_flagged else scored
    names, person = np.unique(cells.subjects, return_inverse=True)
    rows = []
    for number, name in enumerate(names.tolist()):
        mine = person == number
        probabilities = cells.probabilities[mine & used]
        called = share = None
        outcome: Outcome = "no cells"
        if n := probabilities.size:
            called = wilson(int((probabilities >= cells.threshold).sum()), n)
            drawn = draw_shares_of(probabilities, tau=tau, seed=[seed, zlib.crc32(name.encode())])
            low, high = np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
            estimate = float(probabilities.mean())
            # As Brown, Cai & DasGupta (2001) do to Jeffreys' interval at 0 and 1: it holds its estimate.
            low, high = min(float(low), estimate), max(float(high), estimate)
            share = Interval(estimate, low, high, _LEVEL, method, n, 1, resamples=DRAWS)
            outcome = "above" if low > cut_off else "below" if high < cut_off else "undecided"
        rows.append(
            SubjectShare(
                subject=name,
                cells=n,
                errors=int((mine & ~scored).sum()),
                flagged=int((mine & scored & cells.flagged).sum()),
                uncertain=int((mine & used & cells.uncertain).sum()),
                called=called,
                share=share,
                outcome=outcome,
            )
        )
    return SubjectShares(cells.model_id, cells.threshold, cut_off, leave_out_flagged, spread, tuple(rows))


def draw_shares_of(
    probabilities: Probabilities, *, tau: float, draws: int = DRAWS, seed: int | list[int] = 0
) -> NDArray[np.float64]:
    """Draw the share in one person's blood (draws,) as the module's header says, from (n,) cells, n >= 1."""
    generator = np.random.default_rng(seed)
    deltas = tau * generator.standard_normal(draws)
    unseen = generator.beta(0.5, 0.5, draws)
    # Sorted, so that the order of the rows in a table decides nothing.
    log_odds = logit(np.clip(np.sort(probabilities), _NEAREST, 1 - _NEAREST))
    shares = []
    rows = max(1, _BLOCK // log_odds.size)
    for start in range(0, draws, rows):
        block = slice(start, start + rows)
        # Exponential draws, divided by their sum, are the Dirichlet's.
        weights = generator.standard_exponential((deltas[block].size, log_odds.size))
        rest = generator.standard_exponential(deltas[block].size)
        seen = np.einsum("ij,ij->i", weights, expit(log_odds + deltas[block, None]))
        shares.append((seen + rest * unseen[block]) / (weights.sum(axis=1) + rest))
    return np.concatenate(shares)


def _maximise(log_likelihood: Callable[[float], float]) -> tuple[float, float, float] | None:
    """Return where this is largest, and where it has dropped on either side; None if it grows to the end."""
    grid = np.array([0.0, *np.geomspace(0.05, MOST_TAU, 13)])
    best = int(np.argmax([log_likelihood(tau) for tau in grid]))
    if best == grid.size - 1:
        return None
    # Below the second point it is as flat as at 0, so that the search may end there.
    found = minimize_scalar(
        lambda tau: -log_likelihood(tau),
        bounds=(grid[max(best - 1, 0)] + 1e-3, grid[best + 1]),
        method="bounded",
        options={"xatol": 1e-4},
    )
    top, most = max((-found.fun, float(found.x)), (log_likelihood(0.0), 0.0))

    def above(tau: float) -> float:
        return float(log_likelihood(tau) - (top - _LIKELIHOOD_DROP))

    low = 0.0 if above(0.0) >= 0 else float(brentq(above, 0.0, most, xtol=1e-3))
    high = MOST_TAU if above(MOST_TAU) >= 0 else float(brentq(above, most, MOST_TAU, xtol=1e-3))
    return most, low, high


def _log_likelihood(
    tau: float, signs: NDArray[np.float64], log_odds: NDArray[np.float64], person: NDArray[np.intp]
) -> float:
    """Return the log of the product over people of their integral over delta ~ Normal(0, tau^2).

    `signs` (N,) are 1 for leukaemic and -1 for normal cells, `person` (N,) whose each is, from 0.
    """
    if tau < 1e-3:  # the scale below is then lost in rounding
        return float(-np.logaddexp(0, -signs * log_odds).sum())
    mode, curvature = _modes(tau, signs, log_odds, person)
    scale = np.sqrt(2 / curvature)
    terms = []
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        delta = mode + scale * node
        cells = np.bincount(person, -np.logaddexp(0, -signs * (log_odds + delta[person])))
        terms.append(np.log(weight) + node**2 + cells - 0.5 * (delta / tau) ** 2)
    return float((logsumexp(terms, axis=0) + np.log(scale / (tau * np.sqrt(2 * np.pi)))).sum())


def _modes(
    tau: float, signs: NDArray[np.float64], log_odds: NDArray[np.float64], person: NDArray[np.intp]
) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
    """Return each person's likeliest delta and the curvature there, by Newton's steps or else bisection."""
    delta = np.zeros(person.max() + 1)
    high = np.full_like(delta, np.abs(log_odds).max() + 50.0)
    low = -high
    for _ in range(100):
        right = expit(signs * (log_odds + delta[person]))
        slope = np.bincount(person, signs * (1 - right)) - delta / tau**2
        curvature = np.bincount(person, right * (1 - right)) + 1 / tau**2
        low, high = np.where(slope > 0, delta, low), np.where(slope > 0, high, delta)
        step = delta + slope / curvature
        step = np.where((low < step) & (step < high), step, (low + high) / 2)
        if np.abs(step - delta).max() < 1e-8:
            break
        delta = step
    return delta, curvature


def _read_texts(path: Path, names: Sequence[str], *, also: str) -> dict[str, pl.Series]:
    """Return these columns, and `also` if it is there, as texts without blanks around; null where empty."""
    import polars as pl  # here, so that figures need not wait for it to load

    try:  # glob=False: a name may hold [ or *.
        if path.suffix.lower() == ".parquet":
            table = pl.read_parquet(path, glob=False)
        else:
            table = pl.read_csv(path, infer_schema=False, glob=False)
        missing = [name for name in names if name not in table.columns]
        if missing == [also]:
            raise _no_subjects(path, f"it has no column {also!r}, but {', '.join(table.columns)}")
        if missing or not table.height:
            raise _unreadable(path, f"it lacks the column {missing[0]!r}" if missing else "it has no rows")
        kept = table.select(pl.col(name) for name in dict.fromkeys((*names, also)) if name in table.columns)
        clean = kept.select(pl.all().cast(pl.String).str.strip_chars().replace("", None))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, (str(error).splitlines() or ["unknown"])[0]) from error
    return {name: clean[name] for name in clean.columns}


def _numbers(path: Path, texts: pl.Series) -> pl.Series:
    import polars as pl

    values = texts.cast(pl.Float64, strict=False)
    for row in (texts.is_not_null() & ~values.is_between(0, 1).fill_null(False)).arg_true():
        raise _unreadable(path, f"row {row + 1}: {texts.name} is {texts[row]!r}, not a number from 0 to 1")
    return values


def _only(path: Path, name: str, values: pl.Series) -> Any:
    found = values.unique().sort().to_list()
    if None in found:
        raise _unreadable(path, f"row {values.is_null().arg_true()[0] + 1} has no {name}")
    if len(found) > 1:
        raise SettingError(
            f"cannot put the cells of {path} together",
            why=f"they have {len(found)} values of {name}: {', '.join(map(str, found[:3]))}",
            fix="score all cells with one model, or give a table for each",
        )
    return found[0]


def _whose(
    path: Path, texts: dict[str, pl.Series], *, column: str, one_subject: str | None
) -> tuple[str, ...]:
    if one_subject is None:
        unnamed, rows = texts[column].null_count(), len(texts[column])
        if unnamed:
            raise _no_subjects(path, f"{unnamed:,} of {rows:,} rows have none in column {column!r}")
        return tuple(texts[column].to_list())
    named = texts[column].drop_nulls().n_unique() if column in texts else 0
    if named > 1:
        why = f"the column {column!r} names {named} people"
        raise SettingError(
            f"cannot take all cells of {path} for one person's", why=why, fix="omit --one-subject"
        )
    return (one_subject,) * len(texts["error"])


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"cannot read scored cells from {path}", why=why, fix="give a table that `leuknet predict` wrote"
    )


def _no_subjects(path: Path, why: str) -> NoSubjectsError:
    return NoSubjectsError(
        f"cannot tell whose the cells of {path} are",
        why=why,
        fix="name the column with --subject-column, or say --one-subject NAME if all are one person's",
    )
