"""Which part of each map a cell can reach.

A segmented cell covers a quarter to a third of its image; around it lies pure black. Where a convolution or
a pooling sees nothing but black, it gives what it gives for an image without a cell. So only a window around
the cell has to be computed, and the rest can be copied from the maps of one black image: the same numbers for
a third of the work. A picture without a black margin has the whole image as its window.

Everything here is arithmetic with rows and columns. The network is seen as stages of a 3x3 convolution that
keeps the size ("same" padding) and a 3x3 pooling of stride 2 without padding.

Start at `Window`. `plan_stages` is the arithmetic that `leuknet.networks.windowed` and exported graphs
follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROUND_PX = 4
"""Windows begin and end at multiples of this: fewer shapes for the kernels to prepare, few pixels more."""


class Window(NamedTuple):
    """A rectangle of rows and columns, half-open: `bottom` and `right` are the first ones outside.

    It may reach one beyond its map, where a convolution sees padding.
    """

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def whole(cls, side: int) -> Window:
        """The window of all rows and columns."""
        return cls(0, side, 0, side)

    def within(self, other: Window) -> tuple[slice, slice]:
        """Rows and columns of this window, counted from the corner of `other`."""
        return (
            slice(self.top - other.top, self.bottom - other.top),
            slice(self.left - other.left, self.right - other.left),
        )


class Stage(NamedTuple):
    """What a convolution and its pooling need and give.

    Attributes
    ----------
    read
        Part of the incoming map that the convolution reads, its padding included.
    write
        Part of the pooled map that comes of it. All that the cell reaches lies within.
    """

    read: Window
    write: Window


def find_cells(inputs: NDArray[np.uint8] | NDArray[np.floating]) -> NDArray[np.int64]:
    """Find the smallest window around all that is not black.

    Parameters
    ----------
    inputs : (N, S, S, C)
        Images with values from 0; black is 0 in all channels.

    Returns
    -------
    (N, 4) int64
        Top, bottom, left and right of each; the pixel in the middle where all is black.
    """
    n, side, _, n_channels = inputs.shape
    # The largest value of a line is much faster to find than whether any is not 0.
    rows = inputs.reshape(n, side, side * n_channels).max(axis=2)
    lines = (rows > 0, inputs.max(axis=1).max(axis=2) > 0)
    found = np.empty((n, 4), dtype=np.int64)
    for column, lit in zip((0, 2), lines, strict=True):
        found[:, column] = lit.argmax(axis=1)
        found[:, column + 1] = side - lit[:, ::-1].argmax(axis=1)
    found[~lines[0].any(axis=1)] = (side // 2, side // 2 + 1) * 2
    return found


def in_chunks(
    cells: NDArray[np.int64], side: int, *, size: int
) -> Iterator[tuple[NDArray[np.int64], Window]]:
    """Put images with windows of like size together, so that one window fits all of a chunk without waste.

    Parameters
    ----------
    cells : (N, 4) int64
        As `find_cells` gives them.
    side
        Side S of the images.
    size
        Images per chunk, at least 1; the last may have fewer.

    Yields
    ------
    (indices, window)
        Which images, and a window that holds all their cells.
    """
    order = np.argsort((cells[:, 1] - cells[:, 0]) * (cells[:, 3] - cells[:, 2]), kind="stable")
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        top, _, left, _ = cells[chosen].min(axis=0) // ROUND_PX * ROUND_PX
        _, bottom, _, right = np.minimum(side, -(-cells[chosen].max(axis=0) // ROUND_PX) * ROUND_PX)
        yield chosen, Window(int(top), int(bottom), int(left), int(right))


def plan_stages(window: Window, side: int, *, n: int = 3) -> tuple[Stage, ...]:
    """Say what each stage reads and writes for a cell that lies within `window`.

    Parameters
    ----------
    window
        Rows and columns of the input that may differ from black.
    side
        Side of the square input; at least 15 for three stages.
    n
        Number of stages.
    """
    stages = []
    for _ in range(n):
        top, bottom = _pooled(window.top, window.bottom, side)
        left, right = _pooled(window.left, window.right, side)
        # Pooled row r is made of convolved rows 2r, 2r + 1 and 2r + 2, and these of one more on each side.
        read = Window(2 * top - 1, 2 * bottom + 2, 2 * left - 1, 2 * right + 2)
        window = Window(top, bottom, left, right)
        side = (side - 3) // 2 + 1
        stages.append(Stage(read, window))
    return tuple(stages)


def _pooled(first: int, end: int, side: int) -> tuple[int, int]:
    """The pooled rows that rows `first` to `end` of the stage's input can change; at least one."""
    first, end = max(first - 1, 0), min(end + 1, side)  # a 3x3 convolution carries them one further
    n_pooled = (side - 3) // 2 + 1
    # Pooled row r sees rows 2r to 2r + 2. The last row of an even side is seen by none.
    low, high = max((first - 1) // 2, 0), min((end - 1) // 2 + 1, n_pooled)
    return min(low, n_pooled - 1), max(high, 1)
