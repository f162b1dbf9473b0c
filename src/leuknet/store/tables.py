"""The tables of the reading room's database, with every rule that a database can keep.

Whatever program writes to it, a probability lies within 0 and 1, a case's reviews cannot be orphaned, and a
review is superseded at most once. `migrations` makes these tables; a test compares the two. That rows of
`reviews`, `study_reads`, `adjudications`, `signatures`, `case_notes` and `audit` are never changed or deleted
is kept by triggers, which the migrations hold.

Start at `reviews`; the tables of studies are in `study_tables`. Times are UTC. JSON columns hold lists. A
change here needs a migration: docs/store.md.
"""

from __future__ import annotations

import sqlalchemy as sa

from leuknet.store import study_tables
from leuknet.store.columns import BIG, at, decided, key, one_of, sha256, to
from leuknet.store.nouns import CASE_STATES, IMAGE_KINDS, JOB_STATES, ROLES, SCORING_STATES, UPLOAD_STATES

metadata = study_tables.studies.metadata
"""Of all tables, those of studies too."""

users = sa.Table(
    "users",
    metadata,
    key(),
    sa.Column("name", sa.String(100), nullable=False),
    # Databases fold the case of ASCII only, or by their locale; this is folded by Python, alike everywhere.
    sa.Column("folded_name", sa.String(300), nullable=False, unique=True),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("password_hash", sa.String(200), nullable=False),
    sa.Column("active", sa.Boolean(), nullable=False),
    at("created_at"),
    sa.CheckConstraint("name <> ''", name="name"),
    sa.CheckConstraint("password_hash LIKE '$argon2id$%'", name="password_hash"),
    one_of("role", ROLES, "role"),
)

first_account = sa.Table(
    "first_account",
    metadata,
    sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
    sha256("token_sha256"),
    at("expires_at"),
    sa.CheckConstraint("id = 1", name="one_row"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sha256("token_sha256", primary_key=True),
    to("user_id", "users.id", index=True),
    at("created_at"),
    at("expires_at"),
    at("last_seen_at"),
    sa.CheckConstraint("expires_at > created_at", name="expires_at"),
)

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    key(),
    sha256("token_sha256", unique=True),
    to("user_id", "users.id", index=True),
    sa.Column("name", sa.String(100), nullable=False),
    at("created_at"),
    at("revoked_at", nullable=True),
)

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("id", sa.Uuid(), primary_key=True),
    sa.Column("title", sa.String(200), nullable=False),
    to("created_by", "users.id"),
    at("created_at"),
    sa.Column("state", sa.String(20), nullable=False),
    sa.CheckConstraint("title <> ''", name="title"),
    one_of("state", CASE_STATES, "state"),
)

case_access = sa.Table(
    "case_access",
    metadata,
    to("case_id", "cases.id", primary_key=True),
    to("user_id", "users.id", primary_key=True, index=True),
    at("granted_at"),
)

images = sa.Table(
    "images",
    metadata,
    key(),
    to("case_id", "cases.id"),
    sha256("sha256"),
    sa.Column("name", sa.String(300), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("height_px", sa.Integer(), nullable=False),
    sa.Column("width_px", sa.Integer(), nullable=False),
    sa.Column("n_bytes", sa.BigInteger(), nullable=False),
    sa.Column("path", sa.String(300), nullable=False),
    sa.Column("microns_per_pixel", sa.Double(), nullable=True),
    at("created_at"),
    sa.Column("pixels_sha256", sa.String(64), nullable=True),  # null: taken in before it was counted
    sa.UniqueConstraint("case_id", "sha256"),
    sa.Index(None, "sha256"),
    sa.Index(None, "pixels_sha256"),
    one_of("kind", IMAGE_KINDS, "kind"),
    sa.CheckConstraint("length(sha256) = 64", name="sha256"),
    sa.CheckConstraint("height_px > 0 AND width_px > 0 AND n_bytes > 0", name="size"),
    sa.CheckConstraint("path <> '' AND substr(path, 1, 1) <> '/'", name="path"),
    sa.CheckConstraint("microns_per_pixel > 0", name="microns_per_pixel"),
)

cells = sa.Table(
    "cells",
    metadata,
    key(),
    to("image_id", "images.id"),
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
    key(),
    to("cell_id", "cells.id"),
    to("reader_id", "users.id", index=True),
    *decided("reviews", "cell_id", "reader_id"),
    # After an undo: the earlier row that holds again. Without it, a second undo could only redo.
    sa.Column("restores", BIG, nullable=True),
    sa.ForeignKeyConstraint(
        ["restores", "cell_id", "reader_id"], ["reviews.id", "reviews.cell_id", "reviews.reader_id"]
    ),
    sa.Index(None, "cell_id", "reader_id"),
    sa.CheckConstraint("restores < supersedes", name="restores"),
)

jobs = sa.Table(
    "jobs",
    metadata,
    key(),
    to("case_id", "cases.id", index=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("attempts", sa.Integer(), nullable=False),
    at("created_at"),
    at("heartbeat_at", nullable=True),
    sa.Column("error", sa.Text(), nullable=True),
    sa.Column("progress", sa.Double(), nullable=False),
    # Null for jobs of version 1.
    sa.Column("detail", sa.JSON(), nullable=True),
    sa.Index(None, "state", "id"),
    one_of("state", JOB_STATES, "state"),
    sa.CheckConstraint("attempts >= 0", name="attempts"),
    sa.CheckConstraint("progress >= 0 AND progress <= 1", name="progress"),
)

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.Uuid(), primary_key=True),
    to("case_id", "cases.id", index=True),
    to("user_id", "users.id"),
    # The same key of the same user is the same upload: a client that lost the answer asks again.
    sa.Column("key", sa.String(100), nullable=False),
    sa.Column("name", sa.String(300), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("n_bytes", sa.BigInteger(), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("error", sa.Text(), nullable=True),
    sa.Column("microns_per_pixel", sa.Double(), nullable=True),
    # What a single image became; null while it comes, and for archives and tables.
    to("image_id", "images.id", nullable=True),
    at("created_at"),
    sa.UniqueConstraint("case_id", "user_id", "key"),
    sa.CheckConstraint("n_bytes > 0", name="n_bytes"),
    sa.CheckConstraint("microns_per_pixel > 0", name="microns_per_pixel"),
    one_of("state", UPLOAD_STATES, "state"),
)

# An image without a row here has not been scored yet.
scorings = sa.Table(
    "scorings",
    metadata,
    to("image_id", "images.id", primary_key=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("error", sa.Text(), nullable=True),
    sa.Column("model_id", sa.String(100), nullable=False),
    at("scored_at"),
    one_of("state", SCORING_STATES, "state"),
    sa.CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name="error"),
)

# The network's features of a cell: little-endian float32, for distances between cells of one model.
cell_features = sa.Table(
    "cell_features",
    metadata,
    to("cell_id", "cells.id", primary_key=True),
    sa.Column("model_id", sa.String(100), nullable=False),
    sa.Column("features", sa.LargeBinary(), nullable=False),
)

case_notes = sa.Table(
    "case_notes",
    metadata,
    key(),
    to("case_id", "cases.id", index=True),
    to("user_id", "users.id"),
    sa.Column("text", sa.Text(), nullable=False),
    at("written_at"),
    sa.CheckConstraint("text <> ''", name="text"),
)

signatures = sa.Table(
    "signatures",
    metadata,
    key(),
    to("case_id", "cases.id"),
    sa.Column("version", sa.Integer(), nullable=False),
    to("signed_by", "users.id"),
    at("signed_at"),
    # Why cells were left unreviewed, or why an earlier version was amended; "" where neither is so.
    sa.Column("reason", sa.Text(), nullable=False),
    # All that the report tells, as JSON text: what was hashed is what is kept.
    sa.Column("content", sa.Text(), nullable=False),
    sha256("content_sha256"),
    sa.UniqueConstraint("case_id", "version"),
    sa.CheckConstraint("version >= 1", name="version"),
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
    sha256("previous_hash", unique=True),
    sha256("hash"),
    sa.CheckConstraint("seq >= 1", name="seq"),
)
