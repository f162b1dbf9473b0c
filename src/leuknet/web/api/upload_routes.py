"""Files on their way into a case, in parts that can be sent again after any break."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from leuknet.room.intake import begin_upload, finish, received
from leuknet.room.room_files import RoomFiles
from leuknet.store.database import Store
from leuknet.store.nouns import Announcement, CaseUpload, Upload, User, as_noun
from leuknet.store.uploads import find_upload
from leuknet.web.api.access import JSON_BODY, ApiCase, ApiUpload, ApiUser, BodyOf
from leuknet.web.api.case_routes import described_images
from leuknet.web.api.problems import problems
from leuknet.web.api.schemas import LARGEST, FinishedUpload, NewUpload
from leuknet.web.error_answers import not_here
from leuknet.web.guard import CHUNK_BYTES
from leuknet.web.permissions import Configured, Files, OpenStore
from leuknet.web.pools import CHECKS, in_pool
from leuknet.web.upload_parts import take_part

router = APIRouter(tags=["Uploads"], prefix="/cases/{case_id}/uploads")

_BYTES = "application/octet-stream"
_RAW_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"The bytes of the file from `Upload-Offset` on, at most {CHUNK_BYTES:,}.",
        "content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post(
    "", status_code=201, dependencies=[JSON_BODY], responses=problems(400, 404, 408, 409, 413, 415, 422)
)
def begin(
    new: NewUpload,
    case: ApiCase,
    user: ApiUser,
    store: OpenStore,
    files: Files,
    settings: Configured,
    answer: Response,
) -> Upload:
    """Announce a file, before its first byte. With a key that was used before, it is the same upload:
    `received` says where to go on.
    """
    upload = begin_upload(
        store, files, case.id, Announcement(**new.model_dump()), user=user, limits=settings.limits
    )
    answer.headers["Location"] = f"/api/v1/cases/{case.id}/uploads/{upload.id}"
    return _told(files, upload)


@router.get("/{upload_id}", responses=problems(404))
def one_upload(upload: ApiUpload, files: Files) -> Upload:
    """Tell how much of a file has come."""
    return _told(files, upload)


@router.patch(
    "/{upload_id}",
    dependencies=[Depends(BodyOf(_BYTES))],
    openapi_extra=_RAW_BODY,
    responses=problems(404, 408, 409, 413, 415, 422),
)
async def send_part(
    request: Request,
    upload: ApiUpload,
    files: Files,
    upload_offset: Annotated[
        int, Header(ge=0, le=LARGEST, description="How many bytes of the file come before these.")
    ],
) -> Upload:
    """Send the next bytes of a file; they are on the disk when the answer comes. After a lost answer, ask
    for the upload and go on from `received`.
    """
    await take_part(request, files, upload, upload_offset)
    return await run_in_threadpool(_told, files, upload)


@router.post("/{upload_id}/finish", responses=problems(404, 409, 422))
async def finish_upload(upload: ApiUpload, user: ApiUser, store: OpenStore, files: Files) -> FinishedUpload:
    """Say that the file is whole. It is checked, kept, and scored in time; again is no error."""
    return await in_pool(CHECKS, _finish, upload, user, store, files)


def _finish(upload: CaseUpload, user: User, store: Store, files: RoomFiles) -> FinishedUpload:
    images = finish(store, files, upload, actor=user.actor)
    now = find_upload(store, upload.id)
    if now is None:
        raise not_here()
    return FinishedUpload(upload=_told(files, now), images=described_images(store, now.case_id, images))


def _told(files: RoomFiles, upload: CaseUpload) -> Upload:
    return as_noun(Upload, upload, received=received(files, upload))
