"""Makes the application that a server runs.

Start at `create_app`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from leuknet.room.open_fields import OPEN
from leuknet.room.room_files import RoomFiles
from leuknet.store import open_store
from leuknet.store.accounts import list_users
from leuknet.web.api import PREFIX as API_PREFIX
from leuknet.web.api import create_api
from leuknet.web.error_answers import answer_errors
from leuknet.web.guard import HEALTH, RateLimit, own_form, protect
from leuknet.web.pages import accounts_page as accounts
from leuknet.web.pages import (
    case_events,
    case_gallery,
    case_images,
    case_list,
    case_pictures,
    signing_in,
    study_disputes,
    study_reading,
)
from leuknet.web.pages import case_page_routes as cases
from leuknet.web.pages import cell_panel as cells
from leuknet.web.pages import demonstration_page as demonstration
from leuknet.web.pages import signing_page as signing
from leuknet.web.pages import study_list as studies
from leuknet.web.pages import study_results_page as study_results
from leuknet.web.pages import upload_page as uploads
from leuknet.web.permissions import OpenStore
from leuknet.web.settings import Settings
from leuknet.web.templating import STATIC
from leuknet.web.worker_health import WorkerHealth

PAGES = (
    signing_in,
    accounts,
    case_list,
    cases,
    cells,
    case_gallery,
    case_images,
    case_pictures,
    case_events,
    uploads,
    demonstration,
    signing,
    studies,
    study_disputes,
    study_reading,
    study_results,
)
"""Modules with a `router` of pages; each changes things only for forms that are ours."""


def create_app(settings: Settings) -> FastAPI:
    """Return the application: pages, API and static files, with its database open while it runs.

    Raises
    ------
    StoreError
        When it starts, if the database cannot be used.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with open_store(settings.store_url) as store:
            app.state.store = store
            yield
            OPEN.close()

    app = FastAPI(
        title="LeukNet reading room",
        version=version("leuknet"),
        summary="Research software, not a medical device.",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.demonstration = True  # the list of cases offers it while it is empty
    app.state.files = RoomFiles(settings.folder)
    app.state.workers = WorkerHealth()
    app.state.rate_limit = RateLimit(settings.requests_per_minute)
    protect(app, settings)
    answer_errors(app)
    for module in PAGES:
        app.include_router(module.router, dependencies=[Depends(own_form)])
    app.mount("/static", _KeptFiles(directory=STATIC))
    app.mount(API_PREFIX, create_api(settings, app.state))

    @app.get("/")
    def start() -> RedirectResponse:
        return RedirectResponse("/cases", 303)

    @app.api_route(HEALTH, methods=["GET", "HEAD"])
    def health(store: OpenStore) -> JSONResponse:
        list_users(store)  # raises if the database is gone
        return JSONResponse({"status": "ok"})

    return app


class _KeptFiles(StaticFiles):
    """Static files; their addresses change with their content, so that browsers need never ask again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        if scope["query_string"]:
            answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer
