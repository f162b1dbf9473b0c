"""Opens a model wherever it lies: in a folder or on the hub, computed by ONNX Runtime or by PyTorch.

`leuknet.load` is this function.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from leuknet.errors import ModelError
from leuknet.inference.model_folder import FolderPredictor, has_graph, is_repository
from leuknet.inference.pretrained import resolve


def load(
    folder: str | Path, *, engine: Literal["onnx", "torch"] | None = None, threads: int | None = None
) -> FolderPredictor:
    """Open a model folder and check it on its reference images.

    Parameters
    ----------
    folder
        As `leuknet train` writes it; `pretrained:NAME`, a model that comes with LeukNet; or `owner/name` of a
        repository on the Hugging Face hub, where there is no such folder: each commit is fetched once and
        kept, and the hub is asked which is the newest.
    engine
        What computes: ONNX Runtime, or PyTorch, which explanations need too. They agree within 1e-4. None
        takes ONNX Runtime where the folder has a graph, and PyTorch for other networks.
    threads
        Processor cores to compute on; None takes all. PyTorch then keeps to it in the whole process.

    Raises
    ------
    ModelError
        If a file is missing or damaged, or the model gives other answers than when it was saved.
    MissingExtraError
        If PyTorch is to compute and is not installed.
    """
    if isinstance(folder, str) and is_repository(folder) and not Path(folder).exists():
        from leuknet.sharing.hub import pull

        folder = pull(folder)
    folder = resolve(folder)
    if engine == "onnx" and not has_graph(folder):
        raise ModelError(
            f"cannot compute {folder} with ONNX Runtime",
            why="the folder has no graph",
            fix=f"`leuknet export {folder}` adds one, or says why it cannot; PyTorch computes meanwhile",
        )
    if engine == "onnx" or (engine is None and has_graph(folder)):
        from leuknet.inference.onnx_predictor import load_onnx_model

        return load_onnx_model(folder, threads=threads)
    from leuknet.networks.predictor import load_model

    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    return load_model(folder)
