"""The reading room from a program: cases, uploads that survive any break, cells, reviews, labels.

It needs a token, which one's own account page makes, and the extra `client`.

Examples
--------
>>> from leuknet.client import Client
>>> with Client("http://127.0.0.1:8000", token="TOKEN") as room:  # doctest: +SKIP
...     case = room.create_case("Smear 17")
...     room.upload(case, "field-3.png", kind="field", microns_per_pixel=0.07)
...     room.wait(case)
...     for cell in room.cells(case, order="uncertainty"):
...         room.review(cell, "normal")
...     room.labels(case).write_csv("labels.csv")

Start at `Client`. What it gives back are the nouns of the reading room (`leuknet.store.nouns`, `cell_nouns`);
`link` sends and tries again, `sending` sends files. docs/api.md says what lies beneath.
"""

from __future__ import annotations

from leuknet.client.client import Client
from leuknet.client.parsing import Cell
from leuknet.store.cell_nouns import Review
from leuknet.store.nouns import Account, Case, CaseProgress, Image, Upload

__all__ = ["Account", "Case", "CaseProgress", "Cell", "Client", "Image", "Review", "Upload"]
