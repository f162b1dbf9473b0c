"""What a file that is announced must be like to be taken in. Start at `check_announcement`."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from leuknet.errors import DataError, SettingError
from leuknet.fields.scale import COARSEST_UM, FINEST_UM
from leuknet.room.room_files import RoomFiles
from leuknet.store.nouns import UPLOAD_KINDS, Announcement

_LEAST_FREE_BYTES = 2**30
_LEAST_FREE_SHARE = 0.05


@dataclass(frozen=True)
class Limits:
    """What one upload may be.

    Attributes
    ----------
    max_upload_bytes
        Of a file as it is sent, and of all that an archive holds.
    """

    max_upload_bytes: int = 4 * 2**30


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


def check_room(files: RoomFiles, n_bytes: int) -> None:
    """Raise DataError if so many bytes more would fill the disk."""
    there = next(folder for folder in (files.folder, *files.folder.parents) if folder.exists())
    disk = shutil.disk_usage(there)
    kept = min(_LEAST_FREE_BYTES, round(_LEAST_FREE_SHARE * disk.total))
    if n_bytes > disk.free - kept:
        raise DataError(
            "cannot upload the file",
            why=f"{n_bytes:,} bytes are to come, and the disk of the reading room has {disk.free:,} free, of "
            f"which {kept:,} are kept",
            fix="ask who runs this reading room to make room on its disk",
        )
