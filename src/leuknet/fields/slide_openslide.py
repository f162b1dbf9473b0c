"""OpenSlide as a reader of slides: the formats of scanners, which bend their standards, and tiled TIFF.

Start at `open_openslide`.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image

from leuknet.fields.slide_layout import (
    Layout,
    Level,
    check_claims,
    number,
    one_scale,
    slides_extra,
    unreadable,
)
from leuknet.types import Pixels

_PART_PX = 1024  # rows read at once


def open_openslide(path: Path) -> Layout:
    """Open what OpenSlide recognises.

    Raises
    ------
    UnreadableImageError
        If OpenSlide does not recognise it, or a tile claims too many pixels.
    MissingExtraError
        If OpenSlide is not installed.
    """
    with slides_extra():
        import openslide
    if openslide.OpenSlide.detect_format(path) is None:
        why = "OpenSlide does not recognise it: it is damaged, or files that belong beside it are missing"
        raise unreadable(path, why, "copy the slide again with all its files and folders")
    with ExitStack() as stack:
        slide = stack.enter_context(openslide.OpenSlide(path))
        said = slide.properties

        def level(number: int) -> Level:
            width, height = slide.level_dimensions[number]
            down, across = (
                int(said.get(f"openslide.level[{number}].tile-{side}", 1)) for side in ("height", "width")
            )
            check_claims(path, (height, width), (down, across))
            downsample = slide.level_downsamples[number]

            def read(top: int, left: int, height: int, width: int) -> Pixels:
                pixels = np.empty((height, width, 3), np.uint8)
                # Part by part, for less memory, where that is exact.
                rows = _PART_PX if downsample == 1 else height
                for begin in range(0, height, rows):
                    corner = (round(left * downsample), round((top + begin) * downsample))
                    rgba = slide.read_region(corner, number, (width, min(rows, height - begin)))
                    if rgba.getchannel("A").getextrema() != (255, 255):
                        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
                        rgba = Image.alpha_composite(white, rgba)
                    pixels[begin : begin + rows] = np.asarray(rgba.convert("RGB"))
                return pixels

            return Level(height, width, down, across, read)

        levels = tuple(level(number) for number in range(slide.level_count))
        across, down = (said.get(f"openslide.mpp-{axis}") for axis in "xy")
        scale, notes = one_scale(number(across), number(down))
        # All of OpenSlide but closing may be called from several threads, so its documentation.
        return Layout(levels, scale, notes, stack.pop_all().close, serves_threads=True)
