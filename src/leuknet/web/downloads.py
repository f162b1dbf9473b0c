"""Files that are taken away: signed reports, and labels as a data set. Pages and API give the same.

Start at `signed_answer` and `labelled_answer`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import IO

from fastapi.responses import Response, StreamingResponse

from leuknet.errors import ConflictError, DataError
from leuknet.room.labelled import zip_labelled
from leuknet.room.open_fields import kept_images
from leuknet.room.read_signed import read_signed
from leuknet.room.room_files import RoomFiles
from leuknet.store.database import Store
from leuknet.store.nouns import Case
from leuknet.store.signatures import find_signature
from leuknet.web.error_answers import not_here

KINDS = {
    ".html": "text/html",
    ".pdf": "application/pdf",
    ".fhir.json": "application/fhir+json",
    ".dcm": "application/dicom",
}
"""Media types of the files of a signed version, by suffix."""

ZIP = "application/zip"

_CHUNK = 2**20


def signed_answer(
    store: Store, files: RoomFiles, case: Case, version: int, suffix: str, *, shown: bool = False
) -> Response:
    """Return a file of a signed version; `shown` lets a browser show it, else it keeps it as a file."""
    signature = find_signature(store, case.id, version) if 1 <= version < 2**31 else None
    if signature is None or suffix not in KINDS:
        raise not_here()
    content = read_signed(store, files, signature, suffix)
    headers = _named(f"{case.id}-{version}{suffix}", shown=shown)
    return Response(content, media_type=KINDS[suffix], headers=headers)


def labelled_answer(store: Store, files: RoomFiles, cases: Sequence[Case], name: str) -> StreamingResponse:
    """Return the labelled cells of cases as an archive.

    Raises
    ------
    ConflictError
        If none of them is labelled yet.
    StoreError
        If a kept image is gone or damaged.
    """
    # Beside the images: there is room for them, unlike in a /tmp that may be memory.
    stream = tempfile.TemporaryFile(dir=files.folder)  # noqa: SIM115 - closed once it is sent
    try:
        with kept_images():
            zip_labelled(store, files, cases, stream)
    except BaseException as error:
        stream.close()
        if isinstance(error, DataError):  # no fault of the request: nothing is labelled yet
            raise ConflictError(error.what, why=error.why, fix=error.fix) from error
        raise
    return StreamingResponse(_sent(stream), media_type=ZIP, headers=_named(name, shown=False))


def _sent(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        stream.seek(0)
        while chunk := stream.read(_CHUNK):
            yield chunk


def _named(name: str, *, shown: bool) -> dict[str, str]:
    return {"Content-Disposition": f'{"inline" if shown else "attachment"}; filename="{name}"'}
