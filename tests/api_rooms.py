"""Cases for tests of the API: crops that are drawn, kept and scored, without a model."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from PIL import Image

from leuknet.room.room_files import RoomFiles, image_path
from leuknet.store.cases import create_case
from leuknet.store.cell_nouns import NewCell
from leuknet.store.database import Store
from leuknet.store.nouns import Case, NewImage, User
from leuknet.store.scorings import ScoredCell, record_scorings, save_scored_images
from leuknet.store.sign_in import create_api_token
from leuknet.types import CellBox
from tests.rooms import Room

MODEL_ID = "0123456789ab"


def token_of(room: Room, user: User) -> dict[str, str]:
    """Return the header of a program that acts for an account."""
    return {"Authorization": f"Bearer {create_api_token(room.store, user, 'test')[0]}"}


def fill_case(
    store: Store,
    files: RoomFiles,
    user: User,
    *,
    n_cells: int = 12,
    title: str = "Smear 17",
    side_px: int = 64,
) -> Case:
    """Make a case of crops whose probabilities go from 0 to 1, the last of them not scored."""
    case = create_case(store, title, user=user)
    scored = []
    for number in range(n_cells):
        content = crop_png(number, side_px)
        path = image_path(hashlib.sha256(content).hexdigest(), ".png")
        files.image(path).parent.mkdir(parents=True, exist_ok=True)
        files.image(path).write_bytes(content)
        scored.append(
            (_image(path, content, number, side_px), ScoredCell(_cell(number, n_cells, side_px), None))
        )
    added = save_scored_images(store, case.id, scored)
    record_scorings(store, case.id, [(image.id, None) for image in added], model_id=MODEL_ID)
    return case


def crop_png(number: int, side_px: int = 64) -> bytes:
    """Return a disk on black as PNG, different for each number."""
    rows, columns = np.mgrid[:side_px, :side_px] - side_px / 2
    radius = side_px * (0.2 + 0.001 * (number % 200))
    pixels = np.zeros((side_px, side_px, 3), np.uint8)
    pixels[np.hypot(rows, columns) < radius] = (100 + number % 100, 40 + (number // 100) % 100, 150)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def _image(path: str, content: bytes, number: int, side_px: int) -> NewImage:
    sha256 = path.rpartition("/")[2].removesuffix(".png")
    return NewImage(sha256, f"cell-{number}.png", "crop", side_px, side_px, len(content), None, path)


def _cell(number: int, n_cells: int, side_px: int) -> NewCell:
    share = number / max(1, n_cells - 2)
    probability = None if number == n_cells - 1 else share
    outcome = (
        "unfamiliar"
        if probability is None
        else "positive"
        if share > 0.6
        else "negative"
        if share < 0.4
        else "uncertain"
    )
    box = CellBox(0, 0, side_px, side_px)
    return NewCell(f"cell-{number}", box, probability, outcome, (), (), MODEL_ID, ())
