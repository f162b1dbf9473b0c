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
from leuknet.store.nouns import Upload, UploadKind
from leuknet.web.error_answers import answer
from leuknet.web.pages.case_nouns import UploadOfCase
from leuknet.web.pages.case_page_routes import scale_of, show_case
from leuknet.web.templating import render_page
from leuknet.web.who import Configured, Files, Room, SignedIn, VisibleCase

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
    case: VisibleCase, user: SignedIn, store: Room, files: Files, settings: Configured, new: NewUpload
) -> Response:
    """Announce a file, or find how much of it has come."""
    upload = intake.begin_upload(
        store,
        files,
        case.id,
        user=user,
        name=new.name,
        n_bytes=new.n_bytes,
        kind=new.kind,
        key=new.key,
        microns_per_pixel=new.microns_per_pixel,
        limits=intake.Limits(settings.max_upload_bytes),
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
    part = await request.body()
    try:
        length = await run_in_threadpool(intake.append, files, upload, offset, part)
    except ConflictError as error:
        refused = answer(request, 409, error)
        refused.headers["Upload-Offset"] = str(await run_in_threadpool(intake.received, files, upload))
        return refused
    return JSONResponse({"offset": length}, headers={"Upload-Offset": str(length)})


@router.post("/uploads/{upload_id}/finish")
def finish(upload: UploadOfCase, user: SignedIn, store: Room, files: Files) -> Response:
    """Check a file of which all has come, and put it into the case."""
    added = intake.finish(store, files, upload, actor=user.actor)
    return JSONResponse({"images": [one.id for one in added]})


@router.post("/files")
def send_whole(
    request: Request,
    case: VisibleCase,
    user: SignedIn,
    store: Room,
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
    for one in file:
        try:
            intake.take_whole(
                store,
                files,
                case.id,
                one.file.read(),
                user=user,
                name=one.filename or "unnamed",
                kind=kind,
                key=str(uuid4()),
                microns_per_pixel=scale,
                limits=intake.Limits(settings.max_upload_bytes),
            )
        except (StoreError, NotFoundError):
            raise
        except LeukNetError as error:
            refused.append(error)
    if refused:
        return render_page(request, "upload_refused.html", {"case": case, "refused": refused}, status=422)
    return RedirectResponse(f"/cases/{case.id}", 303)


def _told(files: Files, upload: Upload) -> dict[str, object]:
    return {
        "id": str(upload.id),
        "offset": intake.received(files, upload),
        "state": upload.state,
        "error": upload.error,
    }
