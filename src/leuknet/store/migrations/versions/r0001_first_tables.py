"""The first tables: accounts, cases, cells, reviews, jobs, audit log; and triggers that keep decisions.

Rows of `reviews` and `audit` cannot be changed or deleted by any statement, short of dropping the trigger.
"""

import sqlalchemy as sa
from alembic import op

from leuknet.store.migrations.triggers import refuse_changes

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of version 1 in an empty database."""
    _accounts()
    _cases()
    _cells()
    _reviews()
    _log()
    for table in ("reviews", "audit"):
        refuse_changes(table)


def _accounts() -> None:
    op.create_table(
        "first_account",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_first_account_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_first_account")),
    )
    op.create_table(
        "users",
        sa.Column("id", BIG, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("folded_name", sa.String(length=300), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_users_name")),
        sa.CheckConstraint("password_hash LIKE '$argon2id$%'", name=op.f("ck_users_password_hash")),
        sa.CheckConstraint("role IN ('reader', 'lead', 'admin')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("folded_name", name=op.f("uq_users_folded_name")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", BIG, nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_api_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_api_tokens_token_sha256")),
    )
    op.create_index(op.f("ix_api_tokens_user_id"), "api_tokens", ["user_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_sessions_expires_at")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("created_by", BIG, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.CheckConstraint("state IN ('open', 'signed')", name=op.f("ck_cases_state")),
        sa.CheckConstraint("title <> ''", name=op.f("ck_cases_title")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_cases_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    op.create_table(
        "case_access",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("granted_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_access_case_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_case_access_user_id")),
        sa.PrimaryKeyConstraint("case_id", "user_id", name=op.f("pk_case_access")),
    )
    op.create_index(op.f("ix_case_access_user_id"), "case_access", ["user_id"], unique=False)
    op.create_table(
        "images",
        sa.Column("id", BIG, nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("height_px", sa.Integer(), nullable=False),
        sa.Column("width_px", sa.Integer(), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.String(length=300), nullable=False),
        sa.Column("microns_per_pixel", sa.Double(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("kind IN ('crop', 'field', 'slide')", name=op.f("ck_images_kind")),
        sa.CheckConstraint("path <> '' AND substr(path, 1, 1) <> '/'", name=op.f("ck_images_path")),
        sa.CheckConstraint("height_px > 0 AND width_px > 0 AND n_bytes > 0", name=op.f("ck_images_size")),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_images_sha256")),
        sa.CheckConstraint("microns_per_pixel > 0", name=op.f("ck_images_microns_per_pixel")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_images_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint("case_id", "sha256", name=op.f("uq_images_case_id_sha256")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", BIG, nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("heartbeat_at", TIME, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name=op.f("ck_jobs_state")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_jobs_attempts")),
        sa.CheckConstraint("progress >= 0 AND progress <= 1", name=op.f("ck_jobs_progress")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_jobs_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_case_id"), "jobs", ["case_id"], unique=False)
    op.create_index(op.f("ix_jobs_state_id"), "jobs", ["state", "id"], unique=False)


def _cells() -> None:
    op.create_table(
        "cells",
        sa.Column("id", BIG, nullable=False),
        sa.Column("image_id", BIG, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("top_px", sa.Integer(), nullable=False),
        sa.Column("left_px", sa.Integer(), nullable=False),
        sa.Column("bottom_px", sa.Integer(), nullable=False),
        sa.Column("right_px", sa.Integer(), nullable=False),
        sa.Column("outline", sa.JSON(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("outcome", sa.String(length=100), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("model_id", sa.String(length=100), nullable=False),
        sa.CheckConstraint("probability >= 0 AND probability <= 1", name=op.f("ck_cells_probability")),
        sa.CheckConstraint("top_px < bottom_px AND left_px < right_px", name=op.f("ck_cells_box")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_cells_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cells")),
        sa.UniqueConstraint("image_id", "name", name=op.f("uq_cells_image_id_name")),
    )
    op.create_index(op.f("ix_cells_image_id_probability"), "cells", ["image_id", "probability"], unique=False)


def _reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", BIG, nullable=False),
        sa.Column("cell_id", BIG, nullable=False),
        sa.Column("reader_id", BIG, nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("decided_at", TIME, nullable=False),
        sa.Column("supersedes", BIG, nullable=True),
        sa.Column("restores", BIG, nullable=True),
        sa.CheckConstraint(
            "verdict IN ('leukaemic', 'normal', 'uncertain', 'not_a_cell', 'withdrawn')",
            name=op.f("ck_reviews_verdict"),
        ),
        sa.CheckConstraint("restores < supersedes", name=op.f("ck_reviews_restores")),
        sa.CheckConstraint("supersedes < id", name=op.f("ck_reviews_supersedes")),
        sa.ForeignKeyConstraint(["cell_id"], ["cells.id"], name=op.f("fk_reviews_cell_id")),
        sa.ForeignKeyConstraint(["reader_id"], ["users.id"], name=op.f("fk_reviews_reader_id")),
        sa.ForeignKeyConstraint(
            ["restores", "cell_id", "reader_id"],
            ["reviews.id", "reviews.cell_id", "reviews.reader_id"],
            name=op.f("fk_reviews_restores_cell_id_reader_id"),
        ),
        sa.ForeignKeyConstraint(
            ["supersedes", "cell_id", "reader_id"],
            ["reviews.id", "reviews.cell_id", "reviews.reader_id"],
            name=op.f("fk_reviews_supersedes_cell_id_reader_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("id", "cell_id", "reader_id", name=op.f("uq_reviews_id_cell_id_reader_id")),
        sa.UniqueConstraint("supersedes", name=op.f("uq_reviews_supersedes")),
    )
    op.create_index(op.f("ix_reviews_cell_id_reader_id"), "reviews", ["cell_id", "reader_id"], unique=False)
    op.create_index(op.f("ix_reviews_reader_id"), "reviews", ["reader_id"], unique=False)
    op.create_index(
        "uq_reviews_first",
        "reviews",
        ["cell_id", "reader_id"],
        unique=True,
        sqlite_where=sa.text("supersedes IS NULL"),
        postgresql_where=sa.text("supersedes IS NULL"),
    )


def _log() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", BIG, autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("object", sa.String(length=100), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_audit_seq")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
        sa.UniqueConstraint("previous_hash", name=op.f("uq_audit_previous_hash")),
    )
