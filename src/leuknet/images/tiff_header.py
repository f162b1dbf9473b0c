"""What the header of a TIFF says before anything is decoded: its tags, its compression, which way up it is.

Start at `first_directory`.
"""

from __future__ import annotations

import warnings
from typing import BinaryIO

from PIL import Image, TiffImagePlugin

PILLOW_COMPRESSIONS = frozenset(TiffImagePlugin.COMPRESSION_INFO) - {50001}
"""TIFF's numbers of what Pillow decodes wherever it runs; WebP depends on how it was built."""

_NAMES = {
    33003: "JPEG 2000 of Aperio",
    33005: "JPEG 2000 of Aperio",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "JPEG of DNG",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL of DNG",
}

# What undoes the turn that Pillow gives a TIFF by its tag.
_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def first_directory(file: BinaryIO) -> TiffImagePlugin.ImageFileDirectory_v2 | None:
    """Read the tags of a TIFF's first page with Pillow, which is always there; None if it cannot.

    The caller holds the lock of warnings: Pillow remarks on odd tags.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            head = file.read(16)
            # The header of a BigTIFF is longer, and Pillow knows only the little-endian one.
            directory = TiffImagePlugin.ImageFileDirectory_v2(head[: 16 if head[2] == 43 else 8])
            file.seek(directory.next)
            directory.load(file)
            dict(directory)  # decodes the values
    except Exception:
        return None
    return directory


def compression_name(number: object) -> str:
    """Return a compression as a reader knows it, with TIFF's number."""
    return f"{_NAMES[number]} ({number})" if number in _NAMES else f"number {number}"


def as_stored(image: Image.Image, orientation: int) -> Image.Image:
    """Turn a TIFF back that Pillow has turned by its tag of orientation."""
    return image.transpose(_BACK[orientation]) if orientation in _BACK else image


def orientation_note(orientation: int) -> list[str]:
    """Say that a tag of orientation is not followed; nothing for an upright image."""
    if orientation not in _BACK:
        return []
    return [f"its orientation tag ({orientation}) is not followed: pixels are taken as they are stored"]
