"""The pictures of a cell. Each is made anew if it is missing, from the kept image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from leuknet.errors import StoreError
from leuknet.room.crops import find_crop
from leuknet.room.open_fields import kept_images
from leuknet.room.pictures import ensure_cell_pictures
from leuknet.room.room_files import RoomFiles
from leuknet.store.cases import find_image
from leuknet.store.cell_pages import ReadCell
from leuknet.store.database import Store
from leuknet.store.nouns import CaseImage
from leuknet.web.api.access import ApiCell
from leuknet.web.api.problems import problems
from leuknet.web.error_answers import not_here
from leuknet.web.model_facts import model_of
from leuknet.web.permissions import Configured, Files, OpenStore

router = APIRouter(tags=["Pictures"], prefix="/cases/{case_id}/cells/{cell_id}")

_PNG, _WEBP = "image/png", "image/webp"


def _picture(media_type: str) -> dict[int | str, dict[str, Any]]:
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"description": "The picture.", "content": content}, **problems(404)}


@router.get("/thumb", response_class=Response, responses=_picture(_WEBP))
def thumb(found: ApiCell, store: OpenStore, files: Files) -> Response:
    """Give the small picture of a cell, 96 x 96 pixels, as WebP."""
    image = _drawn(store, files, found)
    return _answer(files.thumb(image.id, found.cell.id), _WEBP)


@router.get("/view", response_class=Response, responses=_picture(_PNG))
def view(found: ApiCell, store: OpenStore, files: Files) -> Response:
    """Give the cell and what is around it at full resolution, as PNG; of a crop the whole picture."""
    image = _drawn(store, files, found)
    return _answer(files.view(image.id, found.cell.id), _PNG)


@router.get("/crop", response_class=Response, responses=_picture(_PNG))
def crop(found: ApiCell, store: OpenStore, files: Files, settings: Configured) -> Response:
    """Give the cell on black as the model saw it, as PNG; of a crop the same as `view`. 404 where it was
    not kept, as for cells of a table.
    """
    image = _image(store, found)
    if image.kind == "crop":
        return view(found, store, files)
    path = find_crop(files, image, found.cell, model=model_of(settings))
    if path is None:
        raise not_here()
    return _answer(path, _PNG)


def _image(store: Store, found: ReadCell) -> CaseImage:
    image = find_image(store, found.cell.image_id)
    if image is None:
        raise not_here()
    return image


def _drawn(store: Store, files: RoomFiles, found: ReadCell) -> CaseImage:
    image = _image(store, found)
    with kept_images():
        ensure_cell_pictures(files, image, [found.cell])
    return image


def _answer(path: Path, media_type: str) -> Response:
    try:
        # Some kilobytes: read at once, quicker than sent piece by piece.
        return Response(path.read_bytes(), media_type=media_type)
    except OSError as error:
        raise StoreError(
            "cannot read the picture", why=f"{path.name}: {error.strerror}", fix="try again"
        ) from error
