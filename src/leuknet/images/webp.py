"""Looks into a WebP file before it is decoded: whole or cut off, lossless or lossy, one picture or several.

libwebp shows what it can of a file that was cut off, and Pillow the first picture of an animation. The
container says both, and whether the compression changed pixels: `VP8L` is lossless, `VP8 ` is lossy.

Start at `inspect`.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

SIGNATURE = b"RIFF"
_FORM = slice(8, 12)
_SEVERAL = {b"ANIM", b"ANMF"}


class WebP(NamedTuple):
    """What a WebP's container says."""

    lossless: bool
    animated: bool


def is_webp(content: bytes) -> bool:
    """Whether the first bytes are those of a WebP."""
    return content.startswith(SIGNATURE) and content[_FORM] == b"WEBP"


def inspect(content: bytes) -> WebP:
    """Read the container of a WebP.

    Raises
    ------
    ValueError
        If a chunk is cut off, or none holds a picture.
    """
    (size,) = struct.unpack_from("<I", content, 4)
    if len(content) < 8 + size:
        raise ValueError(f"{8 + size - len(content)} of {8 + size} bytes are missing")
    kinds, at = [], 12
    while at + 8 <= 8 + size:
        kind, length = struct.unpack_from("<4sI", content, at)
        kinds.append(kind)
        at += 8 + length + length % 2
    if at > 8 + size + 1:
        raise ValueError(f"the {kinds[-1]!r} chunk is cut off")
    animated = bool(_SEVERAL & set(kinds))
    if not animated and not {b"VP8 ", b"VP8L"} & set(kinds):
        raise ValueError("no chunk holds a picture")
    return WebP(lossless=b"VP8 " not in kinds, animated=animated)
