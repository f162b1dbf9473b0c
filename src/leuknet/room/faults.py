"""Tells failures of one image, which leave the others alone, from those of the place where it is worked on.

Start at `is_of_image`.
"""

from __future__ import annotations

from leuknet.errors import ConflictError, LeukNetError, NotFoundError, StoppedError, StoreError
from leuknet.room.intake import FULL


class LostJobError(Exception):
    """The job at hand is no longer this worker's."""


_OF_THE_PLACE = (StoreError, StoppedError, LostJobError, KeyboardInterrupt, SystemExit, GeneratorExit)


def is_of_image(error: BaseException) -> bool:
    """Whether it is the image that failed. A panic of a library in Rust is no `Exception`, and counts."""
    return not isinstance(error, _OF_THE_PLACE) and not is_full(error)


def may_pass(error: BaseException) -> bool:
    """Whether what failed may work later as it is."""
    if isinstance(error, StoreError):
        return not isinstance(error, ConflictError | NotFoundError)
    return is_full(error)


def is_full(error: BaseException) -> bool:
    """Whether a disk is full, that of the files or that of the database."""
    if isinstance(error, StoreError):
        return any(words in error.why.lower() for words in ("is full", "no space left"))
    return isinstance(error, OSError) and error.errno in FULL


def told_of(name: str, error: BaseException) -> str:
    """Return what a user reads of an image that failed: no path of this computer, which they do not know."""
    if isinstance(error, LeukNetError):
        return f"{name}: {error.why}. {error.fix[:1].upper()}{error.fix[1:]}."
    if isinstance(error, MemoryError):
        return f"{name}: this computer has too little memory for it. Make it smaller, or cut it into parts."
    return f"{name}: a bug in LeukNet: {type(error).__name__}. Please report it, with the image if you may."
