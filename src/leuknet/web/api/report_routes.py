"""Signed reports of a case, and the labels of cases as a data set for training."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response, StreamingResponse

from leuknet.store.cases import find_case
from leuknet.store.nouns import Report, ReportForm, as_noun
from leuknet.store.signatures import signatures_of
from leuknet.web.api.access import ApiCase, ApiLead
from leuknet.web.api.problems import problems
from leuknet.web.api.schemas import ReportList
from leuknet.web.downloads import KINDS, ZIP, labelled_answer, signed_answer
from leuknet.web.error_answers import not_here
from leuknet.web.permissions import Files, OpenStore

router = APIRouter(tags=["Reports and data sets"])

_FORMS: dict[ReportForm, str] = {"html": ".html", "pdf": ".pdf", "fhir": ".fhir.json", "dcm": ".dcm"}


def _file(*media_types: str) -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in media_types}
    return {"description": "The file.", "content": content}


@router.get("/cases/{case_id}/reports", responses=problems(404))
def list_reports(case: ApiCase, store: OpenStore) -> ReportList:
    """List the signed versions of a case's report."""
    here = f"/api/v1/cases/{case.id}/reports"
    items = [
        as_noun(Report, signed, files={form: f"{here}/{signed.version}/{form}" for form in _FORMS})
        for signed in signatures_of(store, case.id)
    ]
    return ReportList(items=items)


@router.get(
    "/cases/{case_id}/reports/{version}/{form}",
    response_class=Response,
    responses={200: _file(*KINDS.values()), **problems(404, 409, 501)},
)
def report_file(
    case: ApiCase,
    version: Annotated[int, Path(ge=1, le=2**31 - 1, description="Of the report.")],
    form: Annotated[ReportForm, Path(description="Page, PDF, FHIR DiagnosticReport or DICOM SR.")],
    store: OpenStore,
    files: Files,
) -> Response:
    """Give a signed version as a file, to the byte as it was signed."""
    return signed_answer(store, files, case, version, _FORMS[form])


@router.get(
    "/cases/{case_id}/labelled.zip",
    response_class=StreamingResponse,
    responses={200: _file(ZIP), **problems(403, 404, 409)},
)
def labelled_case(case: ApiCase, _lead: ApiLead, store: OpenStore, files: Files) -> StreamingResponse:
    """Give the cells that are labelled leukaemic or normal as a data set for training; for leads."""
    return labelled_answer(store, files, [case], f"labelled-{case.id}.zip")


@router.get(
    "/labelled.zip",
    response_class=StreamingResponse,
    responses={200: _file(ZIP), **problems(403, 404, 409, 422)},
)
def labelled_cases(
    case_id: Annotated[
        list[UUID], Query(min_length=1, max_length=1000, description="Ids of the cases, one or more.")
    ],
    lead: ApiLead,
    store: OpenStore,
    files: Files,
) -> StreamingResponse:
    """Give the labelled cells of several cases as one data set, in which a case is a subject; for leads."""
    found = [find_case(store, wanted, user=lead) for wanted in dict.fromkeys(case_id)]
    cases = [case for case in found if case is not None]
    if len(cases) != len(found):
        raise not_here()
    return labelled_answer(store, files, cases, "labelled.zip")
