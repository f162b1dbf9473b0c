"""The progress of a case as server-sent events: how far scoring is, in numbers, once a second at most.

A browser that listens holds a connection and no thread: the database is asked in threads of their own, few
for all listeners, so that pages never wait for them. A stream ends when nothing is left to do, or after
`LONGEST_S`; the browser then asks again, if there is reason to.

Start at `events`.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from leuknet.room.kinds import BRING_CELLS
from leuknet.store.cases import find_case
from leuknet.store.database import Store
from leuknet.store.jobs import jobs_of
from leuknet.store.nouns import Case, CaseJob, User
from leuknet.store.sign_in import find_session
from leuknet.store.summaries import case_summary, is_worker_missing
from leuknet.web.cookies import SESSION_COOKIE
from leuknet.web.permissions import OpenStore, SignedIn, VisibleCase

router = APIRouter(prefix="/cases/{case_id}")

EVERY_S, LONGEST_S, AT_ONCE = 1.0, 600.0, 4

_ASKERS = anyio.CapacityLimiter(AT_ONCE)


@router.get("/events")
async def events(request: Request, case: VisibleCase, user: SignedIn, store: OpenStore) -> StreamingResponse:
    """Progress, as it comes; an `end` when there is nothing more to come."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    content = _stream(request, case, user, store)
    return StreamingResponse(content, media_type="text/event-stream", headers=headers)


async def _stream(request: Request, case: Case, user: User, store: Store) -> AsyncIterator[str]:
    token = request.cookies.get(SESSION_COOKIE, "")
    started, told = time.monotonic(), ""
    while time.monotonic() - started < LONGEST_S:
        state = await anyio.to_thread.run_sync(_state, store, case, user, token, limiter=_ASKERS)
        if state is None:
            yield "event: end\ndata: gone\n\n"
            return
        now = json.dumps(state)
        if now != told:
            yield f"event: progress\ndata: {now}\n\n"
        elif int(time.monotonic() - started) % 15 == 0:
            yield ": still here\n\n"  # a proxy ends what is silent
        told = now
        if not state["busy"]:
            yield "event: end\ndata: done\n\n"
            return
        await anyio.sleep(EVERY_S)


def _state(store: Store, case: Case, user: User, token: str) -> dict[str, Any] | None:
    """Return what a case's page shows of progress; None if the user may not see it any more."""
    session = find_session(store, token)
    if session is None or session.user.id != user.id or find_case(store, case.id, user=session.user) is None:
        return None
    return progress_of(store, case, user)


def progress_of(store: Store, case: Case, user: User) -> dict[str, Any]:
    """Return the numbers of a case and the state of its work."""
    work = [job for job in jobs_of(store, case.id) if job.kind in BRING_CELLS]
    active = [job for job in work if job.state in ("queued", "running")]
    summary = case_summary(store, case, user)
    return {
        "images": summary.images,
        "scored": summary.scored,
        "failed": summary.failed,
        "cells": summary.cells,
        "reviewed": summary.reviewed,
        "busy": bool(active),
        "running": any(job.state == "running" for job in active),
        "percent": _percent(active),
        "worker_missing": bool(active) and is_worker_missing(store, datetime.now(UTC)),
        "problems": _problems(work),
    }


def _percent(active: list[CaseJob]) -> int | None:
    running = [job.progress for job in active if job.state == "running"]
    return round(100 * min(running)) if running else None


def _problems(work: list[CaseJob]) -> list[str]:
    """What the last job of each kind wants the user to know."""
    last = {job.kind: job for job in work}
    told = [job.error if job.state == "failed" else job.detail.get("note") for job in last.values()]
    return [problem for problem in told if problem]
