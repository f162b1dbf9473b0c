"""Features of a frozen network, kept in the cache: each cell goes through it once, whatever learns from them.

Start at `cached_features`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from leuknet.images.cache import ReadRows, RowKind, cached_rows
from leuknet.images.inputs import cached_inputs
from leuknet.networks.layers import last_linear
from leuknet.networks.predictor import run_network
from leuknet.types import CellImage, Dataset, Features, Recipe


def cached_features(
    network: nn.Module,
    recipe: Recipe,
    dataset: Dataset,
    cells: tuple[CellImage, ...],
    *,
    progress: bool = False,
) -> Features:
    """Return what the last layer of a network is given of each cell, from the cache where it is in it.

    Parameters
    ----------
    network
        With all weights that have a part in it; those of the last layer have none.
    recipe, dataset
        Say how images are prepared, and where they lie.
    cells
        All of them can be read: their images were, a moment ago.
    progress
        Draw a bar on standard error.

    Returns
    -------
    (N, F) float32
    """
    form = recipe.input_form(dataset.canvas_px)
    n_features = last_linear(network).in_features

    def read(some: Sequence[CellImage], progress: bool) -> ReadRows:
        inputs = cached_inputs(some, form, pool=dataset.cells, root=dataset.root)
        features = run_network(network, inputs)[1]
        return features.view(np.uint8).reshape(len(inputs), -1), inputs.cells, inputs.unreadable

    decides = ("features", *map(str, form.shape), str(form.canvas_px), str(form.crop_px), _identity(network))
    kind = RowKind("looking at images", decides, 4 * n_features, read)
    found = cached_rows(cells, pool=dataset.cells, kind=kind, progress=progress)
    if found.unreadable:
        raise found.unreadable[0][1]
    return np.ascontiguousarray(found.rows[found.places]).view(np.float32)


def _identity(network: nn.Module) -> str:
    """Sha256 of everything before the last layer, and of what computes it."""
    digest = hashlib.sha256(torch.__version__.encode())
    last = last_linear(network)
    own = {id(value) for value in last.state_dict(keep_vars=True).values()}
    for name, value in network.state_dict(keep_vars=True).items():
        if id(value) not in own:
            digest.update(name.encode())
            digest.update(value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
