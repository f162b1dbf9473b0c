"""Judges a trained model and leaves all that a report needs beside it.

    evaluation.json          scores with intervals, the probability of each cell, earlier looks
    judged.json              where the model lies, so that a report finds it
    baselines/<name>.json    the same for what should not work as well, see `leuknet.evaluation.baselines`
    overlap.json             the proof that the tested cells have nothing in common with the trained ones
    data.json                what the data set says of itself
    details.md               thresholds for a purpose, predictive values, calibration, people, subgroups
    galleries.json           where wanted: pictures of test cells with explanations, and their captions
    confusion, classified    the paper's figures 5 and 4
    subgroups                scores of small and large, pale and dark cells

Start at `assess`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from leuknet.data.overlap import HashedCell, find_overlap
from leuknet.data.unseen import own_test_side
from leuknet.data.verify import summarise_parts
from leuknet.evaluation.baselines import judge_baselines
from leuknet.evaluation.detail_tables import as_markdown, detail_tables
from leuknet.evaluation.details import Asked, details_of
from leuknet.evaluation.evaluate import evaluate, write_evaluation
from leuknet.evaluation.locate import note_model
from leuknet.evaluation.naming import model_name
from leuknet.evaluation.subgroups import traits_of
from leuknet.evaluation.transductive import vote
from leuknet.evaluation.validation_thresholds import thresholds_for
from leuknet.experiments.illustrate import draw_classified_cells
from leuknet.explain.galleries import draw_galleries, read_features
from leuknet.figures.confusion import draw_confusion
from leuknet.figures.frame import save_figure
from leuknet.figures.subgroups_plot import draw_subgroups
from leuknet.images.near_duplicates import same_cell_in
from leuknet.images.survey import Survey, cached_survey
from leuknet.inference.model_folder import FolderPredictor
from leuknet.records import write_record, write_whole
from leuknet.records.results_folder import begin_results, check_free
from leuknet.types import CellImage, DataCard, Dataset, Details, Evaluation, TestSide


def assess(
    predictor: FolderPredictor,
    dataset: Dataset,
    *,
    out: Path,
    side: TestSide | None = None,
    surveyed: Survey | None = None,
    neighbours: int = 0,
    asked: Asked | None = None,
    galleries: bool = False,
    name: str = "",
    overwrite: bool = False,
    progress: bool = False,
) -> Evaluation:
    """Score a model on cells that it was not trained on, and write everything about it to a folder.

    Parameters
    ----------
    predictor
        The model, as it was opened from its folder.
    dataset
        Where the tested cells lie. If the cells that trained the model lie there too, the baselines are
        fitted to these and scored beside it.
    out
        Folder to write, absent or empty.
    side
        The cells to test; None takes the test side of the model's own split.
    surveyed
        A survey of all these cells with their textures, where one is at hand; None reads the images.
    neighbours
        Where above 0, so many other tested cells vote on each; see `leuknet.evaluation.transductive`.
    asked
        Thresholds and prevalences beyond the usual ones.
    galleries
        Draw cells with explanations as well, which takes most of the time. Where PyTorch does not compute the
        model, they have no Grad-CAM maps, and say so.
    name
        What to call this evaluation in tables, legends and reports; empty takes the name on the model's card.
    overwrite
        Whether an earlier evaluation's folder is emptied first; see `leuknet.records.results_folder`.
    progress
        Show bars on standard error.

    Raises
    ------
    SettingError
        If the folder holds something.
    LeukNetError
        As `own_test_side`, `evaluate` and `thresholds_for` do.
    """
    check_free(out, overwrite=overwrite)
    asked = asked or Asked()
    manifest = predictor.manifest
    side = side or own_test_side(manifest, dataset)
    trained = {name: manifest.sides[name].hashed for name in ("train", "validation")}
    train_cells = _find_cells(dataset, [cell.sha256 for cell in trained["train"]])
    if surveyed is None:
        cells, textures = [*train_cells, *side.cells], bool(train_cells)
        surveyed = cached_survey(cells, dataset, textures=textures, progress=progress)
    tested = surveyed.take(side.cells)
    # Before the test side is looked at: cells without hashes are refused here.
    same = same_cell_in(dataset.cells, root=dataset.root, canvas_px=dataset.canvas_px)
    overlap = find_overlap({**trained, "test": _hashed(tested)}, same=same)
    thresholds = thresholds_for(predictor, dataset, asked=asked.targets, progress=progress)
    evaluation = evaluate(predictor, dataset, side, reference=predictor.reference, progress=progress)
    if neighbours:
        features = read_features(predictor, _scored_cells(evaluation, dataset), root=dataset.root)
        evaluation = vote(evaluation, features, dataset, side, neighbours=neighbours)
    traits = traits_of(tested, _scored_cells(evaluation, dataset))
    details = details_of(evaluation, thresholds=thresholds, prevalences=asked.prevalences, traits=traits)
    evaluation = replace(evaluation, details=details, name=name or evaluation.name)
    begin_results(out, overwrite=overwrite)
    if predictor.folder is not None:
        note_model(out, model=predictor.folder, model_id=predictor.model_id)
    write_record(overlap, out / "overlap.json")
    write_record(describe_data(dataset), out / "data.json")
    if train_cells:
        seed = predictor.card.recipe.seed
        found = judge_baselines(dataset, side, surveyed.take(train_cells), tested, seed=seed)
        for name, baseline in found.items():
            write_evaluation(baseline, out / "baselines" / f"{name}.json")
    _write_details(evaluation, details, out)
    save_figure(draw_confusion(evaluation, simulated=evaluation.simulated), out / "confusion")
    save_figure(draw_classified_cells(evaluation, dataset)[0], out / "classified")
    if galleries:
        write_record(draw_galleries(predictor, evaluation, dataset, out), out / "galleries.json")
    # Last, so that it stands for all the others.
    write_evaluation(evaluation, out / "evaluation.json")
    return evaluation


def _write_details(evaluation: Evaluation, details: Details, out: Path) -> None:
    """Leave what is not on the first screen as a page and a figure."""
    simulated = " (SIMULATED CELLS)" if evaluation.simulated else ""
    title = f"{model_name(evaluation)}: beyond the scores{simulated}"
    page = as_markdown(detail_tables(evaluation, details), title=title)
    write_whole(out / "details.md", page.encode())
    if details.subgroups:
        save_figure(draw_subgroups(evaluation, details.subgroups), out / "subgroups")


def _scored_cells(evaluation: Evaluation, dataset: Dataset) -> list[CellImage]:
    by_id = {cell.id: cell for cell in dataset.cells}
    return [by_id[name] for name in evaluation.paths]


def describe_data(dataset: Dataset) -> DataCard:
    """Return what a data set says of itself and what its reader noticed."""
    parts = summarise_parts(dataset.cells)
    said = {part.name: getattr(dataset, part.name) for part in fields(DataCard) if part.name != "parts"}
    return DataCard(parts=parts, **said)


def _find_cells(dataset: Dataset, contents: Sequence[str]) -> list[CellImage]:
    """Return the labelled cells of these contents; none at all if one of them is not in the data set."""
    by_content = {cell.sha256: cell for cell in dataset.cells if cell.label is not None}
    if any(content not in by_content for content in contents):
        return []
    return [by_content[content] for content in contents]


def _hashed(surveyed: Survey) -> list[HashedCell]:
    return [
        HashedCell(cell.id, cell.sha256, cell.subject, found)
        for cell, found in zip(surveyed.cells, surveyed.hashes, strict=True)
    ]
