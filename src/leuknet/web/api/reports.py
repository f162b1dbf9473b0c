"""Signed reports of a case, and the labels of cases as a data set for training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response, StreamingResponse

from leuknet.errors import ConflictError, DataError, StoreError, UnreadableImageError
from leuknet.room.files import RoomFiles
from leuknet.room.labelled import zip_labelled
from leuknet.room.signing import signed_file
from leuknet.store.cases import find_case
from leuknet.store.database import Store
from leuknet.store.nouns import Case
from leuknet.store.signatures import find_signature, signatures_of
from leuknet.web.api.access import ApiCase, ApiLead
from leuknet.web.api.problems import problems
from leuknet.web.api.shapes import ReportList, ReportShape
from leuknet.web.errors import not_here
from leuknet.web.who import Files, Room

router = APIRouter(tags=["Reports and data sets"])

Form = Literal["html", "pdf", "fhir", "dcm"]

_FORMS: dict[Form, tuple[str, str]] = {
    "html": (".html", "text/html"),
    "pdf": (".pdf", "application/pdf"),
    "fhir": (".fhir.json", "application/fhir+json"),
    "dcm": (".dcm", "application/dicom"),
}

_ZIP = "application/zip"
_CHUNK = 2**20


def _file(*media_types: str) -> dict[str, Any]:
    content = {one: {"schema": {"type": "string", "format": "binary"}} for one in media_types}
    return {"description": "The file.", "content": content}


@router.get("/cases/{case_id}/reports", responses=problems(404))
def list_reports(case: ApiCase, store: Room) -> ReportList:
    """List the signed versions of a case's report."""
    here = f"/api/v1/cases/{case.id}/reports"
    items = [
        ReportShape(
            version=one.version,
            signed_by=one.signed_by,
            signed_at=one.signed_at,
            reason=one.reason,
            content_sha256=one.content_sha256,
            files={form: f"{here}/{one.version}/{form}" for form in _FORMS},
        )
        for one in signatures_of(store, case.id)
    ]
    return ReportList(items=items)


@router.get(
    "/cases/{case_id}/reports/{version}/{form}",
    response_class=Response,
    responses={200: _file(*(media_type for _, media_type in _FORMS.values())), **problems(404, 501)},
)
def report_file(
    case: ApiCase,
    version: Annotated[int, Path(ge=1, le=2**31 - 1, description="Of the report.")],
    form: Annotated[Form, Path(description="Page, PDF, FHIR DiagnosticReport or DICOM SR.")],
    store: Room,
    files: Files,
) -> Response:
    """Give a signed version as a file, to the byte as it was signed."""
    signature = find_signature(store, case.id, version)
    if signature is None:
        raise not_here()
    suffix, media_type = _FORMS[form]
    content = signed_file(files, signature, suffix).read_bytes()
    return Response(content, media_type=media_type, headers=_saved_as(f"{case.id}-{version}{suffix}"))


@router.get(
    "/cases/{case_id}/labelled.zip",
    response_class=StreamingResponse,
    responses={200: _file(_ZIP), **problems(403, 404, 409)},
)
def labelled_case(case: ApiCase, _lead: ApiLead, store: Room, files: Files) -> StreamingResponse:
    """Give the cells that are labelled leukaemic or normal as a data set for training; for leads."""
    return _data_set(store, files, [case], f"labelled-{case.id}.zip")


@router.get(
    "/labelled.zip",
    response_class=StreamingResponse,
    responses={200: _file(_ZIP), **problems(403, 404, 409, 422)},
)
def labelled_cases(
    case_id: Annotated[
        list[UUID], Query(min_length=1, max_length=1000, description="Ids of the cases, one or more.")
    ],
    lead: ApiLead,
    store: Room,
    files: Files,
) -> StreamingResponse:
    """Give the labelled cells of several cases as one data set, in which a case is a subject; for leads."""
    found = [find_case(store, one, user=lead) for one in dict.fromkeys(case_id)]
    cases = [case for case in found if case is not None]
    if len(cases) != len(found):
        raise not_here()
    return _data_set(store, files, cases, "labelled.zip")


def _data_set(store: Store, files: RoomFiles, cases: Sequence[Case], name: str) -> StreamingResponse:
    # Beside the images: there is room for them, unlike in a /tmp that may be memory.
    stream = tempfile.TemporaryFile(dir=files.folder)  # noqa: SIM115 - closed once it is sent
    try:
        zip_labelled(store, files, cases, stream)
    except BaseException as error:
        stream.close()
        if isinstance(error, UnreadableImageError):
            raise StoreError(error.what, why=error.why, fix=error.fix) from error
        if isinstance(error, DataError):  # no fault of the request: nothing is labelled yet
            raise ConflictError(error.what, why=error.why, fix=error.fix) from error
        raise
    return StreamingResponse(_sent(stream), media_type=_ZIP, headers=_saved_as(name))


def _sent(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        stream.seek(0)
        while chunk := stream.read(_CHUNK):
            yield chunk


def _saved_as(name: str) -> dict[str, str]:
    """Return the header with which a browser keeps a file instead of showing it as a page of ours."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}
