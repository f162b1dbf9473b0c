"""Network inputs of a data set's cells, kept in the cache and read from there. Start at `cached_inputs`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from leuknet.images.cache import ReadRows, RowKind, Rows, cached_rows
from leuknet.images.transform import TRANSFORM_VERSION, load_inputs
from leuknet.types import CellImage, InputForm, Pixels


class MappedInputs:
    """Network inputs in a file, as an array (N, S, S, 3) uint8 that is read where it is indexed.

    Attributes
    ----------
    shape
        (N, S, S, 3): one input for each entry of `cells`.
    cells, unreadable
        As for `leuknet.images.cache.Rows`.
    """

    def __init__(self, found: Rows, form: InputForm) -> None:
        self._rows, self._places = found.rows.reshape(-1, *form.shape), found.places
        self.shape = (len(found.places), *form.shape)
        self.cells, self.unreadable = found.cells, found.unreadable

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int | slice | NDArray[np.int64]) -> Pixels:
        """One image (S, S, 3), or a copy of several (n, S, S, 3)."""
        return np.asarray(self._rows[self._places[index]])

    def __iter__(self) -> Iterator[Pixels]:
        return (self[index] for index in range(len(self)))


def cached_inputs(
    cells: Sequence[CellImage],
    form: InputForm,
    *,
    pool: Sequence[CellImage],
    root: Path | None,
    progress: bool = False,
) -> MappedInputs:
    """Read and prepare the images of cells, from the cache where they are in it.

    What `load_inputs` finds odd about an image is not kept; `leuknet data verify` tells it.

    Parameters
    ----------
    cells, pool, progress
        As for `leuknet.images.cache.cached_rows`.
    form
        What is to become of each image; another form is another file.
    root
        As for `leuknet.images.transform.load_inputs`.

    Warns
    -----
    UserWarning
        As for `leuknet.images.cache.cached_rows`.
    """

    def read(some: Sequence[CellImage], progress: bool) -> ReadRows:
        loaded = load_inputs(some, form, root=root, progress=progress)
        return loaded.inputs.reshape(len(loaded.cells), row_bytes), loaded.cells, loaded.unreadable

    row_bytes = math.prod(form.shape)
    decides = ("inputs", *astuple(form), TRANSFORM_VERSION, PIL.__version__)  # every part of the form
    kind = RowKind("reading images", decides, row_bytes, read)
    return MappedInputs(cached_rows(cells, pool=pool, kind=kind, progress=progress), form)
