"""Takes a part of an upload off the network; of one that is cut, what came is kept. Start at `take_part`."""

from __future__ import annotations

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from leuknet.room import intake
from leuknet.room.room_files import RoomFiles
from leuknet.store.nouns import CaseUpload
from leuknet.web.pools import UPLOADS, in_pool


async def take_part(request: Request, files: RoomFiles, upload: CaseUpload, offset: int) -> int:
    """Add a request's body to an upload; return how many bytes have come in all.

    Raises
    ------
    HTTPException
        Of status 408, with the header `Upload-Offset`, if the body stopped coming or came for too long: what
        had come by then is kept, and the client goes on from there.
    ConflictError, DataError, StoreError
        As of `leuknet.room.intake.append`.
    """
    came = bytearray()
    cut: Exception | None = None
    try:
        async for piece in request.stream():
            came += piece
    except ClientDisconnect as error:
        cut = error
    except HTTPException as error:
        if error.status_code != 408:
            raise
        cut = error
    if cut is None or came:
        length = await in_pool(UPLOADS, intake.append, files, upload, offset, bytes(came))
    else:
        length = await in_pool(UPLOADS, intake.received, files, upload)
    if cut is not None:
        raise HTTPException(408, headers={"Upload-Offset": str(length)}) from cut
    return length
