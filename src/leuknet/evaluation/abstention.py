"""Says on which cells a model should not decide: a band of probabilities around the threshold.

Two rules make such a band, each from the validation side alone:

- `conformal_sets`: split conformal prediction names the classes that a probability does not exclude. Cells
  whose set does not name exactly one class are left undecided. Its promise is about cells, and about sets:
  one that names both classes keeps it, one that names none breaks it.
- `risk_band`: so many cells are left undecided that, among those called, a bound on the share of wrong calls
  holds. Its promise is about new people, and rests on the number of validation people.

Start at `risk_band`; `leuknet.evaluation.calibrate` chooses between the two.

References
----------
Angelopoulos, Bates, Fisch, Lei & Schuster (2022), "Conformal risk control", arXiv 2208.02814: theorem 1, and
section 2.3 for losses that are not monotone. Sadinle, Lei & Wasserman (2019), "Least ambiguous set-valued
classifiers with bounded error levels", JASA 114(525), 223-234.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import NoSubjectsError, SettingError
from leuknet.types import Labels, Probabilities, RiskBound, SplitKind

COVERAGE = 0.9
"""Share of cells, drawn as the validation cells were, whose conformal set shall hold the true class."""

NOTHING_CALLED = (0.0, float(np.nextafter(1.0, 2.0)))
"""The band that holds every probability."""


class Sets(NamedTuple):
    """Conformal sets of cells, (N,) each: which of them name normal, which leukaemic, which the true class.

    A set may name both classes or none.
    """

    normal: NDArray[np.bool_]
    leukaemic: NDArray[np.bool_]

    @property
    def named(self) -> NDArray[np.int64]:
        """How many classes each set names: 0, 1 or 2."""
        return self.normal.astype(np.int64) + self.leukaemic

    def hold(self, labels: Labels) -> NDArray[np.bool_]:
        """Whether each set holds the true class: never where it names none."""
        return np.where(labels == 1, self.leukaemic, self.normal)


def sets_of(probabilities: Probabilities, quantile: float) -> Sets:
    """Return the conformal sets of cells (N,) at a quantile of the conformity score 1 - P(true class)."""
    return Sets(normal=probabilities <= quantile, leukaemic=1 - probabilities <= quantile)


def conformal_sets(
    labels: Labels, probabilities: Probabilities, *, coverage: float = COVERAGE
) -> tuple[float, tuple[float, float]]:
    """Return the quantile of the conformity score, and (low, high) between which sets do not name one class.

    Split conformal prediction with the score 1 - P(true class), by MAPIE. For cells that are drawn as these
    were, sets hold the true class at least with probability `coverage`. New people's are not drawn so:
    that is why reports state the coverage by subject. With too few cells for the coverage, each set names
    both classes (quantile 1), and nothing is decided.
    """
    if len(labels) <= 1 / (1 - coverage):
        return 1.0, NOTHING_CALLED
    # MAPIE takes 3 s to import, and only training needs it.
    from mapie.classification import SplitConformalClassifier

    from leuknet.evaluation.stated import Stated

    conformal = SplitConformalClassifier(
        Stated(), confidence_level=coverage, conformity_score="lac", prefit=True
    )
    conformal.conformalize(probabilities[:, None], labels)
    # Sets can only change at a conformity score or its mirror image; the middles lie in between.
    edges = np.unique(np.concatenate([[0.0, 1.0], probabilities, 1 - probabilities]))
    asked = np.sort(np.concatenate([edges, (edges[1:] + edges[:-1]) / 2]))
    sets = conformal.predict_set(asked[:, None])[1][:, :, 0]
    quantile = float(asked[sets[:, 0]].max())  # the largest P whose set names normal
    undecided = asked[sets.sum(axis=1) != 1]
    if not undecided.size:
        return quantile, (0.5, 0.5)
    return quantile, (float(undecided.min()), float(np.nextafter(undecided.max(), 2.0)))


def people_needed(risk: float) -> int:
    """Return the fewest validation people from which a bound of this risk can follow.

    One person in n + 1 may be new and called wrongly throughout: 1 / (n + 1) must not exceed the risk.

    Examples
    --------
    >>> people_needed(0.05), people_needed(0.1), people_needed(0.5)
    (19, 9, 1)
    """
    return int(np.ceil(1 / risk - 1 - 1e-9))


def check_bound(risk: float, subjects: Sequence[str | None], split_kind: SplitKind) -> None:
    """Refuse a bound that these validation people cannot give; before training, since that takes hours.

    Parameters
    ----------
    risk
        As for `risk_band`; 0 asks for no bound, and passes.
    subjects
        Whose each validation cell is.
    split_kind
        How validation cells were kept apart from the training cells.

    Raises
    ------
    NoSubjectsError
        If a cell names nobody.
    SettingError
        If the people are trained on, too, or are too few.
    """
    if not risk:
        return
    what, n = f"cannot bound the risk of called cells by {risk:g}", len(set(subjects))
    if None in subjects:
        raise NoSubjectsError(
            what,
            why=f"the bound is about people, and {subjects.count(None)} of {len(subjects)} validation cells "
            "name nobody",
            fix="name each cell's person, or train without --risk",
        )
    if split_kind == "image-level":
        raise SettingError(
            what,
            why="the split is image-level: validation people are trained on, and tell nothing of new people",
            fix="use --split subject-level or a protocol that keeps people apart",
        )
    if n < people_needed(risk):
        raise SettingError(
            what,
            why=f"there are {n} validation people, and at least {people_needed(risk)} are needed",
            fix=f"ask for a risk of {np.ceil(1000 / (n + 1)) / 1000:g} or more, or validate on more people",
        )


def risk_band(
    labels: Labels,
    probabilities: Probabilities,
    *,
    threshold: float,
    subjects: Sequence[str | None],
    risk: float,
) -> tuple[tuple[float, float], RiskBound]:
    """Return (low, high) outside of which so few calls are wrong that a bound holds for new people.

    A person's risk is the share of wrong calls among the cells that are called, 0 if none is. Averaged over
    new people, and over which people validated, it is at most `risk`, if these are exchangeable with the new
    ones: conformal risk control with the person as its unit. Cells are left undecided by how far P lies from
    the threshold, as a share of the way to 0 or 1 on its side. Fewer called cells do not always mean a lower
    risk; each person's is therefore taken at its largest from a cut upwards.

    The number of people it is divided by counts only those with a called cell. That is stricter than the
    theorem asks for, and keeps people on whom nothing is called from making the mean look low.

    Parameters
    ----------
    labels, probabilities, subjects
        (N,) of the validation side.
    threshold
        Cells at or above it are called leukaemic.
    risk
        The bound, in (0, 1).

    Returns
    -------
    band
        Nothing outside of it, where no cut keeps the bound.
    RiskBound
        What it rests on, and what it costs on these cells.

    Raises
    ------
    SettingError, NoSubjectsError
        As `check_bound` does.
    """
    check_bound(risk, subjects, "subject-level")
    people, person = np.unique(np.array(subjects, dtype=str), return_inverse=True)
    certain = certainty(probabilities, threshold)
    wrong = (probabilities >= threshold) != (labels == 1)
    cuts, at = np.unique(certain, return_inverse=True)
    called, errors = (_from_cut(member, person, at, (len(people), len(cuts))) for member in (None, wrong))
    own = np.divide(errors, called, out=np.zeros_like(errors), where=called > 0)
    largest = np.maximum.accumulate(own[:, ::-1], axis=1)[:, ::-1]
    # One more person, of whom all calls may be wrong: the theorem's B / (n + 1).
    bounds = (largest.sum(axis=0) + 1) / ((called > 0).sum(axis=0) + 1)
    kept = np.flatnonzero(bounds <= risk + 1e-12)
    band = NOTHING_CALLED if not kept.size else _band(cuts, int(kept[0]), threshold)
    outside = (probabilities < band[0]) | (probabilities >= band[1])
    cells, mine, missed = (np.bincount(person, each) for each in (None, outside, outside & wrong))
    speaks = mine > 0
    return band, RiskBound(
        asked=risk,
        people=len(people),
        silent=int((~speaks).sum()),
        called=float((mine / cells).mean()),
        risk=float((missed[speaks] / mine[speaks]).mean()) if speaks.any() else None,
    )


def certainty(probabilities: Probabilities, threshold: float) -> NDArray[np.float64]:
    """Return how far each P lies from the threshold, as a share of the way to 0 or 1 on its side: (N,).

    At threshold 0.5 this orders cells as max(P, 1 - P) does. At threshold 1, P = 1 has no way to go and
    counts as uncertain as can be.
    """
    way = np.where(probabilities >= threshold, 1 - threshold, threshold)
    away = np.abs(probabilities - threshold)
    return np.divide(away, way, out=np.zeros_like(away), where=way > 0)


def _from_cut(
    member: NDArray[np.bool_] | None, person: NDArray[np.intp], at: NDArray[np.intp], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return how many cells of each person lie at a cut or above it: (people, cuts)."""
    place = person * shape[1] + at
    counts = np.bincount(place, member, minlength=shape[0] * shape[1]).reshape(shape)
    return np.cumsum(counts[:, ::-1], axis=1)[:, ::-1].astype(np.float64)


def _band(cuts: NDArray[np.float64], first: int, threshold: float) -> tuple[float, float]:
    """Return the band of the cells below a cut; its edges lie half-way to the next cell's certainty."""
    if first == 0:
        return threshold, threshold
    middle = float(cuts[first - 1] + cuts[first]) / 2
    high = threshold + middle * (1 - threshold) if threshold < 1 else NOTHING_CALLED[1]
    return threshold * (1 - middle), high
