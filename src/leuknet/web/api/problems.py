"""The one shape of the API's errors, RFC 9457, and how the description of the API names them.

`leuknet.web.error_answers` answers in this shape whatever goes wrong under `/api/`. Start at `problems`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_MEDIA_TYPE = "application/problem+json"

_MEANS = {
    400: "The request cannot be read.",
    401: "No token was sent, or it is worth nothing any more.",
    403: "The account's role does not allow it.",
    404: "It does not exist, or is not open to this account: the two look alike. That holds, too, for a case "
    "that the account still reads blinded in a study.",
    408: "The body of the request did not come in time.",
    409: "It is no longer as the program thought: look again. Nothing was overwritten.",
    413: "The request is too large.",
    415: "The body is of another content type than this address takes.",
    422: "A value does not fit; `detail` names it.",
    429: "Too many requests of this account; `Retry-After` says how many seconds to wait.",
    500: "A fault of the reading room itself; its log holds the details.",
    501: "A part of LeukNet that this needs is not installed on the server.",
    503: "The database cannot be used just now; `Retry-After` says how many seconds to wait.",
}

_HEADERS = {
    401: {"WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}}},
    503: {"Retry-After": {"description": "Seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}}},
}


class Problem(BaseModel):
    """What went wrong, why, and what to try, in words for a person (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "status": 404,
                    "title": "There is no such page",
                    "detail": "it does not exist, or it is not open to this account",
                    "fix": "go back to the list of cases; ask a lead for access if a case is missing there",
                }
            ]
        }
    )

    type: str = Field(description="Always `about:blank`: `status` tells the kind.")
    status: int = Field(description="The HTTP status.")
    title: str = Field(description="What could not be done.")
    detail: str = Field(description="Why.")
    fix: str = Field(description="What to try.")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of the errors that it can answer with."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {
            "description": _MEANS[status],
            "content": {_MEDIA_TYPE: schema},
            **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
        }
        for status in statuses
    }


def add_problem_schema(description: dict[str, Any]) -> None:
    """Put the shape of errors where the routes refer to it; FastAPI's own shape of errors is not used.

    Nor are errors of status 422 that it adds for values of a path: these answer 404.
    """
    for methods in description["paths"].values():
        for operation in methods.values():
            answers = operation["responses"]
            if "application/json" in answers.get("422", {}).get("content", {}):
                del answers["422"]
            operation["responses"] = dict(sorted(answers.items()))
    schemas = description.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = Problem.model_json_schema()
