"""Evaluations of made-up people whose log odds vary between and within people by known amounts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.special import expit, logit

from leuknet.evaluation.evaluate import Judged, judge
from leuknet.evaluation.pilot import Study
from leuknet.types import CellImage, Dataset, Evaluation, Label, SplitKind, TestSide


def pilot_evaluation(
    *,
    people: int = 40,
    between: float = 0.6,
    within: float = 0.9,
    alike: float = 1.0,
    kind: SplitKind = "subject-level",
    named: bool = True,
    study: Study | None = None,
) -> Evaluation:
    """People of 5 to 30 cells, normal and leukaemic in turn, at log odds of -1 and 1, or those of a study.

    `alike` below 1 makes a second model, whose errors have this correlation with those of the first.
    """
    generator = np.random.default_rng(7)
    whose = np.repeat(np.arange(people), generator.integers(5, 31, people))
    labels = whose % 2
    off, own = generator.normal(0, between, people), generator.normal(0, within, whose.size)
    if alike < 1:
        rest = np.sqrt(1 - alike**2)
        off = alike * off + rest * generator.normal(0, between, people)
        own = alike * own + rest * generator.normal(0, within, whose.size)
    odds = 2.0 * labels - 1 + off[whose] + own
    if study is not None:
        labels, whose, odds = study.labels, study.people, logit(study.stated[0])
    cells = tuple(
        CellImage(f"{number:06}", Path("x"), "", Label(int(label)), f"S{person}" if named else None)
        for number, (label, person) in enumerate(zip(labels, whose, strict=True))
    )
    dataset = Dataset("it", "1", "", "", Path(), cells)
    model = Judged("0" * 12, "leuknet-paper", int(alike < 1), 0.5, "half", None)
    side = TestSide(cells, kind, "f" * 64, "it")
    return judge(model, dataset, side, cells=cells, probabilities=expit(odds))
