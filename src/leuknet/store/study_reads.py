"""What readers of a study say, item by item: only ever added to, see `decisions`.

A reader goes through the items in the order that was drawn. An item can be looked at and changed once it was
reached, and until its phase is over: unaided reads are final as soon as the assisted phase may start, and the
last phase's as soon as its last item is read, since from then on the reader may see what the model says.

Start at `next_item` and `save_read`. To everyone but its reader an item does not exist.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from leuknet.errors import ConflictError, SettingError
from leuknet.store.blinding import counting_read
from leuknet.store.database import Change, Store, not_found
from leuknet.store.decisions import READS
from leuknet.store.studies import study_of
from leuknet.store.study_nouns import (
    NewStudyRead,
    Phase,
    PhaseProgress,
    Study,
    StudyItem,
    StudyLine,
    StudyProgress,
    StudyRead,
)
from leuknet.store.study_tables import study_items, study_reads
from leuknet.store.tables import cells, images

_READ = study_reads.alias("read")


def next_item(store: Store, study_id: UUID, *, reader_id: int) -> StudyItem | None:
    """Return the first item of a reader without a read; None if there is none, now or at all.

    `progress` tells whether the reader is through, or when the assisted phase may start. Of a study that is
    not open, there is none.
    """
    with store.reading() as connection:
        study = study_of(connection, study_id)
        state = _progress(connection, study, reader_id, at=datetime.now(UTC))
        if study.state != "open" or state.phase is None:
            return None
        position = _of(state, state.phase).next_position
        return _item_at(connection, study_id, reader_id, phase=state.phase, position=position)


def find_item(store: Store, item_id: int, *, reader_id: int) -> StudyItem | None:
    """Return an item that its reader has reached; None for one that is another's, or not reached yet."""
    with store.reading() as connection:
        item = _item(connection, item_id, reader_id)
        if item is None:
            return None
        study = study_of(connection, item.study_id)
        state = _progress(connection, study, reader_id, at=datetime.now(UTC))
    return item if _is_reached(item, state) else None


def item_at(store: Store, study_id: UUID, *, reader_id: int, phase: Phase, position: int) -> StudyItem | None:
    """Return the item at a position of a reader's order, as `find_item` does."""
    with store.reading() as connection:
        study = study_of(connection, study_id)
        item = _item_at(connection, study_id, reader_id, phase=phase, position=position)
        if item is None:
            return None
        state = _progress(connection, study, reader_id, at=datetime.now(UTC))
    return item if _is_reached(item, state) else None


def progress(store: Store, study_id: UUID, *, reader_id: int) -> StudyProgress:
    """Return how far a reader is; StoreError if there is no such study. Who does not read has 0 of 0."""
    with store.reading() as connection:
        return _progress(connection, study_of(connection, study_id), reader_id, at=datetime.now(UTC))


def save_read(store: Store, new: NewStudyRead, *, reader_id: int, expected_read_id: int | None) -> StudyRead:
    """Save what a reader says of an item; on the disk when this returns.

    Parameters
    ----------
    expected_read_id
        The newest read of this item as the reader saw it, a withdrawn one too; None if there was none.

    Raises
    ------
    StoreError
        If there is no such item, it is another reader's, or its turn has not come.
    ConflictError
        If the reader has read it otherwise since, elsewhere; the study is closed; or the phase is over.
    SettingError
        If the verdict is none that a reader can give, or the time is none.
    """
    READS.require_given(new.verdict)
    if not (math.isfinite(new.seconds) and new.seconds >= 0):
        raise SettingError("cannot save the read", why=f"it took {new.seconds} s", fix="give 0 s or more")
    with store.writing(f"user:{reader_id}") as change:
        item = _changeable(change, new.item_id, reader_id)
        READS.require_newest(item.read, expected_read_id)
        return READS.add(change, new, supersedes=expected_read_id)


def undo_read(store: Store, item_id: int, *, reader_id: int, expected_read_id: int) -> StudyRead:
    """Take a read back: the item comes up again before all later ones. The read itself is kept.

    Raises
    ------
    StoreError, ConflictError
        As `save_read` does; and if nothing is there to take back.
    """
    with store.writing(f"user:{reader_id}") as change:
        item = _changeable(change, item_id, reader_id)
        read = READS.require_undoable(item.read, expected_read_id)
        return READS.add(change, NewStudyRead(item_id, "withdrawn", "", 0.0), supersedes=read.id)


def read_history(store: Store, item_id: int) -> tuple[StudyRead, ...]:
    """Return all that was ever said of an item, the oldest first."""
    return READS.history(store, study_reads.c.item_id == item_id)


def study_lines(store: Store, study_id: UUID) -> tuple[StudyLine, ...]:
    """Return every item of a study with its current read, by reader, phase (unaided first) and position.

    For leads, once nobody who asks is still blinded: see `leuknet.store.blinding.is_reading`.
    """
    with store.reading() as connection:
        return lines_of(connection, study_id)


def lines_of(
    connection: sa.Connection, study_id: UUID, *conditions: sa.ColumnElement[bool]
) -> tuple[StudyLine, ...]:
    """Return what `study_lines` does, within a transaction; with conditions on `study_items`, some of it."""
    query = (
        sa.select(
            study_items.c.id.label("item_id"),
            study_items.c.reader_id,
            study_items.c.phase,
            study_items.c.position,
            study_items.c.cell_id,
            images.c.case_id,
            study_items.c.is_repeat,
            _READ.c.verdict,
            _READ.c.seconds,
            _READ.c.decided_at,
            cells.c.outcome,
            cells.c.probability,
            cells.c.model_id,
        )
        .select_from(study_items)
        .join(cells, cells.c.id == study_items.c.cell_id)
        .join(images, images.c.id == cells.c.image_id)
        .outerjoin(_READ, sa.and_(*counting_read(_READ.c)))
        .where(study_items.c.study_id == study_id, *conditions)
        .order_by(study_items.c.reader_id, study_items.c.phase.desc(), study_items.c.position)
    )
    return tuple(StudyLine(**row._asdict()) for row in connection.execute(query))


def _progress(connection: sa.Connection, study: Study, reader_id: int, *, at: datetime) -> StudyProgress:
    """Return how far a reader is at a time, by one pass over the reader's items."""
    unread = sa.case((_READ.c.id.is_(None), study_items.c.position))
    query = (
        sa.select(
            study_items.c.phase,
            sa.func.count(_READ.c.id),
            sa.func.count(),
            sa.func.min(unread),
            sa.func.max(_READ.c.decided_at),
        )
        .select_from(study_items)
        .outerjoin(_READ, sa.and_(*counting_read(_READ.c)))
        .where(study_items.c.study_id == study.id, study_items.c.reader_id == reader_id)
        .group_by(study_items.c.phase)
    )
    found = {row[0]: PhaseProgress(*row) for row in connection.execute(query)}
    phases = tuple(found.get(phase, PhaseProgress(phase, 0, 0, None, None)) for phase in study.phases)
    first, last = phases[0], phases[-1]
    if first.next_position is not None or len(phases) == 1:
        phase = None if first.next_position is None else first.phase
        return StudyProgress(phases, phase, None)
    starts_at = None if first.last_at is None else first.last_at + timedelta(days=study.washout_days)
    may_start = starts_at is not None and starts_at <= at and last.next_position is not None
    return StudyProgress(phases, last.phase if may_start else None, starts_at)


def _of(state: StudyProgress, phase: Phase) -> PhaseProgress:
    return next(progress for progress in state.phases if progress.phase == phase)


def _is_reached(item: StudyItem, state: StudyProgress) -> bool:
    """Tell whether an item was read before, or is the one whose turn it is."""
    is_next = item.phase == state.phase and item.position == _of(state, item.phase).next_position
    return is_next or item.read is not None


def _changeable(change: Change, item_id: int, reader_id: int) -> StudyItem:
    """Return an item that its reader may read now; raise what `save_read` says otherwise."""
    item = _item(change.connection, item_id, reader_id)
    if item is None:
        raise not_found("study item", item_id)
    study = study_of(change.connection, item.study_id)
    state = _progress(change.connection, study, reader_id, at=change.at)
    if not _is_reached(item, state):
        raise not_found("study item", item_id)
    what = "cannot change what you said of this cell"
    if study.state != "open":
        raise ConflictError(
            what, why=f"the study is {study.state}", fix="ask its lead; what you said is kept"
        )
    in_washout = state.starts_at is not None and change.at < state.starts_at and item.phase == "unaided"
    if item.phase != state.phase and not in_washout:
        raise ConflictError(
            what,
            why=f"all {item.phase} cells are read, and you may see what the model says by now",
            fix="tell the study's lead, who can note it; what you said is kept",
        )
    return item


def _item(connection: sa.Connection, item_id: int, reader_id: int) -> StudyItem | None:
    here = (study_items.c.id == item_id) & (study_items.c.reader_id == reader_id)
    return _one_item(connection, here)


def _item_at(
    connection: sa.Connection, study_id: UUID, reader_id: int, *, phase: Phase, position: int | None
) -> StudyItem | None:
    here = (study_items.c.study_id == study_id) & (study_items.c.reader_id == reader_id)
    here &= (study_items.c.phase == phase) & (study_items.c.position == position)
    return _one_item(connection, here)


def _one_item(connection: sa.Connection, here: sa.ColumnElement[bool]) -> StudyItem | None:
    items = study_items.c
    query = sa.select(
        items.id,
        items.study_id,
        items.reader_id,
        items.phase,
        items.position,
        items.cell_id,
        cells.c.image_id,
    )
    row = connection.execute(query.join(cells).where(here)).one_or_none()
    if row is None:
        return None
    return StudyItem(*row, read=READS.newest_one(connection, study_reads.c.item_id == row.id))
