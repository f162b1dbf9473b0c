"""An index of images by content: nearly every request asks which cases hold the images of a study."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_images_sha256", "images", ["sha256"])
