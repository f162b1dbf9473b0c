"""Which account a program acts for, and what that account may see; for pages: `leuknet.web.permissions`.

A token in the header is the only proof. Cookies count for nothing here, so that no page of another site can
make a browser act. Start at `ApiUser` and `ApiCase`.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from leuknet.store.cell_pages import ReadCell
from leuknet.store.nouns import Case, CaseUpload, User
from leuknet.store.sign_in import find_api_user
from leuknet.web.api.schemas import LARGEST
from leuknet.web.error_answers import NeedsSignInError
from leuknet.web.pages.case_nouns import cell_of_case, upload_of_case
from leuknet.web.permissions import OpenStore, lead_of, visible_case
from leuknet.web.pools import in_thread

_sent_token = HTTPBearer(
    auto_error=False, scheme_name="token", description="A token from the page of one's own account."
)

Number = Annotated[int, Path(ge=1, le=LARGEST, description="Number of the cell.")]


async def api_user(
    request: Request,
    store: OpenStore,
    sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_sent_token)],
) -> User:
    """Return the account of the token that was sent; NeedsSignInError if none works."""
    user = None if sent is None else await in_thread(request, find_api_user, store, sent.credentials)
    if user is None:
        raise NeedsSignInError
    request.app.state.rate_limit.count("request", user.actor)
    return user


ApiUser = Annotated[User, Depends(api_user)]


async def api_lead(user: ApiUser) -> User:
    """Return the account if it may lead; else ForbiddenError."""
    return await lead_of(user)


ApiLead = Annotated[User, Depends(api_lead)]


async def api_case(
    request: Request,
    case_id: Annotated[UUID, Path(description="Id of the case.")],
    user: ApiUser,
    store: OpenStore,
) -> Case:
    """Return the case that the path names, as `visible_case` does."""
    return await in_thread(request, visible_case, case_id, user, store)


ApiCase = Annotated[Case, Depends(api_case)]


async def api_cell(
    request: Request, case: ApiCase, cell_id: Number, user: ApiUser, store: OpenStore
) -> ReadCell:
    """Return the cell that the path names, as `cell_of_case` does."""
    return await in_thread(request, cell_of_case, case, cell_id, user, store)


ApiCell = Annotated[ReadCell, Depends(api_cell)]


def api_upload(
    case: ApiCase,
    upload_id: Annotated[UUID, Path(description="Id of the upload.")],
    user: ApiUser,
    store: OpenStore,
) -> CaseUpload:
    """Return the upload that the path names, as `upload_of_case` does."""
    return upload_of_case(case, upload_id, user, store)


ApiUpload = Annotated[CaseUpload, Depends(api_upload)]


class BodyOf:
    """A dependency: refuses a body of another content type than the one that a route takes."""

    def __init__(self, media_type: str) -> None:
        self.media_type = media_type

    async def __call__(self, request: Request) -> None:
        """Raise the error of status 415 if the type is another."""
        sent = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if sent != self.media_type:
            raise HTTPException(415)


JSON_BODY = Depends(BodyOf("application/json"))
