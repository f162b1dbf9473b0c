"""Reads what a run left on disk: its model, how it was judged, and what stands beside that.

    RUN/model/         model.json, split.json
    RUN/evaluation/    evaluation.json; where they were made: baselines/, overlap.json, data.json,
                       galleries.json with their pictures, confusion.png, classified.png
    RUN/history.csv    where it was kept

An evaluation may also lie elsewhere: it says where its model was, or the user does.

Files are not trusted: each is read strictly, and a record that tells of another model is refused. What may
be missing is None, and the report says so in words.

Start at `read_runs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from leuknet.data.split_file import Manifest, read_manifest
from leuknet.errors import DataError, SettingError
from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.locate import locate_evaluation, model_folder_of
from leuknet.evaluation.naming import model_name, short_part
from leuknet.inference.model_folder import SPLIT, WEIGHTS, open_card
from leuknet.inference.model_id import bears_id
from leuknet.records import read_record
from leuknet.records.history import FILE_NAME as HISTORY
from leuknet.records.history import read_history
from leuknet.types import DataCard, Evaluation, Galleries, Gallery, HistoryRow, ModelCard, Overlap

PICTURES = ("confusion", "classified")
"""Figures that `leuknet evaluate` leaves beside the scores."""

Record = TypeVar("Record")


@dataclass(frozen=True)
class RunRecord:
    """One trained model and how it was judged.

    Attributes
    ----------
    name
        What the report calls it; no two runs of a report share one.
    folder
        The run folder.
    card, manifest, evaluation
        The model, the split that trained it, and its scores.
    baselines
        By name; empty where the training cells were not at hand.
    pictures
        Name in `PICTURES` to file, for those that are there.
    """

    name: str
    folder: Path
    card: ModelCard
    manifest: Manifest
    evaluation: Evaluation
    overlap: Overlap | None
    data: DataCard | None
    baselines: Mapping[str, Evaluation]
    galleries: tuple[tuple[Gallery, Path], ...] | None
    pictures: Mapping[str, Path]
    history: tuple[HistoryRow, ...] | None


def read_runs(folders: Sequence[Path], *, models: Sequence[Path] = ()) -> tuple[RunRecord, ...]:
    """Read runs, in the order given, and give each a name of its own.

    `models` are those of evaluations that have been moved away from theirs.

    Raises
    ------
    SettingError
        If a folder is named twice, or simulated and real cells come together.
    LeukNetError
        As `read_run`.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise SettingError(
            "cannot report on a run twice", why="a folder is named twice", fix="name each once"
        )
    runs = [read_run(folder, models=models) for folder in folders]
    if len({run.evaluation.simulated for run in runs}) > 1:
        raise SettingError(
            "cannot put simulated and real cells into one report",
            why="some of these runs were tested on simulated cells, some on real ones",
            fix="make a report of each kind",
        )
    return tuple(replace(run, name=_unique_name(run, runs)) for run in runs)


def read_run(folder: Path, *, models: Sequence[Path] = ()) -> RunRecord:
    """Read one run.

    Parameters
    ----------
    folder
        The run folder, that of its model, or any to which `leuknet evaluate --out` wrote.
    models
        Model folders to look in first.

    Raises
    ------
    DataError
        If the model was not evaluated or is not found, or a file is damaged or tells of another model.
    ModelError, SplitError
        If the model folder is missing or damaged.
    """
    file = locate_evaluation(folder)
    judged, evaluation = file.parent, read_evaluation(file)
    model = model_folder_of(judged, evaluation, named=models)
    run = model.parent
    card = open_card(model)
    manifest = read_manifest(model / SPLIT)
    _check_model(card, evaluation, model)
    return RunRecord(
        name=_name(evaluation),
        folder=run,
        card=card,
        manifest=manifest,
        evaluation=evaluation,
        overlap=_optional(Overlap, judged / "overlap.json"),
        data=_optional(DataCard, judged / "data.json"),
        baselines=_baselines(judged / "baselines", evaluation),
        galleries=_galleries(judged),
        pictures={name: judged / f"{name}.png" for name in PICTURES if (judged / f"{name}.png").is_file()},
        history=read_history(run) if (run / HISTORY).exists() else None,
    )


def _check_model(card: ModelCard, evaluation: Evaluation, folder: Path) -> None:
    told = (evaluation.recipe, evaluation.seed, evaluation.class_names)
    why = ""
    if told != (card.recipe.name, card.recipe.seed, card.class_names):
        why = f"it tells of {evaluation.recipe} with seed {evaluation.seed}"
    if (folder / WEIGHTS).is_file() and not bears_id(folder, evaluation.model_id):
        why = f"it tells of model {evaluation.model_id}, and the folder holds another"
    if why:
        raise DataError(
            f"the evaluation beside {folder} is not of this model",
            why=why,
            fix=f"leuknet evaluate {folder} --data ROOT",
        )


def _optional(kind: type[Record], path: Path) -> Record | None:
    if not path.is_file():
        return None
    return read_record(kind, path, error=DataError, fix="evaluate the model again")


def _baselines(folder: Path, evaluation: Evaluation) -> dict[str, Evaluation]:
    found = {path.stem: read_evaluation(path) for path in sorted(folder.glob("*.json"))}
    for name, baseline in found.items():
        if set(baseline.paths) != set(evaluation.paths):
            raise DataError(
                f"cannot compare with the baseline {name}",
                why=f"{folder / name}.json scored other cells than the model",
                fix="evaluate the model again",
            )
    return found


def _galleries(folder: Path) -> tuple[tuple[Gallery, Path], ...] | None:
    found = _optional(Galleries, folder / "galleries.json")
    if found is None:
        return None
    for gallery in found.galleries:
        # A record names files beside it; anything else could put a file from elsewhere into the page.
        if Path(gallery.file).name != gallery.file or not gallery.alt:
            raise DataError(
                "cannot show a gallery",
                why=f"{folder / 'galleries.json'} names {gallery.file!r}, or gives no alternative text",
                fix="evaluate the model again",
            )
    return tuple((gallery, folder / gallery.file) for gallery in found.galleries)


def _name(evaluation: Evaluation) -> str:
    if evaluation.name:
        return ", ".join(filter(None, (evaluation.name, evaluation.round)))
    tested = f", {evaluation.round}" if evaluation.round else ""
    return f"{model_name(evaluation, with_seed=False)} (seed {evaluation.seed}{tested})"


def _unique_name(run: RunRecord, runs: Sequence[RunRecord]) -> str:
    """Add the part, the model or the folder to a name that other runs have too."""
    alike = [other.evaluation for other in runs if other.name == run.name]
    if len(alike) == 1:
        return run.name
    for tell in (lambda evaluation: short_part(evaluation.part), lambda evaluation: evaluation.model_id):
        if len({tell(evaluation) for evaluation in alike}) == len(alike):
            return f"{run.name}, {tell(run.evaluation)}"
    return f"{run.name}, {run.evaluation.model_id}, number {runs.index(run) + 1}"
