"""Compares what must never change with what the log says was written: decisions, signatures, images.

A row that was changed, added or removed past the program differs from its line in the log, and is named.
Whoever writes the log anew to fit is found by a head that was kept elsewhere, see `audit_log`.

Start at `forged_rows`; `logged_files` is what was logged of a signed version's files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from leuknet.store.audit_log import digest
from leuknet.store.decisions import ADJUDICATIONS, READS, REVIEWS, Decisions
from leuknet.store.tables import audit, images, signatures

if TYPE_CHECKING:
    from leuknet.store.database import Store

SIGNED, REMADE = "case.signed", "case.files_remade"


class _Line(NamedTuple):
    actor: str
    at: str
    detail: dict[str, Any]


def forged_rows(store: Store) -> tuple[str, ...]:
    """Return a sentence for each row that is not as it was logged, in the order of tables and rows.

    Raises
    ------
    StoreError
        If the database cannot be read.
    """
    with store.reading() as connection:
        found: list[str] = []
        for kind in (REVIEWS, READS, ADJUDICATIONS):
            found += _decisions(connection, kind)
        found += _images(connection)
        found += _signatures(connection)
    return tuple(found)


def logged_files(store: Store, case_id: UUID, version: int) -> dict[str, str]:
    """Return the SHA-256 of a signed version's files by suffix; none if an earlier LeukNet signed it."""
    here = (audit.c.object == f"case:{case_id}") & audit.c.action.in_((SIGNED, REMADE))
    known: dict[str, str] = {}
    with store.reading() as connection:
        for detail in connection.execute(
            sa.select(audit.c.detail).where(here).order_by(audit.c.seq)
        ).scalars():
            line = json.loads(detail)
            if line["version"] == version:
                known |= dict(one.split(":") for one in line.get("files", ()))
    return known


def _lines(connection: sa.Connection, action: str) -> dict[str, _Line]:
    query = sa.select(audit.c.object, audit.c.actor, audit.c.at, audit.c.detail).where(
        audit.c.action == action
    )
    return {row.object: _Line(row.actor, row.at, json.loads(row.detail)) for row in connection.execute(query)}


def _decisions(connection: sa.Connection, kind: Decisions[Any]) -> Iterator[str]:
    lines = _lines(connection, f"{kind.name}.saved")
    for row in connection.execute(sa.select(kind.table).order_by(kind.table.c.id)).mappings():
        name = f"{kind.name}:{row['id']}"
        line = lines.pop(name, None)
        if line is None:
            yield f"{name} was added past the log"
            continue
        if kind.decider is not None and line.actor != f"user:{row[kind.decider[0]]}":
            yield f"{name} was given to another account"
        changed = [key for key, value in _as_logged(row, kind).items() if line.detail.get(key) != value]
        if row["decided_at"].isoformat(timespec="microseconds") != line.at:
            changed.append("decided_at")
        if changed:
            yield f"{name} was changed: {', '.join(changed)}"
    yield from (f"{name} was removed" for name in lines)


def _as_logged(row: Mapping[Any, Any], kind: Decisions[Any]) -> dict[str, Any]:
    left_out = {"id", "decided_at", "note", *(kind.decider or ())[:1]}
    detail = {key.removesuffix("_id"): value for key, value in row.items() if key not in left_out}
    detail["note_sha256"] = digest(row["note"])
    if "study" in detail:
        detail["study"] = str(detail["study"])
    return detail


def _images(connection: sa.Connection) -> Iterator[str]:
    lines = _lines(connection, "image.added")
    for row in connection.execute(sa.select(images.c.id, images.c.case_id, images.c.sha256)):
        line = lines.pop(f"image:{row.id}", None)
        if line is None:
            yield f"image:{row.id} was added past the log"
        elif (line.detail["case"], line.detail["sha256"]) != (str(row.case_id), row.sha256):
            yield f"image:{row.id} was changed: its case or its SHA-256"
    yield from (f"{name} was removed" for name in lines)


def _signatures(connection: sa.Connection) -> Iterator[str]:
    query = sa.select(audit.c.object, audit.c.actor, audit.c.detail).where(audit.c.action == SIGNED)
    lines = {}
    for line in connection.execute(query):
        detail = json.loads(line.detail)
        lines[line.object, detail["version"]] = (
            line.actor,
            detail["content_sha256"],
            detail["reason_sha256"],
        )
    for row in connection.execute(sa.select(signatures).order_by(signatures.c.id)):
        case, name = f"case:{row.case_id}", f"version {row.version} of case {row.case_id}"
        logged = lines.pop((case, row.version), None)
        if logged is None:
            yield f"{name} was signed past the log"
        elif (f"user:{row.signed_by}", digest(row.content), digest(row.reason)) != logged:
            yield f"{name} was changed: its signer, content or reason"
    yield from (f"version {version} of {case} was removed" for case, version in lines)
