"""Reader studies: whether treatments differ, for other readers and other cases than those at hand.

Several readers read the same cases under each treatment: two modalities, or without and with a model's aid
(multi-reader multi-case, MRMC). The mean score of a treatment varies with the readers and with the cases. The
analysis of Obuchowski and Rockette takes the scores' mean squares over treatments and readers, corrects them
by the scores' covariances over cases, and tests by an F with Hillis' degrees of freedom. What is random is
stated: readers and cases, cases alone (nothing is said of other readers), or readers alone.

Three designs are known: all readers read all cases (crossed), groups of readers read cases of their own under
all treatments (split-plot), or all readers read other cases under each of the treatments (unpaired). A single
reader is analysed with the cases random.

Start at `analyse_readers`. `leuknet.evaluation.pseudovalues` computes the same test in another way.

References
----------
Obuchowski & Rockette (1995), Commun. Stat. Simul. Comput. 24(2), 285-308. Hillis (2007), Stat. Med. 26(3),
596-619: degrees of freedom. Hillis (2014), Stat. Med. 33(2), 330-360: other designs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from scipy.stats import chi2
from scipy.stats import f as f_distribution

from leuknet.errors import SettingError
from leuknet.evaluation.margins import Margin, check_margin
from leuknet.evaluation.reader_scores import Estimator, Figure, Scores, covariance, score_readers
from leuknet.evaluation.reader_variance import Components, Covariances, Mean, Random, Study
from leuknet.evaluation.reading_designs import Block, Design, blocks_of, design_of, groups_of
from leuknet.evaluation.readings import Readings


@dataclass(frozen=True)
class Mrmc:
    """What a reader study shows.

    Attributes
    ----------
    figure, estimator, random, level
        As they were asked for.
    design
        `crossed`, `split-plot` or `unpaired`.
    cases, people
        How many; people is None where cases count as independent.
    scores
        Of each treatment, those of its readers, in order.
    treatments, readers
        Their names.
    components
        Over all treatments.
    f_value, freedom, p_value
        Of the test that all treatments are alike, with the degrees of freedom above and below; the second is
        None where cases alone are random, and F times the first is a chi-squared.
    means, differences
        Of each treatment, and of each pair of them: the second minus the first.
    margins
        Whether the second of each pair is as good but for the margin that was named; empty without one.
    """

    figure: Figure
    estimator: Estimator
    random: Random
    level: float
    design: Design
    cases: int
    people: int | None
    scores: tuple[tuple[float, ...], ...]
    treatments: tuple[str, ...]
    readers: tuple[str, ...]
    components: Components
    f_value: float
    freedom: tuple[int, float | None]
    p_value: float
    means: tuple[Mean, ...]
    differences: tuple[Mean, ...]
    margins: tuple[Margin, ...]


def analyse_readers(
    readings: Readings,
    figure: Figure = "auroc",
    *,
    estimator: Estimator = "jackknife",
    random: Random = "readers and cases",
    threshold: float | None = None,
    margin: float | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Mrmc:
    """Test whether treatments differ, and give each mean and each difference an interval.

    Parameters
    ----------
    readings
        Of two treatments or more, in one of the designs above. In a split-plot each group has two readers or
        more, unless cases alone are random.
    figure, threshold, estimator, seed
        As for `leuknet.evaluation.reader_scores`.
    random
        `cases` is for these readers alone, `readers` for these cases alone; a single reader needs `cases`.
    margin
        The largest loss that would not matter, in the figure's own unit.
    level
        Of the intervals, between 0 and 1.

    Raises
    ------
    SettingError
        If there are too few readers or treatments for what is asked, readings lack in another way, a setting
        does not fit, or a score is undefined.

    Examples
    --------
    >>> import numpy as np
    >>> chance = np.random.default_rng(0)
    >>> truth = np.repeat([0, 1], 30)
    >>> ratings = truth * np.array([1.0, 3.0])[:, None, None] + chance.normal(size=(2, 4, 60))
    >>> found = analyse_readers(
    ...     Readings(ratings, truth, ("alone", "aided"), tuple("abcd"), tuple(map(str, range(60))))
    ... )
    >>> found.differences[0].names, found.p_value < 0.05
    (('alone', 'aided'), True)
    """
    check_margin(margin)
    blocks = blocks_of(readings)
    design = design_of(readings, blocks)
    _check(readings, blocks, design, random, level)
    scores, covariances = _scored(readings, blocks, figure, estimator, threshold, seed)
    study = Study(scores, covariances, groups_of(readings, blocks), random)
    t = len(readings.treatments)
    error, freedom = study.error()
    f_value = study.between_treatments / error
    differences = tuple(
        study.difference(pair, tuple(readings.treatments[one] for one in pair), level)
        for pair in itertools.combinations(range(t), 2)
    )
    return Mrmc(
        figure=figure,
        estimator=estimator,
        random=random,
        level=level,
        design=design,
        cases=len(readings.cases),
        people=None if readings.people is None else len(set(readings.people)),
        scores=tuple(tuple(map(float, row)) for row in scores),
        treatments=readings.treatments,
        readers=readings.readers,
        components=study.components,
        f_value=f_value,
        freedom=(t - 1, None if math.isinf(freedom) else freedom),
        p_value=_p_of(f_value, t - 1, freedom),
        means=tuple(study.mean_of(number, name, level) for number, name in enumerate(readings.treatments)),
        differences=differences,
        margins=() if margin is None else tuple(one.within(margin) for one in differences),
    )


def _check(readings: Readings, blocks: Sequence[Block], design: Design, random: Random, level: float) -> None:
    """Raise a SettingError if there is too little for what is asked."""
    why, fix = "", ""
    if random not in get_args(Random) or not 0 < level < 1:
        why, fix = f"random {random!r}, level {level}", f"use {', '.join(get_args(Random))}; 0.95 for 95%"
    elif len(readings.treatments) < 2:
        why, fix = "there is one treatment", "a test compares two or more"
    elif random != "cases" and min(len(one.readers) for one in blocks) < 2:
        why, fix = "a reader reads alone, so that nothing shows how readers differ", "use random='cases'"
    elif random == "readers" and design != "crossed":
        why = "not all readings are of the same cases, so that cases cannot be fixed"
        fix = "use random='readers and cases'"
    if why:
        raise SettingError("cannot analyse this reader study", why=why, fix=fix)


def _scored(
    readings: Readings,
    blocks: Sequence[Block],
    figure: Figure,
    estimator: Estimator,
    threshold: float | None,
    seed: int,
) -> tuple[Scores, Covariances]:
    """Return scores and covariances; those of readings of other cases are 0."""
    t, r = len(readings.treatments), len(readings.readers)
    scores: Scores = np.zeros((t, r))
    covariances: Covariances = np.zeros((t, r, t, r))
    for number, one in enumerate(blocks):
        theirs = readings.take(treatments=one.treatments, readers=one.readers, cases=one.cases)
        place = (one.treatments, one.readers)
        scores[np.ix_(*place)] = score_readers(theirs, figure, threshold=threshold)
        found = covariance(theirs, figure, estimator=estimator, threshold=threshold, seed=seed + number)
        covariances[np.ix_(*place, *place)] = found
    return scores, covariances


def _p_of(f_value: float, above: int, below: float) -> float:
    """Return the p value of an F; without an end of degrees of freedom below it is a chi-squared."""
    if math.isinf(below):
        return float(chi2.sf(f_value * above, above))
    return float(f_distribution.sf(f_value, above, below))
