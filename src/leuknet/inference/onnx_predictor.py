"""A model folder as a predictor, computed by ONNX Runtime: no PyTorch, and ready in half a second.

Start at `load_onnx_model`. The graph is made by `leuknet.networks.onnx_graph` when a model is saved.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from leuknet.errors import ModelError
from leuknet.images.windows import find_cells, in_chunks
from leuknet.inference.familiar import Reference, read_reference
from leuknet.inference.model_folder import (
    COPY_AGAIN,
    GRAPH,
    REFERENCE,
    FolderPredictor,
    open_card,
    prove,
)
from leuknet.inference.model_id import model_id_of
from leuknet.types import Features, ModelCard, Pixels

CHUNK_SIZE = 4
"""Images that go through the graph at once. More share a wider window and leave the processor's cache."""


class OnnxPredictor(FolderPredictor):
    """Scores pixels with the graph of a model folder; made by `load_onnx_model`."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        card: ModelCard,
        model_id: str,
        reference: Reference | None,
        folder: Path | None = None,
    ) -> None:
        super().__init__(card, model_id, reference, folder)
        self._session = session

    def run(self, inputs: Pixels) -> tuple[NDArray[np.float64], Features]:
        """(N, S, S, 3) uint8 to log odds before calibration (N,) and features (N, F)."""
        n_features = self._session.get_outputs()[-1].shape[1]
        log_odds, features = np.empty(len(inputs)), np.empty((len(inputs), n_features), np.float32)
        # Cells of like size share a chunk, since the graph computes a window that holds all of a chunk.
        for chosen, _ in in_chunks(find_cells(inputs), inputs.shape[1], size=CHUNK_SIZE):
            given = {"pixels": inputs[chosen]}
            log_odds[chosen], features[chosen] = self._session.run(["log_odds", "features"], given)
        return log_odds, features


def load_onnx_model(folder: Path, *, threads: int | None = None) -> OnnxPredictor:
    """Open a model folder and let it prove itself on its golden images, on so many cores or all.

    Raises
    ------
    ModelError
        If a file is missing or damaged, or the answers differ from those at the time of saving.
    """
    card = open_card(folder)
    session = open_graph(folder / GRAPH, threads=threads)
    expected = ["N", *card.input_form.shape]
    if [(given.name, given.shape) for given in session.get_inputs()] != [("pixels", expected)]:
        raise ModelError(
            f"cannot load the graph of {folder}",
            why=f"{GRAPH} does not take pixels of shape {expected}",
            fix=COPY_AGAIN,
        )
    reference = read_reference(folder / REFERENCE)
    predictor = OnnxPredictor(session, card, model_id_of(folder), reference, folder)
    prove(predictor, folder)
    return predictor


def open_graph(path: Path, *, threads: int | None = None) -> onnxruntime.InferenceSession:
    """Open an ONNX file for the processor: for so many of its cores, or all.

    Raises
    ------
    ModelError
        If it is missing, damaged, or its weights do not lie beside it.
    """
    try:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        options.log_severity_level = 3  # errors: its warnings are of how it makes the graph simpler
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base but this
        reason = " ".join(str(error).split())
        raise ModelError(f"cannot load the graph {path}", why=reason, fix=COPY_AGAIN) from error
