"""Opens images and cuts out their cells in a process of its own, so that one image stops no other.

What an image does to the process (a crash, a loop without end in a library, a bug) becomes an error of that
image, and the next one gets a new process. How long one may take is said by `leuknet.fields.deadlines`.

Start at `guarded_each`, which uses several such processes at once, or at `Guarded`, which is one.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from leuknet.errors import LeukNetError, UnreadableImageError
from leuknet.fields.deadlines import Deadline, reading_s
from leuknet.fields.slides import open_field

_ANOTHER = (
    "look at it, and save it again as PNG or cut to what shows cells; if it is a usual smear, please report "
    "it as a bug"
)


class Guarded:
    """Calls functions of one image in another process, which is made when needed; for a `with` statement.

    `opening_s` is how long a function may take until it says how long it may take.
    """

    def __init__(self, *, opening_s: float = reading_s(0)) -> None:
        self._opening_s = opening_s
        self._process: Any = None
        self._ours: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def call(self, work: Callable[..., Any], image: Path, /, *more: Any, **named: Any) -> Any:
        """Return what `work(image, *more, allow=..., **named)` returns there.

        `work` is a function of a module. `allow` is how it says how many seconds it may take from now on.

        Raises
        ------
        LeukNetError
            What `work` raises; an UnreadableImageError if it raised anything else, or the process ended.
        """
        ours = self._ours or self._begin()
        try:
            ours.send((work, image, more, named))
            is_fine, came = ours.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            status = self._process.exitcode
            self._end()
            why = "the search took longer than it may" if status == 1 else f"it ended the search ({status})"
            raise UnreadableImageError(f"cannot use {image}", why=why, fix=_ANOTHER) from error
        except BaseException:
            self._end()
            raise
        if not is_fine:
            raise came
        return came

    def opens(self, image: Path) -> bool:
        """Whether the header of a field or slide can be read."""
        try:
            self.call(_open, image)
        except LeukNetError:
            return False
        return True

    def _begin(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._opening_s), daemon=True)
        self._process.start()
        theirs.close()
        self._ours = ours
        return ours

    def _end(self) -> None:
        if self._ours is not None:
            self._ours.close()
            self._process.kill()
            self._process.join()
            self._ours = None


def guarded_each(
    work: Callable[..., Any], calls: Sequence[tuple[Any, ...]], *, processes: int, **named: Any
) -> Generator[Any]:
    """Yield what `work(image, *more, allow=..., **named)` returns for each (image, *more), in their order.

    Parameters
    ----------
    work
        As for `Guarded.call`. Where that raises a LeukNetError, the error is yielded.
    processes
        How many images are worked on at once, each in a process of its own.
    """
    idle: queue.SimpleQueue[Guarded] = queue.SimpleQueue()

    def call(given: tuple[Any, ...]) -> Any:
        guarded = idle.get()
        try:
            return guarded.call(work, *given, **named)
        except LeukNetError as error:
            return error
        finally:
            idle.put(guarded)

    with ExitStack() as stack:
        for _ in range(min(processes, len(calls))):
            idle.put(stack.enter_context(Guarded()))
        threads = ThreadPoolExecutor(max(1, idle.qsize()))
        # Whoever stops early waits for no image: its process ends with the stack, and its thread with that.
        stack.callback(threads.shutdown, wait=False, cancel_futures=True)
        yield from threads.map(call, calls)


def _open(image: Path, *, allow: Callable[[float], None]) -> None:
    open_field(image).close()


def _serve(theirs: Connection, opening_s: float) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us ends us
    # tqdm's own lock is a semaphore, of which Python warns where a process was ended.
    tqdm.set_lock(threading.RLock())
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - no path of ours
        deadline = Deadline(ends=True, told=nowhere)
        while True:
            try:
                work, image, more, named = theirs.recv()
            except EOFError:
                return
            deadline.allow(opening_s)  # until its size is known
            try:
                answer = True, work(image, *more, allow=deadline.allow, **named)
            except LeukNetError as error:
                answer = False, error
            except Exception as error:
                why = f"a bug in LeukNet: {error!r}"
                answer = False, UnreadableImageError(f"cannot use {image}", why=why, fix=_ANOTHER)
            deadline.allow(None)
            theirs.send(answer)
