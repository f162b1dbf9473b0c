"""Keeps what tests compute alike again and again: simulated cells, and the textures of pictures.

Seeds are few, so that most data sets of tests share their cells. Both functions depend on nothing but what
they are given; their own tests call them as they are. What one worker of pytest-xdist has computed lies in a
folder, where the others find it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leuknet.data.published_counts import CANVAS_PX
from leuknet.records.whole import write_whole
from leuknet.simulation.draw import Nuisance, Traits
from leuknet.types import Pixels

Draw = Callable[..., Pixels]
Describe = Callable[[Pixels], NDArray[np.float32]]


def kept(folder: Path, compute: Callable[[], NDArray[Any]], key: str) -> NDArray[Any]:
    """Return what is computed, flat and packed in a file where it has been computed before."""
    path = folder / sha256(key.encode()).hexdigest()
    if not path.exists():
        made = compute()
        write_whole(path, made.dtype.str.encode() + b" " + zlib.compress(made.tobytes(), 1))
    dtype, _, packed = path.read_bytes().partition(b" ")
    return np.frombuffer(bytearray(zlib.decompress(packed)), dtype.decode())


def drawn_once(draw: Draw, folder: Path) -> Draw:
    """Return `draw_cell` with a memory of what has been drawn; a cell packs to a tenth of its bytes."""

    def draw_cell(traits: Traits, nuisance: Nuisance, *, seed: int | Sequence[int]) -> Pixels:
        numbers = seed if isinstance(seed, int) else tuple(seed)
        key = f"cell {tuple(traits)!r} {tuple(nuisance)!r} {numbers!r}"
        pixels = kept(folder, lambda: draw(traits, nuisance, seed=seed), key)
        return pixels.reshape(CANVAS_PX, CANVAS_PX, 3).astype(np.uint8, copy=False)

    return draw_cell


def described_once(describe: Describe, folder: Path) -> Describe:
    """Return `describe_texture` with a memory of what has been described."""

    def describe_texture(pixels: Pixels) -> NDArray[np.float32]:
        key = f"texture {pixels.shape} {sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()}"
        return kept(folder, lambda: describe(pixels), key).astype(np.float32, copy=False)

    return describe_texture
