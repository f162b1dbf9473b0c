"""What a file that is announced must be like to be taken in, and whether there is room for it.

Start at `check_announcement` and `check_room`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from leuknet.errors import DataError, SettingError, StoreError
from leuknet.fields.scale import COARSEST_UM, FINEST_UM
from leuknet.room.room_files import RoomFiles
from leuknet.store.nouns import UPLOAD_KINDS, Announcement

_LEAST_FREE_BYTES = 2**30
_LEAST_FREE_SHARE = 0.1


@dataclass(frozen=True)
class Limits:
    """What uploads may be.

    Attributes
    ----------
    max_upload_bytes
        Of a file as it is sent, and of all that an archive holds.
    account_bytes
        Of all files of one account, as they are announced; None for as many as the disk has room for.
    """

    max_upload_bytes: int = 4 * 2**30
    account_bytes: int | None = None


def check_scale(microns_per_pixel: float) -> None:
    """Raise SettingError if a stated scale is none at which cells can be found."""
    if not FINEST_UM <= microns_per_pixel <= COARSEST_UM:  # NaN is none either
        raise SettingError(
            "cannot use this scale",
            why=f"{microns_per_pixel:g} µm per pixel, and it must be {FINEST_UM} to {COARSEST_UM}",
            fix="a 100x objective gives about 0.07, a scanner at 40x 0.25",
        )


def check_announcement(announced: Announcement, limits: Limits) -> None:
    """Raise SettingError or DataError if a file cannot be taken in, by what is said of it."""
    kind, key, n_bytes = announced.kind, announced.key, announced.n_bytes
    if kind not in UPLOAD_KINDS:
        known = ", ".join(UPLOAD_KINDS)
        raise SettingError("cannot begin the upload", why=f"its kind is {kind!r}", fix=f"use one of {known}")
    if not 1 <= len(key) <= 100 or not key.isprintable():
        raise SettingError(
            "cannot begin the upload",
            why=f"its key has {len(key)} characters, or some that cannot be printed",
            fix="use 1 to 100, such as a random UUID",
        )
    if n_bytes < 1:
        raise DataError("cannot upload the file", why="it has no bytes", fix="copy it again from its source")
    if n_bytes > limits.max_upload_bytes:
        raise DataError(
            "cannot upload the file",
            why=f"it has {n_bytes:,} bytes, and at most {limits.max_upload_bytes:,} are taken",
            fix="ask who runs this reading room to allow more, or send less",
        )
    if announced.microns_per_pixel is not None:
        check_scale(announced.microns_per_pixel)


def check_room(files: RoomFiles, n_bytes: int, *, awaited: int = 0) -> None:
    """Raise DataError if a file that is to come would fill the disk.

    Parameters
    ----------
    files
        Of the reading room.
    n_bytes
        Of the file.
    awaited
        Bytes of other files that were announced and have not come: they have their place already.
    """
    left = left_for_files(files)
    if n_bytes > left - awaited:
        raise DataError(
            "cannot upload the file",
            why=f"{n_bytes:,} bytes are to come, and the disk of the reading room has {max(0, left):,} left "
            f"for files, of which {awaited:,} are promised to others",
            fix="ask who runs this reading room to make room on its disk",
        )


def check_quota(n_bytes: int, *, held: int, limits: Limits) -> None:
    """Raise DataError if an account would have more than it may with so many bytes beyond those it has."""
    most = limits.account_bytes
    if most is not None and held + n_bytes > most:
        raise DataError(
            "cannot upload the file",
            why=f"it has {n_bytes:,} bytes, and of {most:,} your account has sent or announced {held:,}",
            fix="ask who runs this reading room to allow more",
        )


def left_for_files(files: RoomFiles) -> int:
    """Return how many bytes of the disk are left for uploads and pictures; negative if it is into the rest.

    The rest is for decisions: nobody's files may keep others from signing in or saving a review.
    """
    there = next(folder for folder in (files.folder, *files.folder.parents) if folder.exists())
    disk = shutil.disk_usage(there)
    return disk.free - min(_LEAST_FREE_BYTES, round(_LEAST_FREE_SHARE * disk.total))


def require_room(files: RoomFiles, n_bytes: int = 0) -> None:
    """Raise StoreError, as of a full disk, if so many bytes more leave less than is kept for decisions."""
    if n_bytes > left_for_files(files):
        raise disk_full()


def disk_full() -> StoreError:
    """Return the error of a file for which there is no room now."""
    return StoreError(
        "cannot keep the file",
        why="the reading room's disk is full",
        fix="make room on it, and go on with the upload; what came before is kept",
    )
