"""The pictures of a case: cells small and large, as the model saw them, explained; and tiles of whole images.

None of them ever changes, so browsers keep them; yet every request asks anew whether the user may see it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import UUID

import fastapi
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from leuknet.errors import SettingError
from leuknet.room.crops import find_crop
from leuknet.room.deep_zoom import TILE_PX, deep_zoom, tile_jpeg
from leuknet.room.pictures import ensure_cell_pictures
from leuknet.room.room_files import RoomFiles
from leuknet.store.cases import find_image
from leuknet.store.cell_nouns import CaseCell
from leuknet.store.cells import find_cell, has_cell
from leuknet.store.database import Store
from leuknet.store.nouns import CaseImage
from leuknet.web.error_answers import not_here
from leuknet.web.model_facts import model_of
from leuknet.web.pages.case_nouns import CellOfCase, ImageOfCase, Number
from leuknet.web.permissions import Configured, Files, OpenStore, session_of, visible_case
from leuknet.web.pools import PICTURES, in_pool

router = APIRouter(prefix="/cases/{case_id}")

KEEP = {"Cache-Control": "private, max-age=31536000, immutable"}

Place = Annotated[int, fastapi.Path(ge=0, le=10**6)]


@router.get("/images/{image_id}/cells/{cell_id}/thumb.webp")
@router.get("/images/{image_id}/cells/{cell_id}/view.png")
async def thumb_or_view(
    request: Request, case_id: UUID, image_id: Number, cell_id: Number, store: OpenStore, files: Files
) -> Response:
    """The small picture of a cell; or the cell and what is around it, at full resolution."""
    is_thumb = request.url.path.endswith("thumb.webp")
    path = files.thumb(image_id, cell_id) if is_thumb else files.view(image_id, cell_id)
    content = await run_in_threadpool(_shown, request, store, case_id, image_id, cell_id, path)
    if content is None:
        await in_pool(PICTURES, _draw, store, files, image_id, cell_id)
        content = await run_in_threadpool(path.read_bytes)
    return Response(content, media_type="image/webp" if is_thumb else "image/png", headers=KEEP)


@router.get("/images/{image_id}/cells/{cell_id}/crop.png")
async def crop(
    image: ImageOfCase, found: CellOfCase, store: OpenStore, files: Files, settings: Configured
) -> Response:
    """The cell on black as the model saw it; a crop image is that itself."""
    if image.kind == "crop":
        path: Path | None = files.view(image.id, found.cell.id)
        if not files.view(image.id, found.cell.id).is_file():
            await in_pool(PICTURES, _draw, store, files, image.id, found.cell.id)
    else:
        path = await in_pool(PICTURES, find_crop, files, image, found.cell, model=model_of(settings))
    return _kept(image, found.cell, path)


@router.get("/images/{image_id}/cells/{cell_id}/map.png")
def explanation(image: ImageOfCase, found: CellOfCase, files: Files) -> Response:
    """On which places of the cell its score rests, once the worker has drawn it."""
    return _kept(image, found.cell, map_path(files, found.cell))


@router.get("/images/{image_id}/overview.jpeg")
async def overview(image: ImageOfCase, files: Files) -> Response:
    """The whole image in one tile."""
    zoom = deep_zoom(image)
    level = max(level for level in range(zoom.levels) if max(zoom.size(level)) <= TILE_PX)
    content = await in_pool(PICTURES, tile_jpeg, files, image, level, 0, 0)
    return Response(content, media_type="image/jpeg", headers=KEEP)


@router.get("/images/{image_id}/image.dzi")
def levels(image: ImageOfCase) -> Response:
    """What a viewer must know to ask for tiles."""
    return Response(deep_zoom(image).dzi(), media_type="application/xml", headers=KEEP)


@router.get("/images/{image_id}/image_files/{level}/{column}_{row}.jpeg")
async def tile(image: ImageOfCase, level: Place, column: Place, row: Place, files: Files) -> Response:
    """One tile."""
    content = await in_pool(PICTURES, tile_jpeg, files, image, level, column, row)
    return Response(content, media_type="image/jpeg", headers=KEEP)


def _shown(
    request: Request, store: Store, case_id: UUID, image_id: int, cell_id: int, path: Path
) -> bytes | None:
    """Return a picture of a cell, None if it must be made anew; raise what `CellOfCase` and `ImageOfCase` do,
    but in one thread: a gallery asks often.
    """
    user = session_of(request, store).user
    case = visible_case(case_id, user, store)
    if not has_cell(store, case.id, image_id, cell_id):
        raise not_here()
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _draw(store: Store, files: RoomFiles, image_id: int, cell_id: int) -> None:
    """Make the pictures of a cell anew, as they were deleted."""
    image, cell = find_image(store, image_id), find_cell(store, cell_id)
    if image is None or cell is None:
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
