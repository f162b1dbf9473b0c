"""Reads one image from disk, safely: a single cell as a rule, or a camera's field of a smear.

A picture is often not what its name says, and a decoder that guesses hands on wrong pixels: Pillow cuts
16-bit colour to 8 bits without a word, and a file header may claim more memory than there is. So what the
file holds decides, never its name, and each kind of bad input has a stated outcome:

| input | outcome |
|---|---|
| missing, a folder, a device, not permitted | refused |
| zero bytes, more than `MAX_FILE_BYTES` | refused |
| cut off, damaged | refused, never read in part; see below for JPEG |
| not BMP, PNG, JPEG, TIFF or WebP by its first bytes | refused |
| a right image under a wrong extension | accepted, with a warning |
| more than 8 bits per channel, 32-bit integer, floating point | refused |
| grey, also with alpha, or a palette of which only greys are used | refused: the stain's colour is needed |
| palette with colour | accepted, converted to RGB |
| alpha, all opaque | accepted without the alpha, with a warning |
| alpha, in part transparent | accepted, laid on black as in C-NMC, with a warning |
| alpha, all transparent | refused: nothing is visible |
| CMYK, Lab, YCbCr TIFF, other colour models | refused |
| animated PNG or WebP, several pages, several pictures in a JPEG | refused |
| WebP, lossless | accepted |
| WebP, lossy | accepted as JPEG is, with a warning |
| a tag of orientation, in any format | not followed: pixels as they are stored, with a warning |
| TIFF in a compression that Pillow does not read everywhere: JPEG 2000, WebP, others | refused by its name |
| a side below `MIN_SIDE_PX` or above the limit, as a header may claim | refused, no pixel memory taken |
| a path or symbolic link that leads out of `root` | refused |
| a link within `root`; a name with spaces, quotes, newlines, non-ASCII or undecodable bytes | accepted |

Names are quoted in messages, so that a newline in one cannot break a line. A BMP, JPEG or WebP carries no
checksum: changed bytes inside its pixel data, or a JPEG cut off and closed again with an end marker, cannot
be noticed.

Start at `read_pixels`. Table and checks stay in one module, long as it is, so that they are read together.
"""

from __future__ import annotations

import hashlib
import io
import struct
import threading
import warnings
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from leuknet.errors import SettingError, UnreadableImageError
from leuknet.images import tiff_header, webp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leuknet.types import Pixels

MIN_SIDE_PX = 8
MAX_SIDE_PX = 4096
"""Sides of a single-cell image; the published ones have 450 or 600 pixels."""

MAX_FILE_BYTES = 128 * 2**20
"""An uncompressed image of the largest accepted size takes half of this."""

IMAGE_SUFFIXES = frozenset({".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})
"""Files with these suffixes, in any case, are found in folders; a file named by itself may have any."""


def has_image_suffix(name: str) -> bool:
    """Whether a file of this name is looked for in folders."""
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


_SIGNATURES = {
    "BMP": (b"BM",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "WEBP": (webp.SIGNATURE,),
}

_EXTENSIONS = {
    "BMP": {".bmp", ".dib"},
    "PNG": {".png"},
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "TIFF": {".tif", ".tiff"},
    "WEBP": {".webp"},
}

_SAVE_AS_PNG = "save it as an 8-bit RGB PNG"
_COPY_AGAIN = "copy it again from its source"
_CHECK_PATH = "check the path and its permissions"
_CROP = "crop it to a single cell"
_USE_COLOUR = "use the colour image"

# Pillow reports oddities through `warnings`, whose filters belong to the whole process: two threads that
# catch warnings at once would leave them wrong for good.
WARNINGS_LOCK = threading.Lock()


@dataclass(frozen=True)
class ReadImage:
    """One image as it lies on disk.

    Attributes
    ----------
    pixels : (H, W, 3) uint8
        sRGB; H and W at least `MIN_SIDE_PX`.
    warnings
        What was odd but not wrong: one sentence each, without the file's name.
    """

    pixels: Pixels
    warnings: tuple[str, ...]


def read_pixels(path: Path, *, root: Path | None = None, max_side_px: int = MAX_SIDE_PX) -> ReadImage:
    """Read one image; the module's table states what is accepted.

    Safe to call from several threads.

    Parameters
    ----------
    path
        A BMP, PNG, JPEG, TIFF or WebP file.
    root
        A folder that the file must not lie outside of, after following symbolic links.
    max_side_px
        An image with a longer side is refused; the default is for a single cell.

    Returns
    -------
    ReadImage
        All pixels of the file, never a part of them.

    Raises
    ------
    UnreadableImageError
        For whatever the table calls refused, whichever way the file is mangled.
    SettingError
        If `PIL.ImageFile.LOAD_TRUNCATED_IMAGES` is on, with which Pillow makes up missing pixels.
    """
    return decode_pixels(read_content(path, root), path, max_side_px=max_side_px)


def decode_pixels(content: bytes, path: Path, *, max_side_px: int = MAX_SIDE_PX) -> ReadImage:
    """Decode an image that lies in memory, as `read_pixels` does; `path` is its name."""
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise SettingError(
            "cannot read images",
            why="PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on: Pillow would make up missing pixels",
            fix="set it to False; some other code in this process has changed it",
        )
    try:
        kind = _kind_of(content)
        pixels, notes = _decode(content, kind, max_side_px)
    except MemoryError:
        raise
    except _RefusedError as refused:
        raise _unreadable(path, *refused.args) from refused
    except Exception as error:
        # Mangled files make Pillow raise nearly anything: OSError, SyntaxError, ValueError, struct.error,
        # OverflowError, EOFError, AssertionError. None of it may stop a run over many images.
        raise _unreadable(path, f"damaged or cut off: {error!r}", _COPY_AGAIN) from error
    if path.suffix.lower() not in _EXTENSIONS[kind]:
        notes = [f"the content is {kind}, the extension is {path.suffix!r}", *notes]
    return ReadImage(pixels, tuple(notes))


def hash_file(path: Path) -> str:
    """Return the sha256 of the file's bytes as 64 hex digits.

    Raises
    ------
    UnreadableImageError
        If the file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise _unreadable(path, _reason(error), _CHECK_PATH) from error


class _RefusedError(Exception):
    """Why a content is refused and what to try; carries no file name."""


def _unreadable(path: Path, why: str, fix: str) -> UnreadableImageError:
    # repr, not str: it escapes newlines and undecodable bytes.
    return UnreadableImageError(f"cannot read the image {str(path)!r}", why=why, fix=fix)


def _reason(error: Exception) -> str:
    # An OSError's own text repeats the path. ValueError stands for a null character in the path,
    # RuntimeError for a loop of links (Python 3.11 and 3.12).
    return (isinstance(error, OSError) and error.strerror) or repr(error)


def read_content(path: Path, root: Path | None) -> bytes:
    """Return the bytes of a file, one more than `MAX_FILE_BYTES` at most; an error as `read_pixels`."""
    try:
        resolved = path.resolve()
        if root is not None and not resolved.is_relative_to(root.resolve()):
            why = f"it leads to {str(resolved)!r}, outside of {str(root)!r}"
            raise _unreadable(path, why, "copy the file into the folder")
        if resolved.exists() and not resolved.is_file():
            # Opening a pipe would wait for ever.
            raise _unreadable(path, "it is a folder, a device or a pipe", "name an image file")
        with resolved.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as error:
        raise _unreadable(path, _reason(error), _CHECK_PATH) from error
    return content


def _kind_of(content: bytes) -> str:
    if not content:
        raise _RefusedError("the file has zero bytes", _COPY_AGAIN)
    if len(content) > MAX_FILE_BYTES:
        raise _RefusedError(f"it has more than {MAX_FILE_BYTES} bytes", _CROP)
    kind = kind_of(content)
    if kind is not None:
        return kind
    why = f"its first bytes are {content[:8]!r}: neither BMP, PNG, JPEG, TIFF nor WebP"
    raise _RefusedError(why, f"{_SAVE_AS_PNG} if it is an image")


def kind_of(content: bytes) -> str | None:
    """Return the format that the first bytes say, as Pillow calls it; None if it is none read here."""
    for kind, signatures in _SIGNATURES.items():
        if content.startswith(signatures) and (kind != "WEBP" or webp.is_webp(content)):
            return kind
    return None


def _decode(content: bytes, kind: str, max_side_px: int) -> tuple[Pixels, list[str]]:
    lossy = _check_webp(content) if kind == "WEBP" else []
    with _recorded_warnings() as notes:
        if kind == "TIFF":
            _check_compression(content)
        image = _open(content, kind)
        _check_size(image, max_side_px)
        _check_format(image)
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            turned = int(image.tag_v2.get(ExifTags.Base.Orientation, 1))
            # Only TIFF warns while its pixels are decoded; the others decode outside of the lock.
            image.load()
            stored = tiff_header.as_stored(image, turned)
    if kind == "PNG":
        _check_chunks(content)
    if kind != "TIFF":
        image.load()
        stored, turned = image, _orientation(image)
    rgb, alpha_notes = _to_rgb(stored)
    return np.array(rgb), notes + lossy + alpha_notes + tiff_header.orientation_note(turned)


def _orientation(image: Image.Image) -> int:
    """Return how a picture asks to be turned; 1, which is upright, if it says nothing that can be read."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow raises nearly anything for damaged EXIF, which is no pixel's fault
        return 1


def _check_compression(content: bytes) -> None:
    first = tiff_header.first_directory(io.BytesIO(content))
    number = 1 if first is None else first.get(TiffImagePlugin.COMPRESSION, 1)
    if number not in tiff_header.PILLOW_COMPRESSIONS:
        why = (
            f"its compression is {tiff_header.compression_name(number)}, which is not read in a single image"
        )
        raise _RefusedError(why, _SAVE_AS_PNG)


@contextmanager
def _recorded_warnings() -> Iterator[list[str]]:
    notes: list[str] = []
    with WARNINGS_LOCK, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield notes
    # Another thread may have warned meanwhile; that is none of this image's business.
    notes += [f"Pillow: {warning.message}" for warning in caught if "PIL" in Path(warning.filename).parts]


def _open(content: bytes, kind: str) -> ImageFile.ImageFile:
    try:
        return Image.open(io.BytesIO(content), formats=[kind])
    except Image.DecompressionBombError as error:
        raise _RefusedError(f"too large: {error}", _CROP) from error
    except UnidentifiedImageError as error:
        why = f"it begins like a {kind}, but its header is damaged or its pixel format unknown"
        raise _RefusedError(why, f"{_COPY_AGAIN}, or {_SAVE_AS_PNG}") from error


def _check_size(image: Image.Image, max_side_px: int) -> None:
    size = f"{image.width} x {image.height} pixels"
    if max(image.size) > max_side_px:
        fix = _CROP if max_side_px == MAX_SIDE_PX else "save it as a tiled TIFF"
        raise _RefusedError(f"too large: {size}, at most {max_side_px} a side", fix)
    if min(image.size) < MIN_SIDE_PX:
        raise _RefusedError(f"too small: {size}, at least {MIN_SIDE_PX} a side", "use the original image")


def _check_format(image: ImageFile.ImageFile) -> None:
    """Refuse what Pillow would decode into something else than an 8-bit colour picture."""
    bits = _bits_per_channel(image)
    if bits > 8:
        raise _RefusedError(f"more than 8 bits per channel (mode {image.mode}, {bits} bits)", _SAVE_AS_PNG)
    if getattr(image, "is_animated", False):
        raise _RefusedError("it holds several pictures", "save the one wanted as a file of its own")
    if image.mode in ("1", "L", "LA", "La"):
        raise _RefusedError(f"it is grey (mode {image.mode}); the stain's colour is needed", _USE_COLOUR)
    is_rgb = image.mode in ("RGB", "RGBA", "P", "PA")
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # libtiff may hand out YCbCr as RGB, with whatever conversion the file's tags ask for.
        is_rgb = is_rgb and image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) in (2, 3)
        _check_coverage(image)
    if not is_rgb:
        raise _RefusedError(f"its colours are not RGB (mode {image.mode})", _SAVE_AS_PNG)


def _bits_per_channel(image: ImageFile.ImageFile) -> int:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))))
    # Pillow names PNG's 16-bit data `RGB;16B`; a BMP's `BGR;16` has 5 or 6 bits per channel.
    return 16 if image.format == "PNG" and ";16" in str(image.tile[0].args) else 8


def _check_chunks(content: bytes) -> None:
    """Check the PNG's checksums and its end, which decoding leaves out; refuse animation."""
    at, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 8 + length
        (checksum,) = struct.unpack_from(">I", content, end)
        if zlib.crc32(memoryview(content)[at + 4 : end]) != checksum:
            raise _RefusedError(f"damaged: wrong checksum in the {kind!r} chunk", _COPY_AGAIN)
        if kind == b"acTL":
            raise _RefusedError("it is an animated PNG", "save the frame wanted as a file of its own")
        at = end + 4


def _check_webp(content: bytes) -> list[str]:
    """Refuse an animation or a part of a WebP; return what is to be said of a lossy one."""
    found = webp.inspect(content)
    if found.animated:
        raise _RefusedError("it is an animated WebP", "save the frame wanted as a file of its own")
    return [] if found.lossless else ["lossy WebP: its compression has changed pixels"]


def _check_coverage(image: TiffImagePlugin.TiffImageFile) -> None:
    """Refuse a TIFF with fewer strips than its height needs: Pillow would leave the rest black."""
    if image.use_load_libtiff:
        return  # libtiff checks it
    planes = len(image.getbands()) if image.tag_v2.get(TiffImagePlugin.PLANAR_CONFIGURATION) == 2 else 1
    boxes = [tile.extents for tile in image.tile if tile.extents is not None]
    covered = sum((right - left) * (bottom - top) for left, top, right, bottom in boxes)
    if covered < image.width * image.height * planes:
        raise _RefusedError("damaged: some of its strips are missing", _COPY_AGAIN)


def _to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    if image.mode in ("RGBA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        lowest, highest = rgba.getchannel("A").getextrema()
        if highest == 0:
            raise _RefusedError("every pixel is fully transparent", "save it without an alpha channel")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        rgb = Image.alpha_composite(black, rgba).convert("RGB")
        notes = ["the alpha channel is opaque and was dropped"]
        if lowest != 255:
            notes = ["transparent pixels were laid on black"]
    else:
        rgb, notes = image.convert("RGB"), []
    if image.mode in ("P", "PA"):
        red, green, blue = (channel.tobytes() for channel in rgb.split())
        if red == green == blue:
            raise _RefusedError("its palette is grey; the stain's colour is needed", _USE_COLOUR)
    return rgb, notes
