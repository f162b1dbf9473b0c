"""Keeps what tests compute alike again and again: simulated cells, and the textures of pictures.

Seeds are few, so that most data sets of tests share their cells. Both functions depend on nothing but what
they are given; their own tests call them as they are.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from leuknet.simulation.draw import Nuisance, Traits
from leuknet.types import Pixels

Draw = Callable[..., Pixels]
Describe = Callable[[Pixels], NDArray[np.float32]]


def drawn_once(draw: Draw) -> Draw:
    """Return `draw_cell` with a memory of what it has drawn; a cell packs to a tenth of its bytes."""
    drawn: dict[object, tuple[bytes, tuple[int, ...]]] = {}

    def draw_cell(traits: Traits, nuisance: Nuisance, *, seed: int | Sequence[int]) -> Pixels:
        key = tuple(traits), tuple(nuisance), seed if isinstance(seed, int) else tuple(seed)
        if key not in drawn:
            pixels = draw(traits, nuisance, seed=seed)
            drawn[key] = zlib.compress(pixels.tobytes(), 1), pixels.shape
        packed, shape = drawn[key]
        return np.frombuffer(bytearray(zlib.decompress(packed)), np.uint8).reshape(shape)

    return draw_cell


def described_once(describe: Describe) -> Describe:
    """Return `describe_texture` with a memory of what it has described."""
    described: dict[bytes, NDArray[np.float32]] = {}

    def describe_texture(pixels: Pixels) -> NDArray[np.float32]:
        key = sha256(str(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).digest()
        if key not in described:
            described[key] = describe(pixels)
        return described[key].copy()

    return describe_texture
