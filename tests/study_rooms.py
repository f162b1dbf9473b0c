"""Reading rooms with scored cells for tests of reading studies: pictures as the worker leaves them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from leuknet.room.room_files import RoomFiles
from leuknet.store import tables
from leuknet.store.cases import add_image, create_case
from leuknet.store.cell_nouns import NewCell
from leuknet.store.cells import add_cells, cells_of
from leuknet.store.database import Store
from leuknet.store.nouns import SYSTEM, Case, NewImage, User
from leuknet.store.studies import create_study, open_study, set_study_cases, set_study_readers
from leuknet.store.study_nouns import NewStudy, Study
from leuknet.types import CellBox

FILE_NAME, CASE_TITLE, OUTCOME, WARNING = "Smith_John_1961.png", "Case of Q17", "positive", "strange staining"
PROBABILITY = 0.8734


def add_scored_case(
    store: Store, folder: Path, owner: User, *, n_cells: int, title: str = CASE_TITLE, side_px: int = 120
) -> Case:
    """Make a case with one scored image and a picture of each of its cells."""
    case = create_case(store, title, user=owner)
    sha256 = hashlib.sha256(case.id.bytes).hexdigest()
    image = NewImage(sha256, FILE_NAME, "field", 400, 400, 9_000, 0.11, f"images/{sha256[:2]}/{sha256}.png")
    image_id = add_image(store, case.id, image, actor=SYSTEM).id
    cell = NewCell("c", CellBox(0, 0, 80, 80), PROBABILITY, OUTCOME, (), (WARNING,), "m" * 12, ())
    new = [NewCell(**{**vars(cell), "name": f"secret-{n}"}) for n in range(n_cells)]
    add_cells(store, image_id, new, actor=SYSTEM)
    scoring = {"image_id": image_id, "state": "scored", "model_id": "m", "scored_at": datetime.now(UTC)}
    with store.engine.begin() as connection:
        connection.execute(tables.scorings.insert().values(**scoring))
    files = RoomFiles(folder)
    for one in cells_of(store, case.id, limit=n_cells):
        draw_cell(files, one.image_id, one.id, side_px)
    return case


def draw_cell(files: RoomFiles, image_id: int, cell_id: int, side_px: int) -> None:
    """Write a picture that is each cell's own, with words in it that must not reach a reader."""
    generator = np.random.default_rng(cell_id)
    row, column = np.mgrid[:side_px, :side_px] / side_px - 0.5
    far = np.hypot(row + generator.normal(0, 0.03), column * generator.uniform(0.8, 1.3))
    pixels = np.full((side_px, side_px, 3), (232, 214, 222), np.float64)
    pixels[far < 0.36] = generator.uniform((150, 130, 190), (205, 185, 225))
    pixels[far < generator.uniform(0.16, 0.3)] = generator.uniform((70, 30, 110), (110, 60, 150))
    pixels += generator.normal(0, 7, pixels.shape)
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    words = PngInfo()
    words.add_text("Title", f"{FILE_NAME} {CASE_TITLE}")
    for path in (files.view(image_id, cell_id), files.thumb(image_id, cell_id)):
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, pnginfo=words) if path.suffix == ".png" else picture.save(path)


def add_open_study(
    store: Store,
    lead: User,
    readers: Sequence[User],
    cases: Sequence[Case],
    *,
    mode: str = "unaided",
    repeat_share: float = 0.0,
    washout_days: int = 0,
) -> Study:
    """Make a study and open it."""
    plan = NewStudy("Day 15", "Say what you see.", mode, repeat_share, washout_days, seed=7)  # type: ignore[arg-type]
    study = create_study(store, plan, user=lead)
    set_study_cases(store, study.id, [case.id for case in cases], user=lead)
    set_study_readers(store, study.id, [one.id for one in readers], user=lead)
    return open_study(store, study.id, user=lead)
