"""Gives the labels that readers decided back as a data set for training, which `leuknet.data.folder` reads.

    manifest.csv                         path,label,subject,microns_per_pixel
    <case id>/<image id>-<cell id>.png   one cell each
    left-out.csv                         case,image,cell,why

Only cells labelled leukaemic or normal are in it, agreed or decided by a lead. What is uncertain, no cell,
disputed or unreviewed is left out, and listed. Crops are the very files that were uploaded. A cell of a field
or slide is cut out anew by its outline, set on black as the published crops are, and placed on a canvas of
one size, since such data sets are resized whole: a cell's size must not depend on its box.

The subject is the case: its id stands for the person, so that a split by subject never has cells of one case
on two sides. It cannot know that two cases are of one person: read such cases as one, or merge the subjects
in the manifest. No title and no name of an image is in the data set. All texts in it are ids and words of
this program, and so none can be a formula in a spreadsheet.

Start at `write_labelled`.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
from PIL import Image

from leuknet.data.folder import CLASS_NAMES, MANIFEST
from leuknet.data.published_counts import CANVAS_PX
from leuknet.errors import DataError, SettingError, UnreadableImageError
from leuknet.fields.cut import set_on_black
from leuknet.fields.field import Field
from leuknet.fields.outline import mask_of
from leuknet.images.transform import place_on_canvas
from leuknet.records import write_whole
from leuknet.records.results_folder import check_free
from leuknet.room.csv_text import defused
from leuknet.room.labels import LabelOutcome, case_labels
from leuknet.room.open_fields import open_image
from leuknet.room.record import ALL_CELLS
from leuknet.room.room_files import RoomFiles
from leuknet.store.cases import images_of
from leuknet.store.cell_nouns import CaseCell, Verdict
from leuknet.store.cells import cells_of
from leuknet.store.database import Store
from leuknet.store.nouns import Case, CaseImage
from leuknet.types import Pixels

LEFT_OUT = "left-out.csv"
"""Name of the list of cells that are not in the data set."""

_COLUMNS = ("path", "label", "subject", "microns_per_pixel")


@dataclass(frozen=True)
class CellForm:
    """How cells of fields and slides are cut out; uploaded crops stay as they are.

    Attributes
    ----------
    microns_per_pixel
        The scale that all of them are brought to, µm a pixel; None leaves each at its image's own. Give it
        where images of several scales, or crops of another, are in one data set: size tells classes apart.
    canvas_px
        Side of the black square that they are placed on, as a published crop is.
    """

    microns_per_pixel: float | None = None
    canvas_px: int = CANVAS_PX


@dataclass(frozen=True)
class LabelledSummary:
    """What went into a data set.

    Attributes
    ----------
    leukaemic, normal
        Cells with these labels: those that are in it.
    subjects
        Cases that have at least one of them.
    left_out
        Why cells were left out, to their number.
    """

    leukaemic: int
    normal: int
    subjects: int
    left_out: Mapping[str, int]


def write_labelled(
    store: Store,
    files: RoomFiles,
    cases: Sequence[Case],
    folder: Path,
    *,
    class_names: tuple[str, str] = CLASS_NAMES,
    form: CellForm = CellForm(),
) -> LabelledSummary:
    """Write the labelled cells of cases as a data set into a new or empty folder, the manifest last.

    Parameters
    ----------
    store, files, cases
        Of the reading room; who asks must be allowed to see the cases.
    folder
        Where it goes.
    class_names
        The words of the manifest for normal and leukaemic; others than HEM and ALL must be given to the
        reader too.
    form
        How cells of fields and slides are cut out.

    Raises
    ------
    SettingError
        If the folder holds something, or a class has no proper name.
    DataError
        If no cell is labelled leukaemic or normal.
    UnreadableImageError
        If a kept image is gone or damaged.
    """
    check_free(folder, fix="name a new folder")
    chosen = _choose(store, cases)
    for name, content in _entries(files, chosen, class_names=_checked(class_names), form=form):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return _summary(chosen)


def zip_labelled(
    store: Store,
    files: RoomFiles,
    cases: Sequence[Case],
    stream: IO[bytes],
    *,
    class_names: tuple[str, str] = CLASS_NAMES,
    form: CellForm = CellForm(),
) -> LabelledSummary:
    """Write the same as a zip archive to a stream, which need not be seekable; errors as `write_labelled`."""
    chosen, class_names = _choose(store, cases), _checked(class_names)
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in _entries(files, chosen, class_names=class_names, form=form):
            # Without a time of its own an entry is of 1980: the same cells give the same archive.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, compresslevel=1)
    return _summary(chosen)


@dataclass(frozen=True)
class _Chosen:
    cells: tuple[tuple[Case, CaseImage, CaseCell, Verdict], ...]
    left_out: tuple[tuple[Case, CaseCell, LabelOutcome], ...]


def _choose(store: Store, cases: Sequence[Case]) -> _Chosen:
    cells: list[tuple[Case, CaseImage, CaseCell, Verdict]] = []
    left_out: list[tuple[Case, CaseCell, LabelOutcome]] = []
    for case in cases:
        images = {image.id: image for image in images_of(store, case.id)}
        labels = {label.cell_id: label for label in case_labels(store, case.id)}
        found = [cell for cell in cells_of(store, case.id, limit=ALL_CELLS) if cell.id in labels]
        for cell in sorted(found, key=lambda cell: (cell.image_id, cell.id)):
            label = labels[cell.id]
            if label.label in ("leukaemic", "normal"):
                cells.append((case, images[cell.image_id], cell, label.label))
            else:
                left_out.append((case, cell, label.outcome))
    if not cells:
        raise DataError(
            "cannot make a data set",
            why=f"none of the {len(left_out):,} cells of these cases is labelled leukaemic or normal",
            fix="review cells, and let a lead decide where readers differ",
        )
    return _Chosen(tuple(cells), tuple(left_out))


def _entries(
    files: RoomFiles, chosen: _Chosen, *, class_names: tuple[str, str], form: CellForm
) -> Iterator[tuple[str, bytes]]:
    """Yield each file of the data set with its name, the manifest last."""
    rows: list[tuple[str, ...]] = []
    for _, group in groupby(chosen.cells, key=lambda entry: entry[1].id):
        of_image = list(group)
        image = of_image[0][1]
        contents = _contents(files, image, [cell for _, _, cell, _ in of_image], form=form)
        for (case, _, cell, label), content in zip(of_image, contents, strict=True):
            suffix = PurePosixPath(image.path).suffix if image.kind == "crop" else ".png"
            name = f"{case.id}/{image.id}-{cell.id}{suffix}"
            yield name, content
            um = image.microns_per_pixel if image.kind == "crop" else _scale(image, form)
            word = class_names[label == "leukaemic"]
            rows.append((name, word, str(case.id), "" if um is None else repr(um)))
    left_out = [(str(case.id), str(cell.image_id), str(cell.id), why) for case, cell, why in chosen.left_out]
    yield LEFT_OUT, _csv(("case", "image", "cell", "why"), left_out)
    yield MANIFEST, _csv(_COLUMNS, rows)


def _contents(
    files: RoomFiles, image: CaseImage, cells: Sequence[CaseCell], *, form: CellForm
) -> Iterator[bytes]:
    if image.kind == "crop":
        yield from (_kept(files, image) for _ in cells)
        return
    with open_image(files, image) as field:
        for cell in cells:
            content = io.BytesIO()
            pixels = place_on_canvas(_cut(field, image, cell, form), form.canvas_px)
            Image.fromarray(pixels).save(content, "PNG", compress_level=1)
            yield content.getvalue()


def _kept(files: RoomFiles, image: CaseImage) -> bytes:
    path = files.image(image.path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(
            f"cannot read {path}", why=str(error.strerror), fix="restore a backup of the data folder"
        ) from error


def _cut(field: Field, image: CaseImage, cell: CaseCell, form: CellForm) -> Pixels:
    box = cell.box
    pixels = field.read(box.top_px, box.left_px, box.bottom_px - box.top_px, box.right_px - box.left_px)
    # Points of the store are row before column, those of an outline x before y.
    mask = mask_of(np.array(cell.outline)[:, ::-1], box) if cell.outline else np.ones(pixels.shape[:2], bool)
    um = image.microns_per_pixel
    if um is None:
        return set_on_black(pixels, mask, microns_per_pixel=1.0, crop_um=None)
    return set_on_black(pixels, mask, microns_per_pixel=um, crop_um=form.microns_per_pixel)


def _scale(image: CaseImage, form: CellForm) -> float | None:
    return None if image.microns_per_pixel is None else form.microns_per_pixel or image.microns_per_pixel


def _summary(chosen: _Chosen) -> LabelledSummary:
    labels = Counter(label for *_, label in chosen.cells)
    return LabelledSummary(
        leukaemic=labels["leukaemic"],
        normal=labels["normal"],
        subjects=len({case.id for case, *_ in chosen.cells}),
        left_out=dict(Counter(str(why) for *_, why in chosen.left_out)),
    )


def _checked(class_names: tuple[str, str]) -> tuple[str, str]:
    for name in class_names:
        if name != name.strip() or defused(name) != name or not name.isprintable() or name in ("", "0", "1"):
            raise SettingError(
                "cannot name the classes",
                why=f"{name!r} is no plain word",
                fix="use words such as HEM and ALL",
            )
    return class_names


def _csv(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    return text.getvalue().encode()
