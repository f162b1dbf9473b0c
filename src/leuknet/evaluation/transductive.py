"""Lets tested cells vote on each other's class: a score for a whole set, not for a single cell.

Cells of one person lie close together in a network's features, so that the mean over a cell's neighbours
among the *tested* cells is often nearer to the truth than the cell's own probability. The winners of the
C-NMC challenge owe it four points of weighted F1. But such a score depends on which other cells happen to
be tested, and says nothing of a cell that comes alone. It is therefore never the default, and every
evaluation, table and report says `transductive`.

Start at `vote`.

References
----------
Pan, Liu, Xia & Shen (2019), "Neighborhood-correction algorithm for classification of normal and malignant
cells", ISBI C-NMC challenge, Springer.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.neighbors import NearestNeighbors

from leuknet.errors import SettingError
from leuknet.evaluation.evaluate import Judged, judge
from leuknet.evaluation.looks import Looked
from leuknet.types import Dataset, Evaluation, Features, Probabilities, TestSide

MARK = "transductive"
"""Word in the name of every recipe whose tested cells have voted."""


def vote(
    evaluation: Evaluation, features: Features, dataset: Dataset, side: TestSide, *, neighbours: int
) -> Evaluation:
    """Judge again what a model says, after each tested cell took the mean of its neighbours.

    Parameters
    ----------
    evaluation
        Of a model by itself.
    features : (N, F)
        Of its cells, in their order.
    dataset, side
        As it was judged with.
    neighbours
        Number of the nearest other tested cells that vote; at least 1 and less than N.

    Returns
    -------
    Evaluation
        `neighbours` set, and `transductive` in the name of the recipe.

    Raises
    ------
    SettingError
        If there are not so many neighbours.
    """
    if not 1 <= neighbours < evaluation.cells:
        raise SettingError(
            "cells cannot vote",
            why=f"{neighbours} neighbours of {evaluation.cells} tested cells",
            fix="name at least 1, and fewer than there are cells",
        )
    by_id = {cell.id: cell for cell in dataset.cells}
    judged = judge(
        Judged(
            model_id=evaluation.model_id,
            recipe=f"{evaluation.recipe} + vote of {neighbours} ({MARK})",
            seed=evaluation.seed,
            threshold=evaluation.threshold,
            threshold_rule=evaluation.threshold_rule,
            calibration=evaluation.calibration,
            name=f"{evaluation.name} + vote of {neighbours}" if evaluation.name else "",
        ),
        dataset,
        side,
        cells=[by_id[name] for name in evaluation.paths],
        probabilities=mean_of_neighbours(np.array(evaluation.probabilities), features, neighbours=neighbours),
        unreadable=evaluation.unreadable,
        warned=evaluation.warned,
        looked=Looked(evaluation.looks, evaluation.seen, evaluation.unresolved_looks),
    )
    return replace(judged, neighbours=neighbours, settings_chosen_on=evaluation.settings_chosen_on)


def mean_of_neighbours(probabilities: Probabilities, features: Features, *, neighbours: int) -> Probabilities:
    """Return the mean probability of each cell and its nearest neighbours by the angle between features.

    Parameters
    ----------
    probabilities : (N,)
        P(leukaemic).
    features : (N, F)
        Of the same cells.
    neighbours
        Below N.

    Examples
    --------
    >>> features = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]], dtype=np.float32)
    >>> mean_of_neighbours(np.array([1.0, 0.5, 0.0, 0.25]), features, neighbours=1).tolist()
    [0.75, 0.75, 0.125, 0.125]
    """
    found = NearestNeighbors(n_neighbors=neighbours, metric="cosine").fit(features)
    own = np.arange(len(probabilities))[:, None]
    places = np.hstack([own, found.kneighbors(return_distance=False)])
    return np.asarray(probabilities[places].mean(axis=1))
