"""Cases, their images and jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from fastapi import APIRouter, Response

from leuknet.room.kinds import BRING_CELLS
from leuknet.store.cases import cases_of, create_case, images_of
from leuknet.store.cell_pages import CellPlace, count_cells
from leuknet.store.database import Store
from leuknet.store.jobs import jobs_of
from leuknet.store.nouns import Case, CaseImage, CaseProgress, Image, Scoring, User, as_noun
from leuknet.store.scorings import scorings_of
from leuknet.store.summaries import case_summary
from leuknet.web.api.access import JSON_BODY, ApiCase, ApiUser
from leuknet.web.api.paging import Cursor, Limit, cases_after, read_cursor, write_case_cursor, write_cursor
from leuknet.web.api.problems import problems
from leuknet.web.api.schemas import CasePage, ImagePage, JobList, NewCase
from leuknet.web.permissions import OpenStore

router = APIRouter(tags=["Cases"])


@router.get("/cases", responses=problems(422))
def list_cases(user: ApiUser, store: OpenStore, limit: Limit = 100, cursor: Cursor = None) -> CasePage:
    """List the cases that the account may see, the newest first."""
    found = cases_after(cases_of(store, user), cursor)
    cursor = write_case_cursor(found[limit - 1]) if len(found) > limit else None
    return CasePage(items=list(found[:limit]), next=cursor)


@router.post("/cases", status_code=201, dependencies=[JSON_BODY], responses=problems(400, 408, 413, 415, 422))
def make_case(new: NewCase, user: ApiUser, store: OpenStore, answer: Response) -> CaseProgress:
    """Make an empty case."""
    case = create_case(store, new.title, user=user)
    answer.headers["Location"] = f"/api/v1/cases/{case.id}"
    return _detail(store, case, user)


@router.get("/cases/{case_id}", responses=problems(404))
def one_case(case: ApiCase, user: ApiUser, store: OpenStore) -> CaseProgress:
    """Tell what a case holds and how far it is."""
    return _detail(store, case, user)


@router.get("/cases/{case_id}/images", responses=problems(404, 422))
def list_images(case: ApiCase, store: OpenStore, limit: Limit = 100, cursor: Cursor = None) -> ImagePage:
    """List the images of a case in the order they came."""
    after = read_cursor(cursor, "images")
    found = [image for image in images_of(store, case.id) if after is None or image.id > after.cell_id]
    items = described_images(store, case.id, found[:limit])
    more = len(found) > limit
    return ImagePage(
        items=items, next=write_cursor("images", CellPlace(None, items[-1].id)) if more else None
    )


@router.get("/cases/{case_id}/jobs", responses=problems(404))
def list_jobs(case: ApiCase, store: OpenStore) -> JobList:
    """List what the worker has done, does and will do on a case, the oldest first."""
    return JobList(items=list(jobs_of(store, case.id)))


def described_images(store: Store, case_id: UUID, images: Sequence[CaseImage]) -> list[Image]:
    """Return images of a case as the API gives them, with what became of each."""
    scorings: Mapping[int, Scoring] = {scoring.image_id: scoring for scoring in scorings_of(store, case_id)}
    return [_described(image, scorings.get(image.id)) for image in images]


def _described(image: CaseImage, scoring: Scoring | None) -> Image:
    state, error = (None, None) if scoring is None else (scoring.state, scoring.error)
    return as_noun(Image, image, scoring=state, scoring_error=error)


def _detail(store: Store, case: Case, user: User) -> CaseProgress:
    summary = case_summary(store, case, user)
    counts = count_cells(store, case.id, reader_id=user.id)
    jobs = jobs_of(store, case.id)
    comes = any(job.kind in BRING_CELLS and job.state in ("queued", "running") for job in jobs)
    return CaseProgress(
        **vars(case),
        images=summary.images,
        scored=summary.scored,
        failed=summary.failed,
        waiting=summary.waiting,
        cells=counts.cells,
        reviewed=counts.reviewed,
        outcomes=counts.outcomes,
        is_scored=not comes and summary.waiting == 0,
        jobs=tuple(job for job in jobs if job.state != "done"),
        notes=tuple(str(job.detail["note"]) for job in jobs if job.state == "done" and "note" in job.detail),
    )
