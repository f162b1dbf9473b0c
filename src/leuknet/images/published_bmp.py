"""Tells a published image by its pixels, in whatever lossless file they are kept.

Copies of C-NMC 2019 lie about as PNG, WebP or TIFF, and as BMPs that a program has saved again. Their bytes
are not the publisher's; their pixels are. From the pixels the publisher's file can be rebuilt, byte for byte,
since it is nothing but a header and the rows: so a copy gets the very sha256 that the published file has, and
whatever compares contents (duplicates, leaks, model cards, the publisher's list) needs no second kind of
hash.

Training and final-phase images have a header of 54 bytes, preliminary ones one of 138. Both are known from
published files, those of the final phase from their length alone.

Start at `digest_as_published`.
"""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, TiffImagePlugin

from leuknet.errors import UnreadableImageError
from leuknet.images import webp
from leuknet.images.reading import (
    MAX_SIDE_PX,
    WARNINGS_LOCK,
    decode_pixels,
    hash_file,
    kind_of,
    read_content,
)
from leuknet.types import Pixels

Header = Literal["short", "long"]
"""The publisher's header: 54 bytes, or 138 in the preliminary phase."""

Form = Literal["as published", "lossless", "lossy", "unknown"]

_PIXELS_PER_METRE = 3779
_COLOUR_MASKS = (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)
# What the writer of the preliminary files left in the fields for the ends of the colour space, which mean
# nothing where the space is sRGB.
_ENDPOINTS = bytes.fromhex("000000000000000054b81efc0000000000000000666666fc0000000000000000c4f528ff")

_LOSSLESS_TIFF = {1, 5, 8, 32773, 32946, 34925, 50000}
"""TIFF's numbers of compressions that change nothing: none, LZW, Deflate (two), PackBits, LZMA, Zstandard."""


class Digest(NamedTuple):
    """The sha256 (hex) of the published file with these pixels, or of the file itself, and which it is.

    `form` is `as published` for a file with the publisher's header; `lossless` where the publisher's bytes
    were rebuilt; `lossy` or `unknown`, for what cannot be decoded, where the hash is the file's own.
    """

    sha256: str
    form: Form
    kind: str


def bmp_bytes(pixels: Pixels, header: Header) -> bytes:
    """Return the file in which the publisher would have kept these pixels.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        sRGB.
    header
        Which of the publisher's two.
    """
    height, width = pixels.shape[:2]
    rows = np.zeros((height, (width * 3 + 3) // 4 * 4), dtype=np.uint8)  # padded to four bytes
    rows[:, : width * 3] = pixels[::-1, :, ::-1].reshape(height, width * 3)  # from the bottom, blue first
    return _header(width, height, header) + rows.tobytes()


def digest_as_published(path: Path, header: Header) -> Digest:
    """Hash a file as the publisher's file of its pixels.

    Raises
    ------
    UnreadableImageError
        If the file is missing or cannot be read. One that is read and cannot be decoded is hashed as it is.
    """
    content = read_content(path, None)
    own = hashlib.sha256(content).hexdigest()
    kind = kind_of(content) or ""
    if kind == "BMP" and _has_header(content, header):
        return Digest(own, "as published", kind)
    try:
        pixels = decode_pixels(content, path).pixels
    except UnreadableImageError:
        # Of more than `MAX_FILE_BYTES` only the beginning was read.
        return Digest(hash_file(path), "unknown", kind)
    if not _is_lossless(content, kind):
        return Digest(own, "lossy", kind)
    return Digest(hashlib.sha256(bmp_bytes(pixels, header)).hexdigest(), "lossless", kind)


def holds_content(path: Path, sha256: str) -> bool:
    """Whether a file has this sha256, by its own bytes or as the publisher's file of its pixels.

    Raises
    ------
    UnreadableImageError
        If the file is missing or cannot be read.
    """
    if hash_file(path) == sha256:
        return True
    return any(digest_as_published(path, header).sha256 == sha256 for header in ("short", "long"))


def _has_header(content: bytes, header: Header) -> bool:
    if len(content) < 26:
        return False
    width, height = struct.unpack_from("<ii", content, 18)
    # The publisher's rows come from the bottom; a height below 0 says that they come from the top.
    return 0 < min(width, height) <= max(width, height) <= MAX_SIDE_PX and content.startswith(
        _header(width, height, header)
    )


def _is_lossless(content: bytes, kind: str) -> bool:
    """Whether an image that can be decoded has the pixels that were given to whoever wrote it."""
    if kind == "WEBP":
        return webp.inspect(content).lossless
    if kind == "TIFF":
        with WARNINGS_LOCK, Image.open(io.BytesIO(content), formats=[kind]) as image:
            assert isinstance(image, TiffImagePlugin.TiffImageFile)  # noqa: S101  that is the format
            return image.tag_v2.get(TiffImagePlugin.COMPRESSION, 1) in _LOSSLESS_TIFF
    return kind != "JPEG"


def _header(width: int, height: int, header: Header) -> bytes:
    info = 40 if header == "short" else 124
    size = (width * 3 + 3) // 4 * 4 * height
    start = 14 + info
    fields = (width, height, 1, 24, 0, size, _PIXELS_PER_METRE, _PIXELS_PER_METRE, 0, 0)
    head = b"BM" + struct.pack("<IHHI", start + size, 0, 0, start)
    head += struct.pack("<IiiHHIIiiII", info, *fields)
    if header == "long":
        head += struct.pack("<4I", *_COLOUR_MASKS) + b"BGRs" + _ENDPOINTS
        head += bytes(12) + struct.pack("<4I", 4, 0, 0, 0)
    return head
