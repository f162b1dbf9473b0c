"""Who is asking, and what they may see: the dependencies that every route takes its user and case from.

What a user may not see answers as what does not exist does. A route that forgets these has no user and no
case; `tests/test_web_access.py` goes through all routes with all roles. What asks the store runs in a thread
of the request's kind (`pools.in_thread`), what does not in none: a thread would cost more than it does.

Start at `SignedIn` and `VisibleCase`.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from leuknet.room.room_files import RoomFiles
from leuknet.store.cases import find_case
from leuknet.store.database import Store
from leuknet.store.nouns import Case, Role, User
from leuknet.store.sign_in import Session, find_session
from leuknet.web.cookies import SESSION_COOKIE
from leuknet.web.error_answers import ForbiddenError, NeedsSignInError, not_here
from leuknet.web.pools import in_thread
from leuknet.web.settings import Settings
from leuknet.web.templating import at_least


async def settings_of(request: Request) -> Settings:
    """Return what the application was started with."""
    found: Settings = request.app.state.settings
    return found


async def store_of(request: Request) -> Store:
    """Return the open database."""
    found: Store = request.app.state.store
    return found


async def files_of(request: Request) -> RoomFiles:
    """Return the data folder."""
    found: RoomFiles = request.app.state.files
    return found


OpenStore = Annotated[Store, Depends(store_of)]
Files = Annotated[RoomFiles, Depends(files_of)]
Configured = Annotated[Settings, Depends(settings_of)]


def session_of(request: Request, store: OpenStore) -> Session:
    """Return the browser's session; NeedsSignInError if it has none that holds."""
    token = request.cookies.get(SESSION_COOKIE)
    session = None if token is None else find_session(store, token)
    if session is None:
        raise NeedsSignInError
    request.state.user = session.user  # for the page's head, errors' too
    request.app.state.rate_limit.count("request", session.user.actor)
    return session


async def user_of(request: Request, store: OpenStore) -> User:
    """Return who is signed in, as `session_of` does."""
    return (await in_thread(request, session_of, request, store)).user


SignedIn = Annotated[User, Depends(user_of)]


async def lead_of(user: SignedIn) -> User:
    """Return who is signed in, if they may lead; else ForbiddenError."""
    return _required(user, "lead")


async def admin_of(user: SignedIn) -> User:
    """Return who is signed in, if they are an admin; else ForbiddenError."""
    return _required(user, "admin")


def _required(user: User, role: Role) -> User:
    if not at_least(user, role):
        raise ForbiddenError(role)
    return user


Lead = Annotated[User, Depends(lead_of)]
Admin = Annotated[User, Depends(admin_of)]


def visible_case(case_id: UUID, user: User, store: Store) -> Case:
    """Return the case of this id, if the user may see it; else raise what a missing page gives."""
    case = find_case(store, case_id, user=user)
    if case is None:
        raise not_here()
    return case


async def case_of_path(request: Request, case_id: UUID, user: SignedIn, store: OpenStore) -> Case:
    """Return the case that the path names, as `visible_case` does."""
    return await in_thread(request, visible_case, case_id, user, store)


VisibleCase = Annotated[Case, Depends(case_of_path)]
