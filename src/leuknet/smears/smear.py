"""From the image of a smear to a table of scored cells.

The way: open the image (`fields.slides`), find its leukocytes (`fields.tiles`), cut each out on black at the
model's scale (`fields.cut`), score it as any other image (`predict`), and say what became of it. A model that
was trained on crops of one laboratory has not been validated on the smears of another; so each smear comes
with the shift that was measured between its cells and the trained ones, and a cell unlike these is called
unfamiliar, whatever its probability.

Start at `score_smear`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice

from leuknet.errors import ModelError, SettingError
from leuknet.fields.cut import cut_cell
from leuknet.fields.normalise import Stain, learn_stain, recolour
from leuknet.fields.outline import Outline, outline_of
from leuknet.fields.scale import COARSEST_UM, FINEST_UM
from leuknet.images.measures import Measures, measure
from leuknet.images.reading import ReadImage
from leuknet.images.transform import place_on_canvas
from leuknet.inference.model_folder import FolderPredictor
from leuknet.inference.outcome import Outcome, outcome_of
from leuknet.inference.predict import ImageSource, predict_with_features
from leuknet.types import (
    CellBox,
    CellFlag,
    Features,
    FieldScale,
    FoundCell,
    Pixels,
    Prediction,
)

STAIN_CELLS = 500
"""Cells of an image from which its stain is learnt: its first ones, or all if they are fewer."""

NOT_VALIDATED = (
    "The model was trained on cells that its publisher had cut out and stain-normalised. It has not been "
    "validated on raw smears: outcomes are hypotheses for an expert to check."
)

_AS_FOUND = ("id", "box", "row_px", "column_px", "area_um2", "nucleus_um2", "sharpness", "flags")
_CLIPPED = "larger than the model's canvas: its rim is cut off"


@dataclass(frozen=True, eq=False)
class SmearCell:
    """A cell that was found and scored; of its pixels only the outline is kept.

    Attributes
    ----------
    id
        Row and column of its nucleus.
    outline, nucleus
        In pixels of the image.
    prediction
        `path` is that of the image.
    measures
        Of the crop on the model's canvas.
    reviewed
        The class that a person gave it in another program; None if nobody did.
    """

    id: str
    box: CellBox
    row_px: int
    column_px: int
    outline: Outline
    nucleus: Outline
    area_um2: float
    nucleus_um2: float
    sharpness: float
    flags: tuple[CellFlag, ...]
    prediction: Prediction
    measures: Measures
    reviewed: str | None = None

    @property
    def outcome(self) -> Outcome:
        """What is said of the cell."""
        return outcome_of(self.prediction)


@dataclass(frozen=True, eq=False)
class SeenCell:
    """A scored cell with what the model saw of it.

    Attributes
    ----------
    crop : (C, C, 3) uint8
        On the model's black canvas.
    features : (F,) float32
        The network's.
    """

    cell: SmearCell
    crop: Pixels
    features: Features


def score_smear(
    found: Iterable[FoundCell],
    predictor: FolderPredictor,
    *,
    path: str,
    scale: FieldScale,
    model_um: float | None = None,
    stain: Stain | None = None,
    subject: str | None = None,
    batch_size: int = 32,
) -> Iterator[SeenCell]:
    """Yield found cells with their scores, crops and features.

    Parameters
    ----------
    found
        Of `fields.tiles.find_cells`; taken as they are needed.
    predictor
        The model. Its canvas must be known: crops are placed on it at true scale.
    path
        The image's name for the table.
    scale
        Of the image.
    model_um
        The model's scale in µm per pixel; None takes that of its card, and if that is not known, pixels
        are taken as they are.
    stain
        Learnt from the model's kind of cells: the smear's are recoloured to look like them. None leaves them.
    subject
        Whose smear it is.
    batch_size
        Cells per call of the model.

    Raises
    ------
    ModelError
        If the model takes images without a common scale.
    DataError
        If the smear's own stain cannot be learnt.
    """
    canvas_px = predictor.card.canvas_px
    if canvas_px is None:
        raise ModelError(
            "cannot score a smear with this model",
            why="it was trained on whole pictures without a common scale, and does not say how to cut a cell",
            fix="use a model that was trained on cells on black at true scale, such as C-NMC's",
        )
    crop_um = predictor.card.microns_per_pixel if model_um is None else model_um
    crops = cut_cells(found, scale=scale, crop_um=crop_um, stain=stain)
    waiting: deque[tuple[FoundCell, Pixels]] = deque()  # in the order of the predictions

    def sources() -> Iterator[ImageSource]:
        for cell, crop in crops:
            waiting.append((cell, place_on_canvas(crop, canvas_px)))
            clipped = (_CLIPPED,) if max(crop.shape[:2]) > canvas_px else ()
            yield ImageSource(path, partial(ReadImage, waiting[-1][1], clipped))

    predictions = predict_with_features(
        predictor, sources(), batch_size=batch_size, reference=predictor.reference
    )
    return (_seen(*waiting.popleft(), *scored, subject=subject) for scored in predictions)


def _seen(
    cell: FoundCell, crop: Pixels, prediction: Prediction, features: Features | None, *, subject: str | None
) -> SeenCell:
    if features is None:  # a crop that lies in memory can be read
        raise RuntimeError(f"no score of a crop: {prediction.error}")
    scored = SmearCell(
        **{name: getattr(cell, name) for name in _AS_FOUND},
        outline=outline_of(cell.mask, cell.box),
        nucleus=outline_of(cell.nucleus, cell.box),
        prediction=prediction if subject is None else replace(prediction, subject=subject),
        measures=measure(crop),
    )
    return SeenCell(scored, crop, features)


def cut_cells(
    found: Iterable[FoundCell], *, scale: FieldScale, crop_um: float | None, stain: Stain | None
) -> Iterator[tuple[FoundCell, Pixels]]:
    """Return an iterator of found cells with their crops, recoloured to look like a stain unless None.

    Raises
    ------
    SettingError
        If the crops' scale is none of a microscope: at once.
    DataError
        If the stain of the cells themselves cannot be learnt.
    """
    if crop_um is not None and not FINEST_UM <= crop_um <= COARSEST_UM:
        raise SettingError(
            "cannot cut cells out",
            why=f"crops of {crop_um:g} µm per pixel are wanted, and it must be {FINEST_UM} to {COARSEST_UM}",
            fix="state the scale of the model's training images, such as 0.07",
        )
    um = scale.microns_per_pixel
    cut = ((cell, cut_cell(cell, microns_per_pixel=um, crop_um=crop_um)) for cell in found)
    return cut if stain is None else _recoloured(cut, stain)


def _recoloured(cut: Iterator[tuple[FoundCell, Pixels]], stain: Stain) -> Iterator[tuple[FoundCell, Pixels]]:
    first = list(islice(cut, STAIN_CELLS))
    if first:
        source = learn_stain([crop for _, crop in first], stain.method)
        for cell, crop in chain(first, cut):
            yield cell, recolour(crop, source, stain)
