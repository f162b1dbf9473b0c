"""The nouns of LeukNet: what passes from one part to the next.

All are frozen dataclasses. Images are `uint8 (H, W, 3)`, sRGB, row 0 at the top. Lengths in pixels end
in `_px`, in micrometres in `_um`; times are seconds `_s` or UTC `_at`. A probability is always
P(leukaemic), in [0, 1].

Start at `CellImage`, then `Split`, `Recipe`, `ModelCard`, `Predictor`, `Evaluation`: that is the way
from pixels to a score. `datasets.py`, `input_form.py`, `recipe.py`, `models.py` and `judging.py` hold
them; `found.py` holds the cells of a smear. Nothing here reads a file.
"""

from __future__ import annotations

from leuknet.types.datasets import (
    CLASS_NAMES,
    CellImage,
    DataCard,
    Dataset,
    Finding,
    Label,
    Labels,
    Overlap,
    PartSummary,
    Pixels,
    Severity,
    SideOverlap,
    Split,
    SplitKind,
    TestSide,
)
from leuknet.types.found import (
    FLAG_MEANINGS,
    CellBox,
    CellFlag,
    FieldScale,
    FoundCell,
    Mask,
    ScaleSource,
)
from leuknet.types.input_form import InputForm
from leuknet.types.judging import (
    Evaluation,
    Galleries,
    Gallery,
    Interval,
    IntervalMethod,
    Look,
    Unit,
)
from leuknet.types.models import (
    Calibration,
    Features,
    HistoryRow,
    LayerRow,
    ModelCard,
    Prediction,
    Predictor,
    Probabilities,
)
from leuknet.types.recipe import LossName, Recipe, Sampling, ThresholdRule

__all__ = [
    "CLASS_NAMES",
    "FLAG_MEANINGS",
    "Calibration",
    "CellBox",
    "CellFlag",
    "CellImage",
    "DataCard",
    "Dataset",
    "Evaluation",
    "Features",
    "FieldScale",
    "Finding",
    "FoundCell",
    "Galleries",
    "Gallery",
    "HistoryRow",
    "InputForm",
    "Interval",
    "IntervalMethod",
    "Label",
    "Labels",
    "LayerRow",
    "Look",
    "LossName",
    "Mask",
    "ModelCard",
    "Overlap",
    "PartSummary",
    "Pixels",
    "Prediction",
    "Predictor",
    "Probabilities",
    "Recipe",
    "Sampling",
    "ScaleSource",
    "Severity",
    "SideOverlap",
    "Split",
    "SplitKind",
    "TestSide",
    "ThresholdRule",
    "Unit",
]
