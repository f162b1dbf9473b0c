"""Notes on a case as a whole: only ever added to. Notes on single cells are part of their reviews.

Start at `add_note` and `notes_of`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from leuknet.errors import SettingError
from leuknet.store.audit_log import digest
from leuknet.store.cases import require_open
from leuknet.store.database import Change, Store
from leuknet.store.nouns import User
from leuknet.store.tables import case_notes

LONGEST = 10_000
"""Characters of a note."""


@dataclass(frozen=True)
class CaseNote:
    """What somebody wrote about a case as a whole. It is never changed."""

    id: int
    case_id: UUID
    user_id: int
    text: str
    written_at: datetime


def add_note(store: Store, case_id: UUID, text: str, *, user: User) -> CaseNote:
    """Add a note to an open case.

    Raises
    ------
    SettingError
        If the note has no or too many characters, blanks around it not counted.
    StoreError
        If there is no such case.
    ConflictError
        If it is signed.
    """
    with store.writing(user.actor) as change:
        require_open(change.connection, case_id)
        return write_note(change, case_id, text, user=user)


def write_note(change: Change, case_id: UUID, text: str, *, user: User) -> CaseNote:
    """Add a note within a transaction, whatever the case's state; SettingError as in `add_note`."""
    text = text.strip()
    if not 1 <= len(text) <= LONGEST:
        raise SettingError(
            "cannot save the note",
            why=f"it has {len(text):,} characters",
            fix=f"write 1 to {LONGEST:,}",
        )
    values = {"case_id": case_id, "user_id": user.id, "text": text, "written_at": change.at}
    note_id = change.execute(case_notes.insert().values(**values).returning(case_notes.c.id)).scalar_one()
    change.log("note.added", f"note:{note_id}", case=str(case_id), text_sha256=digest(text))
    return CaseNote(note_id, case_id, user.id, text, change.at)


def notes_of(store: Store, case_id: UUID) -> tuple[CaseNote, ...]:
    """Return a case's notes, the oldest first."""
    query = sa.select(case_notes).where(case_notes.c.case_id == case_id).order_by(case_notes.c.id)
    return store.read_all(CaseNote, query)
