"""Draws the figures of the reproduction page: the paper's five from one run, and the training curve.

Start at `draw_figures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from leuknet.evaluation.summary import limits_text
from leuknet.experiments.illustrate import draw_classified_cells, draw_sample_cells
from leuknet.experiments.paper_content import FigureFile
from leuknet.figures.confusion import draw_confusion
from leuknet.figures.frame import save_figure
from leuknet.figures.framework import draw_framework
from leuknet.figures.history_plot import draw_history
from leuknet.figures.network import draw_network
from leuknet.networks import layer_table
from leuknet.training.train import TrainedRun
from leuknet.types import Dataset, Evaluation, Recipe


def draw_figures(
    dataset: Dataset, run: TrainedRun, evaluation: Evaluation, *, recipe: Recipe, folder: Path
) -> Mapping[str, FigureFile]:
    """Draw and save all figures; keys are those that the page expects."""
    drawn = {**_figures_before(dataset, run, recipe), **_figures_after(dataset, run, evaluation, recipe)}
    folder.mkdir(exist_ok=True)
    return {
        name: FigureFile(save_figure(figure, folder / name)[0], caption, alt)
        for name, (figure, caption, alt) in drawn.items()
    }


def _figures_before(dataset: Dataset, run: TrainedRun, recipe: Recipe) -> dict[str, tuple[Figure, str, str]]:
    """Return figures of data and network, each with caption and alternative text."""
    rows = layer_table(recipe.network, recipe.image_size_px, recipe.network_options)
    negative, positive = dataset.class_names
    return {
        "framework": (
            draw_framework(dataset, run.split, recipe, n_layers=len(rows), simulated=dataset.simulated),
            "The way from images to a score, with the counts of this run.",
            f"Boxes and arrows: images of {dataset.name}, balancing by random deletion, resizing, the split "
            f"into {len(run.split.train)}, {len(run.split.validation)} and {len(run.split.test)} cells, "
            "training, test, class with probability.",
        ),
        "samples": (
            draw_sample_cells(run.split.cells, dataset, seed=recipe.seed),
            f"Cells that were used, drawn at random (seed {recipe.seed}), one of each of several subjects.",
            f"Two rows of stained cells on black: {positive} above, {negative} below.",
        ),
        "network": (
            draw_network(rows, simulated=dataset.simulated),
            f"The network: {len(rows)} layers, {sum(row.parameters for row in rows):,} parameters, "
            f"{sum(row.gflop for row in rows):.2f} GFLOP forward for one image.",
            "Blocks from left to right: " + ", ".join(f"{row.name} ({row.kind})" for row in rows) + ".",
        ),
    }


def _figures_after(
    dataset: Dataset, run: TrainedRun, evaluation: Evaluation, recipe: Recipe
) -> dict[str, tuple[Figure, str, str]]:
    """Return figures of the training and its result, each with caption and alternative text."""
    classified, how_chosen = draw_classified_cells(evaluation, dataset)
    negative, positive = evaluation.class_names
    accuracy = evaluation.metrics["accuracy"]
    (right_negative, _), (_, right_positive) = evaluation.confusion
    return {
        "classified": (
            classified,
            how_chosen,
            "Test cells, each with the class called, its probability, and a mark for right or wrong.",
        ),
        "confusion": (
            draw_confusion(evaluation, simulated=dataset.simulated),
            "True against called class on the test side.",
            f"Confusion chart of {evaluation.cells} test cells: {right_positive} {positive} and "
            f"{right_negative} {negative} called right; accuracy {accuracy.estimate:.1%} "
            f"({limits_text(accuracy, '.1%')}).",
        ),
        "history": (
            draw_history(run.history, simulated=dataset.simulated),
            f"Accuracy and loss over {len(run.history)} iterations; validated every "
            f"{recipe.validate_every} iterations.",
            "Curves over iterations, accuracy above and loss below, for mini-batches and validation.",
        ),
    }
