"""The one protocol: a model and cells it was not trained on give an `Evaluation`.

It scores anything that is a `Predictor`, so it cannot favour one. Each score comes with an interval that
fits what was tested: cells of one person look alike, so where whole subjects were held out, subjects are left
out in turn; where they were not, the interval takes cells as independent and the split's name says that the
score is optimistic. Of too few people there is none.

Start at `evaluate`, then `judge`, which takes answers from anywhere; `write_evaluation` and
`read_evaluation` keep the result as JSON, `leuknet.evaluation.summary` says it in words. Whether the cells
took part in training is checked where the split is known, not here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from leuknet.errors import DataError, SettingError
from leuknet.evaluation.looks import NOT_LOOKED, Looked, record_look
from leuknet.evaluation.metrics import METRICS, metric_intervals
from leuknet.evaluation.resampling import clusters_for, wilson
from leuknet.evaluation.scorable import both_names, check_classes, check_labels, check_scored
from leuknet.evaluation.searches import seen_by_search
from leuknet.inference.familiar import Reference
from leuknet.inference.predict import predict_files
from leuknet.records import read_record, write_record
from leuknet.types import (
    Calibration,
    CellImage,
    Dataset,
    Evaluation,
    Interval,
    Labels,
    Predictor,
    Probabilities,
    Searched,
    SplitKind,
    TestSide,
    ThresholdRule,
)


@dataclass(frozen=True)
class Judged:
    """Whose answers are judged; fields as in `Evaluation`."""

    model_id: str
    recipe: str
    seed: int
    threshold: float
    threshold_rule: ThresholdRule
    calibration: Calibration | None
    searched: Searched | None = None
    name: str = ""


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    side: TestSide,
    *,
    reference: Reference | None = None,
    progress: bool = False,
) -> Evaluation:
    """Score labelled cells and compare the calls with the labels.

    The look at the cells is written into the ledger first; see `leuknet.evaluation.looks`.

    Parameters
    ----------
    predictor
        The model; its own threshold is used.
    dataset
        Where the cells come from; its class names must be the model's.
    side
        Labelled cells of both classes, in any order, and how they were kept apart from training. They are
        read a few at a time.
    reference
        What the model's training cells look like: cells that depart from it are noted in `warned`.
    progress
        Show a bar with the time left on standard error.

    Returns
    -------
    Evaluation
        `paths` are the ids of the scored cells, that is, their paths below the data set's root. Cells
        that cannot be read are in `unreadable` and in no number.

    Raises
    ------
    DataError
        If a cell has no label, none can be read, those that can are of one class, or the ledger of looks
        cannot be written.
    SettingError
        If model and data set do not name their classes alike.
    """
    card = predictor.card
    if card.class_names != dataset.class_names:
        raise SettingError(
            f"cannot test this model on {dataset.name}",
            why=f"the model tells {both_names(card.class_names)} apart, "
            f"the data are {both_names(dataset.class_names)}",
            fix="use data of the same two classes, named in the same order",
        )
    check_labels(side.cells)
    model = Judged(
        model_id=predictor.model_id,
        recipe=card.recipe.name,
        seed=card.recipe.seed,
        threshold=card.threshold,
        threshold_rule=card.recipe.threshold,
        calibration=card.calibration,
        searched=card.searched,
        name=card.name,
    )
    looked = record_look(side.cells, recipe=model.recipe, seed=model.seed, model_id=model.model_id)
    paths = (cell.path for cell in side.cells)
    predictions = predict_files(predictor, paths, root=dataset.root, reference=reference)
    bar = tqdm(side.cells, desc="score", unit="cell", disable=not progress)
    outcomes = list(zip(bar, predictions, strict=True))
    scored = [(cell, said.probability) for cell, said in outcomes if said.probability is not None]
    return judge(
        model,
        dataset,
        side,
        cells=[cell for cell, _ in scored],
        probabilities=np.array([probability for _, probability in scored]),
        unreadable=tuple((cell.id, said.error) for cell, said in outcomes if said.error is not None),
        warned=tuple((cell.id, "; ".join(said.warnings)) for cell, said in outcomes if said.warnings),
        looked=looked,
    )


def judge(
    model: Judged,
    dataset: Dataset,
    side: TestSide,
    *,
    cells: Sequence[CellImage],
    probabilities: Probabilities,
    unreadable: tuple[tuple[str, str], ...] = (),
    warned: tuple[tuple[str, str], ...] = (),
    looked: Looked = NOT_LOOKED,
) -> Evaluation:
    """Compare answers with the labels, whoever gave them.

    Parameters
    ----------
    model
        The model or baseline.
    dataset, side
        Where the cells come from, and how they were kept apart from training. For `subject-level` and
        `external`, where every scored cell has a subject, all intervals leave subjects out, and there is none
        where fewer than `MIN_SUBJECTS` have a part. Otherwise accuracy, sensitivity and specificity have
        Wilson intervals, and the others leave cells out, but for those over subjects: see `Interval.method`.
    cells
        The scored cells, all labelled and of both classes.
    probabilities : (N,)
        P(leukaemic) of each.
    unreadable, warned
        As in `Evaluation`.
    looked
        What the ledger knows of the cells.

    Raises
    ------
    DataError
        If there are no cells, or they are of one class.
    """
    check_scored(len(cells), unreadable)
    labels = np.array([cell.label for cell in cells], dtype=np.int64)
    check_classes(labels, dataset.class_names)
    subjects = _subjects(cells)
    return Evaluation(
        model_id=model.model_id,
        recipe=model.recipe,
        seed=model.seed,
        dataset=dataset.name,
        part=side.part,
        protocol=side.protocol,
        round=side.round,
        simulated=dataset.simulated,
        split_kind=side.kind,
        split_fingerprint=side.fingerprint,
        class_names=dataset.class_names,
        threshold=model.threshold,
        threshold_rule=model.threshold_rule,
        calibration=model.calibration,
        cells=len(cells),
        subjects=None if subjects is None else len(set(subjects)),
        metrics=_intervals(
            labels,
            probabilities,
            threshold=model.threshold,
            subjects=subjects,
            split_kind=side.kind,
        ),
        confusion=_confusion(labels, probabilities, model.threshold),
        paths=tuple(cell.id for cell in cells),
        labels=tuple(labels.tolist()),
        probabilities=tuple(probabilities.tolist()),
        subject_ids=tuple(cell.subject for cell in cells),
        unreadable=unreadable,
        warned=warned,
        trained_people=side.trained_people,
        settings_chosen_on=seen_by_search(model.searched, cells),
        name=model.name,
        **looked._asdict(),
    )


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write the evaluation as JSON, whole or not at all, with the schema's and LeukNet's version.

    The file holds no NaN: one in the evaluation is a ValueError, and nothing is written.
    """
    write_record(evaluation, path)


def read_evaluation(path: Path) -> Evaluation:
    """Read what `write_evaluation` wrote; a DataError names the field that is amiss."""
    return read_record(Evaluation, path, error=DataError, fix="evaluate the model again")


def _intervals(
    labels: Labels,
    probabilities: Probabilities,
    *,
    threshold: float,
    subjects: list[str] | None,
    split_kind: SplitKind,
) -> Mapping[str, Interval]:
    """Return each metric with the interval that `evaluate` promises for this kind of split."""
    held_out = clusters_for(split_kind, subjects or [None])
    if held_out is not None:
        return metric_intervals(labels, probabilities, threshold=threshold, clusters=held_out)
    (right_normal, missed_normal), (missed_leukaemic, right_leukaemic) = _confusion(
        labels, probabilities, threshold
    )
    found = {
        "accuracy": wilson(right_normal + right_leukaemic, labels.size),
        "sensitivity": wilson(right_leukaemic, right_leukaemic + missed_leukaemic),
        "specificity": wilson(right_normal, right_normal + missed_normal),
    }
    for unit, clusters in (("cell", None), ("subject", None if subjects is None else np.array(subjects))):
        names = [name for name, metric in METRICS.items() if metric.unit == unit and name not in found]
        if unit == "cell" or clusters is not None:
            found |= metric_intervals(
                labels, probabilities, threshold=threshold, metrics=names, clusters=clusters
            )
    return {
        name: replace(found[name], subjects=_count(name, labels, subjects))
        for name in METRICS
        if name in found
    }


def _count(metric: str, labels: Labels, subjects: list[str] | None) -> int | None:
    """Return the number of subjects that a metric rests on, None where they are not known."""
    if subjects is None:
        return None
    return len(set(np.array(subjects)[METRICS[metric].rests_on_cells(labels)]))


def _confusion(
    labels: Labels, probabilities: Probabilities, threshold: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    counts = np.bincount(2 * labels + (probabilities >= threshold), minlength=4).tolist()
    return (counts[0], counts[1]), (counts[2], counts[3])


def _subjects(cells: Sequence[CellImage]) -> list[str] | None:
    """Return the subject of each cell, or None if one is not known."""
    subjects = [cell.subject for cell in cells if cell.subject is not None]
    return subjects if len(subjects) == len(cells) else None
