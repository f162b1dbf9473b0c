"""The nouns of LeukNet: what passes from one part to the next.

All are frozen dataclasses. Images are `uint8 (H, W, 3)`, sRGB, row 0 at the top. Lengths in pixels end
in `_px`, in micrometres in `_um`; times are seconds `_s` or UTC `_at`. A probability is always
P(leukaemic), in [0, 1].

Start at `CellImage`, then `Split`, `Recipe`, `ModelCard`, `Predictor`, `Evaluation`: that is the way
from pixels to a score. `datasets.py`, `input_form.py`, `recipe.py`, `models.py`, `interval.py`,
`reviewing.py` and `judging.py` hold them; `found.py` holds the cells of a smear. Nothing here reads a file.
"""

from __future__ import annotations

from leuknet.types.datasets import CLASS_NAMES as CLASS_NAMES
from leuknet.types.datasets import CellImage as CellImage
from leuknet.types.datasets import DataCard as DataCard
from leuknet.types.datasets import Dataset as Dataset
from leuknet.types.datasets import Finding as Finding
from leuknet.types.datasets import Label as Label
from leuknet.types.datasets import Labels as Labels
from leuknet.types.datasets import Overlap as Overlap
from leuknet.types.datasets import PartSummary as PartSummary
from leuknet.types.datasets import Pixels as Pixels
from leuknet.types.datasets import Severity as Severity
from leuknet.types.datasets import SideOverlap as SideOverlap
from leuknet.types.datasets import Split as Split
from leuknet.types.datasets import SplitKind as SplitKind
from leuknet.types.datasets import TestSide as TestSide
from leuknet.types.found import FLAG_MEANINGS as FLAG_MEANINGS
from leuknet.types.found import CellBox as CellBox
from leuknet.types.found import CellFlag as CellFlag
from leuknet.types.found import FieldScale as FieldScale
from leuknet.types.found import FoundCell as FoundCell
from leuknet.types.found import Mask as Mask
from leuknet.types.found import ScaleSource as ScaleSource
from leuknet.types.input_form import InputForm as InputForm
from leuknet.types.interval import Interval as Interval
from leuknet.types.interval import IntervalMethod as IntervalMethod
from leuknet.types.interval import Unit as Unit
from leuknet.types.judging import Evaluation as Evaluation
from leuknet.types.judging import Galleries as Galleries
from leuknet.types.judging import Gallery as Gallery
from leuknet.types.judging import Look as Look
from leuknet.types.layer_rows import LayerRow as LayerRow
from leuknet.types.models import Calibration as Calibration
from leuknet.types.models import Features as Features
from leuknet.types.models import HistoryRow as HistoryRow
from leuknet.types.models import ModelCard as ModelCard
from leuknet.types.models import Prediction as Prediction
from leuknet.types.models import Predictor as Predictor
from leuknet.types.models import Probabilities as Probabilities
from leuknet.types.models import RiskBound as RiskBound
from leuknet.types.origin import RestsOn as RestsOn
from leuknet.types.recipe import LossName as LossName
from leuknet.types.recipe import Recipe as Recipe
from leuknet.types.recipe import Sampling as Sampling
from leuknet.types.recipe import Searched as Searched
from leuknet.types.recipe import ThresholdRule as ThresholdRule
from leuknet.types.reviewing import ChosenThreshold as ChosenThreshold
from leuknet.types.reviewing import Details as Details
from leuknet.types.reviewing import LikelihoodRatio as LikelihoodRatio
from leuknet.types.reviewing import OperatingPoint as OperatingPoint
from leuknet.types.reviewing import PeopleScores as PeopleScores
from leuknet.types.reviewing import PredictiveValues as PredictiveValues
from leuknet.types.reviewing import Purpose as Purpose
from leuknet.types.reviewing import Subgroup as Subgroup
from leuknet.types.reviewing import WeakCalibration as WeakCalibration
