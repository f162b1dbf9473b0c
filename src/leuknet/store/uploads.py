"""Files on their way into a case.

A row says what is to come; the bytes lie in the data folder, and their number there is what has come. The
last step, `complete`, is one transaction: the images, that the upload is done, and the job that follows.

Start at `open_upload`, then `complete`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from leuknet.errors import ConflictError
from leuknet.store.cases import insert_image, require_open
from leuknet.store.database import Change, Store, not_found
from leuknet.store.jobs import insert_job, insert_job_once
from leuknet.store.nouns import Announcement, CaseImage, CaseUpload, NewImage, User
from leuknet.store.tables import jobs, uploads


def open_upload(
    store: Store,
    case_id: UUID,
    announced: Announcement,
    *,
    user: User,
    check: Callable[[tuple[CaseUpload, ...], int], None] | None = None,
) -> CaseUpload:
    """Announce a file; of a key that this user announced for this case before, return that upload.

    Parameters
    ----------
    check
        Is told, before a new upload is written and while no other can be, of all uploads of which not all has
        come, and how many bytes this user's uploads have that have not failed. What it raises refuses it.

    Raises
    ------
    StoreError
        If there is no such case.
    ConflictError
        If the case is signed, or the key was used for a file of another size.
    """
    with store.writing(user.actor) as change:
        require_open(change.connection, case_id)
        known = _known(change.connection, case_id, user, announced.key)
        if known is not None:
            return _same(known, announced.n_bytes)
        if check is not None:
            coming = change.execute(sa.select(uploads).where(uploads.c.state == "receiving"))
            theirs = (uploads.c.user_id == user.id) & (uploads.c.state != "failed")
            held = change.execute(sa.select(sa.func.sum(uploads.c.n_bytes)).where(theirs)).scalar()
            check(tuple(CaseUpload(**row._asdict()) for row in coming), int(held or 0))
        values: dict[str, Any] = {
            "id": uuid4(),
            "case_id": case_id,
            "user_id": user.id,
            "created_at": change.at,
        }
        values |= {**asdict(announced), "state": "receiving", "error": None, "image_id": None}
        change.execute(uploads.insert().values(**values))
        change.log("upload.announced", f"upload:{values['id']}", case=str(case_id), n_bytes=announced.n_bytes)
        return CaseUpload(**values)


def find_upload(store: Store, upload_id: UUID) -> CaseUpload | None:
    """Return an upload, None if there is none."""
    return store.read_one(CaseUpload, sa.select(uploads).where(uploads.c.id == upload_id))


def uploads_of(store: Store, case_id: UUID) -> tuple[CaseUpload, ...]:
    """Return a case's uploads, the oldest first."""
    query = sa.select(uploads).where(uploads.c.case_id == case_id)
    return store.read_all(CaseUpload, query.order_by(uploads.c.created_at, uploads.c.id))


def complete(store: Store, upload: CaseUpload, image: NewImage, *, job: str, actor: str) -> CaseImage:
    """Put the image of an upload into its case, and let a job of that kind wait unless one does.

    An upload that is done already gives its image; one that was refused is a ConflictError.
    """
    with store.writing(actor) as change:
        require_open(change.connection, upload.case_id)
        added = insert_image(change, upload.case_id, image)
        if _receiving(change, upload):
            _set(change, upload.id, state="done", image_id=added.id)
            insert_job_once(change, upload.case_id, job)
            change.log("upload.done", f"upload:{upload.id}", image=added.id)
        return added


def hand_over(store: Store, upload: CaseUpload, *, job: str, actor: str) -> None:
    """Say that an archive or a table is whole, and let a job of that kind wait for it; twice is once."""
    with store.writing(actor) as change:
        require_open(change.connection, upload.case_id)
        if _receiving(change, upload):
            _set(change, upload.id, state="done")
            insert_job(change, upload.case_id, job, detail={"upload": str(upload.id)})
        change.log("upload.handed_over", f"upload:{upload.id}", kind=job)


def add_images(
    store: Store, case_id: UUID, new: Sequence[NewImage], *, job: str, actor: str
) -> tuple[CaseImage, ...]:
    """Put many images into a case in one transaction, and let a job of that kind wait unless one does."""
    with store.writing(actor) as change:
        require_open(change.connection, case_id)
        added = tuple(insert_image(change, case_id, image) for image in new)
        insert_job_once(change, case_id, job)
        change.log("images.added", f"case:{case_id}", n_images=len(added))
        return added


def refuse(store: Store, upload: CaseUpload, error: str, *, actor: str) -> None:
    """Say that an upload cannot be used, and why, in words for the user."""
    with store.writing(actor) as change:
        _set(change, upload.id, state="failed", error=error)
        change.log("upload.failed", f"upload:{upload.id}")


def give_up(store: Store, upload: CaseUpload, *, actor: str) -> None:
    """End an upload of which not all has come; ConflictError if it has come, or failed before."""
    with store.writing(actor) as change:
        if not _receiving(change, upload):
            raise ConflictError(
                "cannot give up the upload", why="all of it has come", fix="look at the case again"
            )
        error = f"{upload.name}: it was given up. Upload it again if it is needed."
        _set(change, upload.id, state="failed", error=error)
        change.log("upload.given_up", f"upload:{upload.id}")


def abandoned_uploads(store: Store, *, before: datetime) -> tuple[CaseUpload, ...]:
    """Return the uploads that were announced before a time and still have not come."""
    old = (uploads.c.state == "receiving") & (uploads.c.created_at < before)
    return store.read_all(CaseUpload, sa.select(uploads).where(old))


def needed_uploads(store: Store) -> frozenset[UUID]:
    """Return the uploads whose bytes are still needed: those that come, and those that a job will read."""
    coming = sa.select(uploads.c.id).where(uploads.c.state == "receiving")
    waiting = sa.select(jobs.c.detail).where(jobs.c.state.in_(["queued", "running"]))
    with store.reading() as connection:
        read = [(detail or {}).get("upload") for detail in connection.execute(waiting).scalars()]
        return frozenset(
            [*connection.execute(coming).scalars(), *(UUID(upload_id) for upload_id in read if upload_id)]
        )


def _known(connection: sa.Connection, case_id: UUID, user: User, key: str) -> CaseUpload | None:
    here = (uploads.c.case_id == case_id) & (uploads.c.user_id == user.id) & (uploads.c.key == key)
    row = connection.execute(sa.select(uploads).where(here)).one_or_none()
    return None if row is None else CaseUpload(**row._asdict())


def _same(known: CaseUpload, n_bytes: int) -> CaseUpload:
    if known.n_bytes != n_bytes:
        raise ConflictError(
            "cannot begin the upload",
            why=f"its key was used for a file of {known.n_bytes:,} bytes, and this one has {n_bytes:,}",
            fix="use a new key for another file",
        )
    return known


def _receiving(change: Change, upload: CaseUpload) -> bool:
    """Say whether an upload still waits to be completed; ConflictError if it was refused meanwhile."""
    state = change.execute(sa.select(uploads.c.state).where(uploads.c.id == upload.id)).scalar()
    if state is None:
        raise not_found("upload", upload.id)
    if state == "failed":
        raise ConflictError(
            "cannot use the upload", why="it was refused or given up", fix="upload the file again"
        )
    return bool(state == "receiving")


def _set(change: Change, upload_id: UUID, **values: Any) -> None:
    change.execute(uploads.update().where(uploads.c.id == upload_id).values(**values))
