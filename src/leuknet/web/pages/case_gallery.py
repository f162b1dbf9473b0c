"""The gallery's numbers: all cells of a case or image, in so few bytes that a browser sorts them itself.

Start at `gallery`.
"""

from __future__ import annotations

import gzip
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from leuknet.room.cards import meaning_of
from leuknet.store.cell_nouns import VERDICTS
from leuknet.store.gallery import GalleryRow, gallery_rows, outlined_cells
from leuknet.types import FLAG_MEANINGS
from leuknet.web.model_facts import class_names_of
from leuknet.web.pages.case_nouns import ImageOfCase
from leuknet.web.permissions import Configured, OpenStore, SignedIn, VisibleCase

router = APIRouter(prefix="/cases/{case_id}")

VERDICT_WORDS = ("", *(verdict for verdict in VERDICTS if verdict != "withdrawn"))

FLAGS = (*FLAG_MEANINGS, "warned")
"""The bits of a cell's flags in the gallery, the lowest first; `warned`: unlike what the model has seen."""


@router.get("/cells.json")
def gallery(
    request: Request,
    case: VisibleCase,
    user: SignedIn,
    store: OpenStore,
    settings: Configured,
    image: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Response:
    """All cells in few numbers: one list for each column."""
    rows = gallery_rows(store, case.id, reader_id=user.id, image_id=image)
    return _packed(request, _columns(rows, class_names_of(settings)) | {"locked": case.state != "open"})


@router.get("/images/{image_id}/outlines.json")
def outlines(request: Request, image: ImageOfCase, store: OpenStore) -> Response:
    """Where the cells of an image lie: box (top, left, bottom, right), outline (row, column, ...)."""
    found = outlined_cells(store, image.id)
    boxes = [[cell.box.top_px, cell.box.left_px, cell.box.bottom_px, cell.box.right_px] for cell in found]
    lines = [[round(side) for point in cell.outline for side in point] for cell in found]
    return _packed(request, {"id": [cell.cell_id for cell in found], "box": boxes, "outline": lines})


def _columns(rows: tuple[GalleryRow, ...], class_names: tuple[str, str]) -> dict[str, Any]:
    outcomes = sorted({row.outcome for row in rows})
    place = {name: number for number, name in enumerate(outcomes)}
    bit = {name: 1 << number for number, name in enumerate(FLAGS)}
    said = {name: number for number, name in enumerate(VERDICT_WORDS)} | {None: 0, "withdrawn": 0}
    return {
        "id": [row.cell_id for row in rows],
        "image": [row.image_id for row in rows],
        "probability": [None if row.probability is None else round(row.probability, 4) for row in rows],
        "outcome": [place[row.outcome] for row in rows],
        "flags": [
            sum(bit.get(flag, 0) for flag in row.flags) | (bit["warned"] if row.has_warnings else 0)
            for row in rows
        ],
        "verdict": [said[row.verdict] for row in rows],
        "review": [row.review_id or 0 for row in rows],
        "outcomes": [{"name": name, "means": meaning_of(name, class_names)} for name in outcomes],
        "flag_names": list(FLAGS),
        "verdicts": list(VERDICT_WORDS),
    }


def _packed(request: Request, content: dict[str, Any]) -> Response:
    """JSON, compressed: it holds no token that its length could betray."""
    body = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    if "gzip" not in request.headers.get("Accept-Encoding", "") or len(body) < 1000:
        return Response(body, media_type="application/json")
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(gzip.compress(body, 1), media_type="application/json", headers=headers)
