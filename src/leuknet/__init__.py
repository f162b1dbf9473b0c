"""LeukNet tells leukaemic B-lymphoblasts (ALL) from normal lymphocytes (HEM) in microscope images.

Research software, not a medical device. `leuknet.load` opens a trained model; its `.predict(pixels)`
gives P(leukaemic) of each image:

    >>> import leuknet
    >>> model = leuknet.load("build/demo/run/model")        # doctest: +SKIP
    >>> model.predict(pixels)                               # doctest: +SKIP
    array([0.93, 0.08])

Reading data starts at `leuknet.data.open_dataset`, training at `leuknet.training.train.train`, judging a
model at `leuknet.evaluation.evaluate.evaluate`. `import leuknet` alone loads none of the large libraries.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from leuknet.inference.model_folder import FolderPredictor

__all__ = ["__version__", "load"]

__version__ = version("leuknet")


def load(
    folder: str | Path, *, engine: Literal["onnx", "torch"] | None = None, threads: int | None = None
) -> FolderPredictor:
    """Open a model folder and check it on its reference images.

    Parameters
    ----------
    folder
        As `leuknet train` writes it; or `owner/name` of a repository on the Hugging Face hub, where there
        is no such folder: each commit is fetched once and kept, and the hub is asked which is the newest.
    engine
        What computes: ONNX Runtime, or PyTorch, which explanations need too. They agree within 1e-4. None
        takes ONNX Runtime where the folder has a graph, and PyTorch for other networks than the paper's.
    threads
        Processor cores to compute on; None takes all. PyTorch then keeps to it in the whole process.

    Raises
    ------
    ModelError
        If a file is missing or damaged, or the model gives other answers than when it was saved.
    MissingExtraError
        If PyTorch is to compute and is not installed.
    """
    from leuknet.inference.model_folder import has_graph, is_repository

    if isinstance(folder, str) and is_repository(folder) and not Path(folder).exists():
        from leuknet.sharing.hub import pull

        folder = pull(folder)
    if engine == "onnx" or (engine is None and has_graph(Path(folder))):
        from leuknet.inference.onnx_predictor import load_onnx_model

        return load_onnx_model(Path(folder), threads=threads)
    from leuknet.networks.predictor import load_model

    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    return load_model(Path(folder))
