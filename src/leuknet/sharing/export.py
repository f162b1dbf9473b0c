"""Writes a trained model as one ONNX file for other programs, refused unless it gives the same answers.

The file holds the network, its weights, the calibration, and in its metadata what a user must know to read
its answers. It takes pixels as `leuknet.images.transform.prepare` gives them; `leuknet.networks.onnx_graph`
names inputs and outputs. As int8 it is a third of the size, and rounds: then both forms score the validation
side, which chose the model's settings anyway, and a loss of accuracy beyond a bound is refused.

Start at `export_model`; `add_graph` gives a graph to a model folder that was saved before there were any.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from onnx import ModelProto, helper
from onnxruntime import InferenceSession
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from sklearn.metrics import roc_auc_score

from leuknet.errors import ModelError, SettingError
from leuknet.images.transform import load_inputs
from leuknet.inference.model_folder import GOLDEN_TOLERANCE, GRAPH, prove, read_golden
from leuknet.inference.onnx_predictor import OnnxPredictor, open_graph
from leuknet.networks.leuknet import LeukNet
from leuknet.networks.onnx_graph import build_graph, write_graph
from leuknet.networks.predictor import TorchPredictor, load_model
from leuknet.records import write_whole
from leuknet.types import CellImage, Dataset, Pixels

Precision = Literal["fp32", "int8"]

N_CALIBRATION = 64
"""Training cells that show the range of each map."""

# fc2 decides, and has 256 weights; normalisation needs its range.
_WEIGHTED = ["conv1", "conv2", "conv3", "fc1"]


@dataclass(frozen=True)
class Side:
    """How one form of the model does on the validation side."""

    accuracy: float
    auroc: float
    size_mb: float
    ms_per_image: float


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    path
        The file.
    largest_difference
        From PyTorch's probabilities: on the golden images for fp32, on the validation side for int8.
    cells
        Number of validation cells that both were scored on; 0 for fp32.
    fp32, int8
        How both do on these; None for fp32, which is equal.
    """

    path: Path
    largest_difference: float
    cells: int = 0
    fp32: Side | None = None
    int8: Side | None = None


def add_graph(folder: Path) -> Path:
    """Write `model.onnx` into a model folder.

    Raises
    ------
    ModelError
        If the folder cannot be loaded, or the graph does not agree with PyTorch. Then none is left there.
    """
    model = load_model(folder)
    write_graph(model.network.cpu(), model.card, folder)
    try:
        prove(_computed_by(open_graph(folder / GRAPH), model), folder)
    except ModelError:
        (folder / GRAPH).unlink()
        raise
    return folder / GRAPH


def export_model(
    folder: Path,
    out: Path,
    *,
    precision: Precision = "fp32",
    dataset: Dataset | None = None,
    max_accuracy_loss: float = 0.01,
) -> Exported:
    """Write a model as one self-contained ONNX file.

    Parameters
    ----------
    folder
        The model folder.
    out
        The file to write.
    precision
        `int8` stores and computes the convolutions and the first fully connected layer in 8 bits.
    dataset
        The data set that the model was trained on; needed for int8.
    max_accuracy_loss
        For int8: how much accuracy on the validation side may be lost, as a share of cells in [0, 1].

    Raises
    ------
    ModelError
        If the file would not agree with PyTorch, or loses more accuracy than allowed. Nothing is written.
    SettingError
        If int8 is asked for without a data set, or the bound is not a share.
    SplitError
        If the data set does not hold the cells of the model's split.
    """
    if not 0 <= max_accuracy_loss <= 1:
        raise SettingError(
            "cannot export", why=f"an accuracy loss of {max_accuracy_loss:g}", fix="give a share from 0 to 1"
        )
    if precision == "int8" and dataset is None:
        raise SettingError(
            "cannot export as int8",
            why="8 bits round, and without cells nobody can say what that costs",
            fix="name the data that the model was trained on with --data ROOT",
        )
    model = load_model(folder)
    if precision == "int8" and not isinstance(model.network, LeukNet):
        raise ModelError(
            "cannot export this model as int8",
            why=f"only the paper's network was measured in 8 bits, and this is {model.card.recipe.network!r}",
            fix="export it as fp32",
        )
    graph = _graph_of(model)
    with tempfile.TemporaryDirectory(prefix="leuknet-export-") as name:
        exact = Path(name, "fp32.onnx")
        exact.write_bytes(graph.SerializeToString(deterministic=True))
        session = open_graph(exact)
        difference = _check(session, folder, model)
        if precision == "fp32" or dataset is None:
            write_whole(out, exact.read_bytes())
            return Exported(out, difference)
        split = model.manifest.find_in(dataset)
        small = Path(name, "int8.onnx")
        _quantize(exact, small, _read(split.train, dataset, model, limit=N_CALIBRATION)[0])
        sessions = {exact: session, small: open_graph(small)}
        found = _compare(sessions, split.validation, dataset, model)
        _refuse_loss(found, max_accuracy_loss)
        write_whole(out, small.read_bytes())
        return Exported(out, *found)


def _graph_of(model: TorchPredictor) -> ModelProto:
    """The whole model as one graph, with what a user must know in its metadata."""
    card = model.card
    turns = card.recipe.rotations
    if turns not in (1, 2, 4):
        raise ModelError(
            "cannot export this model as one graph",
            why=f"its scores are means over {turns} turns of the image, and a graph turns by quarters only",
            fix="use `leuknet predict`, or train with --set rotations=4",
        )
    graph = build_graph(model.network.cpu(), card, turns=turns)
    helper.set_model_props(graph, _metadata(model))
    return graph


def _metadata(model: TorchPredictor) -> dict[str, str]:
    """What travels in the file; ONNX knows text only."""
    card, form = model.card, model.card.input_form
    canvas = "" if form.canvas_px is None else f"on a black {form.canvas_px} px canvas at true scale, "
    cut = "" if form.crop_px is None else f"its middle {form.crop_px} px, "
    resized = f"resized to {form.image_size_px} px, bilinear with antialiasing"
    return {
        "notice": "Research software, not a medical device."
        + (" Trained on SIMULATED cells: its scores mean nothing for real ones." if card.simulated else ""),
        "model_id": model.model_id,
        "pixels": f"sRGB, 0 to 255; {canvas}{cut}{resized}",
        "probability": f"of {card.class_names[1]} (leukaemic), against {card.class_names[0]}",
        "threshold": repr(card.threshold),
        "trained_on": f"{card.dataset}, {card.split_kind} split {card.split_fingerprint}",
        "leuknet_version": card.leuknet_version,
    }


def _computed_by(session: InferenceSession, model: TorchPredictor) -> OnnxPredictor:
    """The model of an open folder, computed by a graph of it."""
    return OnnxPredictor(session, model.card, model.model_id, model.reference)


def _check(session: InferenceSession, folder: Path, model: TorchPredictor) -> float:
    """Compare the probabilities of the graph itself, calibration included, with those of the folder."""
    inputs, expected = read_golden(folder, model.card.recipe.image_size_px)
    (found,) = session.run(["probability"], {"pixels": inputs})
    difference = float(np.abs(found - expected).max())
    if not difference <= GOLDEN_TOLERANCE:  # also if it is nan
        raise ModelError(
            "the graph does not agree with PyTorch; nothing is written",
            why=f"golden images score {difference:.2g} away, over the tolerance of {GOLDEN_TOLERANCE:g}",
            fix="report it as a bug, with your version of onnxruntime",
        )
    return difference


def _read(
    cells: tuple[CellImage, ...], dataset: Dataset, model: TorchPredictor, *, limit: int | None = None
) -> tuple[Pixels, tuple[CellImage, ...]]:
    """Inputs of the cells that can be read; with a limit, of so many drawn at random."""
    if limit is not None:
        order = np.random.default_rng(model.card.recipe.seed).permutation(len(cells))[:limit]
        cells = tuple(cells[index] for index in order)
    loaded = load_inputs(cells, model.card.input_form, root=dataset.root)
    if not loaded.cells:
        raise ModelError(
            "cannot export as int8",
            why="none of the cells of the model's split can be read",
            fix="run `leuknet data verify` on the data set",
        )
    return loaded.inputs, loaded.cells


class _Images(CalibrationDataReader):  # type: ignore[misc]
    """Hands out one image after the other, as ONNX Runtime's quantisation asks for them."""

    def __init__(self, inputs: Pixels) -> None:
        self._each = ({"pixels": image[None]} for image in inputs)

    def get_next(self) -> dict[str, Pixels] | None:
        return next(self._each, None)


def _quantize(exact: Path, small: Path, inputs: Pixels) -> None:
    # ONNX Runtime advises, on the root logger, to simplify the graph first; this one has nothing to gain.
    logging.disable(logging.WARNING)
    try:
        quantize_static(
            exact,
            small,
            _Images(inputs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,  # 7 bits: processors without VNNI would overflow in 16
            nodes_to_quantize=_WEIGHTED,
        )
    finally:
        logging.disable(logging.NOTSET)


def _compare(
    sessions: Mapping[Path, InferenceSession],
    cells: tuple[CellImage, ...],
    dataset: Dataset,
    model: TorchPredictor,
) -> tuple[float, int, Side, Side]:
    """Score cells with both forms of the model, each by its file."""
    inputs, read = _read(cells, dataset, model)
    labels = np.array([cell.label for cell in read], dtype=np.int64)
    sides, scores = [], []
    for graph, session in sessions.items():
        predictor = _computed_by(session, model)
        predictor.score(inputs[:4])  # the first call prepares its kernels
        started = time.perf_counter()
        probabilities = predictor.score(inputs)
        took = time.perf_counter() - started
        accuracy = float(((probabilities >= model.card.threshold) == labels).mean())
        auroc = float(roc_auc_score(labels, probabilities)) if len(set(labels)) == 2 else float("nan")
        sides.append(Side(accuracy, auroc, graph.stat().st_size / 1e6, 1000 * took / len(inputs)))
        scores.append(probabilities)
    return float(np.abs(scores[0] - scores[1]).max()), len(read), sides[0], sides[1]


def _refuse_loss(found: tuple[float, int, Side, Side], bound: float) -> None:
    _, n, fp32, int8 = found
    if fp32.accuracy - int8.accuracy > bound:
        raise ModelError(
            "int8 loses too much accuracy; nothing is written",
            why=f"{int8.accuracy:.1%} instead of {fp32.accuracy:.1%} of {n} validation cells, "
            f"more than {bound:.1%} lost",
            fix="export as fp32, or allow more with --max-accuracy-loss",
        )
