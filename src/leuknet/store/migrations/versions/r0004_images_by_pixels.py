"""A hash of an image's pixels: the same picture in another format is closed with the study that shows it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty for what is there, and its index."""
    op.add_column("images", sa.Column("pixels_sha256", sa.String(64), nullable=True))
    op.create_index("ix_images_pixels_sha256", "images", ["pixels_sha256"])
