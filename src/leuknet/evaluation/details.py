"""What reviewers ask for beyond the metrics, of one evaluation, in one call.

Start at `details_of`. `leuknet.evaluation.detail_tables` puts it into words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from leuknet.evaluation.curves import arrays_of
from leuknet.evaluation.operating_points import PREVALENCES, operating_point
from leuknet.evaluation.people_scores import people_scores
from leuknet.evaluation.resampling import Clusters
from leuknet.evaluation.subgroups import Trait, subgroups
from leuknet.evaluation.validation_thresholds import Target
from leuknet.evaluation.weak_calibration import weak_calibration
from leuknet.types import ChosenThreshold, Details, Evaluation


@dataclass(frozen=True)
class Asked:
    """What a reader wants to know beyond the usual.

    Attributes
    ----------
    targets
        More sensitivities and specificities for which thresholds are chosen on the validation side.
    prevalences
        Shares of leukaemic cells for which predictive values are stated, in (0, 1).
    """

    targets: tuple[Target, ...] = ()
    prevalences: tuple[float, ...] = PREVALENCES


def details_of(
    evaluation: Evaluation,
    *,
    thresholds: Sequence[ChosenThreshold] | None = None,
    prevalences: Sequence[float] = PREVALENCES,
    traits: Sequence[Trait] = (),
) -> Details:
    """Return operating points, predictive values, weak calibration, people and subgroups of an evaluation.

    Parameters
    ----------
    evaluation
        Of any model.
    thresholds
        That were chosen without the tested cells; None takes those of the model's calibration. They do not
        fit probabilities that other tested cells had a part in (`evaluation.neighbours`), and are then left
        out.
    prevalences
        Shares of leukaemic cells for which predictive values are stated, in (0, 1).
    traits
        What is known of the tested cells, in the order of `evaluation.paths`; see
        `leuknet.evaluation.subgroups.traits_of`. Without any there are no subgroups.

    Returns
    -------
    Details
        Where whole subjects were kept apart from training and are all known, intervals leave out one at a
        time, and there is none of fewer than `MIN_SUBJECTS`; else cells are taken as independent.

    Raises
    ------
    SettingError
        If a prevalence is not between 0 and 1.
    ShapeError
        If traits do not fit the cells.
    """
    labels, probabilities = arrays_of(evaluation)
    names = None if None in evaluation.subject_ids else np.array(evaluation.subject_ids)
    clusters: Clusters = None if evaluation.split_kind == "image-level" else names
    if thresholds is None:
        thresholds = () if evaluation.calibration is None else evaluation.calibration.thresholds
    chosen = () if evaluation.neighbours else thresholds
    points = [
        operating_point(
            labels,
            probabilities,
            evaluation.threshold if one is None else one.threshold,
            clusters,
            chosen=one,
            prevalences=prevalences,
        )
        for one in (None, *chosen)
    ]
    return Details(
        operating_points=tuple(points),
        calibration=weak_calibration(labels, probabilities, clusters),
        people=None if names is None else people_scores(labels, probabilities, names),
        subgroups=subgroups(
            labels,
            probabilities,
            evaluation.threshold,
            traits,
            names,
            clusters=clusters,
            class_names=evaluation.class_names,
        ),
    )
