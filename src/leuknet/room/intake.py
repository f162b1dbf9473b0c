"""Takes files in: begun, sent in parts, gone on with after any break, checked, and kept by their content.

Nothing that a client says is believed: how many bytes came is the length of the part file, what a file is its
content decides, and its name is text to be shown, never a path. A kept file lies under the hash of its
content and never changes. Each step can be done again after `kill -9`: the file is linked into its place
first, then one transaction says so, then the part is removed.

| sent | becomes |
|---|---|
| a pyramid, a tiled TIFF, DICOM | a slide |
| a picture whose sides are at most `CROP_SIDE_PX`, or `BLACK_CROP_SIDE_PX` if it is on black | a crop |
| any other picture | a field |
| a zip | its members, each as if it had been sent: `archive`, in the worker |
| CSV or Parquet of scored crops | the crops with their scores: `table`, in the worker |

Start at `begin_upload`, then `append` and `finish`; `take_whole` does the three for a file in memory.
"""

from __future__ import annotations

import errno
import fcntl
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from leuknet.errors import ConflictError, DataError
from leuknet.room.intake_checks import (
    Limits,
    check_announcement,
    check_quota,
    check_room,
    disk_full,
    require_room,
)
from leuknet.room.room_files import RoomFiles
from leuknet.room.upload_content import UnusableError, is_announced, keep_image, kind_of, shown_name
from leuknet.store.blinding import reads_blinded
from leuknet.store.cases import find_image
from leuknet.store.database import Store, not_found
from leuknet.store.nouns import SYSTEM, Announcement, CaseImage, CaseUpload, User
from leuknet.store.uploads import (
    abandoned_uploads,
    complete,
    find_upload,
    hand_over,
    needed_uploads,
    open_upload,
    refuse,
)

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where there is no room for a file."""

GIVEN_UP_AFTER = timedelta(days=7)
"""An upload that has not come by then is given up."""


def begin_upload(
    store: Store, files: RoomFiles, case_id: UUID, announced: Announcement, *, user: User, limits: Limits
) -> CaseUpload:
    """Take up a file that is announced, before its first byte; again with the same key it is the same upload.

    Parameters
    ----------
    store, files, case_id, user
        Where it goes and who sends it; that the user may, the caller has checked.
    announced
        What is to come.
    limits
        Of this reading room.

    Raises
    ------
    SettingError
        If a value is out of range.
    DataError
        If the file is too large, the disk has too little room for it beside what else is announced, or the
        account has sent as much as it may.
    ConflictError
        If the case is signed, the key was used for a file of another size, or the user reads blinded.
    StoreError
        If there is no such case.
    """
    check_announcement(announced, limits)
    if reads_blinded(store, user.id):
        raise ConflictError(
            "cannot upload the file",
            why="you are reading in a study, and the model would score what you upload: its pictures, too",
            fix="read the study to its end first, or ask a colleague who does not read in it",
        )

    def check(coming: tuple[CaseUpload, ...], held: int) -> None:
        check_quota(announced.n_bytes, held=held, limits=limits)
        awaited = sum(max(0, other.n_bytes - received(files, other)) for other in coming)
        check_room(files, announced.n_bytes, awaited=awaited)

    shown = replace(announced, name=shown_name(announced.name))
    return open_upload(store, case_id, shown, user=user, check=check)


def received(files: RoomFiles, upload: CaseUpload) -> int:
    """Return how many bytes of an upload have come, all if it is done: where to go on after a break."""
    if upload.state == "done":
        return upload.n_bytes
    part = files.part(upload.id)
    return part.stat().st_size if part.exists() else 0


def append(files: RoomFiles, upload: CaseUpload, offset: int, chunk: bytes) -> int:
    """Add bytes to an upload, on the disk when this returns; return how many have come in all.

    Raises
    ------
    ConflictError
        If the bytes do not follow what has come, as after an answer that was lost: see `received`.
    DataError
        If these are more bytes than were announced.
    StoreError
        If the disk is full but for what is kept for decisions. What came before is kept, and the upload can
        go on later.
    """
    if upload.state != "receiving":
        raise ConflictError(
            "cannot take these bytes",
            why=f"the upload is {upload.state}",
            fix="begin a new upload with a new key" if upload.state == "failed" else "nothing is to be done",
        )
    part = files.part(upload.id)
    files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part.parent.mkdir(mode=0o700, exist_ok=True)
    with part.open("ab", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed: of two that send the same bytes, one is told
        length = file.seek(0, os.SEEK_END)
        if offset != length:
            raise ConflictError(
                "cannot take these bytes",
                why=f"they begin at byte {offset:,}, and {length:,} bytes have come",
                fix=f"send the file from byte {length} on",
            )
        if length + len(chunk) > upload.n_bytes:
            raise DataError(
                "cannot take these bytes",
                why=f"with them there are {length + len(chunk):,}, and {upload.n_bytes:,} were announced",
                fix="begin a new upload with the size that the file has now",
            )
        require_room(files, len(chunk))
        _write(file.fileno(), chunk, length)
    return length + len(chunk)


def finish(store: Store, files: RoomFiles, upload: CaseUpload, *, actor: str) -> tuple[CaseImage, ...]:
    """Check a file that has come, keep it and put it into its case; archives and tables go to the worker.

    It can be called again at any time: what is done stays as it is.

    Returns
    -------
    tuple
        The image; nothing for an archive or table, whose images come when the worker has read it.

    Raises
    ------
    ConflictError
        If bytes are missing, the upload was refused before, or the case is signed.
    DataError
        If the file cannot be used. The upload has failed then, its `error` says why, and the file is gone.
    StoreError
        If there is no such upload, or the disk is full: then it can be called again later.
    """
    now = find_upload(store, upload.id)
    if now is None:
        raise not_found("upload", upload.id)
    if now.state == "done":
        return _finished(store, files, now)
    part = files.part(now.id)
    _check_whole(files, now)
    try:
        if not is_announced(part, now.key):
            why = "what came is not the file that was announced: it changed on its way"
            raise UnusableError(f"cannot use {now.name!r}", why=why, fix="upload it again")
        kind = kind_of(part, name=now.name) if now.kind == "auto" else now.kind
        if kind == "archive" or kind == "table":
            hand_over(store, now, job=kind, actor=actor)
            return ()
        image = keep_image(files, part, name=now.name, kind=kind, microns_per_pixel=now.microns_per_pixel)
    except UnusableError as error:
        refuse(store, now, error.told, actor=actor)
        part.unlink(missing_ok=True)
        raise
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise disk_full() from error
    added = complete(store, now, image, job="score", actor=actor)
    part.unlink(missing_ok=True)
    return (added,)


def take_whole(
    store: Store,
    files: RoomFiles,
    case_id: UUID,
    announced: Announcement,
    content: bytes,
    *,
    user: User,
    limits: Limits,
) -> CaseUpload:
    """Take in a file that is held in memory: parameters and errors as of `begin_upload` and `finish`."""
    upload = begin_upload(store, files, case_id, announced, user=user, limits=limits)
    append(files, upload, 0, content)
    finish(store, files, upload, actor=user.actor)
    return upload


def sweep(store: Store, files: RoomFiles, *, now: datetime | None = None) -> int:
    """Give up uploads that did not come within `GIVEN_UP_AFTER`, and remove parts that nobody needs.

    Returns
    -------
    int
        How many parts were removed.
    """
    # Listed before the database is asked: a part that is begun in between is not in the list.
    parts = sorted(files.part(UUID(int=0)).parent.glob("*"))
    for upload in abandoned_uploads(store, before=(now or datetime.now(UTC)) - GIVEN_UP_AFTER):
        days = GIVEN_UP_AFTER.days
        told = f"{upload.name}: not all of it came within {days} days. Upload it again."
        refuse(store, upload, told, actor=SYSTEM)
    needed = {str(upload_id) for upload_id in needed_uploads(store)}
    removed = [part for part in parts if part.name.partition(".")[0] not in needed]
    for part in removed:
        part.unlink(missing_ok=True)
    return len(removed)


def _write(descriptor: int, chunk: bytes, length: int) -> None:
    """Write all bytes at the end of a file, or none of them."""
    try:
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError as error:
        os.ftruncate(descriptor, length)
        if error.errno not in FULL:
            raise
        raise disk_full() from error


def _check_whole(files: RoomFiles, upload: CaseUpload) -> None:
    if upload.state == "failed":
        raise ConflictError(
            "cannot finish the upload", why=upload.error or "it failed", fix="upload the file again"
        )
    length = received(files, upload)
    if length != upload.n_bytes:
        raise ConflictError(
            "cannot finish the upload",
            why=f"{length:,} of {upload.n_bytes:,} bytes have come",
            fix=f"send the file from byte {length} on",
        )


def _finished(store: Store, files: RoomFiles, upload: CaseUpload) -> tuple[CaseImage, ...]:
    if upload.image_id is None:
        return ()
    files.part(upload.id).unlink(missing_ok=True)  # what a kill before may have left
    image = find_image(store, upload.image_id)
    return () if image is None else (image,)
