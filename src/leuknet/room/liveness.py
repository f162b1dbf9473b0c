"""How workers know of each other: a pulse while a job is done, and a place at the data folder.

Start at `Pulse`.
"""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leuknet.errors import ConflictError, StoreError
from leuknet.store.database import Store
from leuknet.store.jobs import report_progress, requeue_running
from leuknet.store.nouns import CaseJob

BEAT_S = 10.0
"""How often a worker says that it is alive; each time is a line in the log."""

_LOCK = "worker.lock"
_log = logging.getLogger(__name__)


class Pulse:
    """A thread that says, every `BEAT_S`, that a job is alive."""

    def __init__(self, store: Store, job: CaseJob) -> None:
        self.progress = 0.0
        self.lost = False
        self._store = store
        self._job = job
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"leuknet-job-{job.id}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            try:
                report_progress(self._store, self._job, self.progress)
            except ConflictError:
                self.lost = True
                return
            except StoreError:
                continue  # the work itself meets it, and waits


@contextmanager
def present(folder: Path, store: Store) -> Iterator[None]:
    """Hold a place at the data folder; a worker that finds no other there lets jobs of dead ones wait again.

    Workers of PostgreSQL may run on several computers, and take over after `jobs.SILENCE`.
    """
    if store.file is None:
        yield
        return
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("another worker is at this folder")
        else:
            n_jobs = requeue_running(store)
            if n_jobs:
                _log.info("%s jobs of a worker that died wait again", n_jobs)
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
