"""Turns pixels as they lie on disk into the input of a network.

C-NMC's cells lie at true scale on a black canvas, and size tells the classes apart better than any other
single feature. So an image of another size is never shrunk to the canvas: it is cropped or padded around its
centre, and only then is the whole canvas resized. Training, evaluation and prediction all come through here,
so that a model sees the same pixels each time.

Start at `prepare`. Inputs stay uint8; a network subtracts its own channel mean. NumPy and Pillow only.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import Image
from tqdm import tqdm

from leuknet.errors import SettingError, ShapeError, UnreadableImageError
from leuknet.images.measures import check_image
from leuknet.images.reading import ReadImage, read_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from leuknet.types import CellImage, InputForm, Pixels

Taken = TypeVar("Taken")

TRANSFORM_VERSION = 1
"""To be raised with every change of `prepare` that changes a pixel: prepared images may have been kept."""

N_READERS = min(8, os.cpu_count() or 1)
"""Threads that decode at once, which is also the number of images held at full size.

One for each core: on two cores, eight took 3.7 ms an image where two took 2.6.
"""


@dataclass(frozen=True)
class LoadedInputs:
    """Network inputs of many cells, and what happened to the others.

    Attributes
    ----------
    inputs : (N, S, S, 3) uint8
        One per entry of `cells`.
    cells
        The cells that could be read, in the order in which they were asked for.
    unreadable
        Each cell that could not be read, with the reason.
    warnings
        What was odd about a cell that could be read.
    """

    inputs: Pixels
    cells: tuple[CellImage, ...]
    unreadable: tuple[tuple[CellImage, UnreadableImageError], ...]
    warnings: tuple[tuple[CellImage, str], ...] = ()


def prepare(pixels: Pixels, form: InputForm) -> Pixels:
    """Return the network input for one image.

    What `place` has returned for an image gives the same input as the image itself.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        One image as read from disk, any H and W.
    form
        What is to become of it.

    Returns
    -------
    (S, S, 3) uint8
        Resized by a triangle filter that widens with the reduction (bilinear with antialiasing). Shares
        memory with `pixels` where nothing had to be changed.

    Raises
    ------
    ShapeError
        If `pixels` is not one 8-bit colour image.
    """
    placed = place(pixels, form)
    if placed.shape == form.shape:
        return placed
    return np.array(Image.fromarray(placed).resize(form.shape[:2], Image.Resampling.BILINEAR))


def place(pixels: Pixels, form: InputForm) -> Pixels:
    """Return what a network is shown of an image (H, W, 3), at true scale: before it is resized."""
    check_image(pixels, "prepare")
    for side in form.true_scale_px:
        pixels = place_on_canvas(pixels, side)
    return pixels


def place_on_canvas(pixels: Pixels, canvas_px: int) -> Pixels:
    """Place an image at true scale on a black square, centre on centre.

    Each axis by itself: what is longer than the canvas is cropped on both sides, what is shorter gets black
    on both. Where the two sides cannot be equal, the top or left one is a pixel shorter.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        One image, any H and W.
    canvas_px
        Side C of the square; at least 1.

    Returns
    -------
    (C, C, 3) uint8
        Shares memory with `pixels` if that already has this size.

    Raises
    ------
    ShapeError
        If `pixels` is not one 8-bit colour image.
    SettingError
        If `canvas_px` is below 1.
    """
    check_image(pixels, "prepare")
    if canvas_px < 1:
        raise SettingError(
            "cannot place the image", why=f"canvas_px is {canvas_px}", fix="set canvas_px to 1 or more"
        )
    h, w = pixels.shape[:2]
    if (h, w) == (canvas_px, canvas_px):
        return pixels
    canvas = np.zeros((canvas_px, canvas_px, 3), dtype=np.uint8)
    source_rows, target_rows = _overlap(h, canvas_px)
    source_columns, target_columns = _overlap(w, canvas_px)
    canvas[target_rows, target_columns] = pixels[source_rows, source_columns]
    return canvas


def load_inputs(
    cells: Sequence[CellImage], form: InputForm, *, root: Path | None, progress: bool = False
) -> LoadedInputs:
    """Read and prepare the images of many cells.

    Several threads decode and resize at once, and never hold more than a few images at full size. A cell that
    cannot be read stops nothing.

    Parameters
    ----------
    cells
        In any number, also none.
    form
        What is to become of each image.
    root
        Images that lie outside of this folder count as unreadable; None reads from anywhere.
    progress
        Draw a bar on stderr.
    """
    inputs = np.empty((len(cells), *form.shape), dtype=np.uint8)

    def keep(index: int, image: ReadImage) -> tuple[str, ...]:
        inputs[index] = prepare(image.pixels, form)
        return image.warnings

    return _gather(inputs, read_each(cells, keep, root=root, doing="reading images", progress=progress))


def read_each(
    cells: Sequence[CellImage],
    take: Callable[[int, ReadImage], Taken],
    *,
    root: Path | None,
    doing: str,
    progress: bool,
) -> list[tuple[CellImage, Taken | UnreadableImageError]]:
    """Read the image of each cell, in threads; return what `take` makes of it, or why it cannot be read.

    Parameters
    ----------
    cells, root, progress
        As for `load_inputs`.
    take
        Is given a cell's place and its image, and called in the thread that read it.
    doing
        What the bar says.
    """

    def read(index: int) -> Taken | UnreadableImageError:
        try:
            image = read_pixels(cells[index].path, root=root)
        except UnreadableImageError as error:
            return error
        return take(index, image)

    pool = ThreadPoolExecutor(N_READERS, thread_name_prefix="leuknet-read")
    try:
        found = pool.map(read, range(len(cells)))
        each = tqdm(found, total=len(cells), desc=doing, unit="image", disable=not progress)
        return list(zip(cells, each, strict=True))
    finally:
        # Ctrl-C must not wait for the images that nobody wants any more.
        pool.shutdown(cancel_futures=True)


def turned(inputs: Pixels, rotations: int) -> Iterator[Pixels]:
    """Yield images turned by each multiple of 360 degrees / `rotations`, first as they are.

    Parameters
    ----------
    inputs : (N, S, S, 3) uint8
        Square images; what turns in from outside is black.
    rotations
        At least 1. Quarter turns are exact, others bilinear.
    """
    yield inputs
    for number in range(1, rotations):
        images = (Image.fromarray(image) for image in inputs)
        angle = 360 * number / rotations
        yield np.stack([np.asarray(image.rotate(angle, Image.Resampling.BILINEAR)) for image in images])


def channel_statistics(
    inputs: Iterable[Pixels],
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return mean and standard deviation of each channel over all pixels of all images.

    Computed from counts of the 256 values, thus exact up to the last rounding, and without a floating-point
    copy of the images.

    Parameters
    ----------
    inputs : (N, H, W, 3) uint8
        At least one image with at least one pixel; an array, or one image after the other.

    Returns
    -------
    mean, std
        Red, green, blue; in 0..255. The deviation divides by the number of pixels, not by one less.

    Raises
    ------
    ShapeError
        If an image is not as above, or there is none.

    Examples
    --------
    >>> channel_statistics(np.array([[[[0, 10, 7], [255, 20, 7]]]], dtype=np.uint8))
    ((127.5, 15.0, 7.0), (127.5, 5.0, 0.0))
    """
    counts = np.zeros(3 * 256, dtype=np.int64)
    for image in inputs:
        check_image(image, "prepare")
        counts += np.array(Image.fromarray(image).histogram(), dtype=np.int64)
    if not counts.any():
        raise ShapeError(
            "cannot compute the channels' mean", why="there are no images", fix="give at least one"
        )
    shares = counts.reshape(3, 256) / (counts.sum() // 3)
    levels = np.arange(256, dtype=np.float64)
    means = shares @ levels
    deviations = np.sqrt((shares * (levels - means[:, None]) ** 2).sum(axis=1))
    (red, green, blue), spreads = means.tolist(), deviations.tolist()
    return (red, green, blue), (spreads[0], spreads[1], spreads[2])


def _overlap(side: int, canvas: int) -> tuple[slice, slice]:
    """Return which pixels of an axis are kept, and where on the canvas they go."""
    kept = min(side, canvas)
    source, target = (side - kept) // 2, (canvas - kept) // 2
    return slice(source, source + kept), slice(target, target + kept)


def _gather(
    inputs: Pixels, outcomes: Sequence[tuple[CellImage, tuple[str, ...] | UnreadableImageError]]
) -> LoadedInputs:
    cells: list[CellImage] = []
    unreadable: list[tuple[CellImage, UnreadableImageError]] = []
    warnings: list[tuple[CellImage, str]] = []
    for index, (cell, outcome) in enumerate(outcomes):
        if isinstance(outcome, UnreadableImageError):
            unreadable.append((cell, outcome))
            continue
        if unreadable:
            # Closing ranks in place: a second array of all images may not fit into memory.
            inputs[len(cells)] = inputs[index]
        cells.append(cell)
        warnings += [(cell, warning) for warning in outcome]
    return LoadedInputs(inputs[: len(cells)], tuple(cells), tuple(unreadable), tuple(warnings))
