"""The first tables, and triggers that keep what was decided.

No statement changes or deletes rows of the tables in `KEPT`, short of dropping the trigger. It is
called 0002 since databases from before the first release were made in two steps, and came out the same.
"""

import sqlalchemy as sa
from alembic import op

from leuknet.store.migrations.triggers import refuse_changes

revision = "0002"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
KEPT = ("reviews", "audit", "study_reads", "adjudications", "signatures", "case_notes")


def upgrade() -> None:
    """Make all tables in an empty database."""
    _accounts()
    _cases()
    _cells()
    _reviews()
    _log()
    _intake()
    _signing()
    _studies()
    _reading()
    for table in KEPT:
        refuse_changes(table)


def _accounts() -> None:
    op.create_table(
        "first_account",
        sa.Column("id", sa.Integer(), autoincrement=False, primary_key=True),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_first_account_one_row")),
    )
    op.create_table(
        "users",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("folded_name", sa.String(length=300), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("name <> ''", name=op.f("ck_users_name")),
        sa.CheckConstraint("password_hash LIKE '$argon2id$%'", name=op.f("ck_users_password_hash")),
        sa.CheckConstraint("role IN ('reader', 'lead', 'admin')", name=op.f("ck_users_role")),
        sa.UniqueConstraint("folded_name", name=op.f("uq_users_folded_name")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_id", BIG, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_api_tokens_token_sha256")),
    )
    op.create_index(op.f("ix_api_tokens_user_id"), "api_tokens", ["user_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.String(length=64), primary_key=True),
        sa.Column("user_id", BIG, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_sessions_expires_at")),
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("created_by", BIG, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.CheckConstraint("state IN ('open', 'signed')", name=op.f("ck_cases_state")),
        sa.CheckConstraint("title <> ''", name=op.f("ck_cases_title")),
    )
    op.create_table(
        "case_access",
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("user_id", BIG, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("granted_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("case_id", "user_id", name=op.f("pk_case_access")),
    )
    op.create_index(op.f("ix_case_access_user_id"), "case_access", ["user_id"], unique=False)
    op.create_table(
        "images",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
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
        sa.UniqueConstraint("case_id", "sha256", name=op.f("uq_images_case_id_sha256")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("heartbeat_at", TIME, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=True),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed')", name=op.f("ck_jobs_state")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_jobs_attempts")),
        sa.CheckConstraint("progress >= 0 AND progress <= 1", name=op.f("ck_jobs_progress")),
    )
    op.create_index(op.f("ix_jobs_case_id"), "jobs", ["case_id"], unique=False)
    op.create_index(op.f("ix_jobs_state_id"), "jobs", ["state", "id"], unique=False)


def _cells() -> None:
    op.create_table(
        "cells",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("image_id", BIG, sa.ForeignKey("images.id"), nullable=False),
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
        sa.UniqueConstraint("image_id", "name", name=op.f("uq_cells_image_id_name")),
    )
    op.create_index(op.f("ix_cells_image_id_probability"), "cells", ["image_id", "probability"], unique=False)


def _reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("cell_id", BIG, sa.ForeignKey("cells.id"), nullable=False),
        sa.Column("reader_id", BIG, sa.ForeignKey("users.id"), nullable=False),
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
        sa.Column("seq", BIG, autoincrement=False, primary_key=True),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("object", sa.String(length=100), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("seq >= 1", name=op.f("ck_audit_seq")),
        sa.UniqueConstraint("previous_hash", name=op.f("uq_audit_previous_hash")),
    )


def _intake() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("user_id", BIG, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("microns_per_pixel", sa.Double(), nullable=True),
        sa.Column("image_id", BIG, sa.ForeignKey("images.id"), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("state IN ('receiving', 'done', 'failed')", name=op.f("ck_uploads_state")),
        sa.CheckConstraint("microns_per_pixel > 0", name=op.f("ck_uploads_microns_per_pixel")),
        sa.CheckConstraint("n_bytes > 0", name=op.f("ck_uploads_n_bytes")),
        sa.UniqueConstraint("case_id", "user_id", "key", name=op.f("uq_uploads_case_id_user_id_key")),
    )
    op.create_index(op.f("ix_uploads_case_id"), "uploads", ["case_id"], unique=False)
    op.create_table(
        "scorings",
        sa.Column("image_id", BIG, sa.ForeignKey("images.id"), primary_key=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("model_id", sa.String(length=100), nullable=False),
        sa.Column("scored_at", TIME, nullable=False),
        sa.CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name=op.f("ck_scorings_error")),
        sa.CheckConstraint("state IN ('scored', 'failed')", name=op.f("ck_scorings_state")),
    )
    op.create_table(
        "cell_features",
        sa.Column("cell_id", BIG, sa.ForeignKey("cells.id"), primary_key=True),
        sa.Column("model_id", sa.String(length=100), nullable=False),
        sa.Column("features", sa.LargeBinary(), nullable=False),
    )


def _signing() -> None:
    op.create_table(
        "case_notes",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("user_id", BIG, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("written_at", TIME, nullable=False),
        sa.CheckConstraint("text <> ''", name=op.f("ck_case_notes_text")),
    )
    op.create_index(op.f("ix_case_notes_case_id"), "case_notes", ["case_id"], unique=False)
    op.create_table(
        "signatures",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("signed_by", BIG, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("signed_at", TIME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.CheckConstraint("version >= 1", name=op.f("ck_signatures_version")),
        sa.UniqueConstraint("case_id", "version", name=op.f("uq_signatures_case_id_version")),
    )


def _studies() -> None:
    op.create_table(
        "studies",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("created_by", BIG, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("mode", sa.String(length=20), nullable=False),
        sa.Column("repeat_share", sa.Double(), nullable=False),
        sa.Column("washout_days", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("opened_at", TIME, nullable=True),
        sa.Column("closed_at", TIME, nullable=True),
        sa.CheckConstraint("mode IN ('unaided', 'assisted', 'both')", name=op.f("ck_studies_mode")),
        sa.CheckConstraint("state IN ('draft', 'open', 'closed')", name=op.f("ck_studies_state")),
        sa.CheckConstraint("title <> ''", name=op.f("ck_studies_title")),
        sa.CheckConstraint("repeat_share >= 0 AND repeat_share <= 0.5", name=op.f("ck_studies_repeat_share")),
        sa.CheckConstraint("washout_days >= 0", name=op.f("ck_studies_washout_days")),
    )
    op.create_table(
        "study_cases",
        sa.Column("study_id", sa.Uuid(), sa.ForeignKey("studies.id"), nullable=False),
        sa.Column("case_id", sa.Uuid(), sa.ForeignKey("cases.id"), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "case_id", name=op.f("pk_study_cases")),
    )
    op.create_index(op.f("ix_study_cases_case_id"), "study_cases", ["case_id"], unique=False)
    op.create_table(
        "study_readers",
        sa.Column("study_id", sa.Uuid(), sa.ForeignKey("studies.id"), nullable=False),
        sa.Column("user_id", BIG, sa.ForeignKey("users.id"), nullable=False),
        sa.PrimaryKeyConstraint("study_id", "user_id", name=op.f("pk_study_readers")),
    )
    op.create_index(op.f("ix_study_readers_user_id"), "study_readers", ["user_id"], unique=False)


def _reading() -> None:
    op.create_table(
        "study_items",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("study_id", sa.Uuid(), sa.ForeignKey("studies.id"), nullable=False),
        sa.Column("reader_id", BIG, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("phase", sa.String(length=20), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("cell_id", BIG, sa.ForeignKey("cells.id"), nullable=False),
        sa.Column("is_repeat", sa.Boolean(), nullable=False),
        sa.CheckConstraint("phase IN ('unaided', 'assisted')", name=op.f("ck_study_items_phase")),
        sa.CheckConstraint("position >= 1", name=op.f("ck_study_items_position")),
        sa.UniqueConstraint(
            "study_id",
            "reader_id",
            "phase",
            "cell_id",
            "is_repeat",
            name=op.f("uq_study_items_study_id_reader_id_phase_cell_id_is_repeat"),
        ),
        sa.UniqueConstraint(
            "study_id",
            "reader_id",
            "phase",
            "position",
            name=op.f("uq_study_items_study_id_reader_id_phase_position"),
        ),
    )
    op.create_index(op.f("ix_study_items_cell_id"), "study_items", ["cell_id"], unique=False)
    op.create_index(op.f("ix_study_items_reader_id"), "study_items", ["reader_id"], unique=False)
    op.create_table(
        "study_reads",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("item_id", BIG, sa.ForeignKey("study_items.id"), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("decided_at", TIME, nullable=False),
        sa.Column("supersedes", BIG, nullable=True),
        sa.CheckConstraint(
            "verdict IN ('leukaemic', 'normal', 'uncertain', 'not_a_cell', 'withdrawn')",
            name=op.f("ck_study_reads_verdict"),
        ),
        sa.CheckConstraint("seconds >= 0", name=op.f("ck_study_reads_seconds")),
        sa.CheckConstraint("supersedes < id", name=op.f("ck_study_reads_supersedes")),
        sa.ForeignKeyConstraint(
            ["supersedes", "item_id"],
            ["study_reads.id", "study_reads.item_id"],
            name=op.f("fk_study_reads_supersedes_item_id"),
        ),
        sa.UniqueConstraint("id", "item_id", name=op.f("uq_study_reads_id_item_id")),
        sa.UniqueConstraint("supersedes", name=op.f("uq_study_reads_supersedes")),
    )
    op.create_index(op.f("ix_study_reads_item_id"), "study_reads", ["item_id"], unique=False)
    op.create_index(
        "uq_study_reads_first",
        "study_reads",
        ["item_id"],
        unique=True,
        sqlite_where=sa.text("supersedes IS NULL"),
        postgresql_where=sa.text("supersedes IS NULL"),
    )
    op.create_table(
        "adjudications",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("study_id", sa.Uuid(), sa.ForeignKey("studies.id"), nullable=False),
        sa.Column("cell_id", BIG, sa.ForeignKey("cells.id"), nullable=False),
        sa.Column("lead_id", BIG, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("decided_at", TIME, nullable=False),
        sa.Column("supersedes", BIG, nullable=True),
        sa.CheckConstraint(
            "verdict IN ('leukaemic', 'normal', 'uncertain', 'not_a_cell', 'withdrawn')",
            name=op.f("ck_adjudications_verdict"),
        ),
        sa.CheckConstraint("supersedes < id", name=op.f("ck_adjudications_supersedes")),
        sa.ForeignKeyConstraint(
            ["supersedes", "study_id", "cell_id"],
            ["adjudications.id", "adjudications.study_id", "adjudications.cell_id"],
            name=op.f("fk_adjudications_supersedes_study_id_cell_id"),
        ),
        sa.UniqueConstraint("id", "study_id", "cell_id", name=op.f("uq_adjudications_id_study_id_cell_id")),
        sa.UniqueConstraint("supersedes", name=op.f("uq_adjudications_supersedes")),
    )
    op.create_index(
        "uq_adjudications_first",
        "adjudications",
        ["study_id", "cell_id"],
        unique=True,
        sqlite_where=sa.text("supersedes IS NULL"),
        postgresql_where=sa.text("supersedes IS NULL"),
    )
