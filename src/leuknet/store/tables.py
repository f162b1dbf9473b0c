"""The tables of the reading room's database, with every rule that a database can keep.

Whatever program writes to it, a probability lies within 0 and 1, a case's reviews cannot be orphaned, and a
review is superseded at most once. `migrations` makes these tables; a test compares the two. That rows of
`reviews`, `study_reads`, `adjudications`, `signatures`, `case_notes` and `audit` are never changed or deleted
is kept by triggers, which the migrations hold.

Start at `reviews`. Times are UTC. JSON columns hold lists. A change here needs a migration: docs/store.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from leuknet.store.nouns import (
    CASE_STATES,
    IMAGE_KINDS,
    JOB_STATES,
    PHASES,
    ROLES,
    SCORING_STATES,
    STUDY_MODES,
    STUDY_STATES,
    UPLOAD_STATES,
    VERDICTS,
)

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


def _one_of(column: str, words: tuple[str, ...], name: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(f"{column} IN ({', '.join(map(repr, words))})", name=name)


def _at(name: str, **options: Any) -> sa.Column[datetime]:
    return sa.Column(name, UtcTime(), nullable=options.pop("nullable", False), **options)


def _sha256(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), nullable=False, **options)


def _key() -> sa.Column[int]:
    return sa.Column("id", BIG, primary_key=True)


def _to(name: str, target: str, **options: Any) -> sa.Column[Any]:
    kind = sa.Uuid() if target in ("cases.id", "studies.id") else BIG
    return sa.Column(name, kind, sa.ForeignKey(target), nullable=options.pop("nullable", False), **options)


users = sa.Table(
    "users",
    metadata,
    _key(),
    sa.Column("name", sa.String(100), nullable=False),
    # Databases fold the case of ASCII only, or by their locale; this is folded by Python, alike everywhere.
    sa.Column("folded_name", sa.String(300), nullable=False, unique=True),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("password_hash", sa.String(200), nullable=False),
    sa.Column("active", sa.Boolean(), nullable=False),
    _at("created_at"),
    sa.CheckConstraint("name <> ''", name="name"),
    sa.CheckConstraint("password_hash LIKE '$argon2id$%'", name="password_hash"),
    _one_of("role", ROLES, "role"),
)

first_account = sa.Table(
    "first_account",
    metadata,
    sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
    _sha256("token_sha256"),
    _at("expires_at"),
    sa.CheckConstraint("id = 1", name="one_row"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    _sha256("token_sha256", primary_key=True),
    _to("user_id", "users.id", index=True),
    _at("created_at"),
    _at("expires_at"),
    _at("last_seen_at"),
    sa.CheckConstraint("expires_at > created_at", name="expires_at"),
)

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    _key(),
    _sha256("token_sha256", unique=True),
    _to("user_id", "users.id", index=True),
    sa.Column("name", sa.String(100), nullable=False),
    _at("created_at"),
    _at("revoked_at", nullable=True),
)

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("id", sa.Uuid(), primary_key=True),
    sa.Column("title", sa.String(200), nullable=False),
    _to("created_by", "users.id"),
    _at("created_at"),
    sa.Column("state", sa.String(20), nullable=False),
    sa.CheckConstraint("title <> ''", name="title"),
    _one_of("state", CASE_STATES, "state"),
)

case_access = sa.Table(
    "case_access",
    metadata,
    _to("case_id", "cases.id", primary_key=True),
    _to("user_id", "users.id", primary_key=True, index=True),
    _at("granted_at"),
)

images = sa.Table(
    "images",
    metadata,
    _key(),
    _to("case_id", "cases.id"),
    _sha256("sha256"),
    sa.Column("name", sa.String(300), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("height_px", sa.Integer(), nullable=False),
    sa.Column("width_px", sa.Integer(), nullable=False),
    sa.Column("n_bytes", sa.BigInteger(), nullable=False),
    sa.Column("path", sa.String(300), nullable=False),
    sa.Column("microns_per_pixel", sa.Double(), nullable=True),
    _at("created_at"),
    sa.UniqueConstraint("case_id", "sha256"),
    _one_of("kind", IMAGE_KINDS, "kind"),
    sa.CheckConstraint("length(sha256) = 64", name="sha256"),
    sa.CheckConstraint("height_px > 0 AND width_px > 0 AND n_bytes > 0", name="size"),
    sa.CheckConstraint("path <> '' AND substr(path, 1, 1) <> '/'", name="path"),
    sa.CheckConstraint("microns_per_pixel > 0", name="microns_per_pixel"),
)

cells = sa.Table(
    "cells",
    metadata,
    _key(),
    _to("image_id", "images.id"),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("top_px", sa.Integer(), nullable=False),
    sa.Column("left_px", sa.Integer(), nullable=False),
    sa.Column("bottom_px", sa.Integer(), nullable=False),
    sa.Column("right_px", sa.Integer(), nullable=False),
    sa.Column("outline", sa.JSON(), nullable=False),
    sa.Column("probability", sa.Double(), nullable=True),
    sa.Column("outcome", sa.String(100), nullable=False),
    sa.Column("flags", sa.JSON(), nullable=False),
    sa.Column("warnings", sa.JSON(), nullable=False),
    sa.Column("model_id", sa.String(100), nullable=False),
    sa.UniqueConstraint("image_id", "name"),
    sa.Index(None, "image_id", "probability"),
    sa.CheckConstraint("top_px < bottom_px AND left_px < right_px", name="box"),
    sa.CheckConstraint("probability >= 0 AND probability <= 1", name="probability"),
)

reviews = sa.Table(
    "reviews",
    metadata,
    _key(),
    _to("cell_id", "cells.id"),
    _to("reader_id", "users.id", index=True),
    sa.Column("verdict", sa.String(20), nullable=False),
    sa.Column("note", sa.Text(), nullable=False),
    _at("decided_at"),
    # What this row takes the place of; a row can be replaced once, so that a reader's rows are one line.
    sa.Column("supersedes", BIG, nullable=True, unique=True),
    # After an undo: the earlier row that holds again. Without it, a second undo could only redo.
    sa.Column("restores", BIG, nullable=True),
    sa.UniqueConstraint("id", "cell_id", "reader_id"),
    *(
        sa.ForeignKeyConstraint([column, "cell_id", "reader_id"], [f"reviews.{key}" for key in keys])
        for column in ("supersedes", "restores")
        for keys in [("id", "cell_id", "reader_id")]
    ),
    sa.Index(
        "uq_reviews_first",
        "cell_id",
        "reader_id",
        unique=True,
        sqlite_where=sa.text("supersedes IS NULL"),
        postgresql_where=sa.text("supersedes IS NULL"),
    ),
    sa.Index(None, "cell_id", "reader_id"),
    sa.CheckConstraint("supersedes < id", name="supersedes"),
    sa.CheckConstraint("restores < supersedes", name="restores"),
    _one_of("verdict", VERDICTS, "verdict"),
)

jobs = sa.Table(
    "jobs",
    metadata,
    _key(),
    _to("case_id", "cases.id", index=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("attempts", sa.Integer(), nullable=False),
    _at("created_at"),
    _at("heartbeat_at", nullable=True),
    sa.Column("error", sa.Text(), nullable=True),
    sa.Column("progress", sa.Double(), nullable=False),
    # Null for jobs of version 1.
    sa.Column("detail", sa.JSON(), nullable=True),
    sa.Index(None, "state", "id"),
    _one_of("state", JOB_STATES, "state"),
    sa.CheckConstraint("attempts >= 0", name="attempts"),
    sa.CheckConstraint("progress >= 0 AND progress <= 1", name="progress"),
)

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.Uuid(), primary_key=True),
    _to("case_id", "cases.id", index=True),
    _to("user_id", "users.id"),
    # The same key of the same user is the same upload: a client that lost the answer asks again.
    sa.Column("key", sa.String(100), nullable=False),
    sa.Column("name", sa.String(300), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("n_bytes", sa.BigInteger(), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("error", sa.Text(), nullable=True),
    sa.Column("microns_per_pixel", sa.Double(), nullable=True),
    # What a single image became; null while it comes, and for archives and tables.
    _to("image_id", "images.id", nullable=True),
    _at("created_at"),
    sa.UniqueConstraint("case_id", "user_id", "key"),
    sa.CheckConstraint("n_bytes > 0", name="n_bytes"),
    sa.CheckConstraint("microns_per_pixel > 0", name="microns_per_pixel"),
    _one_of("state", UPLOAD_STATES, "state"),
)

# An image without a row here has not been scored yet.
scorings = sa.Table(
    "scorings",
    metadata,
    _to("image_id", "images.id", primary_key=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("error", sa.Text(), nullable=True),
    sa.Column("model_id", sa.String(100), nullable=False),
    _at("scored_at"),
    _one_of("state", SCORING_STATES, "state"),
    sa.CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name="error"),
)

# The network's features of a cell: little-endian float32, for distances between cells of one model.
cell_features = sa.Table(
    "cell_features",
    metadata,
    _to("cell_id", "cells.id", primary_key=True),
    sa.Column("model_id", sa.String(100), nullable=False),
    sa.Column("features", sa.LargeBinary(), nullable=False),
)

case_notes = sa.Table(
    "case_notes",
    metadata,
    _key(),
    _to("case_id", "cases.id", index=True),
    _to("user_id", "users.id"),
    sa.Column("text", sa.Text(), nullable=False),
    _at("written_at"),
    sa.CheckConstraint("text <> ''", name="text"),
)

signatures = sa.Table(
    "signatures",
    metadata,
    _key(),
    _to("case_id", "cases.id"),
    sa.Column("version", sa.Integer(), nullable=False),
    _to("signed_by", "users.id"),
    _at("signed_at"),
    # Why cells were left unreviewed, or why an earlier version was amended; "" where neither is so.
    sa.Column("reason", sa.Text(), nullable=False),
    # All that the report tells, as JSON text: what was hashed is what is kept.
    sa.Column("content", sa.Text(), nullable=False),
    _sha256("content_sha256"),
    sa.UniqueConstraint("case_id", "version"),
    sa.CheckConstraint("version >= 1", name="version"),
)

studies = sa.Table(
    "studies",
    metadata,
    sa.Column("id", sa.Uuid(), primary_key=True),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("instructions", sa.Text(), nullable=False),
    _to("created_by", "users.id"),
    _at("created_at"),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("mode", sa.String(20), nullable=False),
    sa.Column("repeat_share", sa.Double(), nullable=False),
    sa.Column("washout_days", sa.Integer(), nullable=False),
    sa.Column("seed", sa.Integer(), nullable=False),
    _at("opened_at", nullable=True),
    _at("closed_at", nullable=True),
    sa.CheckConstraint("title <> ''", name="title"),
    sa.CheckConstraint("repeat_share >= 0 AND repeat_share <= 0.5", name="repeat_share"),
    sa.CheckConstraint("washout_days >= 0", name="washout_days"),
    _one_of("state", STUDY_STATES, "state"),
    _one_of("mode", STUDY_MODES, "mode"),
)

study_cases = sa.Table(
    "study_cases",
    metadata,
    _to("study_id", "studies.id", primary_key=True),
    _to("case_id", "cases.id", primary_key=True, index=True),
)

study_readers = sa.Table(
    "study_readers",
    metadata,
    _to("study_id", "studies.id", primary_key=True),
    _to("user_id", "users.id", primary_key=True, index=True),
)

# What a reader is to read, in the order that was drawn for that reader when the study was opened.
study_items = sa.Table(
    "study_items",
    metadata,
    _key(),
    _to("study_id", "studies.id"),
    _to("reader_id", "users.id", index=True),
    sa.Column("phase", sa.String(20), nullable=False),
    sa.Column("position", sa.Integer(), nullable=False),
    _to("cell_id", "cells.id", index=True),
    # The second showing of a cell to the same reader in the same phase, of which the reader is not told.
    sa.Column("is_repeat", sa.Boolean(), nullable=False),
    sa.UniqueConstraint("study_id", "reader_id", "phase", "position"),
    sa.UniqueConstraint("study_id", "reader_id", "phase", "cell_id", "is_repeat"),
    sa.CheckConstraint("position >= 1", name="position"),
    _one_of("phase", PHASES, "phase"),
)

study_reads = sa.Table(
    "study_reads",
    metadata,
    _key(),
    _to("item_id", "study_items.id", index=True),
    sa.Column("verdict", sa.String(20), nullable=False),
    sa.Column("note", sa.Text(), nullable=False),
    # How long the cell was in view with the window in front, seconds.
    sa.Column("seconds", sa.Double(), nullable=False),
    _at("decided_at"),
    sa.Column("supersedes", BIG, nullable=True, unique=True),
    sa.UniqueConstraint("id", "item_id"),
    sa.ForeignKeyConstraint(["supersedes", "item_id"], ["study_reads.id", "study_reads.item_id"]),
    sa.Index(
        "uq_study_reads_first",
        "item_id",
        unique=True,
        sqlite_where=sa.text("supersedes IS NULL"),
        postgresql_where=sa.text("supersedes IS NULL"),
    ),
    sa.CheckConstraint("supersedes < id", name="supersedes"),
    sa.CheckConstraint("seconds >= 0", name="seconds"),
    _one_of("verdict", VERDICTS, "verdict"),
)

adjudications = sa.Table(
    "adjudications",
    metadata,
    _key(),
    _to("study_id", "studies.id"),
    _to("cell_id", "cells.id"),
    _to("lead_id", "users.id"),
    sa.Column("verdict", sa.String(20), nullable=False),
    sa.Column("note", sa.Text(), nullable=False),
    _at("decided_at"),
    sa.Column("supersedes", BIG, nullable=True, unique=True),
    sa.UniqueConstraint("id", "study_id", "cell_id"),
    sa.ForeignKeyConstraint(
        ["supersedes", "study_id", "cell_id"],
        ["adjudications.id", "adjudications.study_id", "adjudications.cell_id"],
    ),
    sa.Index(
        "uq_adjudications_first",
        "study_id",
        "cell_id",
        unique=True,
        sqlite_where=sa.text("supersedes IS NULL"),
        postgresql_where=sa.text("supersedes IS NULL"),
    ),
    sa.CheckConstraint("supersedes < id", name="supersedes"),
    _one_of("verdict", VERDICTS, "verdict"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", BIG, primary_key=True, autoincrement=False),
    # `at` and `detail` are text: what is hashed is what is kept, to the byte, in both databases.
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("actor", sa.String(100), nullable=False),
    sa.Column("action", sa.String(60), nullable=False),
    sa.Column("object", sa.String(100), nullable=False),
    sa.Column("detail", sa.Text(), nullable=False),
    # Unique: two lines cannot follow the same one.
    _sha256("previous_hash", unique=True),
    _sha256("hash"),
    sa.CheckConstraint("seq >= 1", name="seq"),
)
