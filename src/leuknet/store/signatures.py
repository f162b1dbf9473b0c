"""Signatures of cases: only ever added to. What was signed stays as it was, to the byte.

A case is signed in versions. Signing locks it; an amendment opens it again, says why, and ends in the next
version, beside which the earlier ones stay.

Start at `sign`. What a report holds is for `leuknet.room.signing` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from leuknet.errors import AccountError, ConflictError, SettingError
from leuknet.store.audit_log import digest
from leuknet.store.cases import case_of, require_open
from leuknet.store.database import Change, Store
from leuknet.store.notes import CaseNote, write_note
from leuknet.store.nouns import CaseState, Signature, User
from leuknet.store.study_tables import adjudications, studies
from leuknet.store.tables import (
    case_notes,
    cases,
    cells,
    images,
    reviews,
    scorings,
    signatures,
    uploads,
    users,
)

LONGEST_REASON = 2000
"""Characters of a reason."""

AMENDMENT = "Amendment of version"
"""How the note begins that says why a signed case was opened again."""


@dataclass(frozen=True)
class CaseMark:
    """How far a case has come: it differs as soon as anything was added that a report would tell.

    All rows that it counts are only ever added. `version` is that of the last signature, 0 without one.
    """

    version: int
    uploads: int
    images: int
    last_cell: int
    last_review: int
    last_adjudication: int
    last_note: int
    scorings: int


def mark_of(store: Store, case_id: UUID) -> CaseMark:
    """Return how far a case has come: take it before you read what is to be signed."""
    with store.reading() as connection:
        return _mark(connection, case_id)


def sign(
    store: Store,
    case_id: UUID,
    *,
    user: User,
    seen: CaseMark,
    at: datetime,
    reason: str,
    content: str,
    files: Sequence[str],
    publish: Callable[[], None],
) -> Signature:
    """Sign a case as it was seen, and lock it: all in one transaction, or nothing.

    Parameters
    ----------
    user
        A lead or admin.
    seen
        How far the case had come before `content` was read from it.
    at
        When it is signed, as the content says it.
    reason
        See `Signature`.
    content
        All that the report tells, as JSON text.
    files
        Suffix, colon and SHA-256 of each of the report's files, for the log.
    publish
        Puts the report's files in their places. It is called when nothing but the commit is left to do, while
        all other writers wait, so that of two who sign at once only the one who comes to sign does it.

    Raises
    ------
    AccountError
        If the user is not, or no longer, a lead or admin.
    ConflictError
        If the case is signed already, or anything was added to it since it was seen.
    SettingError
        If the reason is too long.
    StoreError
        If there is no such case.
    """
    reason = checked_reason(reason, needed=False)
    with store.writing(user.actor) as change:
        _require_lead(change, user, "sign")
        require_open(change.connection, case_id)
        if _mark(change.connection, case_id) != seen:
            raise ConflictError(
                "cannot sign the case",
                why="a review, note, file or cell was added, or it was signed, while the report was made",
                fix="look at the case again, then sign it as it is now",
            )
        values = {"case_id": case_id, "version": seen.version + 1, "signed_by": user.id, "signed_at": at}
        values |= {"reason": reason, "content": content, "content_sha256": digest(content)}
        row = change.execute(signatures.insert().values(**values).returning(signatures)).one()
        signature = Signature(**row._asdict())
        _set_state(change, case_id, "signed")
        change.log(
            "case.signed",
            f"case:{case_id}",
            version=signature.version,
            content_sha256=signature.content_sha256,
            reason_sha256=digest(reason),
            files=files,
        )
        publish()
    return signature


def reopen(store: Store, case_id: UUID, *, user: User, reason: str) -> CaseNote:
    """Open a signed case for an amendment; the reason becomes a note of the case, which is returned.

    Raises
    ------
    AccountError
        If the user is not, or no longer, a lead or admin.
    ConflictError
        If the case is open.
    SettingError
        If there is no reason, or it is too long.
    StoreError
        If there is no such case.
    """
    reason = checked_reason(reason, needed=True)
    with store.writing(user.actor) as change:
        _require_lead(change, user, "amend")
        if case_of(change.connection, case_id).state != "signed":
            raise ConflictError(
                "cannot open the case for an amendment",
                why="it is open: it was never signed, or somebody opened it already",
                fix="change what there is to change, then sign it",
            )
        version = _mark(change.connection, case_id).version
        note = write_note(change, case_id, f"{AMENDMENT} {version}: {reason}", user=user)
        _set_state(change, case_id, "open")
        change.log("case.reopened", f"case:{case_id}", version=version, reason_sha256=digest(reason))
    return note


def signatures_of(store: Store, case_id: UUID) -> tuple[Signature, ...]:
    """Return a case's signatures, the first version first."""
    query = sa.select(signatures).where(signatures.c.case_id == case_id).order_by(signatures.c.version)
    return store.read_all(Signature, query)


def find_signature(store: Store, case_id: UUID, version: int) -> Signature | None:
    """Return one version of a case, None if it was not signed."""
    here = (signatures.c.case_id == case_id) & (signatures.c.version == version)
    return store.read_one(Signature, sa.select(signatures).where(here))


def checked_reason(reason: str, *, needed: bool) -> str:
    """Return a reason without blanks around it; SettingError if it is too long, or needed and empty."""
    reason = reason.strip()
    if not int(needed) <= len(reason) <= LONGEST_REASON:
        raise SettingError(
            "cannot take the reason",
            why=f"it has {len(reason):,} characters",
            fix=f"say why in {int(needed)} to {LONGEST_REASON:,} characters",
        )
    return reason


def _mark(connection: sa.Connection, case_id: UUID) -> CaseMark:
    of_case = sa.select(cells.c.id).join(images).where(images.c.case_id == case_id)

    def last(column: sa.Column[int], where: sa.ColumnElement[bool]) -> int:
        return connection.execute(
            sa.select(sa.func.coalesce(sa.func.max(column), 0)).where(where)
        ).scalar_one()

    closed = sa.select(studies.c.id).where(studies.c.state == "closed")
    counted = sa.select(sa.func.count()).select_from(images).where(images.c.case_id == case_id)
    announced = sa.select(sa.func.count()).select_from(uploads).where(uploads.c.case_id == case_id)
    scored = counted.select_from(images.join(scorings))
    return CaseMark(
        version=last(signatures.c.version, signatures.c.case_id == case_id),
        uploads=connection.execute(announced).scalar_one(),
        images=connection.execute(counted).scalar_one(),
        last_cell=last(cells.c.id, cells.c.id.in_(of_case)),
        last_review=last(reviews.c.id, reviews.c.cell_id.in_(of_case)),
        last_adjudication=last(
            adjudications.c.id, adjudications.c.cell_id.in_(of_case) & adjudications.c.study_id.in_(closed)
        ),
        last_note=last(case_notes.c.id, case_notes.c.case_id == case_id),
        scorings=connection.execute(scored).scalar_one(),
    )


def _require_lead(change: Change, user: User, deed: str) -> None:
    here = sa.select(users.c.role).where(users.c.id == user.id, users.c.active)
    role = change.execute(here).scalar()
    if role not in ("lead", "admin"):
        raise AccountError(
            f"cannot {deed} the case",
            why="the account is switched off or unknown" if role is None else f"its role is {role}",
            fix="ask a lead to do it",
        )


def _set_state(change: Change, case_id: UUID, state: CaseState) -> None:
    change.execute(cases.update().where(cases.c.id == case_id).values(state=state))
