from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from leuknet.errors import MissingExtraError, SettingError, ShapeError, UnreadableImageError
from leuknet.fields.scale import scale_of
from leuknet.fields.slide_layout import by_segments
from leuknet.fields.slide_picture import MAX_FIELD_SIDE_PX
from leuknet.fields.slides import open_field
from leuknet.fields.tiff_scale import scale_of_tags
from leuknet.types import Pixels

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")
pytest.importorskip("openslide")
pydicom = pytest.importorskip("pydicom")

TILE_PX = 256
APERIO = "Aperio Image Library v12.0.16\r\n900x700 (256x256) JPEG/RGB Q=70|AppMag = 40|MPP = 0.2500|Left = 1"


def made_up(height: int = 700, width: int = 900) -> Pixels:
    """Two gradients, which betray a region from the wrong place, and noise, which betrays a wrong pixel."""
    noise = np.random.default_rng(0).integers(0, 60, (height, width, 3))
    noise[..., 0] += np.linspace(0, 190, height, dtype=int)[:, None]
    noise[..., 1] += np.linspace(190, 0, width, dtype=int)
    return noise.astype(np.uint8)


def write_png(path: Path, pixels: Pixels) -> None:
    Image.fromarray(pixels).save(path, dpi=(300, 300))


def write_tiff(path: Path, pixels: np.ndarray[Any, Any], **options: Any) -> None:
    defaults: dict[str, Any] = {"photometric": "rgb", "compression": "zlib", "metadata": None}
    tifffile.imwrite(path, pixels, **(defaults | options))


def write_tiled(path: Path, pixels: np.ndarray[Any, Any], **options: Any) -> None:
    write_tiff(path, pixels, **({"tile": (TILE_PX, TILE_PX)} | options))


def write_pyramid(path: Path, pixels: Pixels, *, bigtiff: bool = False, **options: Any) -> None:
    defaults: dict[str, Any] = {"photometric": "rgb", "compression": "zlib", "tile": (TILE_PX, TILE_PX)}
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as writer:
        writer.write(pixels, metadata=None, **(defaults | options))
        for step in (2, 4):
            smaller = np.ascontiguousarray(pixels[::step, ::step])
            writer.write(smaller, metadata=None, subfiletype=1, **(defaults | options))


def grey(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[..., 0])


def write_with_alpha(path: Path, pixels: Pixels, *, kind: str = "unassalpha", **options: Any) -> None:
    opaque = np.full(pixels.shape[:2], 255, np.uint8)
    write_tiled(path, np.dstack([pixels, opaque]), extrasamples=[kind], **options)


def write_ome(path: Path, pixels: np.ndarray[Any, Any], **options: Any) -> None:
    metadata = {"axes": "YXS", "PhysicalSizeX": 250.0, "PhysicalSizeXUnit": "nm"}
    metadata |= {"PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "µm"}
    write_tiled(path, pixels, ome=True, **({"metadata": metadata} | options))


def write_ome_pyramid(path: Path, pixels: Pixels) -> None:
    metadata = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
    options: dict[str, Any] = {"photometric": "rgb", "compression": "lzw", "tile": (TILE_PX, TILE_PX)}
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(pixels, metadata=metadata, subifds=2, **options)
        for step in (2, 4):
            writer.write(np.ascontiguousarray(pixels[::step, ::step]), subfiletype=1, **options)


def write_dicom(path: Path, pixels: Pixels, *, rle: bool = False, **changes: Any) -> None:
    height, width = pixels.shape[:2]
    down, across = -(-height // TILE_PX), -(-width // TILE_PX)
    padded = np.zeros((down * TILE_PX, across * TILE_PX, 3), np.uint8)
    padded[:height, :width] = pixels
    frames = padded.reshape(down, TILE_PX, across, TILE_PX, 3).swapaxes(1, 2)
    measures, shared, said = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing = [0.00025, 0.00025]
    shared.PixelMeasuresSequence = [measures]
    said.SharedFunctionalGroupsSequence = [shared]
    said.file_meta = pydicom.dataset.FileMetaDataset()
    said.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    said.SOPClassUID = pydicom.uid.VLWholeSlideMicroscopyImageStorage
    said.StudyInstanceUID, said.SeriesInstanceUID, said.SOPInstanceUID = (
        pydicom.uid.generate_uid() for _ in range(3)
    )
    said.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    said.DimensionOrganizationType = "TILED_FULL"
    said.Rows = said.Columns = TILE_PX
    said.TotalPixelMatrixRows, said.TotalPixelMatrixColumns = height, width
    said.NumberOfFrames = down * across
    said.SamplesPerPixel, said.PhotometricInterpretation, said.PlanarConfiguration = 3, "RGB", 0
    said.BitsAllocated, said.BitsStored, said.HighBit, said.PixelRepresentation = 8, 8, 7, 0
    said.PixelData = frames.tobytes()
    for name, value in changes.items():
        setattr(said, name, value)
    if rle:
        said.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    said.save_as(path, enforce_file_format=True)


class Format(NamedTuple):
    name: str
    write: Callable[[Path, Pixels], None]
    microns_per_pixel: float | None
    size: tuple[int, int] = (700, 900)
    tolerance: int = 0


CENTIMETRE: dict[str, Any] = {"resolution": (40_000, 40_000), "resolutionunit": "CENTIMETER"}
SCREEN: dict[str, Any] = {"resolution": (72, 72), "resolutionunit": "INCH"}
JPEG: dict[str, Any] = {"compression": "jpeg", "compressionargs": {"level": 95}, "subsampling": (1, 1)}
INCH: dict[str, Any] = {"resolution": (101_600, 101_600), "resolutionunit": "INCH"}

SHOWN_WHITE = "what its alpha channel makes transparent is shown white"

LOSSLESS: dict[str, dict[str, Any]] = {
    "no compression": {"compression": None},
    "JPEG 2000": {"compression": "jpeg2000", "compressionargs": {"reversible": True}},
    "LZMA": {"compression": "lzma"},
    "Zstandard": {"compression": "zstd", "predictor": True},
    "PNG": {"compression": "png"},
}

FORMATS = {
    "PNG, whose 300 dpi are no scale": Format("a.png", write_png, None),
    "BMP": Format("a.bmp", lambda path, pixels: Image.fromarray(pixels).save(path), None),
    "JPEG": Format(
        "a.jpg",
        lambda path, pixels: Image.fromarray(pixels).save(path, quality=95, subsampling=0),
        None,
        tolerance=40,
    ),
    "small TIFF": Format("a.tif", lambda path, pixels: write_tiff(path, pixels, **CENTIMETRE), 0.25),
    "small TIFF with 72 dpi": Format("a.tif", lambda path, pixels: write_tiff(path, pixels, **SCREEN), None),
    "striped TIFF, too wide for a small image": Format(
        "a.tif",
        lambda path, pixels: write_tiff(path, pixels, rowsperstrip=16, predictor=True, **INCH),
        0.25,
        (90, MAX_FIELD_SIDE_PX + 100),
    ),
    "striped TIFF with JPEG tables": Format(
        "a.tif",
        lambda path, pixels: Image.fromarray(pixels).save(path, compression="jpeg", quality=95),
        None,
        (90, MAX_FIELD_SIDE_PX + 100),
        tolerance=110,  # it halves the resolution of colour, and noise has colour
    ),
    "uncompressed TIFF in one strip": Format(
        "a.tif",
        lambda path, pixels: write_tiff(path, pixels, compression=None),
        None,
        (90, MAX_FIELD_SIDE_PX + 1),
    ),
    "TIFF with separate planes": Format(
        "a.tif",
        lambda path, pixels: write_tiled(path, np.moveaxis(pixels, -1, 0), planarconfig="separate", ome=True),
        None,
    ),
    "tiled pyramidal TIFF": Format(
        "a.tif", lambda path, pixels: write_pyramid(path, pixels, **CENTIMETRE), 0.25
    ),
    "pyramidal TIFF with 72 dpi": Format(
        "a.tif", lambda path, pixels: write_pyramid(path, pixels, **SCREEN), None
    ),
    "BigTIFF": Format("a.btf", lambda path, pixels: write_pyramid(path, pixels, bigtiff=True, **INCH), 0.25),
    "big-endian BigTIFF": Format(
        "a.tif", lambda path, pixels: write_tiled(path, pixels, bigtiff=True, byteorder=">"), None
    ),
    "SVS": Format("a.svs", lambda path, pixels: write_pyramid(path, pixels, description=APERIO), 0.25),
    "SVS named TIFF": Format(
        "a.tif", lambda path, pixels: write_pyramid(path, pixels, description=APERIO), 0.25
    ),
    "SVS with JPEG tiles": Format(
        "a.svs",
        lambda path, pixels: write_pyramid(path, pixels, description=APERIO, **JPEG),
        0.25,
        tolerance=40,
    ),
    "OME-TIFF": Format("a.ome.tif", write_ome, 0.25),
    "OME-TIFF pyramid": Format("a.ome.tif", write_ome_pyramid, 0.25),
    "OME-TIFF with JPEG tiles": Format(
        "a.ome.tif",
        lambda path, pixels: write_ome(path, pixels, **JPEG),
        0.25,
        tolerance=40,
    ),
    "OME-TIFF with JPEG 2000 tiles": Format(
        "a.ome.tif", lambda path, pixels: write_ome(path, pixels, compression="jpeg2000"), 0.25, (300, 400)
    ),
    "DICOM": Format("a.dcm", write_dicom, 0.25),
    "DICOM that OpenSlide refuses": Format(
        "a.dcm", lambda path, pixels: write_dicom(path, pixels, rle=True), 0.25
    ),
}


WRITERS = {"tiled": write_tiled, "striped": write_tiff, "tiled RGBA": write_with_alpha}

CODECS = {
    f"{layout} TIFF with {compression}": Format(
        "a.tif", partial(write, **options, **CENTIMETRE), 0.25, (300, 400)
    )
    for layout, write in WRITERS.items()
    for compression, options in LOSSLESS.items()
} | {
    "SVS in a compression that OpenSlide lacks": Format(
        "a.svs", partial(write_tiled, description=APERIO, compression="lzma"), 0.25, (300, 400)
    )
}
"""Opened by each way there is; what FORMATS are put through holds for these, too."""


def regions(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """The whole, corners, one pixel, both sides of tile borders, and ten by chance."""
    chosen = [(0, 0, height, width), (0, 0, 1, 1), (height - 1, width - 1, 1, 1), (0, width - 7, height, 7)]
    for border in range(TILE_PX, min(height, width), TILE_PX):
        chosen += [(border - 1, border - 1, 2, 2), (border, border, 5, 9), (border - 5, border - 9, 5, 9)]
    dice = np.random.default_rng(1)
    for _ in range(10):
        top, left = int(dice.integers(height)), int(dice.integers(width))
        chosen.append((top, left, int(dice.integers(height - top)) + 1, int(dice.integers(width - left)) + 1))
    return chosen


@pytest.mark.parametrize("kind", FORMATS | CODECS)
def test_each_format_gives_its_size_its_scale_and_the_pixels_that_were_written(
    kind: str, tmp_path: Path
) -> None:
    known = (FORMATS | CODECS)[kind]
    pixels = made_up(*known.size)
    path = tmp_path / known.name
    known.write(path, pixels)

    with open_field(path) as field:
        assert field.path == path
        assert (field.height_px, field.width_px) == known.size
        assert field.microns_per_pixel == pytest.approx(known.microns_per_pixel)
        assert field.warnings == ((SHOWN_WHITE,) if "RGBA" in kind else ())
        for top, left, height, width in regions(*known.size):
            read = field.read(top, left, height, width)
            expected = pixels[top : top + height, left : left + width]
            assert read.dtype == np.uint8
            assert read.shape == expected.shape
            assert np.abs(read.astype(int) - expected).max() <= known.tolerance, (top, left, height, width)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_overview_has_the_proportions_and_the_colours_of_the_whole(kind: str, tmp_path: Path) -> None:
    known = FORMATS[kind]
    pixels = made_up(*known.size)
    known.write(tmp_path / known.name, pixels)

    with open_field(tmp_path / known.name) as field:
        for side in (2000, 600, 300, 20):
            overview = field.overview(side)
            factor = min(1, side / max(known.size))
            assert overview.shape == (*(max(1, round(length * factor)) for length in known.size), 3)
            assert overview.mean(axis=(0, 1)) == pytest.approx(pixels.mean(axis=(0, 1)), abs=1.5)
            # A mosaic of misplaced blocks has the right mean, so each gradient is looked at: red grows
            # downwards, green falls from left to right.
            halves = np.array_split(overview.astype(float), 2, axis=1)
            assert halves[0][..., 1].mean() - halves[1][..., 1].mean() == pytest.approx(95, abs=6)
            if overview.shape[0] > 1:
                upper, lower = np.array_split(overview.astype(float), 2, axis=0)
                assert lower[..., 0].mean() - upper[..., 0].mean() == pytest.approx(95, abs=12)


def test_an_overview_without_a_pyramid_is_the_exact_mean_across_the_seams_of_its_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = made_up(1024, 2048)
    write_ome(tmp_path / "a.ome.tif", pixels)
    # Blocks of 2 x 2 tiles: 8 of them, whose seams must not show.
    monkeypatch.setattr("leuknet.fields.field._BLOCK_SIDE_PX", 512)

    with open_field(tmp_path / "a.ome.tif") as field:
        overview = field.overview(512)

    mean = pixels.reshape(256, 4, 512, 4, 3).mean(axis=(1, 3))
    # Pillow rounds twice: once across, once down.
    assert np.abs(overview - mean).max() <= 1


@pytest.mark.parametrize("side", [333, 799, 1999])
def test_blocks_that_end_within_a_pixel_of_the_overview_leave_no_seam(
    side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = made_up(1024, 2048)
    write_ome(tmp_path / "a.ome.tif", pixels)
    monkeypatch.setattr("leuknet.fields.field._BLOCK_SIDE_PX", 256)
    monkeypatch.setattr("leuknet.fields.field._LEAST_OVERVIEW_PX", 1)

    with open_field(tmp_path / "a.ome.tif") as field:
        overview = field.overview(side)

    height, width = overview.shape[:2]
    at_once = np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))
    # Pillow decides once per picture what becomes of a source pixel whose middle is on a border.
    differing = np.abs(overview.astype(int) - at_once).max(axis=-1) > 1
    assert differing.mean() < 0.02


def test_a_region_read_decodes_no_tile_outside_of_it(tmp_path: Path) -> None:
    pixels = made_up()
    write_ome(tmp_path / "a.ome.tif", pixels)
    spoil_tile(tmp_path / "a.ome.tif", 0)

    with open_field(tmp_path / "a.ome.tif") as field:
        read = field.read(256, 256, 300, 300)

        np.testing.assert_array_equal(read, pixels[256:556, 256:556])
        with pytest.raises(UnreadableImageError, match="damaged or cut off"):
            field.read(255, 255, 2, 2)
        with pytest.raises(UnreadableImageError, match="damaged or cut off"):
            field.overview(100)


def test_an_overview_is_read_from_the_pyramid_and_not_from_full_resolution(tmp_path: Path) -> None:
    write_ome_pyramid(tmp_path / "a.ome.tif", made_up())
    spoil_tile(tmp_path / "a.ome.tif", 0)

    with open_field(tmp_path / "a.ome.tif") as field:
        assert field.overview(450).shape == (350, 450, 3)
        with pytest.raises(UnreadableImageError):
            field.overview(451 + 100)


@pytest.mark.parametrize("write", [write_ome, write_pyramid])
def test_tiles_that_a_scanner_left_out_are_white(write: Callable[..., None], tmp_path: Path) -> None:
    write(tmp_path / "a.tif", made_up())
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        for tag in ("TileByteCounts", "TileOffsets"):
            counts = tiff.pages[0].tags[tag].value
            tiff.pages[0].tags[tag].overwrite((0, *counts[1:]))

    with open_field(tmp_path / "a.tif") as field:
        assert field.read(0, 0, 256, 256).min() == 255
        assert field.read(0, 256, 256, 256).min() < 255


@pytest.mark.parametrize(
    "region", [(-1, 0, 5, 5), (0, -1, 5, 5), (0, 0, 0, 5), (0, 0, 5, -1), (696, 0, 5, 5), (0, 896, 5, 5)]
)
def test_a_region_outside_of_the_image_is_refused(region: tuple[int, int, int, int], tmp_path: Path) -> None:
    write_pyramid(tmp_path / "a.tif", made_up())

    with open_field(tmp_path / "a.tif") as field:
        with pytest.raises(ShapeError) as caught:
            field.read(*region)
        assert field.read(695, 895, 5, 5).shape == (5, 5, 3)

    assert "700 x 900 pixels there are" in caught.value.why


def test_an_overview_of_no_pixels_is_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", made_up())

    with (
        open_field(tmp_path / "a.png") as field,
        pytest.raises(SettingError, match="0 pixels were asked for"),
    ):
        field.overview(0)


@pytest.mark.parametrize("kind", ["BMP", "tiled pyramidal TIFF", "OME-TIFF", "SVS"])
def test_a_closed_field_says_so_and_closes_twice(kind: str, tmp_path: Path) -> None:
    known = FORMATS[kind]
    known.write(tmp_path / known.name, made_up())
    field = open_field(tmp_path / known.name)
    field.close()
    field.close()

    with pytest.raises(UnreadableImageError, match="closed"):
        field.read(0, 0, 5, 5)


SCALES: dict[str, tuple[dict[str, Any], float | None]] = {
    "300 dpi": ({"resolution": (300, 300), "resolutionunit": "INCH"}, None),
    "500 dpi": ({"resolution": (500, 500), "resolutionunit": "INCH"}, None),
    "300 dpi in centimetres": ({"resolution": (118.11, 118.11), "resolutionunit": "CENTIMETER"}, None),
    "a flatbed scanner's 4800 dpi": ({"resolution": (4800, 4800), "resolutionunit": "INCH"}, None),
    "no unit": ({"resolution": (40_000, 40_000), "resolutionunit": "NONE"}, None),
    "no resolution": ({}, None),
    "a zero": ({"resolution": ((0, 1), (0, 1)), "resolutionunit": "CENTIMETER"}, None),
    "half a micrometre": ({"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}, 0.5),
}


@pytest.mark.parametrize("write", [write_tiff, write_tiled])
@pytest.mark.parametrize("case", SCALES)
def test_a_resolution_is_a_scale_only_if_it_is_one_of_a_microscope(
    case: str, write: Callable[..., None], tmp_path: Path
) -> None:
    options, expected = SCALES[case]
    write(tmp_path / "a.tif", made_up(), **options)

    with open_field(tmp_path / "a.tif") as field:
        assert field.microns_per_pixel == pytest.approx(expected)


@pytest.mark.parametrize("write", [write_tiled, write_pyramid])
def test_pixels_that_are_not_square_have_no_scale_and_a_warning(
    write: Callable[..., None], tmp_path: Path
) -> None:
    write(tmp_path / "a.tif", made_up(), resolution=(40_000, 20_000), resolutionunit="CENTIMETER")

    with open_field(tmp_path / "a.tif") as field:
        assert field.microns_per_pixel is None
        assert field.warnings == ("its pixels are not square: 0.25 x 0.5 micrometres",)


@pytest.mark.parametrize(("unit", "expected"), [("mm", 250.0), ("pixel", None), ("µm", 0.25)])
def test_an_ome_unit_is_converted_and_an_unknown_one_is_no_scale(
    unit: str, expected: float | None, tmp_path: Path
) -> None:
    size = 0.25 if unit != "mm" else 0.00025
    said = {"axes": "YXS", "PhysicalSizeX": size, "PhysicalSizeY": size}
    said |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    write_ome(tmp_path / "a.ome.tif", made_up(), metadata=said)

    with open_field(tmp_path / "a.ome.tif") as field:
        assert field.microns_per_pixel == (None if expected is None else pytest.approx(0.25))


UNITS = {"um": 1.0, "micron": 1.0, "\\u00B5m": 1.0, "nm": 1e-3, "mm": 1e3, "inch": 25_400.0, "cm": 1e4}


@pytest.mark.parametrize("write", [write_tiff, write_tiled])
@pytest.mark.parametrize("unit", UNITS)
def test_the_scale_of_imagej_is_in_the_unit_of_its_description(
    unit: str, write: Callable[..., None], tmp_path: Path
) -> None:
    # 0.07 µm: so many pixels to the unit, as ImageJ's TiffEncoder writes them.
    per_unit = UNITS[unit] / 0.07
    kind = {"inch": "INCH", "cm": "CENTIMETER"}.get(unit, "NONE")
    said = f"ImageJ=1.54f\nunit={unit}\nmin=0.0\nmax=255.0\n"
    options = {"resolution": (per_unit, per_unit), "resolutionunit": kind, "description": said}
    write(tmp_path / "a.tif", made_up(60, 80), **options)

    with open_field(tmp_path / "a.tif") as field:
        assert field.microns_per_pixel == pytest.approx(0.07, rel=1e-6)
        assert field.warnings == ()


def test_imagej_in_pixels_or_an_unknown_unit_has_no_scale_and_the_error_says_which(tmp_path: Path) -> None:
    for unit, said in (("pixel", "the file does not state it"), ("parsec", "not known: 'parsec'")):
        text = f"ImageJ=1.54f\nunit={unit}\n"
        write_tiff(tmp_path / "a.tif", made_up(60, 80), resolution=(14.3, 14.3), description=text)
        with open_field(tmp_path / "a.tif") as field, pytest.raises(SettingError) as caught:
            scale_of(field)
        assert said in caught.value.why


def olympus_tag(offset: int) -> bytes:
    """The block of cellSens: its first tag points to the pixel's size, here 0.13 x 10^-6 m."""
    head = struct.pack("<4s6xhhhhh6x32sH", b"SIS0", 30, 12, 5, 3, 120, b"field 3", 1)
    assert len(head) == 60
    pointer = struct.pack("<hhI", 1, 1, offset + 68)
    return head + pointer + struct.pack("<10xhdd8xd2x34s32s", -6, 0.13, 0.13, 100.0, b"DP74", b"")


@pytest.mark.parametrize("write", [write_tiff, write_tiled])
def test_olympus_keeps_its_scale_in_a_tag_of_its_own(write: Callable[..., None], tmp_path: Path) -> None:
    path, length = tmp_path / "a.tif", len(olympus_tag(0))
    # The block states places in the file: written once to learn where it lies.
    write(path, made_up(60, 80), extratags=[(33560, 1, length, bytes(length), True)], **SCREEN)
    with tifffile.TiffFile(path) as tiff:
        place = tiff.pages.first.tags[33560].valueoffset
    content = bytearray(path.read_bytes())
    content[place : place + length] = olympus_tag(place)
    path.write_bytes(content)

    with open_field(path) as field:
        assert field.microns_per_pixel == pytest.approx(0.13)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({34412: {"VoxelSizeX": 7e-8, "VoxelSizeY": 7e-8}}, 0.07),
        ({34118: {"ap_pixel_size": ("Pixel Size", 70.0, "nm")}, 282: (72, 1), 283: (72, 1), 296: 2}, 0.07),
        ({34361: {"Dimensions": [("X", 9, 0.0, 0.07, "um"), ("Y", 9, 0.0, 0.07, "um")]}}, 0.07),
        ({34412: {"VoxelSizeX": 7e-8, "VoxelSizeY": 8e-8}}, None),
    ],
)
def test_zeiss_and_fluoview_state_lengths_in_tags_of_their_own(
    tags: dict[int, Any], expected: float | None
) -> None:
    scale, notes = scale_of_tags(tags)

    assert scale == (None if expected is None else pytest.approx(expected))
    assert notes == (() if expected else ("its pixels are not square: 0.07 x 0.08 micrometres",))


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif", "tiled"])
@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_a_tag_of_orientation_is_not_followed_and_told_in_any_format_and_size(
    kind: str, orientation: int, tmp_path: Path
) -> None:
    # Blocks of one colour, which JPEG keeps; no two corners are alike.
    pixels = np.repeat(np.repeat(made_up(9, 12)[:, ::-1], 16, axis=0), 16, axis=1)
    path = tmp_path / f"a.{kind.replace('tiled', 'tif')}"
    if "ti" in kind:
        write = write_tiled if kind == "tiled" else write_tiff
        write(path, pixels, extratags=[(274, 3, 1, orientation, True)])
    else:
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(pixels).save(path, exif=exif, lossless=True, quality=95)

    with open_field(path) as field:
        assert np.abs(field.read(0, 0, 144, 192).astype(int) - pixels).max() < 40
        note = f"its orientation tag ({orientation}) is not followed: pixels are taken as they are stored"
        assert note in field.warnings


@pytest.mark.parametrize(
    ("kind", "stored", "shown"),
    [
        ("unassalpha", (0, 0, 250, 100), (155, 155, 253)),  # 255 - 100 of white; 250 * 100 / 255 of blue
        ("assocalpha", (0, 0, 98, 100), (155, 155, 253)),  # blue is stored times its alpha
        ("unspecified", (0, 0, 250, 100), (0, 0, 250)),
    ],
)
def test_what_shows_through_in_a_tile_is_white(
    kind: str, stored: tuple[int, ...], shown: tuple[int, ...], tmp_path: Path
) -> None:
    write_tiled(tmp_path / "a.tif", np.tile(np.array(stored, np.uint8), (300, 300, 1)), extrasamples=[kind])

    with open_field(tmp_path / "a.tif") as field:
        assert tuple(field.read(10, 10, 1, 1)[0, 0].tolist()) == shown


REAL = {
    "openslide/CMU-1-Small-Region.svs": (2967, 2220, 0.499),
    "openslide/test3-DAPI-2-(387).ndpi": (4864, 3968, 0.228),
    "highdicom/sm_image.dcm": (50, 50, 0.499),
    "highdicom/sm_image_jpegls.dcm": (50, 50, 0.499),
    "highdicom/sm_image_jpegls_nobot.dcm": (50, 50, 0.499),
    "fixtures/boxes.tiff": (250, 300, None),
    "fixtures/boxes_0.dcm": (16, 16, 0.499),
    "fixtures/small.svs": (16, 16, 0.499),
    "fixtures/unopenable.tiff": "its compression is number 52479, which is not read",
    "fixtures/unreadable.svs": "Bogus marker length",  # a JPEG whose marker was overwritten
    "highdicom/sm_annotations.dcm": "Microscopy Bulk Simple Annotations Storage",
    "highdicom/sm_image_grayscale.dcm": "16 bits per channel instead of 8",
}


@pytest.mark.parametrize("name", REAL)
def test_real_slides_open_or_are_refused_for_the_true_reason(name: str, shared_data: Path) -> None:
    expected = REAL[name]
    if isinstance(expected, str):
        with pytest.raises(UnreadableImageError, match=re.escape(expected)):
            open_field(shared_data / "slides" / name).overview(64)
        return
    with open_field(shared_data / "slides" / name) as field:
        assert (field.height_px, field.width_px) == expected[:2]
        assert field.microns_per_pixel == (expected[2] and pytest.approx(expected[2], abs=0.001))
        field.overview(64)


def test_jpeg_ls_gives_the_pixels_that_the_same_slide_has_without(shared_data: Path) -> None:
    read = []
    for name in ("sm_image.dcm", "sm_image_jpegls.dcm"):
        with open_field(shared_data / "slides" / "highdicom" / name) as field:
            read.append(field.read(0, 0, 50, 50))

    np.testing.assert_array_equal(read[0], read[1])


def test_an_ome_tiff_is_not_led_to_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its metadata names a second file for the second plane; neither may be followed or taken for a stack.
    write_ome(tmp_path / "a.ome.tif", made_up())
    with tifffile.TiffFile(tmp_path / "a.ome.tif", mode="r+") as tiff:
        xml = tiff.ome_metadata.replace('SizeZ="1"', 'SizeZ="2"')
        other = '<TiffData IFD="0" FirstZ="1"><UUID FileName="secret.tif">urn:uuid:1</UUID></TiffData>'
        tiff.pages[0].tags["ImageDescription"].overwrite(
            xml.replace("</Pixels>", other + "</Pixels>").encode()
        )

    write_tiled(tmp_path / "secret.tif", made_up())
    opened: list[str] = []
    monkeypatch.setattr("builtins.open", note_and(open, opened))

    with pytest.raises(UnreadableImageError, match="focus stack"):
        open_field(tmp_path / "a.ome.tif")

    assert "a.ome.tif" in opened
    assert "secret.tif" not in opened


def note_and(function: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    def noted(path: Any, *others: Any, **options: Any) -> Any:
        names.append(Path(str(path)).name)
        return function(path, *others, **options)

    return noted


def write_fluorescence(path: Path, pixels: Pixels) -> None:
    stack = np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
    write_ome(path, stack, photometric="minisblack", metadata={"axes": "CYX"})


def write_stack(path: Path, pixels: Pixels, axes: str) -> None:
    write_ome(path, np.stack([pixels, pixels]), metadata={"axes": axes})


def write_odd_level(path: Path, pixels: Pixels) -> None:
    options: dict[str, Any] = {"compression": "lzw", "tile": (TILE_PX, TILE_PX)}
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(pixels, metadata={"axes": "YXS"}, subifds=1, photometric="rgb", **options)
        half = np.ascontiguousarray(pixels[::2, ::2])
        writer.write(half, subfiletype=1, photometric="cielab", **options)


REFUSALS: dict[str, tuple[str, Callable[[Path, Pixels], None], str]] = {
    "16 bits": ("a.tif", lambda path, pixels: write_tiled(path, pixels.astype("u2")), "16 bits per channel"),
    "16 bits, small": (
        "a.tif",
        lambda path, pixels: write_tiff(path, pixels.astype("u2")),
        "bits per channel",
    ),
    "16 bits in an SVS": (
        "a.svs",
        lambda path, pixels: write_tiled(path, pixels.astype("u2"), description=APERIO),
        "16 bits per channel",
    ),
    "grey": (
        "a.tif",
        lambda path, pixels: write_tiled(path, grey(pixels), photometric="minisblack"),
        "grey or has a palette: 1 channels",
    ),
    "grey, small": ("a.png", lambda path, pixels: write_png(path, grey(pixels)), "it is grey"),
    "five channels": (
        "a.tif",
        lambda path, pixels: write_tiled(
            path, np.dstack([pixels, pixels[..., :2]]), extrasamples=["unassalpha", "unspecified"]
        ),
        "5 channels instead of 3",
    ),
    "fluorescence": ("a.ome.tif", write_fluorescence, "3 separate channels, as fluorescence has"),
    "focus stack": ("a.ome.tif", lambda path, pixels: write_stack(path, pixels, "ZYXS"), "focus stack"),
    "time series": ("a.ome.tif", lambda path, pixels: write_stack(path, pixels, "TYXS"), "a time series"),
    "pages": ("a.tif", lambda path, pixels: write_tiled(path, np.stack([pixels, pixels])), "or pages"),
    "colours that are not RGB": (
        "a.tif",
        lambda path, pixels: write_tiled(path, pixels, photometric="cielab"),
        "not RGB but",
    ),
    "a smaller level with other colours": ("a.ome.tif", write_odd_level, "not RGB but"),
    "an odd compression": (
        "a.ome.tif",
        lambda path, pixels: write_ome(path, pixels, compression="lerc"),
        "its compression is LERC (34887), which is not read",
    ),
    "huge strips": (
        "a.tif",
        # The strip is claimed, not stored: the header alone must suffice to refuse it.
        lambda path, pixels: write_claim(path, 9000, 13_000),
        "its tiles or strips claim 9000 x 13000 pixels",
    ),
    "huge tiles": (
        "a.tif",
        lambda path, pixels: write_claim(path, 65_536, 65_536, tile=(65_536, 65_536)),
        "its tiles or strips claim 65536 x 65536 pixels",
    ),
    "huge sides": (
        "a.tif",
        lambda path, pixels: write_claim(path, 256, 2_000_000_000, tile=(256, 256)),
        "it claims 256 x 2000000000 pixels",
    ),
    "huge sides, uncompressed": (
        "a.tif",
        lambda path, pixels: write_claim(path, 256, 2_000_000_000, compression=1),
        "it claims 256 x 2000000000 pixels",
    ),
    "huge tiles in an SVS": (
        "a.svs",
        lambda path, pixels: write_claim(path, 65_536, 65_536, tile=(65_536, 65_536), description=APERIO),
        "its tiles or strips claim 65536 x 65536 pixels",
    ),
    "missing tiles": (
        "a.tif",
        lambda path, pixels: write_claim(path, 1000, 1000, tile=(256, 256)),
        "some of its tiles or strips are missing",
    ),
    "DICOM with 16 bits": (
        "a.dcm",
        lambda path, pixels: write_dicom(path, pixels, BitsAllocated=16, BitsStored=16, HighBit=15),
        "16 bits per channel",
    ),
    "grey DICOM": (
        "a.dcm",
        lambda path, pixels: write_dicom(path, pixels, SamplesPerPixel=1),
        "it is grey: 1 channels",
    ),
    "DICOM focus stack": (
        "a.dcm",
        lambda path, pixels: write_dicom(path, pixels, TotalPixelMatrixFocalPlanes=3),
        "a focus stack of 3 planes",
    ),
    "DICOM fluorescence": (
        "a.dcm",
        lambda path, pixels: write_dicom(path, pixels, NumberOfOpticalPaths=4),
        "4 separate channels",
    ),
    "DICOM with huge frames": (
        "a.dcm",
        lambda path, pixels: write_dicom(path, pixels, Rows=60_000, Columns=60_000),
        "claim 60000 x 60000 pixels",
    ),
    "DICOM of another kind": (
        "a.dcm",
        lambda path, pixels: write_dicom(path, pixels, SOPClassUID=pydicom.uid.CTImageStorage),
        "another kind than whole-slide microscopy: CT Image Storage",
    ),
    "DICOM with tiles anywhere": (
        "a.dcm",
        lambda path, pixels: write_dicom(path, pixels, rle=True, DimensionOrganizationType="TILED_SPARSE"),
        "its tiles are not stored in full",
    ),
    "DICOM with too few frames": (
        "a.dcm",
        lambda path, pixels: write_dicom(path, pixels, rle=True, TotalPixelMatrixRows=5000),
        "fewer frames than its size needs",
    ),
    "an MRXS without its folder": ("a.mrxs", lambda path, pixels: write_jpeg(path, pixels), "missing"),
    "text": ("a.svs", lambda path, pixels: write_text(path), "neither BMP, PNG, JPEG, TIFF nor WebP"),
}


def write_jpeg(path: Path, pixels: Pixels) -> None:
    Image.fromarray(pixels).save(path, "JPEG")


def write_text(path: Path) -> None:
    path.write_text("a slide, in words")


def write_claim(
    path: Path,
    height: int,
    width: int,
    *,
    tile: tuple[int, int] | None = None,
    compression: int = 8,
    description: str = "",
) -> None:
    """A TIFF of a few bytes, of one segment, that claims any size: its tags are written by hand."""
    data = zlib.compress(bytes(3000))
    entries = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),
        (259, 3, compression),
        (262, 3, 2),
        (277, 3, 3),
    ]
    entries += [(284, 3, 1), (254, 4, 0)]
    lengths = (325, 324) if tile else (279, 273)
    entries += [(322, 4, tile[1]), (323, 4, tile[0])] if tile else [(278, 4, height)]
    directory_end = 8 + 2 + 12 * (len(entries) + 2 + bool(description)) + 4
    entries += [(lengths[0], 4, len(data)), (lengths[1], 4, directory_end)]
    rows = [(tag, kind, 1, value) for tag, kind, value in entries]
    if description:
        rows.append((270, 2, len(description) + 1, directory_end + len(data)))
    packed = b"".join(struct.pack("<HHII", *row) for row in sorted(rows))
    path.write_bytes(
        b"II*\0" + struct.pack("<IH", 8, len(rows)) + packed + bytes(4) + data + description.encode() + b"\0"
    )


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_not_one_8_bit_rgb_image_is_refused_by_what_it_is(case: str, tmp_path: Path) -> None:
    name, write, why = REFUSALS[case]
    write(tmp_path / name, made_up())

    with pytest.raises(UnreadableImageError) as caught:
        open_field(tmp_path / name)

    assert why in caught.value.why
    assert caught.value.fix
    assert caught.value.what == f"cannot read the image {str(tmp_path / name)!r}"


def test_files_that_are_not_there_or_not_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.mrxs").touch()
    (tmp_path / "folder.svs").mkdir()
    os.mkfifo(tmp_path / "pipe.svs")
    (tmp_path / "loop.svs").symlink_to(tmp_path / "loop.svs")
    expected = {
        "missing.svs": "No such file",
        "empty.mrxs": "zero bytes",
        "folder.svs": "a folder",
        "pipe.svs": "a pipe",
        "loop.svs": "ymbolic link",
        "null\0.svs": "null",
    }

    for name, why in expected.items():
        with pytest.raises(UnreadableImageError) as caught:
            open_field(tmp_path / name)
        assert why in caught.value.why, name


@pytest.mark.parametrize(
    "kind",
    [
        "PNG, whose 300 dpi are no scale",
        "small TIFF",
        "uncompressed TIFF in one strip",
        "tiled pyramidal TIFF",
        "BigTIFF",
        "SVS",
        "SVS with JPEG tiles",
        "OME-TIFF",
        "DICOM",
        "DICOM that OpenSlide refuses",
    ],
)
def test_a_file_cut_off_anywhere_is_refused_at_the_latest_when_it_is_read(kind: str, tmp_path: Path) -> None:
    known = FORMATS[kind]
    pixels = made_up(*known.size)
    known.write(tmp_path / known.name, pixels)
    content = (tmp_path / known.name).read_bytes()

    # 1000 bytes from the end is still within the last tile, in all formats but those that end in a directory.
    for kept in (1, 7, 8, 16, 100, 200, 1000, len(content) // 3, len(content) // 2, len(content) - 1000):
        (tmp_path / known.name).write_bytes(content[:kept])
        with pytest.raises(UnreadableImageError), open_field(tmp_path / known.name) as field:
            field.read(0, 0, field.height_px, field.width_px)


def test_a_cut_off_tiff_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    # An OME-TIFF without its last tile: its directory comes first and is whole.
    write_ome(tmp_path / "a.ome.tif", made_up())
    size = (tmp_path / "a.ome.tif").stat().st_size
    os.truncate(tmp_path / "a.ome.tif", size - 5000)

    with pytest.raises(UnreadableImageError, match=f"cut off: .* bytes are needed, it has {size - 5000}"):
        open_field(tmp_path / "a.ome.tif")


def test_a_tile_of_fewer_pixels_than_claimed_is_not_stretched_over_its_place() -> None:
    # numpy would repeat a single row without a word.
    read = by_segments(lambda row, column: made_up(1, 8), (16, 16), (8, 8))

    with pytest.raises(ValueError, match="the tile at row 8, column 0 is too small"):
        read(8, 0, 8, 8)


def test_a_file_that_shrinks_while_it_is_open_is_refused(tmp_path: Path) -> None:
    # A JPEG decoder makes up what is missing at the end, without an error.
    write_ome(tmp_path / "a.ome.tif", made_up(), **JPEG)
    with open_field(tmp_path / "a.ome.tif") as field:
        os.truncate(tmp_path / "a.ome.tif", (tmp_path / "a.ome.tif").stat().st_size - 5000)
        with pytest.raises(UnreadableImageError, match="bytes are left"):
            field.read(600, 800, 10, 10)


@pytest.mark.parametrize("rle", [True, False])
def test_a_number_that_dicom_does_not_allow_is_read_without_a_warning(rle: bool, tmp_path: Path) -> None:
    # pydicom warns of "8." where a whole number belongs; a warning is an error in these tests.
    pixels = made_up(500, 1000)
    write_dicom(tmp_path / "a.dcm", pixels, rle=rle)
    content = (tmp_path / "a.dcm").read_bytes()
    assert content.count(b"IS\2\0008 ") == 1
    (tmp_path / "a.dcm").write_bytes(content.replace(b"IS\2\0008 ", b"IS\2\0008."))

    with open_field(tmp_path / "a.dcm") as field:
        np.testing.assert_array_equal(field.read(0, 0, 500, 1000), pixels)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind not in ("BMP", "JPEG")])
def test_changed_bytes_never_raise_another_error(kind: str, tmp_path: Path) -> None:
    known = FORMATS[kind]
    known.write(tmp_path / known.name, made_up(*known.size))
    content = np.frombuffer((tmp_path / known.name).read_bytes(), np.uint8)
    dice = np.random.default_rng(2)

    for _ in range(6):
        changed = content.copy()
        # Half of them in the first 400 bytes, where most formats keep their header.
        changed[dice.integers(0, 400, 4)] = dice.integers(0, 256, 4)
        changed[dice.integers(0, len(content), 4)] = dice.integers(0, 256, 4)
        (tmp_path / known.name).write_bytes(changed.tobytes())
        with suppress(UnreadableImageError), open_field(tmp_path / known.name) as field:
            field.read(0, 0, min(field.height_px, 700), min(field.width_px, 900))


def spoil_tile(path: Path, index: int, claim: bytes | None = None) -> None:
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages[0].dataoffsets[index], tiff.pages[0].databytecounts[index]
    content = bytearray(path.read_bytes())
    if claim is None:
        content[offset : offset + count] = b"\xff" * count
    else:
        frame = content.index(b"\xff\xc0", offset, offset + count)
        content[frame + 5 : frame + 9] = claim
    path.write_bytes(content)


@pytest.mark.parametrize(
    "kind", ["tiled pyramidal TIFF", "SVS", "SVS with JPEG tiles", "OME-TIFF with JPEG tiles"]
)
def test_a_damaged_tile_is_refused_when_it_is_read_and_leaves_the_others_readable(
    kind: str, tmp_path: Path
) -> None:
    known = FORMATS[kind]
    known.write(tmp_path / known.name, made_up())
    spoil_tile(tmp_path / known.name, 11)  # the last: rows from 512, columns from 768

    with open_field(tmp_path / known.name) as field:
        assert field.read(0, 0, 512, 768).shape == (512, 768, 3)
        with pytest.raises(UnreadableImageError, match="rows 600 and following, columns 800 and following"):
            field.read(600, 800, 10, 10)


@pytest.mark.parametrize("kind", ["SVS with JPEG tiles", "OME-TIFF with JPEG tiles"])
def test_a_jpeg_in_a_tile_that_claims_gigabytes_is_refused(kind: str, tmp_path: Path) -> None:
    known = FORMATS[kind]
    known.write(tmp_path / known.name, made_up())
    spoil_tile(tmp_path / known.name, 0, struct.pack(">HH", 12_000, 12_000))

    with open_field(tmp_path / known.name) as field, pytest.raises(UnreadableImageError) as caught:
        field.read(0, 0, 10, 10)

    assert (
        "expected 256x256, got 12000x12000" if "SVS" in kind else "a tile claims (12000, 12000) pixels"
    ) in caught.value.why


def test_a_second_image_is_told_and_the_largest_is_used(tmp_path: Path) -> None:
    pixels = made_up()
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for part in (np.ascontiguousarray(pixels[:100, :200]), pixels):
            writer.write(part, photometric="rgb", compression="zlib", metadata=None)

    with open_field(tmp_path / "a.tif") as field:
        assert (field.height_px, field.width_px) == (700, 900)
        assert field.warnings == ("it holds 2 images, of which the largest is used",)
        np.testing.assert_array_equal(field.read(0, 0, 700, 900), pixels)


@pytest.mark.parametrize("library", ["tifffile", "imagecodecs", "openslide", "pydicom"])
def test_a_slide_without_its_library_names_the_extra_and_a_small_image_needs_none(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slide = tmp_path / ("a.dcm" if library == "pydicom" else "a.svs")
    if library == "pydicom":
        write_dicom(slide, made_up())
    else:
        write_pyramid(slide, made_up(), description=APERIO)
    write_png(tmp_path / "a.png", made_up())
    write_tiff(tmp_path / "a.tif", made_up(), **CENTIMETRE)
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(MissingExtraError) as caught:
        open_field(slide)

    assert caught.value.fix == "pip install 'leuknet[slides]'"
    assert library in caught.value.why
    for name, microns in (("a.png", None), ("a.tif", 0.25)):
        with open_field(tmp_path / name) as field:
            assert field.microns_per_pixel == microns


MEASURE = """
import sys
from pathlib import Path
import imagecodecs, openslide, tifffile
from leuknet.fields.slide_layout import by_segments
from leuknet.fields.slides import open_field

def peak_mib():
    # Not getrusage: its maximum is inherited from the process that started this one.
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    return int(line.split()[1]) / 1024

before = peak_mib()
with open_field(Path(sys.argv[1])) as field:
    assert field.height_px == field.width_px == int(sys.argv[2])
    assert field.read(4_095, 8_191, 1_024, 1_024).shape == (1_024, 1_024, 3)
    overview = field.overview(1_000)
    assert overview.shape == (1_000, 1_000, 3)
print(peak_mib() - before, *overview.mean(axis=(0, 1)))
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads the peak of memory as Linux tells it"
)
@pytest.mark.parametrize(("ome", "side", "most_mib"), [(True, 20_000, 400), (False, 10_000, 250)])
def test_a_large_slide_without_a_pyramid_takes_a_bounded_memory(
    ome: bool, side: int, most_mib: int, tmp_path: Path
) -> None:
    # 1144 and 286 MiB of pixels. tifffile decodes the OME-TIFF; OpenSlide, which is slower, the other.
    tile = made_up(500, 500)[:400, :400].copy()
    tile = np.ascontiguousarray(np.pad(tile, ((0, 112), (0, 112), (0, 0)), mode="edge"))
    packed = zlib.compress(tile.tobytes(), 1)
    number = (side // 512 + 1) ** 2
    options: dict[str, Any] = {"ome": True, "metadata": {"axes": "YXS"}} if ome else {"metadata": None}
    tifffile.imwrite(
        tmp_path / "a.tif",
        iter([packed] * number),
        shape=(side, side, 3),
        dtype=np.uint8,
        photometric="rgb",
        tile=(512, 512),
        compression="zlib",
        **options,
    )

    ran = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "a.tif", str(side)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    grown_mib, *colour = (float(word) for word in ran.stdout.split())
    assert 0 < grown_mib < most_mib
    assert colour == pytest.approx(tile.mean(axis=(0, 1)), abs=2)
