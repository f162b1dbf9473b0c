"""Cases with real files for tests: crops and a field of simulated cells, scored and ready to be read."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from leuknet.fields.outline import outline_of
from leuknet.recipes.leuknet_demo import LEUKNET_DEMO
from leuknet.room.room_files import RoomFiles, image_path
from leuknet.simulation.draw_fields import TrueCell, draw_field
from leuknet.store.cases import add_image, create_case
from leuknet.store.cell_nouns import NewCell, NewReview, Verdict
from leuknet.store.cells import add_cells, cells_of
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, Case, CaseImage, ImageKind, NewImage, User
from leuknet.store.reviews import save_review
from leuknet.types import Calibration, CellBox, ModelCard, Pixels

MODEL_ID = "5eed5eed5eed"

CARD = ModelCard(
    recipe=LEUKNET_DEMO,
    class_names=("HEM", "ALL"),
    canvas_px=450,
    channel_mean=(0.0, 0.0, 0.0),
    channel_std=(1.0, 1.0, 1.0),
    threshold=0.5,
    dataset="c-nmc-2019",
    simulated=True,
    split_kind="subject-level",
    split_fingerprint="f" * 64,
    leuknet_version="0.1.0",
    commit=None,
    created_at="2026-01-02T03:04:05+00:00",
    calibration=Calibration(1.25, (0.4, 0.6), 0.9, 100, 10, 0.08, 0.02),
)

CELL = NewCell("cell", CellBox(0, 0, 1, 1), 0.5, "uncertain", (), (), MODEL_ID, ())


def read_case(
    store: Store,
    files: RoomFiles,
    crops: list[Path],
    *,
    user: User,
    field_cells: int = 4,
    title: str = "Case 7, day 15",
    field_name: str = "field.png",
) -> Case:
    """Make a case with these crops and one field; probabilities go evenly from 0 to 1 over all cells."""
    case = create_case(store, title, user=user)
    content, drawn = _field(field_cells)
    scores = iter(np.linspace(0.02, 0.98, len(crops) + len(drawn)).round(3).tolist())
    field = keep(store, files, case, content, name=field_name, kind="field", um=0.12)
    cells = [
        replace(
            scored(next(scores)),
            name=f"r{cell.box.top_px:05d}-c{cell.box.left_px:05d}",
            box=cell.box,
            outline=tuple((y, x) for x, y in outline_of(cell.mask, cell.box).tolist()),
        )
        for cell in drawn
    ]
    add_cells(store, field.id, cells, actor=SYSTEM)
    for path in crops:
        image = keep(store, files, case, path.read_bytes(), name=path.name, kind="crop", um=0.2)
        box = CellBox(0, 0, image.height_px, image.width_px)
        add_cells(store, image.id, [replace(scored(next(scores)), box=box)], actor=SYSTEM)
    return case


@cache
def _field(cells: int) -> tuple[bytes, tuple[TrueCell, ...]]:
    pixels, drawn = draw_field(700, 900, cells=cells, seed=3)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue(), drawn


def scored(probability: float) -> NewCell:
    """Return a cell with this score and what `CARD` says of it."""
    outcome = "uncertain" if 0.4 <= probability < 0.6 else "positive" if probability >= 0.5 else "negative"
    return replace(CELL, probability=probability, outcome=outcome)


def keep(
    store: Store,
    files: RoomFiles,
    case: Case,
    content: bytes,
    *,
    name: str,
    kind: ImageKind,
    um: float | None,
) -> CaseImage:
    """Put a file into a case."""
    digest = hashlib.sha256(content).hexdigest()
    relative = image_path(digest, Path(name).suffix)
    files.image(relative).parent.mkdir(parents=True, exist_ok=True)
    files.image(relative).write_bytes(content)
    with Image.open(io.BytesIO(content)) as opened:
        width, height = opened.size
    new = NewImage(digest, name, kind, height, width, len(content), um, relative)
    return add_image(store, case.id, new, actor=SYSTEM)


def say(store: Store, case: Case, reader: User, verdicts: list[Verdict | None]) -> None:
    """Let a reader review the first cells of a case, in the order they were found; None leaves one out."""
    for cell, verdict in zip(cells_of(store, case.id, limit=len(verdicts)), verdicts, strict=True):
        if verdict is not None:
            save_review(store, NewReview(cell.id, reader.id, verdict, ""), expected_review_id=None)


def some_pixels(path: Path) -> Pixels:
    """Return the pixels of an image file."""
    with Image.open(path) as opened:
        return np.array(opened.convert("RGB"), np.uint8)
