"""What the tables are made of: kinds of columns that both databases keep alike, and rules that recur.

Start at `metadata`, which `tables` and `study_tables` fill.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import SchemaItem

from leuknet.store.cell_nouns import VERDICTS

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""64 bits on both: SQLite's INTEGER is, and numbers rows by itself under this name only."""


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A time with its zone in Python; in SQLite, which knows no zones, UTC without one."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Turn into UTC; a time without a zone is a bug."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone: {value}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def one_of(column: str, words: tuple[str, ...], name: str) -> sa.CheckConstraint:
    """Return the rule that a column holds one of some words."""
    return sa.CheckConstraint(f"{column} IN ({', '.join(map(repr, words))})", name=name)


def at(name: str, **options: Any) -> sa.Column[datetime]:
    """Return a column of times, UTC."""
    return sa.Column(name, UtcTime(), nullable=options.pop("nullable", False), **options)


def sha256(name: str, **options: Any) -> sa.Column[str]:
    """Return a column of hashes, in hexadecimal."""
    return sa.Column(name, sa.String(64), nullable=False, **options)


def key() -> sa.Column[int]:
    """Return the column that numbers rows."""
    return sa.Column("id", BIG, primary_key=True)


def to(name: str, target: str, **options: Any) -> sa.Column[Any]:
    """Return a column that names a row of another table."""
    kind = sa.Uuid() if target in ("cases.id", "studies.id") else BIG
    return sa.Column(name, kind, sa.ForeignKey(target), nullable=options.pop("nullable", False), **options)


def decided(table: str, *line: str, after_note: tuple[sa.Column[Any], ...] = ()) -> tuple[SchemaItem, ...]:
    """Return what tables of decisions have in common: see `leuknet.store.decisions`.

    Parameters
    ----------
    table
        Its name.
    line
        The columns that are the same in all rows of a line.
    after_note
        Columns of its own between note and time.
    """
    return (
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        *after_note,
        at("decided_at"),
        # What this row takes the place of; a row can be replaced once, so that a reader's rows are one line.
        sa.Column("supersedes", BIG, nullable=True, unique=True),
        sa.UniqueConstraint("id", *line),
        sa.ForeignKeyConstraint(["supersedes", *line], [f"{table}.{column}" for column in ("id", *line)]),
        sa.Index(
            f"uq_{table}_first",
            *line,
            unique=True,
            sqlite_where=sa.text("supersedes IS NULL"),
            postgresql_where=sa.text("supersedes IS NULL"),
        ),
        sa.CheckConstraint("supersedes < id", name="supersedes"),
        one_of("verdict", VERDICTS, "verdict"),
    )
