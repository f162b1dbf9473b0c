"""Cases, who may see them, and the images that they hold.

Who is not given access sees nothing of a case: leads and admins see all, readers those that they were given;
and nobody sees a case that they still read blinded in a study, see `leuknet.store.blinding`.
A signed case takes no further image, cell or review.

Start at `create_case` and `cases_of`. Cells are in `cells`, decisions in `reviews`.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from leuknet.errors import ConflictError, SettingError
from leuknet.store import tables
from leuknet.store.blinding import blinded_case_ids
from leuknet.store.database import Change, Store, not_found
from leuknet.store.nouns import Case, CaseImage, NewImage, User
from leuknet.store.tables import case_access, cases, images


def create_case(store: Store, title: str, *, user: User) -> Case:
    """Make an empty case that its maker may see; SettingError if the title is not 1 to 200 characters."""
    title = title.strip()
    if "\0" in title:
        why = "its title holds the character NUL, which no database keeps"
        raise SettingError("cannot make the case", why=why, fix="type the title again")
    if not 1 <= len(title) <= 200:
        raise SettingError(
            "cannot make the case", why=f"its title has {len(title)} characters", fix="give it 1 to 200"
        )
    with store.writing(user.actor) as change:
        case = Case(uuid4(), title, user.id, change.at, "open")
        change.execute(cases.insert().values(**asdict(case)))
        _grant(change, case.id, user.id)
        change.log("case.created", f"case:{case.id}")
    return case


def give_access(store: Store, case_id: UUID, user_id: int, *, actor: str) -> None:
    """Let a user see a case; one who may already is no error."""
    with store.writing(actor) as change:
        case_of(change.connection, case_id)
        if change.execute(sa.select(tables.users.c.id).where(tables.users.c.id == user_id)).first() is None:
            raise not_found("account", user_id)
        here = (case_access.c.case_id == case_id) & (case_access.c.user_id == user_id)
        if change.execute(sa.select(case_access.c.user_id).where(here)).first() is None:
            _grant(change, case_id, user_id)
        change.log("case.access_given", f"case:{case_id}", user=user_id)


def take_access(store: Store, case_id: UUID, user_id: int, *, actor: str) -> None:
    """Hide a case from a user again; what they decided stays. No access is no error."""
    with store.writing(actor) as change:
        here = (case_access.c.case_id == case_id) & (case_access.c.user_id == user_id)
        change.execute(case_access.delete().where(here))
        change.log("case.access_taken", f"case:{case_id}", user=user_id)


def cases_of(store: Store, user: User) -> tuple[Case, ...]:
    """Return the cases that a user may see, the newest first."""
    query = seen_by(user, sa.select(cases)).order_by(cases.c.created_at.desc(), cases.c.id)
    return store.read_all(Case, query)


def find_case(store: Store, case_id: UUID, *, user: User) -> Case | None:
    """Return a case, or None if it does not exist or the user may not see it: the two look alike."""
    query = seen_by(user, sa.select(cases).where(cases.c.id == case_id))
    return store.read_one(Case, query)


def seen_by(user: User, query: sa.Select[Any]) -> sa.Select[Any]:
    """Narrow a query of cases to those that a user may see: the one place that says which."""
    query = query.where(cases.c.id.not_in(blinded_case_ids(user.id)))
    if user.role == "reader":
        query = query.join(case_access, case_access.c.case_id == cases.c.id)
        query = query.where(case_access.c.user_id == user.id)
    return query


def add_image(store: Store, case_id: UUID, image: NewImage, *, actor: str) -> CaseImage:
    """Put an image into an open case; of a content that it holds already, return the image that is there.

    Raises
    ------
    SettingError
        If the path leads out of the data folder.
    StoreError
        If there is no such case.
    ConflictError
        If it is signed.
    """
    with store.writing(actor) as change:
        require_open(change.connection, case_id)
        return insert_image(change, case_id, image)


def insert_image(change: Change, case_id: UUID, image: NewImage) -> CaseImage:
    """Do what `add_image` does within a transaction; that the case is open, its caller has checked."""
    path = PurePosixPath(image.path)
    if path.is_absolute() or ".." in path.parts or "\\" in image.path or not path.parts:
        raise SettingError(
            "cannot keep the image",
            why=f"its path {image.path!r} leads out of the data folder",
            fix="name a path within the folder, without '..'",
        )
    here = (images.c.case_id == case_id) & (images.c.sha256 == image.sha256)
    row = change.execute(sa.select(images).where(here)).one_or_none()
    if row is not None:
        change.log("image.sent_again", f"image:{row.id}", sha256=image.sha256)
        return CaseImage(**row._asdict())
    values = {**asdict(image), "case_id": case_id, "created_at": change.at}
    image_id = change.execute(images.insert().values(**values).returning(images.c.id)).scalar_one()
    change.log("image.added", f"image:{image_id}", case=str(case_id), sha256=image.sha256)
    return CaseImage(**values, id=image_id)


def find_image(store: Store, image_id: int) -> CaseImage | None:
    """Return an image, None if there is none."""
    return store.read_one(CaseImage, sa.select(images).where(images.c.id == image_id))


def images_of(store: Store, case_id: UUID) -> tuple[CaseImage, ...]:
    """Return a case's images in the order they came."""
    query = sa.select(images).where(images.c.case_id == case_id).order_by(images.c.id)
    return store.read_all(CaseImage, query)


def case_of(connection: sa.Connection, case_id: UUID) -> Case:
    """Return a case within a transaction, or raise StoreError."""
    row = connection.execute(sa.select(cases).where(cases.c.id == case_id)).one_or_none()
    if row is None:
        raise not_found("case", case_id)
    return Case(*row)


def require_open(connection: sa.Connection, case_id: UUID) -> None:
    """Raise ConflictError if a case is signed, StoreError if there is none."""
    case = case_of(connection, case_id)
    if case.state != "open":
        raise ConflictError(
            f"cannot change the case {case.title!r}",
            why=f"it is {case.state}: what was signed stays as it was",
            fix="make a new version of it, and change that",
        )


def _grant(change: Change, case_id: UUID, user_id: int) -> None:
    row = {"case_id": case_id, "user_id": user_id, "granted_at": change.at}
    change.execute(case_access.insert().values(**row))
