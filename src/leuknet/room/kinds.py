"""What the reading room's jobs are called; `worker` does them."""

from __future__ import annotations

SCORE = "score"
"""Score all images of the case that have not been."""

EXPLAIN = "explain"
"""Draw the map of one cell: `{"cell": id}`."""

ARCHIVE = "archive"
"""Take the images out of an uploaded archive: `{"upload": id}`."""

TABLE = "table"
"""Take the crops that an uploaded table names: `{"upload": id}`."""

WEBHOOK = "webhook"
"""Tell another program what happened to the case: `{"event": name}`, and `try` once it failed."""

BRING_CELLS = (SCORE, ARCHIVE, TABLE)
"""Jobs that change which cells a case holds."""
