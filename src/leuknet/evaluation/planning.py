"""How many people and cells a study needs, asked before it is made: by drawing such studies many times.

Two questions. How wide will the interval of a score be? How often will two models that differ by so much be
told apart? The first is answered with the very interval that the study itself will be judged by, the second
with the t test of `compare`, which also swaps answers and takes the larger p value. More cells of the same
people help less and less: what people differ by stays.

Start at `plan_interval` and `plan_power`; `pilot.py` says how studies are drawn.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from tqdm import tqdm

from leuknet.errors import SettingError
from leuknet.evaluation.formulas import require
from leuknet.evaluation.metrics import METRICS
from leuknet.evaluation.pilot import Pilot, Study, draw_study, fit_pilot
from leuknet.evaluation.planned_tests import estimate_of, interval_of_study, p_value_of
from leuknet.evaluation.rivals import population_auroc, with_gap, with_rival
from leuknet.evaluation.study_plan import MOST_CELLS, MOST_PEOPLE, Plan, PlanPoint, StudySizes, cells_text
from leuknet.types import Evaluation

ALPHA = 0.05
"""From this p value on, two models count as not told apart."""


def plan_interval(
    pilot: Evaluation,
    *,
    width: float,
    metric: str = "auroc",
    share: float = 0.8,
    tried: StudySizes | None = None,
    progress: bool = False,
) -> Plan:
    """Return how many people a study needs for an interval of a wanted width.

    Parameters
    ----------
    pilot
        An evaluation of people that the model was not trained on; see `leuknet.evaluation.pilot.fit_pilot`.
    width
        Upper minus lower limit of the 95% interval, in the metric's own unit: 0.1 is 10 points.
    metric
        A key of `METRICS`.
    share
        Share of such studies that should have an interval so narrow. Where only the mean width is planned
        for, about half of them do.
    tried
        Which studies are drawn.
    progress
        Draw a bar on standard error.

    Raises
    ------
    SettingError
        If the metric is unknown, or a number is out of range.
    LeukNetError
        As `fit_pilot` does.

    References
    ----------
    Kelley, Maxwell & Rausch (2003), "Obtaining power or obtaining precision", Evaluation & the Health
    Professions 26(3), 258-287: planning for the width of an interval, with assurance.
    """
    require(
        metric in METRICS, f"no metric {metric!r}", fix=f"use one of {', '.join(METRICS)}", error=SettingError
    )
    widest = 1 - METRICS[metric].least
    fix = "use 0.1 for an interval of 10 points"
    require(0 < width < widest, f"a width of {width}", fix=fix, error=SettingError)
    people = fit_pilot(pilot)
    tried = tried or StudySizes()
    leukaemic_share = people.share if tried.leukaemic_share is None else tried.leukaemic_share

    @functools.cache
    def truth_of(cells_each: int | None) -> float:
        return _truth(people, metric, leukaemic_share, cells_each)

    def judge(study: Study, cells_each: int | None) -> tuple[bool, float, bool]:
        found = interval_of_study(study, metric, threshold=float(people.thresholds[0]))
        wide = found.high - found.low
        return found.is_known and wide <= width, wide, found.low <= truth_of(cells_each) <= found.high

    question = _Question("width", metric, width, share, (truth_of(next(iter(tried.cells_each), None)),))
    return _plan(people, question, judge, tried, progress=progress)


def plan_power(
    first: Evaluation,
    second: Evaluation | None = None,
    *,
    gap: float,
    correlation: float | None = None,
    share: float = 0.8,
    tried: StudySizes | None = None,
    progress: bool = False,
) -> Plan:
    """Return how many people a study needs to tell two models apart that differ by so much in AUROC.

    Parameters
    ----------
    first, second
        Evaluations of two models on the same cells. With the first alone, the second model is one that varies
        alike, and `correlation` says how far the two find the same people and cells hard.
    gap
        Second minus first in AUROC: the least difference that would matter. Not the one that was observed, of
        which chance made a part.
    correlation
        Of the two models' log odds, in [0, 1); needed with one evaluation, refused with two.
    share
        The power: share of such studies in which p < 0.05 and the right model is the better one.
    tried, progress
        As for `plan_interval`.

    Raises
    ------
    SettingError
        If a number is out of range, or a correlation is missing or one too many.
    LeukNetError
        As `fit_pilot` does.
    """
    one_says = (second is None) == (correlation is not None)
    fix = "give a second evaluation of the same cells, or --correlation, not both"
    require(one_says, "how alike the two models err must be known once", fix=fix, error=SettingError)
    require(gap != 0, "a gap of 0", fix="use the least difference that would matter", error=SettingError)
    pilot = fit_pilot(first, second)
    if correlation is not None:
        pilot = with_rival(pilot, correlation)
    pilot = with_gap(pilot, gap)

    def judge(study: Study, _cells_each: int | None) -> tuple[bool, float, bool]:
        p_value, difference = p_value_of(study)
        return p_value < ALPHA and (difference > 0) == (gap > 0), np.nan, False

    question = _Question("power", "auroc", gap, share, population_auroc(pilot))
    return _plan(pilot, question, judge, tried or StudySizes(), progress=progress)


class _Question(NamedTuple):
    """What is asked; fields as in `Plan`."""

    question: Literal["width", "power"]
    metric: str
    wanted: float
    share: float
    truths: tuple[float, ...]


Judge = Callable[[Study, int | None], tuple[bool, float, bool]]
"""Whether a study, of so many cells of each person, got what is wanted; the width of its interval; and
whether that holds the truth."""


def _plan(pilot: Pilot, asked: _Question, judge: Judge, tried: StudySizes, *, progress: bool) -> Plan:
    _check(asked.share, tried)
    points: list[PlanPoint] = []
    needed: dict[str, int | None] = {}
    with tqdm(desc="draw studies", unit="study", disable=not progress) as bar:
        for cells_each in tried.cells_each:

            def look(people: int, cells_each: int | None = cells_each) -> PlanPoint:
                bar.set_postfix_str(f"{people} people, {cells_text(cells_each)}")
                found = _try(pilot, judge, people, cells_each, tried, is_width=asked.question == "width")
                bar.update(tried.studies)
                return found

            found = _search(look, sorted(set(tried.people)), asked.share)
            points += found
            enough = [point.people for point in found if point.reached >= asked.share]
            needed[cells_text(cells_each)] = min(enough, default=None)
    return Plan(
        question=asked.question,
        metric=asked.metric,
        wanted=asked.wanted,
        share=asked.share,
        models=pilot.names,
        truths=tuple(float(truth) for truth in asked.truths),
        pilot_leukaemic=pilot.people[1],
        pilot_normal=pilot.people[0],
        between_share=pilot.between_share,
        simulated=pilot.simulated,
        studies=tried.studies,
        seed=tried.seed,
        points=tuple(points),
        needed=needed,
    )


def _search(look: Callable[[int], PlanPoint], sizes: Sequence[int], share: float) -> list[PlanPoint]:
    """Try sizes until two in a row are enough, then halve the step below the first of them."""
    found: list[PlanPoint] = []
    for size in sizes:
        found.append(look(size))
        if len(found) > 1 and min(point.reached for point in found[-2:]) >= share:
            break
    enough = next((point.people for point in found if point.reached >= share), None)
    below = max((point.people for point in found if enough and point.people < enough), default=None)
    while enough and below and enough - below > max(1, enough // 20):
        middle = look((enough + below) // 2)
        found.append(middle)
        enough, below = (middle.people, below) if middle.reached >= share else (enough, middle.people)
    return sorted(found, key=lambda point: point.people)


def _try(
    pilot: Pilot, judge: Judge, people: int, cells_each: int | None, tried: StudySizes, *, is_width: bool
) -> PlanPoint:
    """Draw the studies of one size and judge each."""
    share = pilot.share if tried.leukaemic_share is None else tried.leukaemic_share
    leukaemic = min(max(round(people * share), 1), people - 1)
    generator = np.random.default_rng((tried.seed, people, cells_each or 0))
    outcomes = [
        judge(draw_study(pilot, (people - leukaemic, leukaemic), cells_each, generator), cells_each)
        for _ in range(tried.studies)
    ]
    reached, widths, held = (np.array(each, dtype=np.float64) for each in zip(*outcomes, strict=True))
    return PlanPoint(
        people=people,
        leukaemic=leukaemic,
        normal=people - leukaemic,
        cells_each=cells_each,
        reached=float(reached.mean()),
        mean_width=float(widths.mean()) if is_width else None,
        held=float(held.mean()) if is_width else None,
    )


def _truth(pilot: Pilot, metric: str, leukaemic_share: float, cells_each: int | None) -> float:
    """Return a metric in the population: of AUROC over cells of different people, else of a huge study."""
    if metric == "auroc":
        return population_auroc(pilot)[0]
    leukaemic = round(2000 * leukaemic_share)
    huge = draw_study(pilot, (2000 - leukaemic, leukaemic), cells_each, np.random.default_rng(2))
    return estimate_of(huge, metric, threshold=float(pilot.thresholds[0]))


def _check(share: float, tried: StudySizes) -> None:
    require(0 < share < 1, f"a share of {share}", fix="use 0.8 for 80% of studies", error=SettingError)
    sizes = sorted(tried.people) or [0]
    fix = f"name whole numbers from 4 to {MOST_PEOPLE:,}"
    fits = 4 <= sizes[0] <= sizes[-1] <= MOST_PEOPLE
    require(fits, f"studies of {sizes[0]} to {sizes[-1]} people", fix=fix, error=SettingError)
    fewest = min((cells for cells in tried.cells_each if cells is not None), default=len(tried.cells_each))
    require(
        fewest >= 1,
        f"{fewest} cells each",
        fix="use 1 or more",
        error=SettingError,
    )
    most = sizes[-1] * max((cells for cells in tried.cells_each if cells is not None), default=1)
    fix = f"keep people times cells below {MOST_CELLS:,}"
    require(most <= MOST_CELLS, f"a study of {most:,} cells", fix=fix, error=SettingError)
    fix = "use 20 or more; 200 is usual"
    require(tried.studies >= 20, f"{tried.studies} studies of each size", fix=fix, error=SettingError)
    part = tried.leukaemic_share
    fix = "use 0.5 for as many of each class"
    require(part is None or 0 < part < 1, f"a leukaemic share of {part}", fix=fix, error=SettingError)
