"""Finds the same cell in pictures that differ in their bytes, by a perceptual hash of each.

A copy saved anew, a little brighter, or shifted by a pixel, and one cell photographed in two overlapping
fields, have other bytes and yet show the same cell: on two sides of a split they leak. The hash is pHash of
the ImageHash library with 256 bits: the signs, about their median, of the 16 x 16 lowest frequencies of the
grey picture at 64 x 64 pixels. Two pictures are near-duplicates if at most `NEAR_BITS` bits differ.

Measured on 129 real crops of C-NMC 2019 (8,256 pairs) and on simulated cells (2,127: 2,261,001 pairs):

| two pictures | bits that differ |
|---|---|
| different real cells | 50 or more; median 118 |
| different simulated cells | 24 or more, 1 pair of 2,261,001 below 28; median 120 |
| the same real cell in two overlapping fields, found by this hash (6 pairs) | 8, 10, 14, 16, 20, 20 |
| a real crop and its copy: PNG / JPEG at quality 75 / at 50 | at most 0 / 6 / 8 |
| 5% brighter or darker / resized 450 to 400 to 450 pixels | at most 6 / 4 |
| shifted by 1 pixel / turned by 1 degree | at most 18 / 18 |
| shifted by 2 pixels along both axes | at most 44; 80% are found |
| turned by 90 degrees, or mirrored | 98 and more: as far as different cells, never found |

Hashes with fewer bits, dHash and average hashes keep the two kinds of pairs apart less well or not at all:
on a black canvas most of their bits describe the outline of a roundish cell.

Start at `perceptual_hash`; `leuknet.data.overlap` compares the hashes of whole sides.
"""

from __future__ import annotations

import imagehash
from PIL import Image

from leuknet.types import Pixels

HASH_NAME = "pHash"

_SIDE = 16
HASH_BITS = _SIDE * _SIDE

NEAR_BITS = 24
"""Bits up to which two pictures count as one cell: between the 20 of the farthest pair of pictures of one
real cell and the 50 of the nearest two different ones."""


def perceptual_hash(pixels: Pixels) -> str:
    """Return the perceptual hash of one image.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        The whole canvas, with the cell at true scale; all images that are compared have the same canvas.
        Nothing is cut or centred here.

    Returns
    -------
    str
        `HASH_BITS` bits as 64 lower-case hex digits. An image of one colour has all bits 0 but perhaps one.

    References
    ----------
    ImageHash, https://github.com/JohannesBuchner/imagehash (BSD 2-clause), `phash(image, hash_size=16)`.
    """
    return str(imagehash.phash(Image.fromarray(pixels), hash_size=_SIDE))
