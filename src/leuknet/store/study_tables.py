"""The tables of reading studies, and of what a lead decides where readers differ. Start at `study_items`."""

from __future__ import annotations

import sqlalchemy as sa

from leuknet.store.columns import at, decided, key, metadata, one_of, to
from leuknet.store.study_nouns import PHASES, STUDY_MODES, STUDY_STATES

studies = sa.Table(
    "studies",
    metadata,
    sa.Column("id", sa.Uuid(), primary_key=True),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("instructions", sa.Text(), nullable=False),
    to("created_by", "users.id"),
    at("created_at"),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("mode", sa.String(20), nullable=False),
    sa.Column("repeat_share", sa.Double(), nullable=False),
    sa.Column("washout_days", sa.Integer(), nullable=False),
    sa.Column("seed", sa.Integer(), nullable=False),
    at("opened_at", nullable=True),
    at("closed_at", nullable=True),
    sa.CheckConstraint("title <> ''", name="title"),
    sa.CheckConstraint("repeat_share >= 0 AND repeat_share <= 0.5", name="repeat_share"),
    sa.CheckConstraint("washout_days >= 0", name="washout_days"),
    one_of("state", STUDY_STATES, "state"),
    one_of("mode", STUDY_MODES, "mode"),
)

study_cases = sa.Table(
    "study_cases",
    metadata,
    to("study_id", "studies.id", primary_key=True),
    to("case_id", "cases.id", primary_key=True, index=True),
)

study_readers = sa.Table(
    "study_readers",
    metadata,
    to("study_id", "studies.id", primary_key=True),
    to("user_id", "users.id", primary_key=True, index=True),
)

# What a reader is to read, in the order that was drawn for that reader when the study was opened.
study_items = sa.Table(
    "study_items",
    metadata,
    key(),
    to("study_id", "studies.id"),
    to("reader_id", "users.id", index=True),
    sa.Column("phase", sa.String(20), nullable=False),
    sa.Column("position", sa.Integer(), nullable=False),
    to("cell_id", "cells.id", index=True),
    # The second showing of a cell to the same reader in the same phase, of which the reader is not told.
    sa.Column("is_repeat", sa.Boolean(), nullable=False),
    sa.UniqueConstraint("study_id", "reader_id", "phase", "position"),
    sa.UniqueConstraint("study_id", "reader_id", "phase", "cell_id", "is_repeat"),
    sa.CheckConstraint("position >= 1", name="position"),
    one_of("phase", PHASES, "phase"),
)

study_reads = sa.Table(
    "study_reads",
    metadata,
    key(),
    to("item_id", "study_items.id", index=True),
    # Seconds: how long the cell was in view with the window in front.
    *decided("study_reads", "item_id", after_note=(sa.Column("seconds", sa.Double(), nullable=False),)),
    sa.CheckConstraint("seconds >= 0", name="seconds"),
)

adjudications = sa.Table(
    "adjudications",
    metadata,
    key(),
    to("study_id", "studies.id"),
    to("cell_id", "cells.id"),
    to("lead_id", "users.id"),
    *decided("adjudications", "study_id", "cell_id"),
)
