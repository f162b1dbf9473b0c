"""Reading studies: which there are, and, for leads, what came of them. They are read on their own pages."""

from __future__ import annotations

from fastapi import APIRouter

from leuknet.store.database import Store
from leuknet.store.nouns import Study, User
from leuknet.store.studies import studies_of
from leuknet.store.study_reads import progress
from leuknet.web.api.access import ApiUser
from leuknet.web.api.shapes import StudyList, StudyShape
from leuknet.web.who import Room

router = APIRouter(tags=["Studies"], prefix="/studies")


@router.get("")
def list_studies(user: ApiUser, store: Room) -> StudyList:
    """List the studies that the account may see, the newest first: leads see all, readers their own."""
    return StudyList(items=[_shape(store, study, user) for study in studies_of(store, user)])


def _shape(store: Store, study: Study, user: User) -> StudyShape:
    state = progress(store, study.id, reader_id=user.id)
    return StudyShape.model_validate({**vars(study), "read": state.read, "total": state.total})
