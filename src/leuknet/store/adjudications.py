"""What a lead decides of cells on which the readers of a study differ: only ever added to, see `decisions`.

Of each reader the first showing counts, in the last phase that all readers are through, or in the study's
first phase if none is. A cell is disputed if the verdicts of at least two readers differ there; readers who
did not read it have no part in it. Nothing is decided before all readers are through or the study is closed,
so that disputes no longer change.

Start at `disputes` and `adjudicate`.
"""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from leuknet.errors import ConflictError
from leuknet.store.blinding import has_read
from leuknet.store.cell_nouns import Verdict
from leuknet.store.database import Change, Store, not_found
from leuknet.store.decisions import ADJUDICATIONS
from leuknet.store.studies import study_of
from leuknet.store.study_nouns import Adjudication, Dispute, NewAdjudication, Phase, Study
from leuknet.store.study_reads import lines_of
from leuknet.store.study_tables import adjudications, study_items


def disputes(store: Store, study_id: UUID) -> tuple[Dispute, ...]:
    """Return the cells on which readers differ, by number; before all are through, those so far.

    For leads, once they are not blinded themselves: see `leuknet.store.blinding.is_reading`.
    """
    with store.reading() as connection:
        study = study_of(connection, study_id)
        verdicts = _verdicts(connection, study)
        decided = _current(connection, study_id)
    return tuple(
        Dispute(cell_id, tuple(sorted(said.items())), decided.get(cell_id))
        for cell_id, said in sorted(verdicts.items())
        if len(set(said.values())) > 1
    )


def adjudicate(store: Store, new: NewAdjudication, *, expected_id: int | None) -> Adjudication:
    """Decide of a disputed cell; that the account is a lead's, its caller has checked.

    Parameters
    ----------
    expected_id
        The newest adjudication of this cell as the lead saw it, None if there was none.

    Raises
    ------
    ConflictError
        If readers are still reading, they do not differ on this cell, or somebody decided it since.
    SettingError
        If the verdict is none that can be given.
    StoreError
        If there is no such study, account, or cell in the study.
    """
    ADJUDICATIONS.require_given(new.verdict)
    with store.writing(f"user:{new.lead_id}") as change:
        _require_disputed(change, study_of(change.connection, new.study_id), new.cell_id)
        ADJUDICATIONS.require_newest(_current(change.connection, new.study_id).get(new.cell_id), expected_id)
        return ADJUDICATIONS.add(change, new, supersedes=expected_id)


def adjudicated(store: Store, study_id: UUID) -> dict[int, Adjudication]:
    """Return the newest decision of each cell that was decided, by cell."""
    with store.reading() as connection:
        return _current(connection, study_id)


def decisive_phase(connection: sa.Connection, study: Study) -> Phase:
    """Return the phase whose reads count: the last that all readers are through, else the first."""
    left = sa.select(study_items.c.phase).where(study_items.c.study_id == study.id, ~has_read()).distinct()
    unfinished = set(connection.execute(left).scalars().all())
    finished = [phase for phase in study.phases if phase not in unfinished]
    return finished[-1] if finished else study.phases[0]


def _verdicts(
    connection: sa.Connection, study: Study, *conditions: sa.ColumnElement[bool]
) -> dict[int, dict[int, Verdict]]:
    """Return for each cell each reader's verdict that counts."""
    phase = decisive_phase(connection, study)
    counts = (study_items.c.phase == phase, ~study_items.c.is_repeat, *conditions)
    found: dict[int, dict[int, Verdict]] = {}
    for line in lines_of(connection, study.id, *counts):
        if line.verdict is not None:
            found.setdefault(line.cell_id, {})[line.reader_id] = line.verdict
    return found


def _require_disputed(change: Change, study: Study, cell_id: int) -> None:
    here = sa.select(study_items.c.id).where(study_items.c.study_id == study.id).limit(1)
    if change.execute(here.where(study_items.c.cell_id == cell_id)).first() is None:
        raise not_found("cell of this study", cell_id)
    if study.state != "closed" and change.execute(here.where(~has_read())).first() is not None:
        raise ConflictError(
            "cannot decide the cell",
            why="not all readers are through: what they say could still change",
            fix="wait until they are, or close the study",
        )
    said = _verdicts(change.connection, study, study_items.c.cell_id == cell_id).get(cell_id, {})
    if len(set(said.values())) < 2:
        raise ConflictError(
            "cannot decide the cell", why="readers do not differ on it", fix="choose one that is disputed"
        )


def _current(connection: sa.Connection, study_id: UUID) -> dict[int, Adjudication]:
    found = ADJUDICATIONS.newest(connection, adjudications.c.study_id == study_id)
    return {decision.cell_id: decision for decision in found}
