"""Numbers of real cells for pages of simulated ones, so that nobody leaves with simulated numbers alone.

`studies/real_picture.py` writes it from what was measured; see docs/results.md. Start at `real_figures`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_suffix(".json")


class RealFigures(NamedTuple):
    """A table: `rows` of as many texts as `heads`, and what a reader must know of it."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def real_figures() -> RealFigures:
    """Return the table that comes with this version."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    return RealFigures(tuple(content["heads"]), tuple(map(tuple, content["rows"])), content["note"])
