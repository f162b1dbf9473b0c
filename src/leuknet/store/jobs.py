"""Work that a process of its own does, so that pages never wait for a model.

A worker takes the oldest job that waits, or whose worker has not been heard of for a while: it is done again
after `kill -9`. Each taking counts as an attempt, and a report must name the attempt: a worker that was only
slow cannot report on what another has taken over.

Start at `take_job`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from leuknet.errors import ConflictError
from leuknet.store.cases import case_of
from leuknet.store.database import Change, Store
from leuknet.store.nouns import SYSTEM, CaseJob
from leuknet.store.tables import jobs, uploads

SILENCE = timedelta(minutes=2)
"""After which a worker is thought dead. Workers report at least every quarter of it."""

MAX_ATTEMPTS = 3
"""A job that killed so many workers is failed: it would kill the next."""


def add_job(
    store: Store, case_id: UUID, kind: str, *, actor: str, detail: dict[str, Any] | None = None
) -> CaseJob:
    """Let a job wait for a worker; StoreError if there is no such case."""
    with store.writing(actor) as change:
        case_of(change.connection, case_id)
        return insert_job(change, case_id, kind, detail=detail)


def insert_job(change: Change, case_id: UUID, kind: str, *, detail: dict[str, Any] | None = None) -> CaseJob:
    """Do what `add_job` does within a transaction; `by` of its detail is who asked for it."""
    values = {"case_id": case_id, "kind": kind, "state": "queued", "attempts": 0, "created_at": change.at}
    values |= {"progress": 0.0, "detail": {"by": change.actor, **(detail or {})}}
    row = change.execute(jobs.insert().values(**values).returning(jobs)).one()
    change.log("job.added", f"job:{row.id}", case=str(case_id), kind=kind)
    return _job(row)


def insert_job_once(change: Change, case_id: UUID, kind: str) -> None:
    """Let a job of a kind wait for a case, within a transaction, unless one waits already."""
    waits = (jobs.c.case_id == case_id) & (jobs.c.kind == kind) & (jobs.c.state == "queued")
    if change.execute(sa.select(jobs.c.id).where(waits)).first() is None:
        insert_job(change, case_id, kind)


def take_job(
    store: Store, *, kinds: Sequence[str] | None = None, not_by: Sequence[str] = ()
) -> CaseJob | None:
    """Give a worker the next job, which no other gets; None if there is none.

    It is of any or these kinds, and of none of these who asked.
    """
    wanted: sa.ColumnElement[bool] = sa.true() if kinds is None else jobs.c.kind.in_(kinds)
    if not_by:
        wanted &= sa.func.coalesce(jobs.c.detail["by"].as_string(), "").not_in(not_by)
    if not _something_to_do(store, wanted):
        return None  # without a write: idle workers ask often
    with store.writing(SYSTEM) as change:
        stale = (jobs.c.state == "running") & (jobs.c.heartbeat_at < change.at - SILENCE)
        _fail_worn(change, stale)
        waiting = wanted & ((jobs.c.state == "queued") | stale)
        row = change.execute(sa.select(jobs).where(waiting).order_by(jobs.c.id).limit(1)).one_or_none()
        if row is None:
            return None  # another worker was quicker
        taken: dict[str, Any] = {
            "state": "running",
            "attempts": row.attempts + 1,
            "heartbeat_at": change.at,
            "progress": 0.0,
        }
        change.execute(jobs.update().where(jobs.c.id == row.id).values(**taken))
        change.log("job.taken", f"job:{row.id}", attempt=row.attempts + 1)
        return replace(_job(row), **taken)


def report_progress(store: Store, job: CaseJob, progress: float) -> None:
    """Say that a job is alive and how much of it is done, 0 to 1.

    Each report is a line in the log: make one every few seconds, not for each cell.

    Raises
    ------
    ConflictError
        If the job is no longer this worker's: stop working on it.
    """
    with store.writing(SYSTEM) as change:
        _update(change, job, progress=progress, heartbeat_at=change.at)
        change.log("job.alive", f"job:{job.id}", attempt=job.attempts, progress=progress)


def finish_job(store: Store, job: CaseJob, *, note: str | None = None) -> None:
    """Say that a job is done; ConflictError if it is no longer this worker's.

    `note` is what the user should know all the same; it becomes `note` of the job's detail.
    """
    detail = job.detail if note is None else {**job.detail, "note": note}
    with store.writing(SYSTEM) as change:
        _update(change, job, state="done", progress=1.0, heartbeat_at=change.at, detail=detail)
        change.log("job.done", f"job:{job.id}", attempt=job.attempts)


def release_job(store: Store, job: CaseJob, *, detail: dict[str, Any] | None = None) -> None:
    """Let a job wait again, as if it had not been taken; ConflictError if it is no longer this worker's.

    For a worker that stops, or that cannot do it now. `detail`, if given, takes the place of the job's.
    """
    values: dict[str, Any] = {"state": "queued", "attempts": job.attempts - 1, "heartbeat_at": None}
    with store.writing(SYSTEM) as change:
        _update(change, job, **values, progress=0.0, detail=job.detail if detail is None else detail)
        change.log("job.released", f"job:{job.id}", attempt=job.attempts)


def requeue_running(store: Store) -> int:
    """Let all jobs that run wait again, and return how many did: for a worker that knows it is the only one.

    A job at which `MAX_ATTEMPTS` workers died is failed instead.
    """
    running = jobs.c.state == "running"
    with store.reading() as connection:
        if connection.execute(sa.select(jobs.c.id).where(running)).first() is None:
            return 0
    with store.writing(SYSTEM) as change:
        _fail_worn(change, running)
        found = change.execute(sa.select(jobs.c.id).where(running).order_by(jobs.c.id)).scalars().all()
        for job_id in found:
            change.execute(jobs.update().where(jobs.c.id == job_id).values(state="queued"))
            change.log("job.requeued", f"job:{job_id}")
        return len(found)


def fail_job(store: Store, job: CaseJob, error: str) -> None:
    """Say that a job cannot be done and why; it is not tried again. ConflictError as in `finish_job`."""
    with store.writing(SYSTEM) as change:
        _update(change, job, state="failed", error=error, heartbeat_at=change.at)
        change.log("job.failed", f"job:{job.id}", attempt=job.attempts)


def jobs_of(store: Store, case_id: UUID) -> tuple[CaseJob, ...]:
    """Return a case's jobs, the oldest first."""
    query = sa.select(jobs).where(jobs.c.case_id == case_id).order_by(jobs.c.id)
    with store.reading() as connection:
        return tuple(_job(row) for row in connection.execute(query))


def _job(row: sa.Row[Any]) -> CaseJob:
    return CaseJob(**{**row._asdict(), "detail": row.detail or {}})


def _something_to_do(store: Store, wanted: sa.ColumnElement[bool]) -> bool:
    there = wanted & jobs.c.state.in_(["queued", "running"])
    waiting = sa.select(jobs.c.state, jobs.c.heartbeat_at).where(there)
    now = datetime.now(UTC)
    with store.reading() as connection:
        return any(
            row.state == "queued" or row.heartbeat_at < now - SILENCE for row in connection.execute(waiting)
        )


def _fail_worn(change: Change, deserted: sa.ColumnElement[bool]) -> None:
    """Fail the jobs that killed too many workers, and the archive or table that one was to read."""
    worn = deserted & (jobs.c.attempts >= MAX_ATTEMPTS)
    for job in change.execute(sa.select(jobs).where(worn)).all():
        error = f"its worker died {MAX_ATTEMPTS} times"
        change.execute(jobs.update().where(jobs.c.id == job.id).values(state="failed", error=error))
        change.log("job.failed", f"job:{job.id}")
        if upload_id := (job.detail or {}).get("upload"):
            told = f"{{}}: reading it ended {MAX_ATTEMPTS} processes. Upload its images by themselves."
            here = uploads.c.id == UUID(upload_id)
            name = change.execute(sa.select(uploads.c.name).where(here)).scalar_one()
            change.execute(uploads.update().where(here).values(state="failed", error=told.format(name)))
            change.log("upload.failed", f"upload:{upload_id}")


def _update(change: Change, job: CaseJob, **values: object) -> None:
    here = (jobs.c.id == job.id) & (jobs.c.attempts == job.attempts) & (jobs.c.state == "running")
    if change.execute(jobs.update().where(here).values(**values)).rowcount == 0:
        raise ConflictError(
            f"cannot report on job {job.id}",
            why=f"attempt {job.attempts} at it is over: it is finished, or another worker took it",
            fix="stop working on it and take the next",
        )
