"""The pictures of a case: cells small and large, as the model saw them, explained; and tiles of whole images.

None of them ever changes, so browsers keep them; yet every request asks anew whether the user may see it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import fastapi
from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from leuknet.errors import SettingError
from leuknet.room.deep_zoom import TILE_PX, deep_zoom, tile_jpeg
from leuknet.room.files import RoomFiles
from leuknet.room.pictures import ensure_cell_pictures
from leuknet.store.nouns import CaseCell, CaseImage
from leuknet.web.errors import not_here
from leuknet.web.pages.case_nouns import CellOfCase, ImageOfCase
from leuknet.web.who import Files

router = APIRouter(prefix="/cases/{case_id}")

KEEP = {"Cache-Control": "private, max-age=31536000, immutable"}

Place = Annotated[int, fastapi.Path(ge=0, le=10**6)]


@router.get("/images/{image_id}/cells/{cell_id}/thumb.webp")
def thumb(image: ImageOfCase, found: CellOfCase, files: Files) -> Response:
    """The small picture of a cell."""
    _draw(files, image, found.cell)
    return FileResponse(files.thumb(image.id, found.cell.id), media_type="image/webp", headers=KEEP)


@router.get("/images/{image_id}/cells/{cell_id}/view.png")
def view(image: ImageOfCase, found: CellOfCase, files: Files) -> Response:
    """A cell and what is around it, at full resolution."""
    _draw(files, image, found.cell)
    return FileResponse(files.view(image.id, found.cell.id), media_type="image/png", headers=KEEP)


@router.get("/images/{image_id}/cells/{cell_id}/crop.png")
def crop(image: ImageOfCase, found: CellOfCase, files: Files) -> Response:
    """The cell on black as the model saw it; a crop image is that itself."""
    if image.kind == "crop":
        return view(image, found, files)
    return _kept(image, found.cell, files.crop(image.id, found.cell.id))


@router.get("/images/{image_id}/cells/{cell_id}/map.png")
def explanation(image: ImageOfCase, found: CellOfCase, files: Files) -> Response:
    """On which places of the cell its score rests, once the worker has drawn it."""
    return _kept(image, found.cell, map_path(files, found.cell))


@router.get("/images/{image_id}/overview.jpeg")
def overview(image: ImageOfCase, files: Files) -> Response:
    """The whole image in one tile."""
    zoom = deep_zoom(image)
    level = max(one for one in range(zoom.levels) if max(zoom.size(one)) <= TILE_PX)
    return Response(tile_jpeg(files, image, level, 0, 0), media_type="image/jpeg", headers=KEEP)


@router.get("/images/{image_id}/image.dzi")
def levels(image: ImageOfCase) -> Response:
    """What a viewer must know to ask for tiles."""
    return Response(deep_zoom(image).dzi(), media_type="application/xml", headers=KEEP)


@router.get("/images/{image_id}/image_files/{level}/{column}_{row}.jpeg")
def tile(image: ImageOfCase, level: Place, column: Place, row: Place, files: Files) -> Response:
    """One tile."""
    return Response(tile_jpeg(files, image, level, column, row), media_type="image/jpeg", headers=KEEP)


def _draw(files: RoomFiles, image: CaseImage, cell: CaseCell) -> None:
    if cell.image_id != image.id:
        raise not_here()
    ensure_cell_pictures(files, image, [cell])


def map_path(files: RoomFiles, cell: CaseCell) -> Path | None:
    """Return where the explanation of a cell's score lies; None for a cell that no model of ours scored."""
    try:
        return files.map(cell.image_id, cell.id, cell.model_id)
    except SettingError:  # a table of cells may name its model as no file could be named
        return None


def _kept(image: CaseImage, cell: CaseCell, path: Path | None) -> Response:
    if cell.image_id != image.id or path is None or not path.is_file():
        raise not_here()
    return FileResponse(path, media_type="image/png", headers=KEEP)
