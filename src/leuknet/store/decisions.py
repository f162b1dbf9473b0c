"""What people decide of cells is only ever added to: three tables that are kept alike.

The rows of a reader on a cell, of an item of a study, or of a cell that is adjudicated are one line, in which
each takes the place of the one before; nothing is changed or deleted, and taking back is a further row. Who
decides names the row that they saw as the newest: who decides in two windows at once gets a ConflictError
instead of overwriting what was not seen. All of it happens within a transaction of the caller, that of
`Store.writing`, and each row that is added is a line in the log.

Start at `Decisions.add`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from leuknet.errors import ConflictError, SettingError
from leuknet.store.audit_log import digest
from leuknet.store.cell_nouns import GIVEN_VERDICTS, Decision, NewReview, ReaderReview
from leuknet.store.database import Change, Store, not_found
from leuknet.store.study_nouns import Adjudication, NewAdjudication, NewStudyRead, StudyRead
from leuknet.store.study_tables import adjudications, study_reads
from leuknet.store.tables import reviews

Kept = TypeVar("Kept", bound=Decision)


@dataclass(frozen=True)
class Decisions(Generic[Kept]):
    """A table of decisions.

    Attributes
    ----------
    name
        What the log calls a row.
    refusal
        What an error says could not be done.
    newest_name
        What an error calls the newest row of a line.
    decider
        The column of the account that decides, and what an error calls the account; None if rows have none.
    """

    table: sa.Table
    noun: type[Kept]
    name: str
    refusal: str
    newest_name: str
    decider: tuple[str, str] | None

    # Made once: that costs as much as running a query with it.
    @cached_property
    def is_newest(self) -> sa.ColumnElement[bool]:
        """The condition that a row is the newest of its line, a withdrawn one too."""
        later = self.table.alias("later")
        return ~sa.exists().where(later.c.supersedes == self.table.c.id)

    def newest(self, connection: sa.Connection, *where: sa.ColumnElement[bool]) -> tuple[Kept, ...]:
        """Return the newest row of each line to which the conditions apply, withdrawn ones too."""
        rows = connection.execute(sa.select(self.table).where(*where, self.is_newest))
        return tuple(self.noun(**row._asdict()) for row in rows)

    def newest_one(self, connection: sa.Connection, *where: sa.ColumnElement[bool]) -> Kept | None:
        """Return the newest row of the one line to which the conditions apply; None if it has none."""
        return next(iter(self.newest(connection, *where)), None)

    def find(self, connection: sa.Connection, decision_id: int) -> Kept:
        """Return the row of this number, which exists."""
        row = connection.execute(sa.select(self.table).where(self.table.c.id == decision_id)).one()
        return self.noun(**row._asdict())

    def history(self, store: Store, where: sa.ColumnElement[bool]) -> tuple[Kept, ...]:
        """Return all rows to which a condition applies, the oldest first."""
        return store.read_all(self.noun, sa.select(self.table).where(where).order_by(self.table.c.id))

    def require_given(self, verdict: str) -> None:
        """Raise SettingError unless a verdict is one that people can give."""
        if verdict not in GIVEN_VERDICTS:
            known = ", ".join(GIVEN_VERDICTS)
            raise SettingError(self.refusal, why=f"{verdict!r} is no verdict", fix=f"use {known}")

    def require_newest(self, current: Kept | None, expected_id: int | None) -> None:
        """Raise ConflictError if the newest row of a line is not the one that was expected, or none."""
        if (None if current is None else current.id) != expected_id:
            seen = "none" if expected_id is None else f"number {expected_id}"
            now = "none" if current is None else f"number {current.id}, {current.verdict!r}"
            raise ConflictError(
                self.refusal,
                why=f"{self.newest_name} was to be {seen}, and is {now}",
                fix="look at the cell again, and decide with what is there now; nothing was overwritten",
            )

    def require_undoable(self, current: Kept | None, expected_id: int) -> Kept:
        """Return the newest row of a line, which was expected; ConflictError if nothing is to take back."""
        self.require_newest(current, expected_id)
        if current is None or current.verdict == "withdrawn":
            raise ConflictError("cannot undo", why="nothing is said of this cell", fix="say what it is first")
        return current

    def add(
        self,
        change: Change,
        new: NewReview | NewStudyRead | NewAdjudication,
        *,
        supersedes: int | None,
        **more: Any,
    ) -> Kept:
        """Add a row that takes the place of another, and log it, without the text of its note.

        Raises
        ------
        StoreError
            If there is no account of the number that decides.
        """
        values = {**asdict(new), "supersedes": supersedes, **more}
        insert = self.table.insert().values(**values, decided_at=change.at).returning(self.table)
        try:
            row = change.execute(insert).one()
        except sa.exc.IntegrityError as error:
            if self.decider is None:
                raise
            column, called = self.decider
            raise not_found(called, values[column]) from error
        detail = {name.removesuffix("_id"): value for name, value in values.items()}
        detail["note_sha256"] = digest(detail.pop("note"))
        if self.decider is not None:
            del detail[self.decider[0].removesuffix("_id")]  # it is the line's actor
        if "study" in detail:
            detail["study"] = str(detail["study"])
        change.log(f"{self.name}.saved", f"{self.name}:{row.id}", **detail)
        return self.noun(**row._asdict())


REVIEWS = Decisions(
    table=reviews,
    noun=ReaderReview,
    name="review",
    refusal="cannot save the review",
    newest_name="the current review of this cell by this reader",
    decider=("reader_id", "reader"),
)

READS = Decisions(
    table=study_reads,
    noun=StudyRead,
    name="study_read",
    refusal="cannot save the read",
    newest_name="your newest read of this cell",
    decider=None,
)

ADJUDICATIONS = Decisions(
    table=adjudications,
    noun=Adjudication,
    name="adjudication",
    refusal="cannot decide the cell",
    newest_name="its newest decision",
    decider=("lead_id", "account"),
)
