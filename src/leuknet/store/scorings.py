"""Which images have been scored, and what became of them.

An image without a row has not been scored. Its cells come first, all of them in one transaction, then their
pictures, and the row last: an image that has cells and no row lacks no more than pictures.

Start at `unscored_images`, then `save_cells` and `record_scorings`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from leuknet.errors import ConflictError
from leuknet.store.cases import insert_image, require_open
from leuknet.store.cell_nouns import NewCell
from leuknet.store.cells import insert_cells
from leuknet.store.database import Change, Store, not_found
from leuknet.store.features import insert_features
from leuknet.store.jobs import insert_job_once
from leuknet.store.nouns import SYSTEM, CaseImage, NewImage, Scoring
from leuknet.store.tables import cells, images, scorings

if TYPE_CHECKING:
    from leuknet.types import Features


class ScoredCell(NamedTuple):
    """A cell as it is put into an image; `features` (F,) float32 are of the model that scored it, or None."""

    cell: NewCell
    features: Features | None


def unscored_images(store: Store, case_id: UUID, *, limit: int) -> tuple[CaseImage, ...]:
    """Return images of a case that have no row, those that came first first."""
    query = (
        sa.select(images)
        .outerjoin(scorings)
        .where((images.c.case_id == case_id) & scorings.c.image_id.is_(None))
        .order_by(images.c.id)
        .limit(limit)
    )
    return store.read_all(CaseImage, query)


def count_scored(store: Store, case_id: UUID) -> tuple[int, int]:
    """Return how many images of a case have a row, and how many there are."""
    query = (
        sa.select(sa.func.count(scorings.c.image_id), sa.func.count(images.c.id))
        .select_from(images)
        .outerjoin(scorings)
        .where(images.c.case_id == case_id)
    )
    with store.reading() as connection:
        scored, all_images = connection.execute(query).one()
    return int(scored), int(all_images)


def count_without_cells(store: Store, case_id: UUID) -> tuple[int, int]:
    """Return of how many images nobody knows the cells: never scored, and those that could not be scored."""
    found = sa.exists().where(cells.c.image_id == images.c.id)
    failed = sa.func.count(sa.case((scorings.c.state == "failed", 1)))
    query = (
        sa.select(sa.func.count(sa.case((scorings.c.image_id.is_(None), 1))), failed)
        .select_from(images.outerjoin(scorings))
        .where(images.c.case_id == case_id, ~found)
    )
    with store.reading() as connection:
        never, could_not = connection.execute(query).one()
    return int(never), int(could_not)


def scorings_of(store: Store, case_id: UUID) -> tuple[Scoring, ...]:
    """Return what became of a case's images, in the order of the images."""
    query = sa.select(scorings).join(images).where(images.c.case_id == case_id).order_by(images.c.id)
    return store.read_all(Scoring, query)


def cell_ids(store: Store, image_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return the ids of images' cells by their names; an image without cells is left out."""
    query = sa.select(cells.c.image_id, cells.c.name, cells.c.id).where(cells.c.image_id.in_(image_ids))
    found: dict[int, dict[str, int]] = {}
    with store.reading() as connection:
        for image_id, name, cell_id in connection.execute(query.order_by(cells.c.id)):
            found.setdefault(image_id, {})[name] = cell_id
    return found


def save_cells(
    store: Store, case_id: UUID, scored: Sequence[tuple[int, Sequence[ScoredCell]]]
) -> dict[int, dict[str, int]]:
    """Put the cells of many images into an open case, with their features, in one transaction.

    Parameters
    ----------
    scored
        Ids of images with all cells of each.

    Returns
    -------
    dict
        As `cell_ids`. An image that has cells already keeps them, and they are returned.
    """
    with store.writing(SYSTEM) as change:
        require_open(change.connection, case_id)
        has = sa.select(cells.c.image_id).where(cells.c.image_id.in_([image_id for image_id, _ in scored]))
        known = set(change.execute(has).scalars())
        new = [(image_id, found) for image_id, found in scored if image_id not in known]
        _insert(change, case_id, new)
    return cell_ids(store, [image_id for image_id, _ in scored])


def save_scored_images(
    store: Store, case_id: UUID, scored: Sequence[tuple[NewImage, ScoredCell]]
) -> tuple[CaseImage, ...]:
    """Put images into an open case together with the one cell of each, in one transaction.

    An image that is in the case keeps the cells that it has.
    """
    with store.writing(SYSTEM) as change:
        require_open(change.connection, case_id)
        added = [insert_image(change, case_id, image) for image, _ in scored]
        has = sa.select(cells.c.image_id).where(cells.c.image_id.in_([image.id for image in added]))
        known = set(change.execute(has).scalars())
        # By id: a table may name one image twice.
        new = {image.id: cell for image, (_, cell) in zip(added, scored, strict=True)}
        _insert(change, case_id, [(key, [cell]) for key, cell in new.items() if key not in known])
    return tuple({image.id: image for image in added}.values())


def record_scorings(
    store: Store, case_id: UUID, results: Sequence[tuple[int, str | None]], *, model_id: str
) -> None:
    """Say of images that they are scored, or why they could not be; those that have a row keep it."""
    with store.writing(SYSTEM) as change:
        require_open(change.connection, case_id)
        has = sa.select(scorings.c.image_id).where(
            scorings.c.image_id.in_([image_id for image_id, _ in results])
        )
        known = set(change.execute(has).scalars())
        rows = [
            {
                "image_id": image_id,
                "state": "scored" if error is None else "failed",
                "error": error,
                "model_id": model_id,
                "scored_at": change.at,
            }
            for image_id, error in dict(results).items()
            if image_id not in known
        ]
        if rows:
            change.execute(scorings.insert(), rows)
        failed = sum(row["state"] == "failed" for row in rows)
        change.log("images.scored", f"case:{case_id}", n_images=len(rows), failed=failed, model=model_id)


def score_again(
    store: Store, image_id: int, *, microns_per_pixel: float | None, job: str, actor: str
) -> None:
    """Let an image that could not be scored be tried again, with its scale stated if it was not known.

    Raises
    ------
    StoreError
        If there is no such image.
    ConflictError
        If its case is signed, or it did not fail.
    """
    with store.writing(actor) as change:
        image = change.execute(sa.select(images).where(images.c.id == image_id)).one_or_none()
        if image is None:
            raise not_found("image", image_id)
        require_open(change.connection, image.case_id)
        failed = (scorings.c.image_id == image_id) & (scorings.c.state == "failed")
        if change.execute(scorings.delete().where(failed)).rowcount == 0:
            raise ConflictError(
                "cannot score the image again",
                why="it waits to be scored, or it is scored: its cells may have been read",
                fix="look at the case again",
            )
        if microns_per_pixel is not None:
            scale = {"microns_per_pixel": microns_per_pixel}
            change.execute(images.update().where(images.c.id == image_id).values(**scale))
        insert_job_once(change, image.case_id, job)
        change.log("image.scored_again", f"image:{image_id}", microns_per_pixel=microns_per_pixel)


def _insert(change: Change, case_id: UUID, new: Sequence[tuple[int, Sequence[ScoredCell]]]) -> None:
    pairs = [(image_id, scored.cell) for image_id, found in new for scored in found]
    ids = insert_cells(change, pairs)
    features: dict[str, list[tuple[int, Features]]] = {}
    for cell_id, scored in zip(ids, (scored for _, found in new for scored in found), strict=True):
        if scored.features is not None:
            features.setdefault(scored.cell.model_id, []).append((cell_id, scored.features))
    for model_id, rows in features.items():
        insert_features(change, model_id, rows)
    models = sorted({cell.model_id for _, cell in pairs})
    change.log("cells.added", f"case:{case_id}", n_cells=len(pairs), n_images=len(new), models=models)
