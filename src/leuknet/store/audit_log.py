"""A log of every write, each line chained to the one before by a hash.

A line's hash is the SHA-256 of the canonical JSON (no blanks, ASCII) of the list `seq`, `at`, `actor`,
`action`, `object`, `detail`, `previous_hash`. Whoever changes, removes, adds or moves a line breaks the chain
there, and `verify` names the line. The chain has no secret: who can write to the database can compute all
hashes anew, or cut off the last lines. That shows only against a head, `seq` and `hash`, that was noted
elsewhere before. See docs/decisions/0020-the-log-is-a-chain-not-a-seal.md.

The log holds numbers, hashes and words of this program: no password, token, pixel, note, title or name.

Start at `verify`; `append` is called by `Change.log` alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from leuknet.errors import SettingError
from leuknet.store import tables

if TYPE_CHECKING:
    from leuknet.store.database import Store

NO_HASH = "0" * 64
"""What the first line follows."""

_FARTHEST = 1000  # lines by which a renumbered line is looked for

Detail = Mapping[str, str | int | float | bool | Sequence[str] | None]


@dataclass(frozen=True)
class AuditLine:
    """One write, as the log keeps it; `at` is ISO 8601 and `detail` JSON, to the byte as they were hashed."""

    seq: int
    at: str
    actor: str
    action: str
    object: str
    detail: str
    previous_hash: str
    hash: str


@dataclass(frozen=True)
class AuditReport:
    """What a check of the log found.

    Attributes
    ----------
    lines
        How many were read.
    head_seq, head_hash
        The last line's, 0 and 64 zeros for an empty log. Who keeps them elsewhere can later show that no line
        was cut off and that the whole was not written anew.
    broken_at
        Number of the first line that was changed, removed, inserted or moved; None if the log is whole.
    why
        What is wrong there, "" if nothing.
    """

    lines: int
    head_seq: int
    head_hash: str
    broken_at: int | None
    why: str


def verify(store: Store, *, expect: tuple[int, str] | None = None) -> AuditReport:
    """Read the whole log and check that each line is what was written, and where.

    Parameters
    ----------
    expect
        Number and hash of a line, as an earlier check gave for its head: that line must still be there. Shows
        lines that were cut off at the end, and a log that was written anew.

    Raises
    ------
    StoreError
        If the database cannot be read.
    """
    before: AuditLine | None = None
    last = _line_zero()
    seen = expect is None or expect == (0, NO_HASH)
    with store.reading() as connection:
        query = sa.select(tables.audit).order_by(tables.audit.c.seq)
        with connection.execute(query.execution_options(yield_per=1000)) as rows:
            for row in rows:
                line = AuditLine(*row)
                fault = _fault(connection, line, last=last, before=before)
                if fault is not None:
                    return AuditReport(last.seq, last.seq, last.hash, *fault)
                seen = seen or (line.seq, line.hash) == expect
                before, last = last, line
    if not seen and expect is not None:
        return AuditReport(last.seq, last.seq, last.hash, *_not_seen(expect, last))
    return AuditReport(last.seq, last.seq, last.hash, None, "")


def _not_seen(expect: tuple[int, str], last: AuditLine) -> tuple[int, str]:
    if expect[0] > last.seq:
        return last.seq + 1, f"lines {last.seq + 1} to {expect[0]} were cut off the end"
    return expect[0], f"line {expect[0]} is not the expected one: the log was written anew"


def _fault(
    connection: sa.Connection, line: AuditLine, *, last: AuditLine, before: AuditLine | None
) -> tuple[int, str] | None:
    """Return which line is wrong and why, given the two lines that were found right before it."""
    if line.seq != last.seq + 1:
        return last.seq + 1, f"line {last.seq + 1} was removed"
    own = line.hash == hash_of(line)
    if line.previous_hash == last.hash:
        return None if own else (line.seq, f"line {line.seq} was changed")
    if before is not None and line.previous_hash == before.hash:
        return last.seq, f"line {last.seq} was inserted"
    columns = tables.audit.c
    follower = connection.scalar(sa.select(columns.seq).where(columns.previous_hash == last.hash))
    if follower is not None:
        known = connection.scalar(sa.select(columns.seq).where(columns.hash == line.previous_hash))
        what = "inserted" if known is None else "moved"
        return line.seq, f"line {line.seq} was {what}: line {follower} belongs there"
    if own:
        # Its number is part of its hash, so this line is in its place, and the one before is not what it was.
        return max(last.seq, 1), f"line {max(last.seq, 1)} was changed and its hash computed anew"
    written_as = _written_as(line)
    if written_as is None:
        return line.seq, f"line {line.seq} was changed"
    if written_as > line.seq:
        return line.seq, f"line {line.seq} was removed, and those after it were renumbered"
    return written_as, f"line {written_as} was inserted, and those after it were renumbered"


def _written_as(line: AuditLine) -> int | None:
    for distance in range(1, _FARTHEST):
        for seq in (line.seq + distance, line.seq - distance):
            if hash_of(replace(line, seq=seq)) == line.hash:
                return seq
    return None


def _line_zero() -> AuditLine:
    return AuditLine(0, "", "", "", "", "", "", NO_HASH)


def hash_of(line: AuditLine) -> str:
    """Return the hash that a line should have, in hexadecimal."""
    parts = [line.seq, line.at, line.actor, line.action, line.object, line.detail, line.previous_hash]
    return hashlib.sha256(canonical(parts).encode("ascii")).hexdigest()


def digest(text: str) -> str:
    """Return what the log holds of a text that it may not hold: its SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def canonical(value: object) -> str:
    """Return JSON that is the same text for the same value. NaN is a ValueError."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def append(
    connection: sa.Connection, *, at: datetime, actor: str, action: str, target: str, detail: Detail
) -> None:
    """Add a line at the end; the caller's transaction must hold the lock of all writers.

    `target` becomes the line's `object`: what was acted on.
    """
    head = connection.execute(
        sa.select(tables.audit.c.seq, tables.audit.c.hash).order_by(tables.audit.c.seq.desc()).limit(1)
    ).one_or_none()
    seq, previous = (0, NO_HASH) if head is None else head
    time = at.isoformat(timespec="microseconds")
    line = AuditLine(seq + 1, time, actor, action, target, canonical(detail), previous, "")
    row = vars(replace(line, hash=hash_of(line)))
    connection.execute(tables.audit.insert().values(**row))


def recent_lines(store: Store, *, before: int | None = None, limit: int = 100) -> tuple[AuditLine, ...]:
    """Return the last lines, newest first, or those with numbers below `before`."""
    query = sa.select(tables.audit).order_by(tables.audit.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(tables.audit.c.seq < before)
    return store.read_all(AuditLine, query)


def read_expected(text: str) -> tuple[int, str]:
    """Read `SEQ:HASH` as `leuknet audit-log verify` prints it; anything else is a SettingError."""
    seq, _, digest = text.strip().partition(":")
    digest = digest.lower()
    if not (seq.isascii() and seq.isdigit() and len(digest) == 64 and set(digest) <= set("0123456789abcdef")):
        raise SettingError(
            f"cannot compare the log with {text!r}",
            why="it is not a line's number, a colon and 64 hexadecimal digits",
            fix="give the head as an earlier `leuknet audit-log verify` printed it",
        )
    return int(seq), digest
