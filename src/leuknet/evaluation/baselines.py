"""What should not work as well as it does: scores made without looking at what makes a cell leukaemic.

A network must be compared with what is left once its pictures are thrown away. Leukaemic cells are larger,
so that area alone tells most of C-NMC apart. Stain and camera say nothing about a new person's disease, but
they name the slide, and through it the person: whatever remembers colours or pictures scores well as soon as
one person's cells sit on both sides of a split. A network that is no better than these has not been shown to
know more than they do.

Start at `BASELINES`, then `score_baselines`; `judge_baselines` makes an `Evaluation` of each. To add one,
write a function like `_area` and give it a line in `BASELINES`. Nothing here reads a file or needs PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from leuknet.errors import DataError
from leuknet.evaluation.evaluate import Judged, judge
from leuknet.images.measures import Measures
from leuknet.images.survey import Survey
from leuknet.types import CellImage, Dataset, Evaluation, Labels, Probabilities, TestSide

PREFIX = "baseline: "
"""Begins the `model_id` and the recipe of a baseline's `Evaluation`."""

NEIGHBOURS = 5
"""Enough for a probability that is not only 0 or 1, few enough to stay among the cells of one person. With 1,
9, 15 or 25, AUROC of `colour` by image is lower on simulated cells."""

Baseline = Callable[[Survey, Labels, Survey], Probabilities]
"""Takes training cells, their labels, and the cells to score. The former are of both classes."""


def score_baselines(
    train: Survey, test: Survey, *, names: Sequence[str] = ("area", "colour", "nearest", "texture")
) -> dict[str, Probabilities]:
    """Fit each baseline on some cells and score others.

    Both classes count alike, however many training cells each has, so that 0.5 lies half-way between them.

    Parameters
    ----------
    train
        Labelled cells of both classes, at least `NEIGHBOURS`.
    test
        At least one cell; labels are not looked at.
    names
        Keys of `BASELINES`.

    Returns
    -------
    dict of str to (N,) float64
        P(leukaemic) of each test cell, by name.

    Raises
    ------
    DataError
        If there are too few training cells, one has no label, or all are of one class; if `texture` is
        asked for and the surveys do not describe textures.
    """
    labels = _labels(train.cells)
    return {name: BASELINES[name](train, labels, test) for name in names}


def judge_baselines(
    dataset: Dataset, side: TestSide, train: Survey, test: Survey, *, seed: int
) -> dict[str, Evaluation]:
    """Fit each baseline and judge it by the protocol that judges a model.

    Parameters
    ----------
    dataset, side
        As for `leuknet.evaluation.evaluate.judge`; `side` holds the cells of `test`.
    train, test
        As for `score_baselines`; test cells that could not be read count as `unreadable`.
    seed
        Of the split, for the record: fitting draws nothing.

    Raises
    ------
    DataError
        As `score_baselines` and `leuknet.evaluation.evaluate.judge`.
    """
    return {
        name: judge(
            Judged(
                PREFIX + name,
                PREFIX + name,
                seed=seed,
                threshold=0.5,
                threshold_rule="half",
                calibration=None,
            ),
            dataset,
            side,
            cells=test.cells,
            probabilities=probabilities,
            unreadable=tuple((cell.id, error.why) for cell, error in test.unreadable),
        )
        for name, probabilities in score_baselines(train, test).items()
    }


def _area(train: Survey, labels: Labels, test: Survey) -> Probabilities:
    """Logistic regression on one number: how many pixels the cell has."""
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
    model.fit(_columns(train, "area_px"), labels)
    probabilities: Probabilities = model.predict_proba(_columns(test, "area_px"))[:, 1]
    return probabilities


def _colour(train: Survey, labels: Labels, test: Survey) -> Probabilities:
    """Share of leukaemic cells among those of the nearest mean colour: three numbers, each standardised.

    Neighbours, because they show what remembering a slide is worth. On simulated cells of 73 people, where
    mean colour hardly bears on the class, their AUROC by image is 0.90; a logistic regression, which cannot
    remember one slide among many, gets 0.60, and would leave the leak unseen.
    """
    channels = ("red", "green", "blue")
    scale = StandardScaler().fit(_columns(train, *channels))
    return _vote(
        scale.transform(_columns(train, *channels)), labels, scale.transform(_columns(test, *channels))
    )


def _nearest(train: Survey, labels: Labels, test: Survey) -> Probabilities:
    """Share of leukaemic cells among those whose thumbnails differ least, pixel by pixel."""
    return _vote(_flat(train), labels, _flat(test))


def _texture(train: Survey, labels: Labels, test: Survey) -> Probabilities:
    """Boosted trees on all that was measured of a cell: size, colour, shape and texture.

    What published classifiers of leukaemic cells did before networks. Settings are scikit-learn's own, but
    for leaves of five cells, so that small data sets have trees at all.
    """
    model = HistGradientBoostingClassifier(class_weight="balanced", min_samples_leaf=5, random_state=0)
    model.fit(_all_features(train), labels)
    probabilities: Probabilities = model.predict_proba(_all_features(test))[:, 1]
    return probabilities


BASELINES: dict[str, Baseline] = {
    "area": _area,
    "colour": _colour,
    "nearest": _nearest,
    "texture": _texture,
}
"""Each baseline by name, in the order in which reports show them."""


def _vote(train: NDArray[np.float64], labels: Labels, test: NDArray[np.float64]) -> Probabilities:
    """Return each test cell's share of leukaemic neighbours; votes count by the rarity of their class."""
    model = KNeighborsClassifier(NEIGHBOURS).fit(train, labels)
    votes = model.predict_proba(test) / np.bincount(labels)
    shares: Probabilities = votes[:, 1] / votes.sum(axis=1)
    return shares


def _columns(survey: Survey, *names: str) -> NDArray[np.float64]:
    return survey.measures[:, [Measures._fields.index(name) for name in names]]


def _all_features(survey: Survey) -> NDArray[np.float64]:
    if survey.textures is None:
        raise DataError(
            "cannot fit the baseline 'texture'",
            why="the survey does not describe textures",
            fix="make it with textures=True",
        )
    return np.hstack([survey.measures, survey.textures])


def _flat(survey: Survey) -> NDArray[np.float64]:
    return survey.thumbnails.reshape(len(survey.cells), -1).astype(np.float64)


def _labels(cells: Sequence[CellImage]) -> Labels:
    known = [int(cell.label) for cell in cells if cell.label is not None]
    if len(known) < max(len(cells), NEIGHBOURS) or len(set(known)) < 2:
        raise DataError(
            "cannot fit the baselines",
            why=f"of {len(cells)} training cells, {known.count(1)} are leukaemic, {known.count(0)} normal "
            f"and {len(cells) - len(known)} without a label",
            fix=f"give labelled cells of both classes, {NEIGHBOURS} or more together",
        )
    return np.array(known, dtype=np.int64)
