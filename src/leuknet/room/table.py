"""Takes the crops of a table that `leuknet batch` or `leuknet predict` wrote, with the scores it holds.

The table names files on the computer of the reading room. They are looked up below one folder that its
operator allows, and nowhere else, whatever links lie in there. The crops are kept as if they had been
uploaded, and are not scored again: the table's model stays theirs.

Start at `take_table`. Done again after a kill, it ends with the same crops.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from leuknet.errors import DataError, SettingError, UnreadableImageError
from leuknet.images.file_names import find_named
from leuknet.images.reading import decode_pixels, read_content
from leuknet.inference.outcome import outcome_of
from leuknet.inference.scored_table import ScoredImages, read_scored_images
from leuknet.room.faults import is_of_image, told_of
from leuknet.room.pictures import write_cell_pictures
from leuknet.room.room_files import RoomFiles
from leuknet.room.tally import Tally
from leuknet.room.upload_content import UnusableError, hash_pixels, keep_bytes, shown_name
from leuknet.store.cell_nouns import NewCell
from leuknet.store.database import Store
from leuknet.store.nouns import CaseUpload, NewImage
from leuknet.store.scorings import ScoredCell, cell_ids, record_scorings, save_scored_images
from leuknet.types import CellBox, Pixels, Prediction

CELL_NAME = "cell"
"""Name of the one cell of a crop."""

MAX_TABLE_BYTES = 256 * 2**20
"""A table is read as a whole."""

MAX_ROWS = 200_000

_log = logging.getLogger(__name__)
_TOGETHER = 64  # crops that go into the case in one transaction, and whose pixels are in memory


def take_table(
    store: Store,
    files: RoomFiles,
    upload: CaseUpload,
    *,
    image_root: Path | None,
    report: Callable[[float], None],
) -> Tally:
    """Put the crops that an uploaded table names into its case, with their scores.

    Parameters
    ----------
    store, files, upload
        The upload's part file is the table; it stays.
    image_root
        The folder below which images may lie; a relative path of the table begins there.
    report
        Is told how much is done, 0 to 1, now and then; what it raises ends the work.

    Returns
    -------
    Tally
        At least one crop. Rows with an error and those whose image cannot be used are counted.

    Raises
    ------
    SettingError
        If no folder is allowed.
    UnusableError
        If the table cannot be read, or none of its rows be used.
    """
    if image_root is None:
        raise SettingError(
            f"cannot use {upload.name!r}",
            why="a table names images on the reading room's computer, and no folder of it may be read",
            fix="let its operator start it with `leuknet serve --images FOLDER`, and upload the table again",
        )
    rows = _read(files.part(upload.id), upload.name)
    tally = Tally()
    for first in range(0, len(rows.paths), _TOGETHER):
        last = min(first + _TOGETHER, len(rows.paths))
        taken = [_take(files, rows, row, upload, image_root, tally) for row in range(first, last)]
        tally.n_images += _save(
            store, files, upload, [row for row in taken if row is not None], rows.model_id
        )
        report(last / len(rows.paths))
    if not tally.n_images:
        fix = f"name images below the folder {str(image_root)!r}, by full paths or by paths within it"
        why = f"none of its rows has an image here. {tally.note}"
        raise UnusableError(f"cannot use {upload.name!r}", why=why, fix=fix)
    return tally


def _read(part: Path, name: str) -> ScoredImages:
    size = part.stat().st_size
    if size > MAX_TABLE_BYTES:
        why = f"it has {size:,} bytes, and a table at most {MAX_TABLE_BYTES:,}"
        raise UnusableError(f"cannot use {name!r}", why=why, fix="divide it")
    with part.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    # The reader goes by the suffix, which the part has not.
    named = part.with_name(f"{part.name}.table{'.parquet' if is_parquet else '.csv'}")
    named.unlink(missing_ok=True)
    named.symlink_to(part.name)
    try:
        rows = read_scored_images(named, most_rows=MAX_ROWS)
    except (DataError, SettingError) as error:
        raise UnusableError(f"cannot use {name!r}", why=error.why, fix=error.fix) from error
    finally:
        named.unlink(missing_ok=True)
    return rows


def _take(
    files: RoomFiles, rows: ScoredImages, row: int, upload: CaseUpload, root: Path, tally: Tally
) -> tuple[NewImage, ScoredCell, Pixels] | None:
    """Keep the image of a row; None, and counted, if it cannot be used."""
    path, probability = root / find_named(root, rows.paths[row]), rows.probabilities[row]
    name = shown_name(rows.paths[row])
    if probability is None:
        tally.refuse(f"row {row + 1}, {name!r}: not scored: {rows.errors[row]}")
        return None
    try:
        content = read_content(path, root)
        pixels = decode_pixels(content, path).pixels
    except UnreadableImageError as error:
        tally.refuse(f"row {row + 1}, {name!r}: {error.why}")
        return None
    except BaseException as error:
        if not is_of_image(error):
            raise
        _log.exception("a bug in LeukNet")
        tally.refuse(f"row {row + 1}, {told_of(name, error)}")
        return None
    h, w = pixels.shape[:2]
    sha256, relative = keep_bytes(files, content)
    scored = Prediction(
        path=name,
        probability=probability,
        threshold=rows.threshold,
        model_id=rows.model_id,
        warnings=rows.warnings[row],
        undecided=(0.0, 2.0) if rows.uncertain[row] else None,
    )
    um = upload.microns_per_pixel
    seen = hash_pixels(pixels, h, w)
    image = NewImage(sha256, name, "crop", h, w, len(content), um, relative, pixels_sha256=seen)
    return image, ScoredCell(crop_cell(scored, h, w), None), pixels


def crop_cell(prediction: Prediction, height_px: int, width_px: int) -> NewCell:
    """Return the one cell of a crop as it is put into its image."""
    return NewCell(
        name=CELL_NAME,
        box=CellBox(0, 0, height_px, width_px),
        outline=(),
        probability=prediction.probability,
        outcome=outcome_of(prediction),
        flags=(),
        warnings=prediction.warnings,
        model_id=prediction.model_id,
    )


def _save(
    store: Store,
    files: RoomFiles,
    upload: CaseUpload,
    taken: list[tuple[NewImage, ScoredCell, Pixels]],
    model_id: str,
) -> int:
    """Put crops into the case, write their pictures, and say that they are scored; return how many."""
    if not taken:
        return 0
    images = save_scored_images(store, upload.case_id, [(image, cell) for image, cell, _ in taken])
    ids = cell_ids(store, [image.id for image in images])
    pixels = {image.sha256: drawn for image, _, drawn in taken}
    for image in images:
        for cell_id in ids[image.id].values():
            write_cell_pictures(files, image.id, cell_id, pixels[image.sha256], kind="crop")
    record_scorings(store, upload.case_id, [(image.id, None) for image in images], model_id=model_id)
    return len(images)
