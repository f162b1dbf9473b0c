"""Figures of subgroups and of plans: legible whatever names and numbers they hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from leuknet.evaluation.details import details_of
from leuknet.evaluation.planning import plan_interval, plan_power
from leuknet.evaluation.study_plan import StudySizes
from leuknet.evaluation.subgroups import Trait
from leuknet.figures.plan_plot import draw_plan
from leuknet.figures.subgroups_plot import draw_subgroups
from tests.evaluation.pilots import pilot_evaluation
from tests.figures.test_figures import LONG_NAMES, _assert_legible, _texts

SIZES = StudySizes(people=(6, 12, 24), cells_each=(5, None), studies=20)


@pytest.mark.parametrize("long", [False, True])
def test_subgroups_are_legible_with_long_names_and_few_cells(long: bool) -> None:
    evaluation = pilot_evaluation(people=12)
    part = np.array(["a part with a name that is far too long for any column" if long else "fold_0", "b"])
    traits = [
        Trait("cell size", "px", np.arange(evaluation.cells) * 1000.0),
        Trait("part", "", part[np.arange(evaluation.cells) % 40 // 39]),
    ]
    named = replace(evaluation, class_names=LONG_NAMES) if long else evaluation

    _assert_legible(draw_subgroups(named, details_of(named, traits=traits).subgroups))


def test_plans_are_legible_and_name_what_is_needed() -> None:
    evaluation = replace(pilot_evaluation(people=20), simulated=True)
    width = plan_interval(evaluation, width=0.2, tried=SIZES)
    power = plan_power(evaluation, gap=0.001, correlation=0.5, tried=SIZES)

    for plan in (width, power):
        figure = draw_plan(plan)
        _assert_legible(figure)
        texts = " ".join(_texts(figure))
        for name, needed in plan.needed.items():
            assert f"{name}: {f'{needed} people' if needed else 'more than were tried'}" in texts
    assert set(power.needed.values()) == {None}
