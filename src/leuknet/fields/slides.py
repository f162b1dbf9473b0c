"""Opens an image of a blood smear, be it one camera field or a whole slide, behind one small interface.

A whole slide has billions of pixels and does not fit into memory, a camera field does. Who looks for cells in
either wants the same three things: the size, a region at full resolution, and the whole at a glance. `Field`
gives them, reads only what is asked for, and never more than a few hundred megabytes at a time.

The file's content decides which reader opens it, never its name alone:

| content | reader |
|---|---|
| PNG, JPEG, BMP, WebP; a small TIFF of one untiled page that Pillow can read | `slide_picture.open_picture` |
| any other TIFF, BigTIFF, OME-TIFF, SVS, NDPI | `slide_tiff.open_tiff` |
| DICOM | `slide_dicom.open_dicom` |
| one of the slide names in `_SEVERAL_FILES`: MRXS begins like a JPEG | `slide_openslide.open_openslide` |

The scale is what the file says or None, never a guess. All pixels are 8-bit RGB as stored, without colour
management. A tag of orientation is not followed, in any format or size, since programs that outline cells,
such as QuPath, do not follow it either; a warning says that there is one. Whichever way a file is mangled,
`UnreadableImageError` says so, at the latest when the damaged part is read.

Start at `open_field`; `hold_field` does it for pixels in memory.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path

import numpy as np

from leuknet.errors import LeukNetError, MissingExtraError, ShapeError
from leuknet.fields.field import Field
from leuknet.fields.slide_dicom import open_dicom
from leuknet.fields.slide_layout import COPY_AGAIN, Layout, unreadable
from leuknet.fields.slide_openslide import open_openslide
from leuknet.fields.slide_picture import (
    first_directory,
    held_layout,
    is_plain,
    open_picture,
    scale_of_directory,
)
from leuknet.fields.slide_tiff import open_tiff
from leuknet.types import Pixels

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SEVERAL_FILES = {".mrxs", ".vms", ".vmu", ".svslide", ".czi"}


def open_field(path: Path, *, alone: bool = False) -> Field:
    """Open an image of a smear; the module's table states what is read and by what.

    Parameters
    ----------
    path
        A camera field (PNG, JPEG, BMP, TIFF, WebP), or a slide (pyramidal TIFF, OME-TIFF, SVS, NDPI, MRXS and
        what else OpenSlide reads, DICOM whole-slide microscopy).
    alone
        Read this file and nothing else: OpenSlide takes all DICOM files of a series that lie in one folder
        for one slide, and what others put there must not get into it.

    Returns
    -------
    Field
        Open; the caller closes it, best with `with`.

    Raises
    ------
    UnreadableImageError
        If the file is missing, a folder, empty, damaged, cut off, or holds something else than one 8-bit RGB
        image: grey, 16 bits, separate fluorescence channels, a focus stack, a time series.
    MissingExtraError
        If the file needs the slide libraries and they are not installed.
    """
    head = _first_bytes(path)
    try:
        is_dicom = head[128:] == b"DICM"
        return Field(path, _open_alone(path) if alone and is_dicom else _layout(path, head))
    except (LeukNetError, MemoryError):
        raise
    except Exception as error:
        why = f"its header is damaged or cut off: {error!r}"
        raise unreadable(path, why, COPY_AGAIN) from error


def hold_field(pixels: Pixels, *, name: str = "pixels") -> Field:
    """Let an array be searched like an opened image.

    Parameters
    ----------
    pixels : (H, W, 3) uint8
        The field; not copied.
    name
        What messages call it.

    Raises
    ------
    ShapeError
        If the array is none of an image.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise ShapeError(
            "cannot search these pixels",
            why=f"the array is {pixels.shape} {pixels.dtype}, and must be (H, W, 3) uint8",
            fix="give RGB pixels from 0 to 255, such as numpy.asarray(image.convert('RGB'))",
        )
    return Field(Path(name), held_layout(pixels, None, ()))


def _first_bytes(path: Path) -> bytes:
    check = "check the path and its permissions"
    try:
        if path.exists() and not path.is_file():
            # Opening a pipe would wait for ever.
            why = "it is a folder, a device or a pipe"
            raise unreadable(path, why, "name the image or slide file itself")
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        raise unreadable(path, error.strerror or repr(error), check) from error
    except (ValueError, RuntimeError) as error:  # a null character; a loop of links
        raise unreadable(path, repr(error), check) from error
    if not head:
        raise unreadable(path, "the file has zero bytes", COPY_AGAIN)
    return head


def _open_alone(path: Path) -> Layout:
    """Open a DICOM file by a link to it in a folder of its own, which stays until the file is closed."""
    folder = Path(tempfile.mkdtemp(prefix="leuknet-alone-"))
    try:
        link = folder / path.name
        link.symlink_to(path.resolve())
        layout = open_dicom(link)
    except BaseException:
        shutil.rmtree(folder)
        raise

    def close() -> None:
        layout.close()
        shutil.rmtree(folder, ignore_errors=True)

    return dataclasses.replace(layout, close=close)


def _layout(path: Path, head: bytes) -> Layout:
    if path.suffix.lower() in _SEVERAL_FILES:
        return open_openslide(path)
    if head[128:] == b"DICM":
        return open_dicom(path)
    if not head.startswith(_TIFF):
        return open_picture(path)
    first = first_directory(path)
    if first is not None and is_plain(path, first):
        return open_picture(path, scale_of_directory(path, first))
    try:
        return open_tiff(path)
    except MissingExtraError:
        if first is None:
            return open_picture(path)  # most likely damaged, which needs no library to be told
        raise
