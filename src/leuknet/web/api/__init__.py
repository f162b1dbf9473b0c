"""The programs' way in, `/api/v1`: the same rooms as the pages, behind the same doors, in JSON.

Start at `create_api`. `access` holds who may see what, `schemas` what is sent (what is given are the nouns of
the store), `problems` the one shape of errors. docs/api.md is made from the description that this application
gives of itself.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.datastructures import State

from leuknet.web.api import case_routes as cases
from leuknet.web.api import cell_routes as cells
from leuknet.web.api import picture_routes as pictures
from leuknet.web.api import report_routes as reports
from leuknet.web.api import review_routes as reviews
from leuknet.web.api import study_routes as studies
from leuknet.web.api import system_routes as system
from leuknet.web.api import upload_routes as uploads
from leuknet.web.api import webhook_routes as webhooks
from leuknet.web.api.access import api_user
from leuknet.web.api.allowed_methods import AllMethods
from leuknet.web.api.docstrings import spread_attributes
from leuknet.web.api.problems import add_problem_schema, problems
from leuknet.web.error_answers import answer_errors
from leuknet.web.settings import Settings

PREFIX = "/api/v1"

RESOURCES = (cases, uploads, cells, pictures, reviews, reports, studies)
"""Modules with a `router` of resources, each for accounts only."""

_SUMMARY = "Research software, not a medical device."


def create_api(settings: Settings, state: State) -> FastAPI:
    """Return the API as an application to be mounted at `PREFIX`.

    Parameters
    ----------
    settings
        As the reading room was started.
    state
        Of the application in which it is mounted: store, files and rate limit are one.
    """
    api = FastAPI(
        title="LeukNet reading room",
        version=version("leuknet"),
        summary=_SUMMARY,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
        redirect_slashes=False,
        webhooks=webhooks.router,
        generate_unique_id_function=lambda route: route.name,
    )
    api.state = state
    answer_errors(api)
    api.include_router(system.open_router, responses=problems(500, 503))
    for_accounts = problems(401, 429, 500, 503)
    for module in (system, *RESOURCES):
        api.include_router(module.router, dependencies=[Depends(api_user)], responses=for_accounts)
    describe = _describer(api, settings)
    api.openapi = describe  # type: ignore[method-assign]
    api.add_middleware(AllMethods, prefix=PREFIX, describe=describe)
    return api


def _describer(api: FastAPI, settings: Settings) -> Any:
    """Return what makes the description of the API, once: with our shape of errors and this room's limits."""
    made: dict[str, Any] = {}

    def describe() -> dict[str, Any]:
        if not made:
            made.update(
                get_openapi(
                    title=api.title,
                    version=api.version,
                    summary=api.summary,
                    routes=api.routes,
                    webhooks=api.webhooks.routes,
                    servers=api.servers,
                )
            )
            add_problem_schema(made)
            spread_attributes(made)
            size = made["components"]["schemas"]["NewUpload"]["properties"]["n_bytes"]
            size["maximum"] = settings.max_upload_bytes
        return made

    return describe
