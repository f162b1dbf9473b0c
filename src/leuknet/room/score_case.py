"""Scores the images of a case that have not been scored; a kill at any point loses and doubles nothing.

First come an image's cells with their features, in one transaction; then their pictures; then the row that
says that the image is scored. So an image without that row either has no cells, and is scored, or has all of
them, and lacks no more than pictures. An image that cannot be scored gets a row that says why, and the others
go on: whatever it raises is told of it alone, and an image that ended the worker's process twice, or took too
long twice, is not tried again (`watch`).

Crops are scored many at a time. In fields and slides cells are looked for first, and what the model saw of
each is written under its name until its number is known.

Start at `score_images`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

from leuknet.errors import DataError, LeukNetError, UnreadableImageError
from leuknet.fields.deadlines import reading_s, searching_s
from leuknet.fields.field import Field
from leuknet.fields.scale import scale_of
from leuknet.fields.slides import open_field
from leuknet.fields.surroundings import surroundings
from leuknet.fields.tiles import find_cells
from leuknet.images.reading import ReadImage, read_pixels
from leuknet.inference.model_folder import FolderPredictor
from leuknet.inference.predict import ImageSource, predict_with_features
from leuknet.room.crops import write_crop
from leuknet.room.deep_zoom import prepare_tiles
from leuknet.room.faults import is_of_image, told_of
from leuknet.room.intake_checks import check_scale
from leuknet.room.pictures import ensure_cell_pictures, write_cell_pictures
from leuknet.room.room_files import RoomFiles
from leuknet.room.table import crop_cell
from leuknet.room.watch import MOST_DEATHS, Watch
from leuknet.smears.smear import SeenCell, score_smear
from leuknet.store.cases import find_image
from leuknet.store.cell_nouns import NewCell
from leuknet.store.cells import find_cell
from leuknet.store.database import Store
from leuknet.store.nouns import CaseImage
from leuknet.store.scorings import (
    ScoredCell,
    cell_ids,
    count_scored,
    record_scorings,
    save_cells,
    unscored_images,
)
from leuknet.types import Pixels

BATCH = 32
"""Cells per call of the model; the worker looks up from its work after each."""

_TOGETHER = 2 * BATCH  # crops of one transaction
_MOST_PX = 2**26  # that are in memory at once; more only if one crop alone has more

_ENDED_US = (
    "the process that scored it crashed or took too long, twice. Look at it, and upload it again as PNG or "
    "cut to what shows cells; if it is a usual smear, please report it as a bug."
)
_log = logging.getLogger(__name__)

Report = Callable[[float], None]
"""Is told how much is done, 0 to 1; what it raises ends the work."""


def score_images(
    store: Store,
    files: RoomFiles,
    case_id: UUID,
    predictor: FolderPredictor,
    *,
    report: Report,
    watch: Watch | None = None,
) -> None:
    """Score all images of a case that have not been scored.

    Parameters
    ----------
    store, files, case_id
        Where they are.
    predictor
        The model.
    report
        Called after each batch.
    watch
        Over the images; None watches over none.

    Raises
    ------
    ConflictError
        If the case is signed meanwhile.
    """
    watch = watch or Watch()
    while waiting := unscored_images(store, case_id, limit=_TOGETHER):
        scored, all_images = count_scored(store, case_id)
        report(scored / all_images)
        # After the others, and alone: a worker died while these were at work.
        suspects = [image for image in waiting if image.id in watch.deaths]
        images = [image for image in waiting if image not in suspects] or suspects[:1]
        with watch.over([image.id for image in images], seconds=reading_s(_total_px(images))):
            drawn = _draw_what_is_scored(store, files, case_id, images)
        images = [image for image in images if image.id not in drawn]
        crops = _that_fit([image for image in images if image.kind == "crop"])
        if crops:
            with watch.over([image.id for image in crops], seconds=reading_s(_total_px(crops))):
                _score_crops(store, files, case_id, crops, predictor)
        elif images:
            while not watch.deadline.large.acquire(blocking=False):
                report(scored / all_images)  # another's field is at work
            try:
                with watch.over([images[0].id], seconds=reading_s(_total_px(images[:1]))):
                    still = partial(watch.aside, partial(report, scored / all_images))
                    _score_field(store, files, images[0], predictor, still, watch)
            finally:
                watch.deadline.large.release()
    report(1.0)


def give_up(store: Store, case_id: UUID, watch: Watch, *, model_id: str) -> int:
    """Say of images that ended too many workers that they cannot be scored; return how many."""
    fatal = [image_id for image_id, deaths in watch.deaths.items() if deaths >= MOST_DEATHS]
    images = [image for image in (find_image(store, image_id) for image_id in fatal) if image is not None]
    if images:
        ended = [(image.id, f"{image.name}: {_ENDED_US}") for image in images]
        record_scorings(store, case_id, ended, model_id=model_id)
    return len(images)


def _total_px(images: Sequence[CaseImage]) -> int:
    return sum(image.height_px * image.width_px for image in images)


def _draw_what_is_scored(
    store: Store, files: RoomFiles, case_id: UUID, images: Sequence[CaseImage]
) -> frozenset[int]:
    """Finish images that have cells: a worker died before their pictures were whole. Return their ids."""
    known = cell_ids(store, [image.id for image in images])
    for image in (image for image in images if image.id in known):
        _name_crops(files, image, known[image.id])
        found = [find_cell(store, cell_id) for cell_id in known[image.id].values()]
        cells = [cell for cell in found if cell is not None]
        error = None
        try:
            ensure_cell_pictures(files, image, cells)
        except BaseException as caught:
            error = _of_image(image, caught)
        record_scorings(store, case_id, [(image.id, error)], model_id=cells[0].model_id)
    return frozenset(known)


def _that_fit(crops: Sequence[CaseImage]) -> list[CaseImage]:
    fit: list[CaseImage] = []
    pixels = 0
    for image in crops:
        pixels += image.height_px * image.width_px
        if fit and pixels > _MOST_PX:
            break
        fit.append(image)
    return fit


def _score_crops(
    store: Store,
    files: RoomFiles,
    case_id: UUID,
    images: Sequence[CaseImage],
    predictor: FolderPredictor,
) -> None:
    read: dict[int, Pixels] = {}

    def load(image: CaseImage) -> ReadImage:
        try:
            picture = read_pixels(files.image(image.path))
        except UnreadableImageError as error:
            what = f"cannot read {image.name!r}"  # not the path here, which the user does not know
            raise UnreadableImageError(what, why=error.why, fix=error.fix) from error
        read[image.id] = picture.pixels
        return picture

    sources = [ImageSource(image.name, partial(load, image)) for image in images]
    predictions = predict_with_features(predictor, sources, batch_size=BATCH, reference=predictor.reference)
    scored: list[tuple[int, list[ScoredCell]]] = []
    became: list[tuple[int, str | None]] = []
    for image, (prediction, features) in zip(images, predictions, strict=True):
        if prediction.error is None:
            cell = crop_cell(prediction, image.height_px, image.width_px)
            scored.append((image.id, [ScoredCell(cell, features)]))
        else:
            became.append((image.id, prediction.error))
    ids = save_cells(store, case_id, scored)
    for image in (image for image in images if image.id in ids):
        error = None
        try:
            for cell_id in ids[image.id].values():
                write_cell_pictures(files, image.id, cell_id, read[image.id], kind="crop")
        except BaseException as caught:
            error = _of_image(image, caught)
        became.append((image.id, error))
    record_scorings(store, case_id, became, model_id=predictor.model_id)


def _score_field(
    store: Store,
    files: RoomFiles,
    image: CaseImage,
    predictor: FolderPredictor,
    still: Callable[[], None],
    watch: Watch,
) -> None:
    error = None
    try:
        prepare_tiles(files, image)  # it may be looked at while its cells are sought
        watch.deadline.allow(searching_s(image.height_px * image.width_px))
        with open_field(files.image(image.path), alone=True) as field:
            cells = _find_and_score(files, image, field, predictor, still)
            names = save_cells(store, image.case_id, [(image.id, cells)]).get(image.id, {})
            _name_crops(files, image, names)
            for scored in cells:
                square = surroundings(field, scored.cell.box)
                write_cell_pictures(files, image.id, names[scored.cell.name], square, kind=image.kind)
    except BaseException as caught:
        error = _of_image(image, caught)
    record_scorings(store, image.case_id, [(image.id, error)], model_id=predictor.model_id)


def _find_and_score(
    files: RoomFiles,
    image: CaseImage,
    field: Field,
    predictor: FolderPredictor,
    still: Callable[[], None],
) -> list[ScoredCell]:
    """Return the cells of a field or slide in reading order, with what the model saw written by name."""
    um = image.microns_per_pixel if image.microns_per_pixel is not None else field.microns_per_pixel
    if um is None:
        raise DataError(
            f"cannot find cells in {image.name!r}",
            why="its scale is not known: the file does not state it",
            fix="state its µm per pixel, and it is scored: a 100x objective gives about 0.07, a scanner at "
            "40x 0.25",
        )
    check_scale(um)
    scale = scale_of(field, stated=um)
    seen = score_smear(
        find_cells(field, scale, on_tile=still), predictor, path=image.name, scale=scale, batch_size=BATCH
    )
    cells: list[tuple[int, int, ScoredCell]] = []
    for scored in seen:
        write_crop(scored.crop, _named_crop(files, image, scored.cell.id))
        cells.append(
            (scored.cell.row_px, scored.cell.column_px, ScoredCell(_new_cell(scored), scored.features))
        )
        if len(cells) % BATCH == 0:
            still()
    return [cell for _, _, cell in sorted(cells, key=lambda placed: placed[:2])]


def _new_cell(seen: SeenCell) -> NewCell:
    cell = seen.cell
    return NewCell(
        name=cell.id,
        box=cell.box,
        outline=tuple((row, column) for column, row in cell.outline.tolist()),
        probability=cell.prediction.probability,
        outcome=cell.outcome,
        flags=cell.flags,
        warnings=cell.prediction.warnings,
        model_id=cell.prediction.model_id,
    )


def _named_crop(files: RoomFiles, image: CaseImage, name: str) -> Path:
    return files.crop(image.id, 0).with_name(f"{name}.png")


def _name_crops(files: RoomFiles, image: CaseImage, ids: dict[str, int]) -> None:
    """Give crops that lie under their cells' names the cells' numbers."""
    for name, cell_id in ids.items():
        named = _named_crop(files, image, name)
        if named.exists():
            named.replace(files.crop(image.id, cell_id))


def _of_image(image: CaseImage, error: BaseException) -> str:
    """Return what is told of an image that failed; raise what is not of the image."""
    if not is_of_image(error):
        raise error
    if not isinstance(error, LeukNetError):
        _log.error("image %s: a bug in LeukNet", image.id, exc_info=error)
    return told_of(image.name, error)
