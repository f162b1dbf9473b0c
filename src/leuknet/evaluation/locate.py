"""Finds the evaluation that a path means, and the model that an evaluation is of.

People name a run, its model, the folder of an evaluation or its file, and each means the same evaluation.
An evaluation may lie far from its model: `leuknet evaluate` leaves a note of where the model was
(`judged.json`), and whoever moves them apart names the model again.

Start at `open_evaluation`; `model_folder_of` finds the model.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leuknet.errors import DataError
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.inference.model_id import bears_id
from leuknet.records import read_record, write_record
from leuknet.types import Evaluation

EVALUATION = "evaluation.json"
JUDGED = "judged.json"


@dataclass(frozen=True)
class JudgedModel:
    """Where the model of an evaluation was when it was judged.

    Attributes
    ----------
    folder
        Its folder, as a path from that of the evaluation.
    model_id
        Its id.
    """

    folder: str
    model_id: str


def locate_evaluation(path: Path) -> Path:
    """Return the file of an evaluation, from it, its folder, the folder of its run or that of its model.

    Raises
    ------
    DataError
        If there is none.
    """
    is_model = (path / "model.json").is_file()
    run = path.absolute().parent if is_model else path
    for place in (path, path / EVALUATION, run / "evaluation" / EVALUATION):
        if place.is_file():
            return place
    model: Path | str = "RUN/model"
    why = f"it is no {EVALUATION}, and neither it nor a folder `evaluation` in it holds one"
    if is_model or (path / "model").is_dir():
        model = path if is_model else path / "model"
        why = f"its model has not been evaluated: there is neither {EVALUATION} nor evaluation/{EVALUATION}"
    command = shlex.join(["leuknet", "evaluate", str(model), "--data", "ROOT"])
    raise DataError(f"no evaluation in {path}", why=why, fix=command)


def open_evaluation(path: Path) -> Evaluation:
    """Read the evaluation that a path means: see `locate_evaluation`.

    Raises
    ------
    DataError
        If there is none, or it is damaged.
    """
    return read_evaluation(locate_evaluation(path))


def note_model(folder: Path, *, model: Path, model_id: str) -> None:
    """Write into the folder of an evaluation where its model lies."""
    way = os.path.relpath(model.resolve(), folder.resolve())
    write_record(JudgedModel(Path(way).as_posix(), model_id), folder / JUDGED)


def model_folder_of(judged: Path, evaluation: Evaluation, *, named: Sequence[Path] = ()) -> Path:
    """Return the folder of the model that an evaluation is of.

    Parameters
    ----------
    judged
        Folder of the evaluation.
    evaluation
        What lies in it.
    named
        Model folders that the user names; the one that was judged is taken.

    Returns
    -------
    Path
        One of those named, or the one beside the evaluation, or where the evaluation says that it was. A
        folder beside it is returned though it holds another model: whoever opens it says so.

    Raises
    ------
    DataError
        If none of these is there.
    """
    beside = judged.absolute().parent / "model"
    noted = judged / JUDGED
    then = None
    if noted.is_file():
        told = read_record(JudgedModel, noted, error=DataError, fix="evaluate the model again")
        then = judged / told.folder
    places = [*named, beside, *([] if then is None else [then])]
    for place in places:
        if bears_id(place, evaluation.model_id):
            return place
    if not named and (beside / "model.json").is_file():
        return beside
    where = " and ".join(str(place) for place in places)
    raise DataError(
        f"cannot find the model that {judged} is an evaluation of",
        why=f"model {evaluation.model_id} is not in {where}",
        fix="name its folder with --model, or evaluate it again",
    )
