"""Counts the operations of the paper's network: on whole images, and as LeukNet's windows need them.

Convolutions and fully connected layers, two operations for a multiplication and an addition, as papers count.
Start at `nominal_gflop` and `executed_gflop`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from leuknet.images.windows import Window, find_cells, in_chunks, plan_stages

_CHANNELS = ((3, 64), (64, 128), (128, 256))


def nominal_gflop(n: int, side: int, *, backward: bool) -> float:
    """Operations for n whole images, in thousand millions."""
    return _gflop([(n, Window.whole(side))], side, backward=backward, whole_maps=True) + _head(
        n, side, backward=backward
    )


def executed_gflop(inputs: NDArray[np.uint8], *, chunk_size: int, backward: bool) -> float:
    """Operations that windows leave, the maps of one black image included.

    Parameters
    ----------
    inputs : (N, S, S, 3) uint8
        Prepared images.
    chunk_size
        Images that share a window.
    backward
        Whether gradients are computed too.
    """
    n, side = inputs.shape[:2]
    chunks = [
        (len(chosen), window) for chosen, window in in_chunks(find_cells(inputs), side, size=chunk_size)
    ]
    chunks.append((1, Window.whole(side)))  # the black image
    return _gflop(chunks, side, backward=backward) + _head(n, side, backward=backward)


def _gflop(
    chunks: Iterable[tuple[int, Window]], side: int, *, backward: bool, whole_maps: bool = False
) -> float:
    total = 0
    for n, window in chunks:
        map_side = side
        for index, (stage, (before, after)) in enumerate(
            zip(plan_stages(window, side), _CHANNELS, strict=True)
        ):
            rows = map_side if whole_maps else stage.read.bottom - stage.read.top - 2
            columns = map_side if whole_maps else stage.read.right - stage.read.left - 2
            # Backward: to the weights, and to the map before, which the first stage does not need.
            passes = (1 + 2 * (index > 0) + (index == 0)) if backward else 1
            total += n * rows * columns * 2 * 9 * before * after * passes
            map_side = (map_side - 3) // 2 + 1
    return total / 1e9


def _head(n: int, side: int, *, backward: bool) -> float:
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return n * 2 * (256 * side * side * 128 + 128 * 2) * (3 if backward else 1) / 1e9
