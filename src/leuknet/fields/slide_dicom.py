"""DICOM slides: OpenSlide reads what it can, pydicom what that leaves.

Start at `open_dicom`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from leuknet.errors import UnreadableImageError
from leuknet.fields.jpeg_ls import register
from leuknet.fields.slide_layout import (
    COPY_AGAIN,
    EXPORT,
    ONE_PLANE,
    Layout,
    Level,
    by_segments,
    check_claims,
    ignored_warnings,
    one_scale,
    slides_extra,
    unreadable,
)
from leuknet.fields.slide_openslide import open_openslide
from leuknet.types import Pixels

if TYPE_CHECKING:
    from pydicom import Dataset


def open_dicom(path: Path) -> Layout:
    """Open a DICOM whole-slide image: its whole series with OpenSlide, or this one file with pydicom.

    Raises
    ------
    UnreadableImageError
        If it is another kind of DICOM file, not 8-bit RGB, has several focal planes or optical paths, or
        OpenSlide refuses it and its tiles are not stored in full.
    MissingExtraError
        If pydicom or OpenSlide are not installed.
    """
    with slides_extra():
        import openslide
        import pydicom
        from pydicom.pixels.utils import pixel_array

        register()
    with ignored_warnings():
        said = pydicom.dcmread(path, stop_before_pixels=True)
        size, tile = _check_dicom(path, said)
        is_full = said.get("DimensionOrganizationType") == "TILED_FULL" and "ConcatenationUID" not in said
        number = said.get("NumberOfFrames", 1)
        scale, notes = _dicom_scale(said)
    refused: Exception
    try:
        return open_openslide(path)
    except (openslide.OpenSlideError, UnreadableImageError) as error:
        refused = error
    if not is_full:
        why = f"its tiles are not stored in full in one file, and OpenSlide refuses it: {refused}"
        raise unreadable(path, why, "export it as TILED_FULL, or as a pyramidal TIFF")
    across = math.ceil(size[1] / tile[1])
    if number < across * math.ceil(size[0] / tile[0]):
        raise unreadable(path, "damaged: it has fewer frames than its size needs", COPY_AGAIN)

    def segment(row: int, column: int) -> Pixels:
        with ignored_warnings():
            pixels: Pixels = pixel_array(path, index=row * across + column)
        return pixels

    level = Level(*size, *tile, by_segments(segment, size, tile))
    return Layout((level,), scale, notes, lambda: None)


def _check_dicom(path: Path, said: Dataset) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the sizes of the image and of its tiles, height first."""
    from pydicom.uid import VLWholeSlideMicroscopyImageStorage

    if said.file_meta.get("MediaStorageSOPClassUID") != VLWholeSlideMicroscopyImageStorage:
        kind = said.file_meta.get("MediaStorageSOPClassUID", "unnamed")
        why = f"it is DICOM of another kind than whole-slide microscopy: {getattr(kind, 'name', kind)}"
        raise unreadable(path, why, "name a whole-slide file")
    if said.BitsAllocated != 8:
        raise unreadable(path, f"{said.BitsAllocated} bits per channel instead of 8", EXPORT)
    if said.SamplesPerPixel != 3:
        raise unreadable(path, f"it is grey: {said.SamplesPerPixel} channels instead of 3", EXPORT)
    if said.get("NumberOfOpticalPaths", 1) > 1:
        why = f"it has {said.NumberOfOpticalPaths} separate channels (optical paths) instead of one RGB image"
        raise unreadable(path, why, "use the bright-field image")
    if said.get("TotalPixelMatrixFocalPlanes", 1) > 1:
        why = f"it is a focus stack of {said.TotalPixelMatrixFocalPlanes} planes"
        raise unreadable(path, why, ONE_PLANE)
    size, tile = (said.TotalPixelMatrixRows, said.TotalPixelMatrixColumns), (said.Rows, said.Columns)
    check_claims(path, size, tile)
    return size, tile


def _dicom_scale(said: Dataset) -> tuple[float | None, tuple[str, ...]]:
    try:
        shared = said.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        down, across = (float(millimetres) * 1000 for millimetres in shared.PixelSpacing)
    except (AttributeError, IndexError, TypeError, ValueError):
        return None, ()
    return one_scale(across, down)
