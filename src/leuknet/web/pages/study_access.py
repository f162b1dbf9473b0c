"""Who may see what of a reading study: the dependencies that every route of one takes its study from.

Its readers see their own items, one after another. Leads see the rest, once they have no item left to read
themselves: until then a lead who reads is a reader like any other. To all others a study does not exist.

Start at `ReadStudy` and `LedStudy`.
"""

from __future__ import annotations

import io
from typing import Annotated
from uuid import UUID

import numpy as np
from fastapi import Depends, Request
from PIL import Image

from leuknet.errors import ConflictError
from leuknet.room.pictures import ensure_cell_pictures
from leuknet.room.room_files import RoomFiles
from leuknet.store.blinding import blinded_cases, is_reading
from leuknet.store.cases import find_image
from leuknet.store.cells import find_cell
from leuknet.store.database import Store
from leuknet.store.nouns import User
from leuknet.store.studies import case_ids_of, find_study, reader_ids_of
from leuknet.store.study_nouns import Study, StudyProgress
from leuknet.store.study_reads import progress
from leuknet.web.error_answers import not_here
from leuknet.web.permissions import OpenStore, SignedIn
from leuknet.web.pools import in_thread
from leuknet.web.templating import at_least
from leuknet.web.text import text, texts_under


def reads_in(store: Store, study: Study, user: User) -> bool:
    """Tell whether a user is one of the readers of a study that was opened."""
    return study.state != "draft" and user.id in reader_ids_of(store, study.id)


def leads(store: Store, study: Study, user: User) -> bool:
    """Tell whether a user may lead a study: a lead who has no item of it left to read."""
    return at_least(user, "lead") and not is_reading(store, user.id, study.id)


def read_study(study_id: UUID, user: User, store: Store) -> Study:
    """Return the study of this id to one of its readers; to others what a missing page gives."""
    study = find_study(store, study_id, user=user)
    if study is None or not reads_in(store, study, user):
        raise not_here()
    return study


def led_study(study_id: UUID, user: User, store: Store) -> Study:
    """Return the study of this id to a lead who may see it; to others what a missing page gives."""
    study = find_study(store, study_id, user=user)
    if study is None or not leads(store, study, user):
        raise not_here()
    return study


def finished_study(user: User, store: Store, study: Study) -> Study:
    """Return a led study of which nothing changes any more; ConflictError while somebody still reads.

    The same for a lead who still reads some of its cells blinded in another study.
    """
    if not is_finished(study, progress_of_readers(store, study)):
        raise _too_early("unfinished")
    if reads_elsewhere(store, study, user):
        raise _too_early("elsewhere")
    return study


def reads_elsewhere(store: Store, study: Study, user: User) -> bool:
    """Tell whether a user still reads cells of this study in another one."""
    return not blinded_cases(store, user.id).isdisjoint(case_ids_of(store, study.id))


def _too_early(name: str) -> ConflictError:
    what, why, fix = (text(f"study.{name}.{part}") for part in ("what", "why", "fix"))
    return ConflictError(what, why=why, fix=fix)


async def _read(request: Request, study_id: UUID, user: SignedIn, store: OpenStore) -> Study:
    return await in_thread(request, read_study, study_id, user, store)


async def _led(request: Request, study_id: UUID, user: SignedIn, store: OpenStore) -> Study:
    return await in_thread(request, led_study, study_id, user, store)


ReadStudy = Annotated[Study, Depends(_read)]
LedStudy = Annotated[Study, Depends(_led)]


async def _finished(request: Request, user: SignedIn, store: OpenStore, study: LedStudy) -> Study:
    return await in_thread(request, finished_study, user, store, study)


FinishedStudy = Annotated[Study, Depends(_finished)]


def progress_of_readers(store: Store, study: Study) -> dict[int, StudyProgress]:
    """Return how far each reader is, by the number of the account, ascending."""
    return {
        reader_id: progress(store, study.id, reader_id=reader_id)
        for reader_id in reader_ids_of(store, study.id)
    }


def is_finished(study: Study, states: dict[int, StudyProgress]) -> bool:
    """Tell whether a study is closed, or all of its readers are through."""
    is_through = all(state.read == state.total for state in states.values())
    return study.state == "closed" or (study.state == "open" and is_through)


def model_word(outcome: str) -> str:
    """Return what a model says of a cell as a person reads it; an outcome without a word as it is."""
    return texts_under("model_outcome").get(outcome, outcome)


def picture_of(store: Store, files: RoomFiles, image_id: int, cell_id: int) -> bytes:
    """Return the view of a cell as it is kept; who sends it takes out what it holds beside pixels.

    Raises
    ------
    UnreadableImageError
        If its kept image is gone or damaged.
    NotFoundError
        If there is no such image or cell.
    """
    image, cell = find_image(store, image_id), find_cell(store, cell_id)
    if image is None or cell is None:
        raise not_here()
    ensure_cell_pictures(files, image, [cell])
    return files.view(image_id, cell_id).read_bytes()


def pixels_alone(picture: bytes) -> bytes:
    """Return a picture's pixels as PNG, without name, time, scale or profile that its file may carry."""
    with Image.open(io.BytesIO(picture)) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG", compress_level=1)
    return content.getvalue()
