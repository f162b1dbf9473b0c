"""Finds the thresholds for a purpose that go with a model: on its card, or from its validation cells.

A training leaves the usual ones on the model's card, so that they are known wherever the model goes. Others,
and those of a model that an earlier LeukNet trained, need the validation cells again.

Start at `thresholds_for`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
from tqdm import tqdm

from leuknet.errors import DataError
from leuknet.evaluation.operating_points import TARGETS, choose_thresholds
from leuknet.inference.model_folder import FolderPredictor
from leuknet.inference.predict import predict_files
from leuknet.types import CellImage, ChosenThreshold, Dataset, Purpose

Target = tuple[Purpose, float]
"""What is to be reached on the validation side, and how much of it: ("specificity", 0.97)."""


def thresholds_for(
    predictor: FolderPredictor, dataset: Dataset, *, asked: Sequence[Target] = (), progress: bool = False
) -> tuple[ChosenThreshold, ...]:
    """Return the thresholds of a model, and those that are asked for.

    Parameters
    ----------
    predictor
        The model.
    dataset
        Where its validation cells may lie; they are scored only if the card does not say enough.
    asked
        More than the usual ones.
    progress
        Draw a bar on standard error while validation cells are scored.

    Returns
    -------
    tuple of ChosenThreshold
        Sensitivities first, by ascending target. Without a card that names them, validation cells or anything
        asked for, none.

    Raises
    ------
    DataError
        If one is asked for that the card does not name, and a validation cell is not in the data set or
        cannot be read.
    SettingError
        If a target is not between 0 and 1.
    """
    calibration = predictor.card.calibration
    known = {} if calibration is None else {(one.purpose, one.target): one for one in calibration.thresholds}
    wanted: list[Target] = [target for target in asked if target not in known]
    if not known:
        wanted += [(purpose, target) for purpose in get_args(Purpose) for target in TARGETS]
    cells = _validation_cells(predictor, dataset) if wanted else []
    if cells:
        labels = np.array([cell.label for cell in cells], dtype=np.int64)
        stated = _score(predictor, cells, dataset, progress=progress)
        for purpose, target in wanted:
            for one in choose_thresholds(labels, stated, targets=[target], purposes=[purpose]):
                known[purpose, target] = one
    elif wanted and asked:
        others = ", ".join(f"{100 * target:g}%" for target in sorted({target for _, target in known}))
        raise DataError(
            "cannot choose the threshold that is asked for",
            why=f"the model's card does not name it, and its validation cells are not in {dataset.name}",
            fix="name the data set that it was trained on with --data"
            + (f", or ask for one of {others}" if others else ""),
        )
    return tuple(known[place] for place in sorted(known))


def _validation_cells(predictor: FolderPredictor, dataset: Dataset) -> list[CellImage]:
    """Return them by content; none at all if one is not in the data set."""
    by_content = {cell.sha256: cell for cell in dataset.cells if cell.label is not None}
    contents = [cell.sha256 for cell in predictor.manifest.sides["validation"].hashed]
    return [by_content[one] for one in contents] if all(one in by_content for one in contents) else []


def _score(
    predictor: FolderPredictor, cells: Sequence[CellImage], dataset: Dataset, *, progress: bool
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    scored = predict_files(predictor, [cell.path for cell in cells], root=dataset.root)
    bar = tqdm(scored, total=len(cells), desc="score validation", unit="cell", disable=not progress)
    stated = [said.probability for said in bar]
    unread = [cell.id for cell, said in zip(cells, stated, strict=True) if said is None]
    if unread:
        raise DataError(
            "cannot choose thresholds on the validation side",
            why=f"{len(unread)} of its cells cannot be read, the first is {unread[0]}",
            fix="run `leuknet data verify` on the data",
        )
    return np.array(stated, dtype=np.float64)
