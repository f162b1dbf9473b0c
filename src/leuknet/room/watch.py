"""Ends the worker's process where an image takes longer than it may, and knows which images ended one before.

No exception stops a loop in a library written in C, and none tells that one wrote where it must not. So the
worker says what is at work, in a note on disk, and for how long it may be; a thread that needs no interpreter
ends the process after that. Whoever started the worker starts another, which finds the note: images that were
at work are then scored alone, and one that ends a process alone is not tried again.

Start at `Watch`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from leuknet.fields.deadlines import Deadline
from leuknet.records import write_whole

MOST_DEATHS = 2
"""Processes that an image may end before it is not tried again: among others, then alone."""

_log = logging.getLogger(__name__)


class Watch:
    """The watch over the images of one job.

    Attributes
    ----------
    deadline
        Of this process.
    deaths
        Of images that were at work when a worker died: how many died over them.
    """

    def __init__(self, note: Path | None = None, deadline: Deadline | None = None) -> None:
        """`note` is where it is noted what is at work; None notes nothing."""
        self.deadline = deadline or Deadline()
        self._note = note
        self._at_work: dict[str, int] = {}
        self.deaths = {} if note is None else _read(note)

    @contextmanager
    def over(self, image_ids: Sequence[int], *, seconds: float) -> Iterator[None]:
        """Watch while images are at work; an exception is no death."""
        before = self.deadline.seconds
        self._at_work = {str(image_id): self.deaths.get(image_id, 0) for image_id in image_ids}
        self._write()
        self.deadline.allow(seconds)
        try:
            yield
        finally:
            self.deadline.allow(before)
            self._forget()
        for image_id in image_ids:
            self.deaths.pop(image_id, None)

    def aside(self, function: Callable[[], None]) -> None:
        """Call what lets others work meanwhile: nothing that happens then is of the images at work."""
        self._forget()
        function()
        self._write()

    def _write(self) -> None:
        if self._note is not None:
            self._note.parent.mkdir(mode=0o700, exist_ok=True)
            write_whole(self._note, json.dumps(self._at_work).encode())

    def _forget(self) -> None:
        if self._note is not None:
            self._note.unlink(missing_ok=True)


def _read(note: Path) -> dict[int, int]:
    """Return the images of a note, with the death that left it counted."""
    try:
        found = json.loads(note.read_bytes())
        return {int(image_id): int(deaths) + 1 for image_id, deaths in found.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError) as error:
        _log.warning("the note %s is damaged, and ignored: %s", note.name, error)
        return {}
