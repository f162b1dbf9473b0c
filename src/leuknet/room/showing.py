"""One showing of a cell in a study, as a file that is like no other showing's.

A cell that comes twice must not be known by its file: each showing has low bits of its own, which no eye
sees, and all files are filled up to multiples of `BLOCK_BYTES`. Whoever lets a program compare pixels can
still tell that two pictures are alike.

Start at `shown_anew`.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

BLOCK_BYTES = 2**16
"""Most views of a cell have one length then."""

_TAIL_BYTES = 12  # of the last chunk, IEND; and what a chunk takes beside its content


def shown_anew(picture: bytes, showing: Sequence[int]) -> bytes:
    """Return a picture as PNG with low bits drawn for one showing, filled up to a multiple of `BLOCK_BYTES`.

    Parameters
    ----------
    picture
        An image that Pillow reads; no value of its RGB pixels changes by more than 1.
    showing
        Whole numbers from 0 on that name the showing: the same give the same file.
    """
    with Image.open(io.BytesIO(picture)) as opened:
        pixels = np.array(opened.convert("RGB"))
    generator = np.random.default_rng(showing)
    drawn = generator.integers(0, 2, pixels.shape, dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray((pixels & 0xFE) | drawn).save(content, format="PNG", compress_level=1)
    png = content.getvalue()
    filling = generator.bytes(-(len(png) + _TAIL_BYTES) % BLOCK_BYTES)
    # A private chunk that readers pass over (PNG, 5.4: ancillary, private, safe to copy).
    named = b"fiLl" + filling
    chunk = struct.pack(">I", len(filling)) + named + struct.pack(">I", zlib.crc32(named))
    return png[:-_TAIL_BYTES] + chunk + png[-_TAIL_BYTES:]
