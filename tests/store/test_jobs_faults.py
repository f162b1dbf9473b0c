"""A job that waits is waited for; one of another kind, case or state is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from leuknet.errors import ConflictError
from leuknet.store import jobs
from leuknet.store.cases import create_case
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, User

pytestmark = pytest.mark.usefixtures("quick_hashes")


def test_a_job_is_put_in_once_for_each_kind_and_case_while_it_waits(store: Store, anna: User) -> None:
    here, there = (create_case(store, title, user=anna) for title in ("Here", "There"))

    def put_in(kind: str) -> list[str]:
        with store.writing(SYSTEM) as change:
            jobs.insert_job_once(change, here.id, kind)
            change.log("job.asked", f"case:{here.id}")
        return [f"{job.kind} {job.state}" for job in jobs.jobs_of(store, here.id)]

    jobs.add_job(store, there.id, "score", actor=SYSTEM)
    assert put_in("score") == ["score queued"]
    assert put_in("score") == ["score queued"]
    assert put_in("tiles") == ["score queued", "tiles queued"]
    assert put_in("score") == ["score queued", "tiles queued"]
    taken = jobs.take_job(store, kinds=["tiles"])
    assert taken is not None
    assert put_in("tiles") == ["score queued", "tiles running", "tiles queued"]


def test_a_job_is_silent_only_after_its_time(
    store: Store, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.add_job(store, create_case(store, "A case", user=anna).id, "score", actor=SYSTEM)
    first = jobs.take_job(store)
    assert first is not None
    assert jobs.take_job(store) is None  # it was heard of just now

    monkeypatch.setattr(jobs, "SILENCE", timedelta(0))
    second = jobs.take_job(store)
    assert second is not None
    assert second.attempts == 2
    with pytest.raises(ConflictError, match="attempt 1 at it is over"):
        jobs.finish_job(store, first)
    with pytest.raises(ConflictError, match="attempt 3 at it is over"):
        jobs.finish_job(store, replace(second, attempts=3))
    jobs.release_job(store, second)
    assert [(job.state, job.attempts) for job in jobs.jobs_of(store, second.case_id)] == [("queued", 1)]
