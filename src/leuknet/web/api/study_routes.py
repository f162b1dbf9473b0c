"""Reading studies: which there are, and, for leads, what came of them. They are read on their own pages."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from leuknet.room.study_content import StudyResults
from leuknet.room.study_results import reads_csv, study_results
from leuknet.store.database import Store
from leuknet.store.nouns import User
from leuknet.store.studies import studies_of
from leuknet.store.study_nouns import Study
from leuknet.store.study_reads import progress
from leuknet.web.api.access import ApiUser
from leuknet.web.api.problems import problems
from leuknet.web.api.schemas import OwnStudy, StudyList
from leuknet.web.pages.study_access import finished_study, led_study
from leuknet.web.permissions import OpenStore

router = APIRouter(tags=["Studies"], prefix="/studies")

_CSV = "text/csv"


def _finished(
    study_id: Annotated[UUID, Path(description="Id of the study.")], user: ApiUser, store: OpenStore
) -> Study:
    """Return the study that the path names under the rule of the pages, see `finished_study` there."""
    return finished_study(user, store, led_study(study_id, user, store))


_Finished = Annotated[Study, Depends(_finished)]


@router.get("")
def list_studies(user: ApiUser, store: OpenStore) -> StudyList:
    """List the studies that the account may see, the newest first: leads see all, readers their own."""
    return StudyList(items=[_shape(store, study, user) for study in studies_of(store, user)])


@router.get("/{study_id}/results", responses=problems(404, 409))
def results(study: _Finished, store: OpenStore) -> StudyResults:
    """Tell what came of a study, once all readers are through or it is closed; for leads. Readers have
    pseudonyms.
    """
    return study_results(store, study.id)


@router.get(
    "/{study_id}/reads.csv",
    response_class=Response,
    responses={
        200: {"description": "The table.", "content": {_CSV: {"schema": {"type": "string"}}}},
        **problems(404, 409),
    },
)
def reads(study: _Finished, store: OpenStore) -> Response:
    """Give all reads of a study as a table, one a line; for leads."""
    headers = {"Content-Disposition": f'attachment; filename="{study.id}-reads.csv"'}
    return Response(reads_csv(store, study.id), media_type=_CSV, headers=headers)


def _shape(store: Store, study: Study, user: User) -> OwnStudy:
    state = progress(store, study.id, reader_id=user.id)
    return OwnStudy.model_validate({**vars(study), "read": state.read, "total": state.total})
