"""Draws the figures that show cells of a data set: chooses them, reads their images, hands both to `figures`.

`leuknet.figures` draws what it is given and reads no file; here is what lies between it and the disk, once
for the command line and the experiment alike.

Start at `draw_sample_cells` (the paper's figure 2) and `draw_classified_cells` (figure 4).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from leuknet.data import read_pixels
from leuknet.figures.cells_plot import draw_classified, draw_samples
from leuknet.figures.examples import choose_examples, choose_samples
from leuknet.types import CellImage, Dataset, Evaluation, Pixels

N_CLASSIFIED = 12


def draw_sample_cells(cells: Sequence[CellImage], dataset: Dataset, *, seed: int) -> Figure:
    """Draw figure 2: labelled cells of both classes, drawn by chance, of as many subjects as there are."""
    samples = choose_samples(cells, seed=seed)
    return draw_samples(
        _read(samples, dataset),
        [int(cell.label) for cell in samples if cell.label is not None],
        titles=[f"subject {cell.subject or 'unknown'}" for cell in samples],
        class_names=dataset.class_names,
        simulated=dataset.simulated,
    )


def draw_classified_cells(evaluation: Evaluation, dataset: Dataset) -> tuple[Figure, str]:
    """Draw figure 4: scored cells with the class called and its probability; also return its caption."""
    labels = np.array(evaluation.labels, dtype=np.int64)
    probabilities = np.array(evaluation.probabilities)
    examples = choose_examples(labels, probabilities, evaluation.threshold, n=N_CLASSIFIED)
    caption = examples.caption(evaluation.class_names)
    by_id = {cell.id: cell for cell in dataset.cells}
    places = list(examples.places)
    figure = draw_classified(
        _read([by_id[evaluation.paths[place]] for place in places], dataset),
        labels[places],
        probabilities[places],
        threshold=evaluation.threshold,
        class_names=evaluation.class_names,
        caption=caption,
        simulated=evaluation.simulated,
    )
    return figure, caption


def _read(cells: Sequence[CellImage], dataset: Dataset) -> list[Pixels]:
    return [read_pixels(cell.path, root=dataset.root).pixels for cell in cells]
