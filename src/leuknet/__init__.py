"""LeukNet tells leukaemic B-lymphoblasts (ALL) from normal lymphocytes (HEM) in microscope images.

Research software, not a medical device. `leuknet.load` opens a trained model; its `.predict(pixels)`
gives P(leukaemic) of each image:

    >>> import leuknet
    >>> model = leuknet.load("build/demo/run/model")        # doctest: +SKIP
    >>> model.predict(pixels)                               # doctest: +SKIP
    array([0.93, 0.08])

Reading data starts at `leuknet.data.open_dataset`, training at `leuknet.train.train`, judging a model at
`leuknet.evaluate.evaluate`. `import leuknet` alone loads none of the large libraries.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leuknet.types import Predictor

__all__ = ["__version__", "load"]

__version__ = version("leuknet")


def load(folder: str | Path) -> Predictor:
    """Open a model folder and check it on its reference images.

    Parameters
    ----------
    folder
        Holds `model.json`, `weights.safetensors` and `golden.npz`; `leuknet train` writes one.

    Raises
    ------
    ModelError
        If a file is missing or damaged, or the model gives other answers than when it was saved.
    MissingExtraError
        If PyTorch is not installed.
    """
    from leuknet.models.predictor import load_model

    return load_model(Path(folder))
