"""Keeps a few images open, so that a tile costs its own pixels and not the opening of its file.

A web server asks for many tiles of one image at once, from several threads. Opening a slide takes tens of
milliseconds, and a camera field is decoded as a whole: each is opened once, shared, and closed when nobody
reads from it and others were asked for since. Threads take turns where a reader can serve only one at a time.

Start at `open_image`.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from leuknet.errors import StoreError, UnreadableImageError
from leuknet.fields.field import Field
from leuknet.fields.slides import open_field
from leuknet.room.budget import DECODING, WAIT_S, busy
from leuknet.room.room_files import RoomFiles
from leuknet.store.nouns import CaseImage

AT_MOST = 4
"""Images kept open."""

MOST_BYTES = 2**30
"""Pixels of camera fields kept in memory, in bytes: two of the largest that are read, many usual ones."""


@dataclasses.dataclass(eq=False)
class _Entry:
    n_bytes: int
    field: Field | None = None
    completed: bool = False
    users: int = 0
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)


class OpenFields:
    """Images that are open, the longest unused first; for any number of threads."""

    def __init__(
        self, *, at_most: int = AT_MOST, most_bytes: int = MOST_BYTES, wait_s: float = WAIT_S
    ) -> None:
        self._at_most = at_most
        self._most_bytes = most_bytes
        self._wait_s = wait_s
        self._entries: dict[Path, _Entry] = {}
        self._lock = threading.Condition()

    @contextmanager
    def borrow(
        self, path: Path, *, n_bytes: int, complete: Callable[[Field], Field] | None = None
    ) -> Iterator[Field]:
        """Give an open image, which stays open at least until it is given back.

        Parameters
        ----------
        path
            Of a file that never changes.
        n_bytes
            What it keeps in memory.
        complete
            What the borrower needs done to the opened image. It is done once, and what comes of it is shared.

        Raises
        ------
        BusyError
            If those that others read all the while leave too little memory for it.
        """
        with self._lock:
            if not self._lock.wait_for(lambda: self._has_room(path, n_bytes), self._wait_s):
                raise busy()
            entry = self._entries.pop(path, None) or _Entry(n_bytes)
            self._entries[path] = entry  # now the last
            entry.users += 1
        try:
            with entry.lock:
                if entry.field is None:
                    with DECODING.take(n_bytes // 3):
                        entry.field = open_field(path, alone=True)
                if complete is not None and not entry.completed:
                    entry.field, entry.completed = complete(entry.field), True
            with nullcontext() if entry.field.layout.serves_threads else entry.lock:
                yield entry.field
        except BaseException:
            # After one error OpenSlide answers every request with it: who comes next opens the file anew.
            with self._lock:
                if self._entries.get(path) is entry:
                    del self._entries[path]
            raise
        finally:
            self._give_back(entry)

    def close(self) -> None:
        """Close all that nobody uses; the others close when they are given back."""
        with self._lock:
            entries = list(self._entries.values())
            self._entries.clear()
            idle = [entry for entry in entries if not entry.users]
        _close(idle)

    def _has_room(self, path: Path, n_bytes: int) -> bool:
        """Close what nobody uses, the longest unused first, until an image fits; say whether it does."""
        if path in self._entries:
            return True
        while self._entries and self._held() + n_bytes > self._most_bytes:
            idle = next((kept for kept, entry in self._entries.items() if not entry.users), None)
            if idle is None:
                return False
            _close([self._entries.pop(idle)])
        return True

    def _held(self) -> int:
        return sum(entry.n_bytes for entry in self._entries.values())

    def _give_back(self, entry: _Entry) -> None:
        with self._lock:
            entry.users -= 1
            unwanted = [] if entry.users or entry in self._entries.values() else [entry]
            for path, other in list(self._entries.items()):
                if len(self._entries) <= self._at_most and (
                    self._held() <= self._most_bytes or len(self._entries) == 1
                ):
                    break
                if not other.users:
                    del self._entries[path]
                    unwanted.append(other)
            self._lock.notify_all()
        _close(unwanted)


def _close(entries: list[_Entry]) -> None:
    for entry in entries:
        if entry.field is not None:
            entry.field.close()


@contextmanager
def kept_images() -> Iterator[None]:
    """Let a kept image that is gone or damaged be a StoreError: it is no fault of who asks for it."""
    try:
        yield
    except UnreadableImageError as error:
        raise StoreError(error.what, why=error.why, fix=error.fix) from error


OPEN = OpenFields()
"""Those of this process."""


@contextmanager
def open_image(
    files: RoomFiles, image: CaseImage, *, complete: Callable[[Field], Field] | None = None
) -> Iterator[Field]:
    """Give a kept image, open; whoever asks for the same one shares it.

    Parameters
    ----------
    files
        Of the reading room.
    image
        Which one.
    complete
        As for `OpenFields.borrow`.

    Raises
    ------
    UnreadableImageError
        If the kept file is gone or damaged.
    """
    # Slides are read where they lie; all else is decoded into memory.
    n_bytes = 0 if image.kind == "slide" else image.height_px * image.width_px * 3
    with OPEN.borrow(files.image(image.path), n_bytes=n_bytes, complete=complete) as opened:
        yield opened
