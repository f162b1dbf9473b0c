"""The API does what its description says, whatever is sent: schemathesis against a room with a case.

By hand, for much longer: `LEUKNET_API_EXAMPLES=1000 pytest -s tests/test_api_schema.py`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

pytest.importorskip("schemathesis", reason="schemathesis is not installed: pip install 'leuknet[dev]'")
pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'leuknet[web]'")

import schemathesis
from fastapi import FastAPI
from schemathesis.engine import Status, events, from_schema
from starlette.types import ASGIApp, Receive, Scope, Send

from leuknet.store.cell_nouns import NewReview
from leuknet.store.cells import cells_of
from leuknet.store.reviews import save_review
from leuknet.web.guard import RateLimit
from tests.api_rooms import fill_case, token_of
from tests.rooms import Room, open_room

VARIABLE = "LEUKNET_API_EXAMPLES"
EXAMPLES = int(os.environ.get(VARIABLE, "16"))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with open_room(tmp_path) as room:
        cast(FastAPI, room.visitor.app).state.rate_limit = RateLimit(10**8)  # it asks more than a person may
        yield room


def test_the_api_does_what_it_says(room: Room) -> None:
    lead = room.user("Lee", "lead")
    case = fill_case(room.store, room.files, lead)
    cell = cells_of(room.store, case.id)[3]
    save_review(room.store, NewReview(cell.id, lead.id, "normal", ""), expected_review_id=None)
    config = schemathesis.Config.from_dict(
        {
            "headers": token_of(room, lead),
            # Random ids would only ever find nothing.
            "parameters": {"path.case_id": str(case.id), "path.cell_id": cell.id},
            "generation": {"max-examples": EXAMPLES, "deterministic": VARIABLE not in os.environ},
            "phases": {"stateful": {"max-steps": 4}},
        }
    )
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", _local(room.visitor.app), config=config)

    failures, statuses, operations = _run(schema)

    print(f"{sum(statuses.values()):,} requests to {len(operations)} operations: {dict(statuses)}")
    assert not failures, "\n\n".join(failures)
    assert len(operations) == _n_operations(room)
    assert statuses[200] > 100


def _local(app: ASGIApp) -> ASGIApp:
    """Give the application the name that it knows instead of `testserver`; it is started already."""

    async def under_its_name(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        headers = [pair for pair in scope["headers"] if pair[0] != b"host"]
        await app({**scope, "headers": [*headers, (b"host", b"127.0.0.1")]}, receive, send)

    return under_its_name


def _run(schema: Any) -> tuple[list[str], Counter[int], set[str]]:
    failures: list[str] = []
    statuses: Counter[int] = Counter()
    operations: set[str] = set()
    for event in from_schema(schema).execute():
        if isinstance(event, events.FatalError):
            failures.append(repr(event.exception))
        if isinstance(event, events.NonFatalError):
            failures.append(repr(event.value))
        if isinstance(event, events.EngineFinished):
            failures += [str(one) for one in event.failures]
        if not isinstance(event, events.ScenarioFinished):
            continue
        for interaction in event.recorder.interactions.values():
            if interaction.response is not None:
                statuses[interaction.response.status_code] += 1
        operations |= {one.value.operation.label for one in event.recorder.cases.values()}
        for case_id, checks in event.recorder.checks.items():
            query = event.recorder.cases[case_id].value.query or {}
            failures += [_told(event.recorder.label, one) for one in checks if _is_fault(one, query)]
    return failures, statuses, operations


def _is_fault(check: Any, query: Any) -> bool:
    # A description cannot say which cursors the API made; others are refused.
    invented = check.name == "positive_data_acceptance" and "cursor" in query
    return check.status == Status.FAILURE and not invented


def _told(label: str, check: Any) -> str:
    info = check.failure_info
    return f"{label} {check.name}: {info.failure}\n{info.code_sample}"


def _n_operations(room: Room) -> int:
    described = room.visitor.get("/api/v1/openapi.json").json()
    return sum(len(methods) for methods in described["paths"].values())
