"""The process that scores: it takes job after job, and no death of it or of the database loses any.

Each job can be done again from the start and ends with the same rows and files. Killed, it is taken over by
another worker after `leuknet.store.jobs.SILENCE`, or at once by one that knows to be the only one at a
SQLite database; told to stop, it gives its job back. While the database or the disk cannot be used, it
waits. Jobs of different people go on by turns, batch by batch (`turns`), and so does a request to explain a
cell: nobody's work waits until all of another's is done. What takes too long ends the process (`watch`).

Start at `run_worker`. What is done for each kind of job is in `work`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from leuknet.errors import ConflictError, LeukNetError, StoppedError, StoreError
from leuknet.fields.deadlines import USUAL_S, Deadline
from leuknet.inference.onnx_predictor import load_onnx_model
from leuknet.room.deep_zoom import trim_tiles
from leuknet.room.faults import LostJobError, is_full, may_pass
from leuknet.room.intake import sweep
from leuknet.room.intake_checks import Limits
from leuknet.room.kinds import BRING_CELLS, EXPLAIN, SCORE, WEBHOOK
from leuknet.room.liveness import Pulse, present
from leuknet.room.room_files import RoomFiles
from leuknet.room.turns import Turn
from leuknet.room.webhook import PAUSES_S, TRIES, DeliveryError, Webhook
from leuknet.room.work import WORK, Workplace, ended_badly, ended_well
from leuknet.store import open_store
from leuknet.store.database import Store
from leuknet.store.jobs import fail_job, finish_job, release_job, take_job
from leuknet.store.nouns import CaseJob

IDLE_S = 0.5
"""How often an idle worker looks for work."""

LONGEST_PAUSE_S = 30.0
"""Most that a worker waits before it tries the database or the disk again; less than `jobs.SILENCE`."""

_SWEEP_S = 3600.0
_REFUSALS = 5
_MOST_TURNS = 16
_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker must know.

    Attributes
    ----------
    database_url
        As for `open_store`.
    folder
        The data folder.
    model
        Model folder.
    threads
        Cores to compute on; None takes all.
    image_root
        The folder below which uploaded tables may name images; None allows none.
    webhook
        Who is told of what happened.
    limits
        Of uploads.
    ends
        End this process when an image takes longer than it may: where something starts it again.
    """

    database_url: str | None
    folder: Path
    model: Path
    threads: int | None = None
    image_root: Path | None = None
    webhook: Webhook | None = None
    limits: Limits = field(default_factory=Limits)
    ends: bool = False


def run_worker(settings: WorkerSettings, *, stop: threading.Event | None = None) -> None:
    """Do jobs until told to stop.

    Parameters
    ----------
    settings
        See there.
    stop
        When it is set, the batch at hand is finished, the job given back, and this returns.

    Raises
    ------
    ModelError
        If the model cannot be loaded.
    StoreError
        If the database cannot be opened. One that fails later is waited for.
    """
    stop = stop or threading.Event()
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    predictor = load_onnx_model(settings.model, threads=settings.threads)
    with open_store(settings.database_url) as store, present(settings.folder, store):
        room = Workplace(
            store=store,
            files=RoomFiles(settings.folder),
            predictor=predictor,
            image_root=settings.image_root,
            webhook=settings.webhook,
            limits=settings.limits,
            deadline=Deadline(ends=settings.ends),
        )
        _log.info("ready with model %s", predictor.model_id)
        _Worker(room, stop).run()
    _log.info("stopped")


class _Worker:
    """One worker at its room.

    Attributes
    ----------
    webhooks_from
        `time.monotonic()` before which the receiver of events is left alone.
    """

    def __init__(self, room: Workplace, stop: threading.Event) -> None:
        self.room = room
        self.stop = stop
        self.webhooks_from = 0.0

    def run(self) -> None:
        """Take job after job; those of different people by turns."""
        sweep_from = 0.0
        turns: deque[Turn] = deque()
        paused: list[Turn] = []  # the last one, unless it is over: who came meanwhile goes before it
        while turns or paused or not self.stop.is_set():
            with suppress(StoppedError):
                if time.monotonic() >= sweep_from:
                    sweep_from = time.monotonic() + _SWEEP_S
                    self.outlast(lambda: sweep(self.room.store, self.room.files))
                    self.outlast(lambda: trim_tiles(self.room.files))
                self.take_jobs(turns, paused)
            turns.extend(paused)
            if not turns:
                self.stop.wait(IDLE_S)
                continue
            turn = turns.popleft()
            turn.go_on()
            paused = [] if turn.is_over else [turn]

    def take_jobs(self, turns: deque[Turn], paused: list[Turn]) -> None:
        """Take a job of each person who waits and has none at work, and one to explain a cell."""
        while len(turns) < _MOST_TURNS and not self.stop.is_set():
            job = self.outlast(lambda: self.next_job([turn.lane for turn in (*turns, *paused)]))
            if job is None:
                return
            lane = (job.kind if job.kind == EXPLAIN else SCORE, str(job.detail.get("by", "")))
            turns.append(Turn(lane, partial(self.do, job)))

    def next_job(self, lanes: Sequence[tuple[str, str]]) -> CaseJob | None:
        """Take what is asked for by someone who waits before what is not; none of those at work."""
        store = self.room.store
        explaining, scoring = ([by for kind, by in lanes if kind == lane] for lane in (EXPLAIN, SCORE))
        job = take_job(store, kinds=(EXPLAIN,), not_by=explaining)
        job = job or take_job(store, kinds=BRING_CELLS, not_by=scoring)
        if job is None and not lanes and time.monotonic() >= self.webhooks_from:
            job = take_job(store, kinds=(WEBHOOK,))
        return job

    def do(self, job: CaseJob, turn: Turn) -> None:
        """Do a job to its end, however often the database or the disk fails meanwhile."""
        _log.info("job %s: %s", job.id, job.kind)
        begun = time.monotonic()
        try:
            self.outlast(lambda: self.attempt(job, turn))
        except (ConflictError, LostJobError):
            _log.warning("job %s was taken over", job.id)
        except StoppedError:
            try:
                release_job(self.room.store, job)
            except StoreError as error:
                _log.warning("job %s could not be given back: %s", job.id, error.why)
        except StoreError as error:
            _log.warning("job %s: %s", job.id, error.why)
            told = str(error)
            with suppress(ConflictError, StoppedError):
                self.outlast(lambda: fail_job(self.room.store, job, told))
        _log.info("job %s: %.1f s", job.id, time.monotonic() - begun)

    def attempt(self, job: CaseJob, turn: Turn) -> None:
        """Do a job and say how it ended. ConflictError if it is no longer this worker's."""
        try:
            with self.reporting(job, turn) as report:
                note = WORK[job.kind](self.room, job, report)
        except (StoppedError, LostJobError):
            raise
        except DeliveryError as error:
            self.try_later(job, str(error))
        except BaseException as error:
            if may_pass(error) or isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            told = str(error) if isinstance(error, LeukNetError) else f"a bug in LeukNet: {error!r}"
            if not isinstance(error, LeukNetError):
                _log.exception("job %s: a bug in LeukNet", job.id)
            ended_badly(self.room, job, error)
            fail_job(self.room.store, job, told)
        else:
            finish_job(self.room.store, job, note=note)
            ended_well(self.room, job)

    @contextmanager
    def reporting(self, job: CaseJob, turn: Turn) -> Iterator[Callable[[float], None]]:
        """Say from a thread that a job is alive; give what its work calls between batches.

        The thread says so for as long as the work may take: then it ends with the process.
        """
        pulse, deadline = Pulse(self.room.store, job), self.room.deadline

        def report(progress: float) -> None:
            pulse.progress = progress
            allowed = deadline.seconds
            deadline.allow(None)
            turn.pass_on()
            if pulse.lost:
                raise LostJobError
            if self.stop.is_set():
                raise _stopped()
            deadline.allow(allowed)

        with pulse:
            deadline.allow(USUAL_S)
            try:
                yield report
            finally:
                deadline.allow(None)

    def try_later(self, job: CaseJob, why: str) -> None:
        """Give a webhook's job back for another try, or give it up."""
        tried = int(job.detail.get("try", 1))
        if tried >= TRIES:
            fail_job(self.room.store, job, f"tried {tried} times; {why}")
            return
        self.webhooks_from = time.monotonic() + PAUSES_S[tried - 1]
        release_job(self.room.store, job, detail={**job.detail, "try": tried + 1})

    def outlast(self, function: Callable[[], _Result]) -> _Result:
        """Call a function until the database and the disk let it through.

        Raises
        ------
        StoppedError
            If told to stop while waiting.
        StoreError
            If a database that answers refused it `_REFUSALS` times.
        """
        pause, refusals, told = 1.0, 0, False
        while True:
            try:
                result = function()
            except (StoreError, OSError) as error:
                if not may_pass(error):
                    raise
                refusals += not is_full(error) and _answers(self.room.store)
                if refusals == _REFUSALS:
                    raise
                if not told:
                    why = error.why if isinstance(error, StoreError) else str(error)
                    _log.warning("waiting until it works again: %s", why)
                    told = True
                if self.stop.wait(pause):
                    raise _stopped() from error
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                if told:
                    _log.info("going on")
                return result


def _stopped() -> StoppedError:
    return StoppedError("the worker stopped", why="it was told to", fix="start it again")


def _answers(store: Store) -> bool:
    try:
        with store.reading() as connection:
            connection.execute(sa.select(1))
    except StoreError:
        return False
    return True
