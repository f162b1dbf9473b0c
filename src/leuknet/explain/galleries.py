"""Draws cells with maps of what a network saw in them: galleries of an evaluation, and sheets of any files.

`figures/gallery_plot.py` chooses and draws, `methods.py` lists the maps; here is what reads the images and
brings them together. Maps are computed on the network's input and drawn over the image at full size. Without
PyTorch the maps that need it are left out, and captions say so.

Start at `draw_galleries` or `draw_sheet`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from leuknet.explain.methods import Method, methods_for
from leuknet.explain.occlusion import Maps
from leuknet.figures.frame import save_figure
from leuknet.figures.gallery_plot import (
    Choice,
    choose_certain_wrong,
    choose_typical,
    choose_uncertain,
    describe_calls,
    draw_gallery,
)
from leuknet.images.reading import read_pixels
from leuknet.images.transform import load_inputs, place, prepare
from leuknet.inference.model_folder import FolderPredictor
from leuknet.types import (
    CellImage,
    Dataset,
    Evaluation,
    Features,
    Galleries,
    Gallery,
    ModelCard,
    Pixels,
    Prediction,
)

SHEET = 12
"""Images on one sheet."""

_OF_SIMULATION = " The model was trained on simulated cells: what it looks at means nothing for real ones."

_BATCH = 256
"""Images read at a time while only their features are kept."""


def draw_galleries(
    predictor: FolderPredictor, evaluation: Evaluation, dataset: Dataset, folder: Path
) -> Galleries:
    """Draw the most certain wrong calls, the most uncertain and the most typical cells, each with its maps.

    Writes `gallery-<name>.png` and `.svg`. A gallery without cells is a picture that says so.

    Parameters
    ----------
    predictor
        The model that was evaluated.
    evaluation
        Its evaluation.
    dataset
        Where the scored cells lie.
    folder
        Exists; older galleries in it are replaced.

    Raises
    ------
    UnreadableImageError
        If a scored cell cannot be read any more.
    """
    by_id = {cell.id: cell for cell in dataset.cells}
    cells = [by_id[name] for name in evaluation.paths]
    typical = choose_typical(
        np.array(evaluation.labels),
        np.array(evaluation.probabilities),
        evaluation.threshold,
        read_features(predictor, cells, root=dataset.root),
        class_names=evaluation.class_names,
    )
    choices = (choose_certain_wrong(evaluation), choose_uncertain(evaluation), typical)
    draw = partial(_draw_choice, predictor, evaluation, cells, dataset.root, folder)
    return Galleries(tuple(map(draw, choices)))


def draw_sheet(
    predictor: FolderPredictor,
    predictions: Sequence[Prediction],
    methods: Mapping[str, Method],
    *,
    title: str,
) -> Figure:
    """Draw image files with their maps and what the model calls them.

    Parameters
    ----------
    predictor
        The model that made the predictions.
    predictions
        Of files that have a probability; a few, as all are in memory at once.
    methods
        Some of `leuknet.explain.methods.METHODS`.
    title
        Which files these are.

    Raises
    ------
    UnreadableImageError
        If a file cannot be read any more.
    """
    card = predictor.card
    images = [_read_placed(Path(prediction.path), card) for prediction in predictions]
    return draw_gallery(
        images,
        _maps(predictor, methods, images),
        labels=None,
        probabilities=np.array([prediction.probability for prediction in predictions], dtype=np.float64),
        threshold=card.threshold,
        undecided=card.undecided,
        class_names=card.class_names,
        title=title,
        caption=legend(methods, class_names=card.class_names) + (_OF_SIMULATION if card.simulated else ""),
        simulated=False,  # nobody knows of these files, and to stamp a person's cells would be untrue
        names=[Path(prediction.path).name for prediction in predictions],
        warnings=[prediction.warnings for prediction in predictions],
    )


def read_inputs(predictor: FolderPredictor, paths: Iterable[Path]) -> Pixels:
    """Read image files as inputs of the network: (N, S, S, 3) uint8, N at least 1."""
    return _resized([_read_placed(path, predictor.card) for path in paths], predictor.card)


def legend(methods: Mapping[str, Method], *, class_names: tuple[str, str]) -> str:
    """Return what the colours of the maps mean."""
    units = ", ".join(f"{name} in {method.unit}" for name, method in methods.items())
    return (
        f"Orange speaks for {class_names[1]}, blue for {class_names[0]}; {units}. "
        "A map shows where the network looks, not whether it is right."
    )


def _maps(
    predictor: FolderPredictor, methods: Mapping[str, Method], images: Sequence[Pixels]
) -> dict[str, Maps]:
    """Return the maps of images on their canvas by the names of the methods; nothing for no image."""
    if not images:
        return {}
    inputs = _resized(images, predictor.card)
    return {name: method.explain(predictor, inputs) for name, method in methods.items()}


def _draw_choice(
    predictor: FolderPredictor,
    evaluation: Evaluation,
    cells: Sequence[CellImage],
    root: Path,
    folder: Path,
    choice: Choice,
) -> Gallery:
    places = list(choice.places)
    shown = [cells[place] for place in places]
    labels = np.array(evaluation.labels, dtype=np.int64)[places]
    probabilities = np.array(evaluation.probabilities)[places]
    images = [_read_placed(cell.path, predictor.card, root=root) for cell in shown]
    methods, left_out = methods_for(predictor)
    note = f" {left_out}." if left_out else ""
    names = evaluation.class_names
    figure = draw_gallery(
        images,
        _maps(predictor, methods, images),
        labels=labels,
        probabilities=probabilities,
        threshold=evaluation.threshold,
        undecided=None if evaluation.calibration is None else evaluation.calibration.undecided,
        class_names=names,
        title=choice.title,
        caption=f"{choice.caption} {legend(methods, class_names=names)}{note}" if places else choice.caption,
        simulated=evaluation.simulated,
        names=[f"subject {cell.subject or 'unknown'}" for cell in shown],
    )
    png, _ = save_figure(figure, folder / f"gallery-{choice.name}")
    calls = describe_calls(labels, probabilities, class_names=names)
    alt = f"{len(places)} cells, each with its image and maps of {' and '.join(methods)} below it: {calls}."
    return Gallery(choice.name, png.name, choice.caption + note, alt if places else choice.caption)


def read_features(predictor: FolderPredictor, cells: Sequence[CellImage], *, root: Path) -> Features:
    """Return the network's features of each cell (N, F), reading a few images at a time."""
    features = []
    for start in range(0, len(cells), _BATCH):
        loaded = load_inputs(cells[start : start + _BATCH], predictor.card.input_form, root=root)
        if loaded.unreadable:
            raise loaded.unreadable[0][1]
        features.append(predictor.embed(loaded.inputs)[1])
    return np.concatenate(features)


def _read_placed(path: Path, card: ModelCard, *, root: Path | None = None) -> Pixels:
    """Read an image and cut out what the network is shown of it, at true scale."""
    return place(read_pixels(path, root=root).pixels, card.input_form)


def _resized(images: Sequence[Pixels], card: ModelCard) -> Pixels:
    """Resize images, each already on its canvas, to the network's input: (N, S, S, 3) uint8."""
    return np.stack([prepare(pixels, card.input_form) for pixels in images])
