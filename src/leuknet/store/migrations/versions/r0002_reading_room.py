"""What the reading room needs beside its first tables: uploads, scorings, signatures and reading studies.

Rows of `study_reads`, `adjudications`, `signatures` and `case_notes` cannot be changed or deleted, as those
of `reviews` cannot.
"""

import sqlalchemy as sa
from alembic import op

from leuknet.store.migrations.triggers import refuse_changes

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables of version 2."""
    _intake()
    _signing()
    _studies()
    _reading()
    for table in ("study_reads", "adjudications", "signatures", "case_notes"):
        refuse_changes(table)


def _intake() -> None:
    op.add_column("jobs", sa.Column("detail", sa.JSON(), nullable=True))
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("microns_per_pixel", sa.Double(), nullable=True),
        sa.Column("image_id", BIG, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("state IN ('receiving', 'done', 'failed')", name=op.f("ck_uploads_state")),
        sa.CheckConstraint("microns_per_pixel > 0", name=op.f("ck_uploads_microns_per_pixel")),
        sa.CheckConstraint("n_bytes > 0", name=op.f("ck_uploads_n_bytes")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_uploads_case_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_uploads_user_id")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_uploads_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        sa.UniqueConstraint("case_id", "user_id", "key", name=op.f("uq_uploads_case_id_user_id_key")),
    )
    op.create_index(op.f("ix_uploads_case_id"), "uploads", ["case_id"], unique=False)
    op.create_table(
        "scorings",
        sa.Column("image_id", BIG, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("model_id", sa.String(length=100), nullable=False),
        sa.Column("scored_at", TIME, nullable=False),
        sa.CheckConstraint("(state = 'failed') = (error IS NOT NULL)", name=op.f("ck_scorings_error")),
        sa.CheckConstraint("state IN ('scored', 'failed')", name=op.f("ck_scorings_state")),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_scorings_image_id")),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_scorings")),
    )
    op.create_table(
        "cell_features",
        sa.Column("cell_id", BIG, nullable=False),
        sa.Column("model_id", sa.String(length=100), nullable=False),
        sa.Column("features", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["cell_id"], ["cells.id"], name=op.f("fk_cell_features_cell_id")),
        sa.PrimaryKeyConstraint("cell_id", name=op.f("pk_cell_features")),
    )


def _signing() -> None:
    op.create_table(
        "case_notes",
        sa.Column("id", BIG, nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("written_at", TIME, nullable=False),
        sa.CheckConstraint("text <> ''", name=op.f("ck_case_notes_text")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_notes_case_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_case_notes_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_notes")),
    )
    op.create_index(op.f("ix_case_notes_case_id"), "case_notes", ["case_id"], unique=False)
    op.create_table(
        "signatures",
        sa.Column("id", BIG, nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("signed_by", BIG, nullable=False),
        sa.Column("signed_at", TIME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.String(length=64), nullable=False),
        sa.CheckConstraint("version >= 1", name=op.f("ck_signatures_version")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_signatures_case_id")),
        sa.ForeignKeyConstraint(["signed_by"], ["users.id"], name=op.f("fk_signatures_signed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signatures")),
        sa.UniqueConstraint("case_id", "version", name=op.f("uq_signatures_case_id_version")),
    )


def _studies() -> None:
    op.create_table(
        "studies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("created_by", BIG, nullable=False),
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
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_studies_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studies")),
    )
    op.create_table(
        "study_cases",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_study_cases_case_id")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_study_cases_study_id")),
        sa.PrimaryKeyConstraint("study_id", "case_id", name=op.f("pk_study_cases")),
    )
    op.create_index(op.f("ix_study_cases_case_id"), "study_cases", ["case_id"], unique=False)
    op.create_table(
        "study_readers",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", BIG, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_study_readers_study_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_study_readers_user_id")),
        sa.PrimaryKeyConstraint("study_id", "user_id", name=op.f("pk_study_readers")),
    )
    op.create_index(op.f("ix_study_readers_user_id"), "study_readers", ["user_id"], unique=False)


def _reading() -> None:
    op.create_table(
        "study_items",
        sa.Column("id", BIG, nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("reader_id", BIG, nullable=False),
        sa.Column("phase", sa.String(length=20), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("cell_id", BIG, nullable=False),
        sa.Column("is_repeat", sa.Boolean(), nullable=False),
        sa.CheckConstraint("phase IN ('unaided', 'assisted')", name=op.f("ck_study_items_phase")),
        sa.CheckConstraint("position >= 1", name=op.f("ck_study_items_position")),
        sa.ForeignKeyConstraint(["cell_id"], ["cells.id"], name=op.f("fk_study_items_cell_id")),
        sa.ForeignKeyConstraint(["reader_id"], ["users.id"], name=op.f("fk_study_items_reader_id")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_study_items_study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study_items")),
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
        sa.Column("id", BIG, nullable=False),
        sa.Column("item_id", BIG, nullable=False),
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
        sa.ForeignKeyConstraint(["item_id"], ["study_items.id"], name=op.f("fk_study_reads_item_id")),
        sa.ForeignKeyConstraint(
            ["supersedes", "item_id"],
            ["study_reads.id", "study_reads.item_id"],
            name=op.f("fk_study_reads_supersedes_item_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study_reads")),
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
        sa.Column("id", BIG, nullable=False),
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("cell_id", BIG, nullable=False),
        sa.Column("lead_id", BIG, nullable=False),
        sa.Column("verdict", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("decided_at", TIME, nullable=False),
        sa.Column("supersedes", BIG, nullable=True),
        sa.CheckConstraint(
            "verdict IN ('leukaemic', 'normal', 'uncertain', 'not_a_cell', 'withdrawn')",
            name=op.f("ck_adjudications_verdict"),
        ),
        sa.CheckConstraint("supersedes < id", name=op.f("ck_adjudications_supersedes")),
        sa.ForeignKeyConstraint(["cell_id"], ["cells.id"], name=op.f("fk_adjudications_cell_id")),
        sa.ForeignKeyConstraint(["lead_id"], ["users.id"], name=op.f("fk_adjudications_lead_id")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_adjudications_study_id")),
        sa.ForeignKeyConstraint(
            ["supersedes", "study_id", "cell_id"],
            ["adjudications.id", "adjudications.study_id", "adjudications.cell_id"],
            name=op.f("fk_adjudications_supersedes_study_id_cell_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjudications")),
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
