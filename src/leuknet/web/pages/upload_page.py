"""Files on their way into a case: in parts by a script, or whole by a plain form.

Start at `begin`. What is done with them is in `leuknet.room.intake`.
"""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Form, Header, Request, UploadFile
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from leuknet.errors import ConflictError, LeukNetError, NotFoundError, StoreError
from leuknet.room import intake
from leuknet.store.nouns import Announcement, CaseUpload, UploadKind
from leuknet.web.error_answers import answer
from leuknet.web.pages.case_nouns import UploadOfCase
from leuknet.web.pages.case_page_routes import scale_of, show_case
from leuknet.web.permissions import Configured, Files, OpenStore, SignedIn, VisibleCase
from leuknet.web.pools import CHECKS, in_pool
from leuknet.web.templating import render_page
from leuknet.web.upload_parts import take_part

router = APIRouter(prefix="/cases/{case_id}")


class NewUpload(BaseModel):
    """A file as it is announced."""

    name: Annotated[str, Field(max_length=2000)]
    n_bytes: Annotated[int, Field(ge=0, lt=2**63)]
    kind: UploadKind = "auto"
    key: Annotated[str, Field(min_length=1, max_length=100)]
    microns_per_pixel: float | None = None


@router.post("/uploads")
def begin(
    case: VisibleCase, user: SignedIn, store: OpenStore, files: Files, settings: Configured, new: NewUpload
) -> Response:
    """Announce a file, or find how much of it has come."""
    upload = intake.begin_upload(
        store, files, case.id, Announcement(**new.model_dump()), user=user, limits=settings.limits
    )
    return JSONResponse(_told(files, upload))


@router.get("/uploads/{upload_id}")
def state(upload: UploadOfCase, files: Files) -> Response:
    """How much of a file has come, and what became of it."""
    return JSONResponse(_told(files, upload))


@router.patch("/uploads/{upload_id}")
async def send(
    request: Request,
    upload: UploadOfCase,
    files: Files,
    offset: Annotated[int, Header(alias="Upload-Offset", ge=0, lt=2**63)],
) -> Response:
    """Add a part; 409 with the right offset if it does not follow what has come."""
    try:
        length = await take_part(request, files, upload, offset)
    except ConflictError as error:
        refused = answer(request, 409, error)
        refused.headers["Upload-Offset"] = str(await run_in_threadpool(intake.received, files, upload))
        return refused
    return JSONResponse({"offset": length}, headers={"Upload-Offset": str(length)})


@router.post("/uploads/{upload_id}/finish")
async def finish(upload: UploadOfCase, user: SignedIn, store: OpenStore, files: Files) -> Response:
    """Check a file of which all has come, and put it into the case."""
    added = await in_pool(CHECKS, intake.finish, store, files, upload, actor=user.actor)
    return JSONResponse({"images": [image.id for image in added]})


@router.post("/files")
def send_whole(
    request: Request,
    case: VisibleCase,
    user: SignedIn,
    store: OpenStore,
    files: Files,
    settings: Configured,
    file: list[UploadFile],
    kind: Annotated[UploadKind, Form()] = "auto",
    microns_per_pixel: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Take small files from a form without a script; each that is refused is named, the others are kept."""
    try:
        scale = scale_of(microns_per_pixel)
    except LeukNetError as error:
        return show_case(request, case, user, store, settings, error=error)
    refused: list[LeukNetError] = []
    for sent in file:
        content = sent.file.read()
        announced = Announcement(sent.filename or "unnamed", len(content), str(uuid4()), kind, scale)
        try:
            intake.take_whole(store, files, case.id, announced, content, user=user, limits=settings.limits)
        except (StoreError, NotFoundError):
            raise
        except LeukNetError as error:
            refused.append(error)
    if refused:
        return render_page(request, "upload_refused.html", {"case": case, "refused": refused}, status=422)
    return RedirectResponse(f"/cases/{case.id}", 303)


def _told(files: Files, upload: CaseUpload) -> dict[str, object]:
    return {
        "id": str(upload.id),
        "offset": intake.received(files, upload),
        "state": upload.state,
        "error": upload.error,
    }
