"""The features that a network saw in each cell, for distances between the cells of a case.

They are numbers of one model: those of two models have nothing in common. Start at `features_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from leuknet.errors import ShapeError, StoreError
from leuknet.store.database import Change, Store
from leuknet.store.tables import cell_features, cells, images

_KEPT = np.dtype("<f4")


def insert_features(change: Change, model_id: str, rows: Sequence[tuple[int, NDArray[np.float32]]]) -> None:
    """Add the features of cells within a transaction, whose caller logs it.

    Parameters
    ----------
    change
        The transaction that added the cells.
    model_id
        Of the network that saw these features.
    rows
        Number of a cell and its features (F,), of one length F for all; may be empty.

    Raises
    ------
    ShapeError
        If features are not one row of finite numbers each, or their lengths differ.
    """
    lengths = {features.shape for _, features in rows}
    finite = all(np.isfinite(features).all() for _, features in rows)
    if len(lengths) > 1 or any(len(shape) != 1 or not shape[0] for shape in lengths) or not finite:
        raise ShapeError(
            "cannot keep the features of these cells",
            why=f"they have the shapes {sorted(lengths)}, and are{'' if finite else ' not'} all finite",
            fix="give one row of finite numbers for each cell, all of one network",
        )
    if rows:
        change.execute(
            cell_features.insert(),
            [
                {"cell_id": cell_id, "model_id": model_id, "features": features.astype(_KEPT).tobytes()}
                for cell_id, features in rows
            ],
        )


def features_of(store: Store, case_id: UUID, model_id: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the numbers (N,) of a case's cells in rising order, and the features (N, F) that a model saw.

    Cells without features of this model are left out; if no cell has any, F is 0.

    Raises
    ------
    StoreError
        If the features of two cells have different lengths.
    """
    query = (
        sa.select(cell_features.c.cell_id, cell_features.c.features)
        .join(cells, cells.c.id == cell_features.c.cell_id)
        .join(images, images.c.id == cells.c.image_id)
        .where(images.c.case_id == case_id, cell_features.c.model_id == model_id)
    )
    with store.reading() as connection:
        rows = connection.execute(query.order_by(cell_features.c.cell_id)).all()
    ids = np.array([row[0] for row in rows], np.int64)
    lengths = {len(row[1]) for row in rows}
    if len(lengths) > 1:
        raise StoreError(
            f"cannot compare the cells of case {case_id}",
            why=f"their features by model {model_id} have {sorted(lengths)} bytes, not all the same",
            fix="restore the database from a backup: another program changed it",
        )
    values = np.frombuffer(b"".join(row[1] for row in rows), _KEPT)
    return ids, values.astype(np.float32).reshape(len(ids), max(lengths, default=0) // _KEPT.itemsize)


def model_of_features(store: Store, cell_id: int) -> str | None:
    """Return the model whose features of a cell are kept, None if there are none."""
    query = sa.select(cell_features.c.model_id).where(cell_features.c.cell_id == cell_id)
    with store.reading() as connection:
        return connection.execute(query).scalar()
