"""Reading studies: which readers read which cases, in what mode, and when it is open.

A study is a draft while it is planned. Opening it draws for each reader an order of all cells; from then on
cases and readers are fixed. Closing it ends all reading.

Start at `create_study` and `open_study`. What readers say is in `study_reads`, what a lead decides where they
differ in `adjudications`, who may see what meanwhile in `blinding`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from leuknet.errors import ConflictError, SettingError
from leuknet.store.cases import case_of
from leuknet.store.database import Change, Store, not_found
from leuknet.store.nouns import User
from leuknet.store.study_nouns import STUDY_MODES, NewStudy, Study
from leuknet.store.study_order import draw_order
from leuknet.store.study_tables import studies, study_cases, study_items, study_readers
from leuknet.store.tables import cells, images, scorings, users

_LARGEST_SEED = 2**31 - 1
_ROWS = 20_000
"""Items of one statement: enough to be quick, few enough to stay small in memory."""


def create_study(store: Store, new: NewStudy, *, user: User) -> Study:
    """Plan a study, a draft without cases and readers; SettingError if a value is out of range."""
    new = replace(new, title=new.title.strip())
    faults = [
        (1 <= len(new.title) <= 200, f"its title has {len(new.title)} characters", "give it 1 to 200"),
        (new.mode in STUDY_MODES, f"there is no mode {new.mode!r}", f"use {', '.join(STUDY_MODES)}"),
        (0 <= new.repeat_share <= 0.5, f"a share of {new.repeat_share} is repeated", "use 0 to 0.5"),
        (0 <= new.washout_days <= 3650, f"{new.washout_days} days of washout", "use 0 to 3650"),
        (0 <= new.seed <= _LARGEST_SEED, f"the seed is {new.seed}", f"use 0 to {_LARGEST_SEED}"),
    ]
    for is_right, why, fix in faults:
        if not is_right:
            raise SettingError("cannot make the study", why=why, fix=fix)
    with store.writing(user.actor) as change:
        study = Study(**asdict(new), id=uuid4(), created_by=user.id, created_at=change.at, state="draft",
                      opened_at=None, closed_at=None)  # fmt: skip
        change.execute(studies.insert().values(**asdict(study)))
        change.log(
            "study.created",
            f"study:{study.id}",
            mode=new.mode,
            repeat_share=new.repeat_share,
            washout_days=new.washout_days,
            seed=new.seed,
        )
    return study


def set_study_cases(store: Store, study_id: UUID, case_ids: Sequence[UUID], *, user: User) -> None:
    """Let a draft have these cases and no others.

    Raises
    ------
    ConflictError
        If the study is no longer a draft.
    StoreError
        If there is no such study, or no such case.
    """
    with store.writing(user.actor) as change:
        _require_state(study_of(change.connection, study_id), "draft", "change the cases of")
        chosen = sorted(set(case_ids))
        for case_id in chosen:
            case_of(change.connection, case_id)
        change.execute(study_cases.delete().where(study_cases.c.study_id == study_id))
        if chosen:
            rows = [{"study_id": study_id, "case_id": case_id} for case_id in chosen]
            change.execute(study_cases.insert(), rows)
        change.log("study.cases_set", f"study:{study_id}", cases=[str(case_id) for case_id in chosen])


def set_study_readers(store: Store, study_id: UUID, reader_ids: Sequence[int], *, user: User) -> None:
    """Let a draft have these readers, of any role, and no others; errors as for its cases."""
    with store.writing(user.actor) as change:
        _require_state(study_of(change.connection, study_id), "draft", "change the readers of")
        chosen = sorted(set(reader_ids))
        known = set(change.execute(sa.select(users.c.id).where(users.c.id.in_(chosen))).scalars())
        for reader_id in chosen:
            if reader_id not in known:
                raise not_found("account", reader_id)
        change.execute(study_readers.delete().where(study_readers.c.study_id == study_id))
        if chosen:
            rows = [{"study_id": study_id, "user_id": reader_id} for reader_id in chosen]
            change.execute(study_readers.insert(), rows)
        change.log("study.readers_set", f"study:{study_id}", readers=[str(reader) for reader in chosen])


def open_study(store: Store, study_id: UUID, *, user: User) -> Study:
    """Draw each reader's order, fix cases and readers, and let reading begin.

    Raises
    ------
    ConflictError
        If the study is no draft, has no reader or no cell, or an image of its cases is not scored yet: cells
        that are found later would be missing in it.
    StoreError
        If there is no such study.
    """
    with store.writing(user.actor) as change:
        study = study_of(change.connection, study_id)
        _require_state(study, "draft", "open")
        readers = change.execute(_reader_ids(study_id)).scalars().all()
        cell_ids = _cell_ids(change, study_id)
        _require_ready(
            study, readers=len(readers), n_cells=len(cell_ids), unscored=_unscored(change, study_id)
        )
        items = _items(study, readers, cell_ids)
        n_items = 0
        while rows := list(islice(items, _ROWS)):
            change.execute(study_items.insert(), rows)
            n_items += len(rows)
        if change.connection.dialect.name == "postgresql":
            # Its planner would go on believing that the table is as small as it was before.
            change.execute(sa.text("ANALYZE study_items"))
        opened = replace(study, state="open", opened_at=change.at)
        _save_state(change, opened)
        change.log(
            "study.opened", f"study:{study_id}",
            readers=[str(reader) for reader in readers], n_cells=len(cell_ids), n_items=n_items,
        )  # fmt: skip
        return opened


def close_study(store: Store, study_id: UUID, *, user: User) -> Study:
    """End all reading, whether readers are through or not; ConflictError if the study is not open."""
    with store.writing(user.actor) as change:
        study = study_of(change.connection, study_id)
        _require_state(study, "open", "close")
        closed = replace(study, state="closed", closed_at=change.at)
        _save_state(change, closed)
        change.log("study.closed", f"study:{study_id}")
        return closed


def studies_of(store: Store, user: User) -> tuple[Study, ...]:
    """Return the studies that a user may see, the newest first.

    Leads and admins see all; readers those that they read in, once these are open.
    """
    return store.read_all(Study, _visible(user).order_by(studies.c.created_at.desc(), studies.c.id))


def find_study(store: Store, study_id: UUID, *, user: User) -> Study | None:
    """Return a study, or None if it does not exist or the user may not see it: the two look alike."""
    return store.read_one(Study, _visible(user).where(studies.c.id == study_id))


def load_study(store: Store, study_id: UUID) -> Study:
    """Return a study, whoever asks; StoreError if there is none."""
    with store.reading() as connection:
        return study_of(connection, study_id)


def case_ids_of(store: Store, study_id: UUID) -> tuple[UUID, ...]:
    """Return the cases of a study. Readers of it must not be told."""
    query = sa.select(study_cases.c.case_id).where(study_cases.c.study_id == study_id)
    with store.reading() as connection:
        return tuple(connection.execute(query.order_by(study_cases.c.case_id)).scalars().all())


def reader_ids_of(store: Store, study_id: UUID) -> tuple[int, ...]:
    """Return the accounts that read in a study, by number: the first is `reader 1` in what is exported."""
    with store.reading() as connection:
        return tuple(connection.execute(_reader_ids(study_id)).scalars().all())


def study_of(connection: sa.Connection, study_id: UUID) -> Study:
    """Return a study within a transaction, or raise StoreError."""
    row = connection.execute(sa.select(studies).where(studies.c.id == study_id)).one_or_none()
    if row is None:
        raise not_found("study", study_id)
    return Study(**row._asdict())


def _visible(user: User) -> sa.Select[Any]:
    query = sa.select(studies)
    if user.role == "reader":
        query = query.join(study_readers)
        query = query.where(study_readers.c.user_id == user.id, studies.c.state != "draft")
    return query


def _reader_ids(study_id: UUID) -> sa.Select[Any]:
    query = sa.select(study_readers.c.user_id).where(study_readers.c.study_id == study_id)
    return query.order_by(study_readers.c.user_id)


def _cell_ids(change: Change, study_id: UUID) -> Sequence[int]:
    query = sa.select(cells.c.id).join(images).join(study_cases, study_cases.c.case_id == images.c.case_id)
    query = query.where(study_cases.c.study_id == study_id).order_by(cells.c.id)
    return change.execute(query).scalars().all()


def _unscored(change: Change, study_id: UUID) -> int:
    query = sa.select(sa.func.count()).select_from(images)
    query = query.join(study_cases, study_cases.c.case_id == images.c.case_id).outerjoin(scorings)
    here = (study_cases.c.study_id == study_id) & scorings.c.image_id.is_(None)
    return int(change.execute(query.where(here)).scalar_one())


def _items(study: Study, readers: Sequence[int], cell_ids: Sequence[int]) -> Iterator[dict[str, Any]]:
    for reader_id in readers:
        for phase in study.phases:
            order = draw_order(
                cell_ids, repeat_share=study.repeat_share, seed=study.seed, reader_id=reader_id, phase=phase
            )
            for position, (cell_id, is_repeat) in enumerate(order, start=1):
                yield {
                    "study_id": study.id,
                    "reader_id": reader_id,
                    "phase": phase,
                    "position": position,
                    "cell_id": cell_id,
                    "is_repeat": is_repeat,
                }


def _save_state(change: Change, study: Study) -> None:
    values = {"state": study.state, "opened_at": study.opened_at, "closed_at": study.closed_at}
    change.execute(studies.update().where(studies.c.id == study.id).values(**values))


def _require_state(study: Study, state: str, verb: str) -> None:
    if study.state != state:
        raise ConflictError(
            f"cannot {verb} the study {study.title!r}",
            why=f"it is {'a draft' if study.state == 'draft' else study.state}",
            fix="make a new study: what readers were shown stays as it was"
            if state == "draft"
            else "look at the list of studies again",
        )


def _require_ready(study: Study, *, readers: int, n_cells: int, unscored: int) -> None:
    faults = [
        (readers > 0, "nobody reads in it", "choose at least one reader"),
        (
            unscored == 0,
            f"{unscored} of its images are not scored yet, or nobody could",
            "wait until the cases are scored; look at their pages if that takes long",
        ),
        (n_cells > 0, "its cases hold no cell", "choose cases in which cells were found"),
    ]
    for is_right, why, fix in faults:
        if not is_right:
            raise ConflictError(f"cannot open the study {study.title!r}", why=why, fix=fix)
