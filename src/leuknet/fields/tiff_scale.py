"""The scale of a TIFF, as programs and microscopes write it: there are nearly as many ways as makers.

| written by | where |
|---|---|
| ImageJ, Fiji | pixels per unit in the resolution tags, the unit in the description |
| Olympus (cellSens, SIS; FluoView) | a tag of their own, 33560 or 34361 |
| Zeiss (LSM, SmartSEM) | a tag of their own, 34412 or 34118 |
| Aperio, in a compression that OpenSlide lacks | `MPP` in the description |
| others | pixels per inch or centimetre in the resolution tags |

OME-TIFF is described in XML, which `slide_tiff` reads; it shares the units. What stands in a maker's tag or
in ImageJ's description counts more than the resolution tags, which many programs fill with the screen's.

Start at `scale_of_tags`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from leuknet.fields.slide_layout import microns_of_resolution, number, one_scale

Scale = tuple[float | None, tuple[str, ...]]
"""Micrometres per pixel or None, and what is to be said of it."""

UNKNOWN_UNIT = "its scale is in a unit that is not known"

MAKERS = {33560, 34118, 34361, 34412}
"""Tags in which a maker keeps the scale: only tifffile reads them."""

_UNITS_UM = {
    "pm": 1e-6,
    "Å": 1e-4,
    "nm": 1e-3,
    "µm": 1.0,
    "um": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "dm": 1e5,
    "m": 1e6,
    "thou": 25.4,
    "mil": 25.4,
    "in": 25_400.0,
}
_WORDS = {
    "picometer": "pm",
    "angstrom": "Å",
    "nanometer": "nm",
    "micron": "µm",
    "micrometer": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "inch": "in",
    "inche": "in",
    '"': "in",
}
_NO_UNIT = {"", "pixel", "pixels", "px", "reference frame"}


def microns_of_unit(unit: str) -> float | None:
    r"""Return the micrometres of a unit of length, None if it is none that is known.

    Examples
    --------
    >>> microns_of_unit("micron"), microns_of_unit("\\u00B5m"), microns_of_unit("inches")
    (1.0, 1.0, 25400.0)
    """
    # Java writes what is not ASCII as an escape; the micro sign and the Greek letter are two characters.
    plain = re.sub(r"\\u([0-9A-Fa-f]{4})", lambda code: chr(int(code[1], 16)), unit)
    plain = unicodedata.normalize("NFKC", plain).strip().replace("μ", "µ").replace("Âµ", "µ")
    word = plain.casefold().replace("metre", "meter")
    word = word if word in _WORDS else word.removesuffix("s")
    return _UNITS_UM.get(_WORDS.get(word, plain))


def scale_of_sizes(sizes: tuple[float | None, float | None], units: tuple[str, str]) -> Scale:
    """Return the scale of pixels of these sizes, across and down, each in its unit."""
    microns = [microns_of_unit(unit) for unit in units]
    unknown = [
        unit
        for unit, size, um in zip(units, sizes, microns, strict=True)
        if size is not None and um is None and unit.strip().casefold() not in _NO_UNIT
    ]
    if unknown:
        return None, (f"{UNKNOWN_UNIT}: {unknown[0]!r}",)
    across, down = (
        None if size is None or um is None else size * um for size, um in zip(sizes, microns, strict=True)
    )
    return one_scale(across, down)


def scale_of_tags(tags: Mapping[int, Any]) -> Scale:
    """Return the scale that the tags of a page state.

    Parameters
    ----------
    tags
        By number: 270 as text, 282 and 283 as numbers, 296, and those of `MAKERS` as tifffile reads them.
    """
    description = str(tags.get(270) or "")
    for tag, read in _READERS.items():
        if isinstance(tags.get(tag), Mapping) and (found := read(tags[tag])) is not None:
            return found
    if description.startswith("Aperio") and (said_um := re.search(r"\|\s*MPP\s*=\s*([0-9.]+)", description)):
        return one_scale(number(said_um[1]), number(said_um[1]))
    across, down = number(tags.get(282)), number(tags.get(283))
    unit = tags.get(296)
    if description.startswith("ImageJ="):
        said = dict(line.split("=", 1) for line in description.splitlines() if "=" in line)
        written = said.get("unit", "")
        if microns_of_unit(written) == _UNITS_UM["in"]:
            unit = 2  # inches may be those of a screen
        elif written:
            sizes = (1 / across if across else None, 1 / down if down else None)
            return scale_of_sizes(sizes, (written, said.get("yunit", written)))
    return one_scale(microns_of_resolution(across, unit), microns_of_resolution(down, unit))


def _olympus(tag: Mapping[str, Any]) -> Scale | None:
    sizes = number(tag.get("pixelsizex")), number(tag.get("pixelsizey"))
    return None if not all(sizes) else scale_of_sizes(sizes, ("m", "m"))


def _fluoview(tag: Mapping[str, Any]) -> Scale | None:
    by_name = {str(row[0]).casefold(): row for row in tag.get("Dimensions", ())}
    if not {"x", "y"} <= set(by_name):
        return None
    # Name, size, origin, resolution, unit.
    across, down = by_name["x"], by_name["y"]
    return scale_of_sizes((number(across[3]), number(down[3])), (str(across[4]), str(down[4])))


def _zeiss_lsm(tag: Mapping[str, Any]) -> Scale | None:
    sizes = number(tag.get("VoxelSizeX")), number(tag.get("VoxelSizeY"))
    return None if not all(sizes) else scale_of_sizes(sizes, ("m", "m"))


def _zeiss_sem(tag: Mapping[str, Any]) -> Scale | None:
    # Of a stored image whose pixels are not those of the screen, `ap_image_pixel_size` is the one.
    said = tag.get("ap_image_pixel_size") or tag.get("ap_pixel_size")
    if not isinstance(said, tuple) or len(said) < 3:
        return None
    size = number(said[1])
    return None if not size else scale_of_sizes((size, size), (str(said[2]), str(said[2])))


_READERS: dict[int, Callable[[Mapping[str, Any]], Scale | None]] = {
    33560: _olympus,
    34361: _fluoview,
    34412: _zeiss_lsm,
    34118: _zeiss_sem,
}
