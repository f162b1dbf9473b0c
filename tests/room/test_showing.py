"""A cell that is shown twice is two files, which no eye can tell apart."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from leuknet.room.showing import BLOCK_BYTES, shown_anew
from leuknet.types import Pixels


def pixels_of(content: bytes) -> Pixels:
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()  # checks what a chunk's checksum says
        return np.array(opened)


def test_showings_differ_in_bytes_but_not_in_length_nor_to_the_eye() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")

    first, second = (shown_anew(content.getvalue(), (7, 2, 0, position)) for position in (3, 11))

    assert first == shown_anew(content.getvalue(), (7, 2, 0, 3))
    assert len(first) == len(second) == BLOCK_BYTES
    for one in first, second:
        assert np.abs(pixels_of(one).astype(int) - pixels).max() == 1
    assert 0.4 < np.mean(pixels_of(first) != pixels_of(second)) < 0.6


def test_a_larger_picture_takes_another_block() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")

    assert len(shown_anew(content.getvalue(), (7, 2, 0, 3))) == 5 * BLOCK_BYTES
