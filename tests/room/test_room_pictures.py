"""Pictures of cells and DeepZoom tiles: the right pixels, whatever the file's layout, threads or cache."""

from __future__ import annotations

import io
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from leuknet.errors import BusyError, NotFoundError, SettingError, ShapeError, UnreadableImageError
from leuknet.fields import reduced
from leuknet.fields.field import Field
from leuknet.fields.reduced import read_reduced, with_small_levels
from leuknet.fields.slides import open_field
from leuknet.fields.surroundings import surroundings
from leuknet.room import open_fields
from leuknet.room.budget import Budget, claimed_pixels
from leuknet.room.deep_zoom import TILE_PX, deep_zoom, prepare_tiles, read_tile, tile_jpeg, trim_tiles
from leuknet.room.open_fields import OpenFields
from leuknet.room.pictures import THUMB_PX, ensure_cell_pictures, write_cell_pictures
from leuknet.room.room_files import RoomFiles
from leuknet.store.cell_nouns import CaseCell
from leuknet.store.nouns import CaseImage, ImageKind
from leuknet.types import CellBox, Pixels

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")
pytest.importorskip("openslide")

HEIGHT_PX, WIDTH_PX = 700, 1001
TILED: dict[str, Any] = {"tile": (256, 256), "photometric": "rgb", "compression": "zlib"}


def made_up(height: int = HEIGHT_PX, width: int = WIDTH_PX) -> Pixels:
    """Noise over a slope: no two places look alike, at any resolution."""
    # Grey, as JPEG keeps colours at half the resolution; the slope has a colour.
    noise = np.random.default_rng(0).integers(0, 60, (height, width, 1))
    slope = np.add.outer(np.linspace(0, 80, height), np.linspace(0, 80, width))
    pixels: Pixels = (noise + slope[..., None] * [1.0, 0.5, 0.8] + [20, 0, 30]).astype(np.uint8)
    return pixels


def shrunk(pixels: Pixels, factor: int) -> Pixels:
    """The mean of each square of `factor` pixels, at the border of what there is, by plain arithmetic."""
    rows, columns = (np.arange(0, side, factor) for side in pixels.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(pixels.astype(np.int64), rows, axis=0), columns, axis=1)
    height, width = (
        np.minimum(factor, side - starts)
        for side, starts in zip(pixels.shape[:2], (rows, columns), strict=True)
    )
    small: Pixels = np.floor(sums / np.outer(height, width)[..., None] + 0.5).astype(np.uint8)
    return small


def write_png(path: Path, pixels: Pixels) -> None:
    Image.fromarray(pixels).save(path, "PNG")


def write_flat(path: Path, pixels: Pixels) -> None:
    tifffile.imwrite(path, pixels, **TILED)


def write_ome(path: Path, pixels: Pixels) -> None:
    """One that tifffile decodes, which can serve one thread at a time."""
    tifffile.imwrite(path, pixels, ome=True, metadata={"axes": "YXS"}, **TILED)


def write_pyramid(path: Path, pixels: Pixels, *, factors: tuple[int, ...] = (2, 4)) -> None:
    with tifffile.TiffWriter(path) as writer:
        writer.write(pixels, **TILED)
        for factor in factors:
            writer.write(shrunk(pixels, factor), subfiletype=1, **TILED)


def off(made: Pixels, expected: Pixels) -> tuple[int, int]:
    """The largest difference, and that in the last row and column."""
    differences = np.abs(made.astype(int) - expected)
    border = max(int(differences[-1].max()), int(differences[:, -1].max()))
    return int(differences[:-1, :-1].max(initial=0)), border


WRITERS: dict[str, tuple[str, Callable[[Path, Pixels], None]]] = {
    "plain": ("a.png", write_png),
    "flat TIFF": ("a.tif", write_flat),
    "OME-TIFF": ("a.ome.tif", write_ome),
    "pyramid": ("a.tif", write_pyramid),
}


@pytest.fixture(autouse=True)
def _nothing_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let each test open its images itself, and leave none open."""
    opened = OpenFields()
    monkeypatch.setattr(open_fields, "OPEN", opened)
    yield
    opened.close()


@pytest.fixture
def files(tmp_path: Path) -> RoomFiles:
    (tmp_path / "images").mkdir()
    return RoomFiles(tmp_path)


def kept(files: RoomFiles, name: str, pixels: Pixels, kind: ImageKind = "slide") -> CaseImage:
    """The image of that file, whose pixels are these."""
    (h, w), now = pixels.shape[:2], datetime.now(UTC)
    new = ("a" * 64, name, kind, h, w, 1, 0.1, f"images/{name}")
    return CaseImage(*new, id=3, case_id=uuid4(), created_at=now)


def put_together(field: Field, level: int) -> Pixels:
    deep = deep_zoom(field)
    rows, columns = deep.tiles(level)
    bands = [
        np.concatenate([read_tile(field, level, column, row) for column in range(columns)], axis=1)
        for row in range(rows)
    ]
    return np.concatenate(bands)


@pytest.mark.parametrize("layout", WRITERS)
def test_the_tiles_of_every_level_make_the_reduced_image(layout: str, tmp_path: Path) -> None:
    name, write = WRITERS[layout]
    # OpenSlide places parts of a level at whole pixels of full resolution, and so must the pyramid here.
    pixels = made_up(700, 1000) if layout == "pyramid" else made_up()
    write(tmp_path / name, pixels)

    with open_field(tmp_path / name) as field:
        deep = deep_zoom(field)
        assert deep.levels == 11  # 1, 2, 4 ... 1024 pixels hold all
        assert np.array_equal(put_together(field, 10), pixels)
        for level in range(11):
            factor = 2 ** (10 - level)
            inside, border = off(put_together(field, level), shrunk(pixels, factor))
            # What is made of a file's rounded levels is rounded once more; Pillow divides less exactly at the
            # border, where a square is not whole.
            assert inside <= (layout == "pyramid" and factor > 4), level
            assert border <= (factor > 4), level


def test_a_level_whose_size_was_rounded_down_keeps_its_grid(tmp_path: Path) -> None:
    pixels = made_up(701, 512)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as writer:
        writer.write(pixels, metadata={"axes": "YXS"}, subifds=1, **TILED)
        writer.write(shrunk(pixels, 2)[:350], subfiletype=1, **TILED)

    with open_field(tmp_path / "a.ome.tif") as field:
        assert field.layout.levels[1].height_px == 350
        made = read_reduced(field, (0, 0, 351, 256), factor=2)
        last = read_reduced(field, (350, 0, 1, 256), factor=2)

    # The level has 350 rows; the 351st is the best that is known of it.
    assert np.array_equal(made[:350], shrunk(pixels, 2)[:350])
    assert np.array_equal(made[350], made[349])
    assert np.array_equal(last[0], made[350])


def test_a_level_at_a_third_is_brought_to_the_grid(tmp_path: Path) -> None:
    # A slope, of which a mean over any pixels is what lies in their middle.
    pixels = np.repeat((np.arange(600) // 3)[None, :, None], 480, axis=0).repeat(3, axis=2).astype(np.uint8)
    write_pyramid(tmp_path / "a.tif", pixels, factors=(3,))

    with open_field(tmp_path / "a.tif") as field:
        assert field.layout.levels[1].width_px == 200
        whole = read_reduced(field, (0, 0, 120, 150), factor=4)
        part = read_reduced(field, (7, 33, 20, 60), factor=4)

    assert np.abs(whole.astype(int) - shrunk(pixels, 4)).max() <= 1
    assert np.array_equal(part, whole[7:27, 33:93])


def test_tiles_at_the_border_have_what_is_left(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", made_up())

    with open_field(tmp_path / "a.png") as field:
        assert deep_zoom(field).tiles(10) == (3, 4)
        assert read_tile(field, 10, 0, 0).shape == (TILE_PX, TILE_PX, 3)
        assert read_tile(field, 10, 3, 2).shape == (700 - 512, 1001 - 768, 3)
        assert read_tile(field, 9, 1, 1).shape == (350 - 256, 501 - 256, 3)
        assert read_tile(field, 0, 0, 0).shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("level", "column", "row"), [(11, 0, 0), (-1, 0, 0), (10, 4, 0), (10, 0, 3), (10, -1, 0), (0, 1, 0)]
)
def test_a_tile_that_is_not_there_is_an_error_that_says_which_are(
    level: int, column: int, row: int, files: RoomFiles
) -> None:
    # Nothing is read for it: the file does not exist.
    image = kept(files, "nowhere.png", made_up())

    with pytest.raises(NotFoundError) as caught:
        tile_jpeg(files, image, level, column, row)

    assert f"level {level}, column {column}, row {row}" in caught.value.what
    assert "of the 11 levels" in caught.value.why


@pytest.mark.parametrize(("factor", "region"), [(2, (0, 0, 351, 1)), (2, (0, 501, 1, 1)), (4, (0, 0, 0, 1))])
def test_a_region_outside_of_the_reduced_image_is_refused(
    factor: int, region: tuple[int, int, int, int], tmp_path: Path
) -> None:
    write_png(tmp_path / "a.png", made_up())
    with open_field(tmp_path / "a.png") as field, pytest.raises(ShapeError, match="reduced image"):
        read_reduced(field, region, factor=factor)


def test_a_factor_that_is_no_power_of_two_is_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", made_up())
    with open_field(tmp_path / "a.png") as field, pytest.raises(SettingError, match="power of two"):
        read_reduced(field, (0, 0, 1, 1), factor=3)


def test_the_dzi_tells_a_viewer_of_size_and_tiles(files: RoomFiles) -> None:
    root = ElementTree.fromstring(deep_zoom(kept(files, "a.png", made_up())).dzi())  # noqa: S314  our own

    space = "{http://schemas.microsoft.com/deepzoom/2008}"
    assert root.tag == f"{space}Image"
    assert root.attrib == {"TileSize": "256", "Overlap": "0", "Format": "jpeg"}
    size = root.find(f"{space}Size")
    assert size is not None
    assert size.attrib == {"Width": "1001", "Height": "700"}


def test_a_tile_is_kept_and_a_kept_one_is_given_as_it_is(files: RoomFiles) -> None:
    pixels = made_up()
    write_png(files.image("images/a.png"), pixels)
    image = kept(files, "a.png", pixels, "field")

    made = tile_jpeg(files, image, 10, 1, 2)

    shown = np.asarray(Image.open(io.BytesIO(made)))
    assert np.abs(shown.astype(int) - pixels[512:, 256:512]).mean() < 6  # JPEG
    assert files.tile(3, 10, 1, 2).read_bytes() == made
    files.image("images/a.png").unlink()
    assert tile_jpeg(files, image, 10, 1, 2) == made


def test_a_large_file_without_small_levels_is_read_once_for_all_coarse_tiles(
    files: RoomFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reduced, "_SMALL_PX", 128)
    pixels = made_up()
    write_flat(files.image("images/a.tif"), pixels)
    image = kept(files, "a.tif", pixels)

    prepare_tiles(files, image)
    (made,) = files.tile(3, 0, 0, 0).parents[1].glob("*.npy")
    assert np.array_equal(np.load(made), shrunk(pixels, 8))

    # A level of this file is none of the file's: changed, it shows that it is what coarse tiles are made of.
    np.save(made, np.full((88, 126, 3), 200, np.uint8))
    open_fields.OPEN.close()
    coarse, fine = (
        np.asarray(Image.open(io.BytesIO(tile_jpeg(files, image, level, 0, 0)))) for level in (6, 8)
    )
    assert (coarse == 200).all()
    assert not (fine == 200).all()


def test_levels_are_made_only_where_the_file_leaves_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reduced, "_SMALL_PX", 8)
    pixels = made_up()
    write_pyramid(tmp_path / "a.tif", pixels, factors=(2, 4))

    with open_field(tmp_path / "a.tif") as field:
        completed = with_small_levels(field, tmp_path / "made")
        widths = [level.width_px for level in completed.layout.levels]
        assert widths == [1001, 501, 251, 32, 4]  # 1, 2, 4, then 32 and 256
        inside, border = off(put_together(completed, 5), shrunk(pixels, 32))
        assert (inside <= 1, border <= 4) == (True, True)
    assert not list((tmp_path / "made").glob(".*"))


@pytest.mark.parametrize("layout", WRITERS)
def test_threads_that_share_an_image_get_their_own_tiles(
    layout: str, files: RoomFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def counted(path: Path, *, alone: bool) -> Field:
        opened.append(path)
        return open_field(path, alone=alone)

    monkeypatch.setattr(open_fields, "open_field", counted)
    name, write = WRITERS[layout]
    pixels = made_up()
    write(files.image(f"images/{name}"), pixels)
    image = kept(files, name, pixels)
    wanted = [(10, column, row) for column in range(4) for row in range(3)] * 4
    start = threading.Barrier(8, timeout=60)  # not for ever, if one of them fails

    def read(place: int) -> list[Pixels]:
        start.wait()
        with open_fields.open_image(files, image) as field:
            first = read_tile(field, *wanted[place])
        second = np.asarray(Image.open(io.BytesIO(tile_jpeg(files, image, *wanted[place]))))
        return [first, second]

    with ThreadPoolExecutor(8) as pool:
        read_all = list(pool.map(read, range(48)))

    assert len(opened) == 1
    for (_, column, row), (exact, shown) in zip(wanted, read_all, strict=True):
        expected = pixels[row * 256 : (row + 1) * 256, column * 256 : (column + 1) * 256]
        assert np.array_equal(exact, expected)
        assert np.abs(shown.astype(int) - expected).mean() < 6


def test_of_many_images_few_stay_open_and_none_is_closed_while_it_is_read(tmp_path: Path) -> None:
    for number in range(5):
        write_png(tmp_path / f"{number}.png", made_up(8, 8))
    opened = OpenFields(at_most=2)
    fields: dict[int, Field] = {}

    def is_open(number: int) -> bool:
        try:
            fields[number].read(0, 0, 1, 1)
        except UnreadableImageError:
            return False
        return True

    with opened.borrow(tmp_path / "0.png", n_bytes=0) as fields[0]:
        for number in range(1, 5):
            with opened.borrow(tmp_path / f"{number}.png", n_bytes=0) as fields[number]:
                pass
        assert [is_open(number) for number in range(5)] == [True, False, False, False, True]
    with opened.borrow(tmp_path / "4.png", n_bytes=0) as again:
        assert again is fields[4]
        opened.close()
        assert not is_open(0)
        assert is_open(4)
    assert not is_open(4)


def test_large_images_are_closed_for_the_memory_they_take(tmp_path: Path) -> None:
    for number in range(3):
        write_png(tmp_path / f"{number}.png", made_up(8, 8))
    opened = OpenFields(at_most=9, most_bytes=100)
    fields = []
    for number in range(3):
        with opened.borrow(tmp_path / f"{number}.png", n_bytes=60) as field:
            fields.append(field)

    assert fields[2].read(0, 0, 1, 1).shape == (1, 1, 3)
    with pytest.raises(UnreadableImageError):
        fields[1].read(0, 0, 1, 1)
    opened.close()


def test_an_image_waits_while_others_that_are_read_take_all_the_memory(tmp_path: Path) -> None:
    for number in range(3):
        write_png(tmp_path / f"{number}.png", made_up(8, 8))
    opened = OpenFields(most_bytes=100, wait_s=0.05)
    with opened.borrow(tmp_path / "0.png", n_bytes=60) as first:
        with pytest.raises(BusyError), opened.borrow(tmp_path / "1.png", n_bytes=60):
            pass
        with (
            opened.borrow(tmp_path / "2.png", n_bytes=40),
            opened.borrow(tmp_path / "0.png", n_bytes=60) as same,
        ):
            assert same is first
    with opened.borrow(tmp_path / "1.png", n_bytes=60) as field:
        assert field.height_px == 8
    opened.close()


def test_a_budget_is_never_held_beyond_its_most() -> None:
    budget = Budget(10, wait_s=30)
    held, most, lock = [0], [0], threading.Lock()

    def use(n: int) -> None:
        with budget.take(n):
            with lock:
                held[0] += min(n, 10)
                most[0] = max(most[0], held[0])
            time.sleep(0.005)
            with lock:
                held[0] -= min(n, 10)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, [4, 4, 4, 99, 1, 7, 4, 4]))
    assert 4 <= most[0] <= 10
    late = Budget(10, wait_s=0)
    with late.take(10), pytest.raises(BusyError), late.take(1):
        pass


def test_pixels_are_counted_by_the_header_before_any_is_read(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 12_000, 11_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 9) + b"IDAT")
    (tmp_path / "b.csv").write_bytes(b"none")

    assert claimed_pixels(tmp_path / "a.png") == 132_000_000
    assert claimed_pixels(tmp_path / "b.csv") == 0


def test_after_an_error_an_image_is_opened_anew(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", made_up(8, 8))
    opened = OpenFields()
    with pytest.raises(ZeroDivisionError), opened.borrow(tmp_path / "a.png", n_bytes=0) as first:
        raise ZeroDivisionError
    with opened.borrow(tmp_path / "a.png", n_bytes=0) as second:
        assert second is not first
    opened.close()


def test_the_oldest_tiles_go_first_and_levels_that_were_made_last(files: RoomFiles) -> None:
    paths = [files.tile(3, 9, 0, 0), files.tile(3, 9, 1, 0), files.tile(4, 9, 0, 0)]
    paths.append(files.tile(3, 0, 0, 0).parents[1] / "reduced-8.npy")
    for age, path in enumerate(reversed(paths)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(100))
        os.utime(path, (1000 + age, 1000 + age))

    assert trim_tiles(files, max_bytes=400) == 0
    assert trim_tiles(files, max_bytes=250) == 2

    # The level is the oldest of all, and the tile of image 4 the oldest tile.
    assert [path.exists() for path in paths] == [True, False, False, True]
    assert trim_tiles(files, max_bytes=0) == 2


def cell(number: int, box: CellBox) -> CaseCell:
    return CaseCell(f"c{number}", box, 0.5, "ALL", (), (), "m" * 12, (), number, 3)


def test_surroundings_are_the_cell_in_the_middle_and_white_beyond_the_image(tmp_path: Path) -> None:
    pixels = made_up(60, 80)
    write_png(tmp_path / "a.png", pixels)

    with open_field(tmp_path / "a.png") as field:
        inside = surroundings(field, CellBox(20, 30, 30, 50))
        corner = surroundings(field, CellBox(0, 70, 10, 80))

    # 1.4 times 20; the middle of the box is row 25, column 40.
    assert np.array_equal(inside, pixels[11:39, 26:54])
    assert corner.shape == (14, 14, 3)
    assert np.array_equal(corner[2:, :12], pixels[:12, 68:80])
    assert (corner[:2] == 255).all()
    assert (corner[:, 12:] == 255).all()


def test_a_cell_of_a_field_has_its_surroundings_as_view_and_as_thumb(files: RoomFiles) -> None:
    around = made_up(200, 200)
    around[:100] = (200, 30, 30)

    write_cell_pictures(files, 3, 7, around, kind="field")

    view, thumb = Image.open(files.view(3, 7)), Image.open(files.thumb(3, 7)).convert("RGB")
    assert (view.format, np.array_equal(np.asarray(view), around)) == ("PNG", True)
    assert thumb.size == (THUMB_PX, THUMB_PX)
    assert np.asarray(thumb)[:40].mean(axis=(0, 1)) == pytest.approx([200, 30, 30], abs=6)
    assert np.asarray(thumb)[60:].mean(axis=(0, 1)) == pytest.approx(around[125:].mean(axis=(0, 1)), abs=6)


def test_the_thumb_of_a_crop_shows_the_cell_and_not_its_canvas(files: RoomFiles) -> None:
    crop = np.zeros((450, 450, 3), np.uint8)
    crop[:] = 3  # what JPEG leaves of black
    crop[100:150, 200:240] = (180, 60, 150)

    write_cell_pictures(files, 3, 7, crop, kind="crop")

    assert np.array_equal(np.asarray(Image.open(files.view(3, 7))), crop)
    bright = np.asarray(Image.open(files.thumb(3, 7)).convert("RGB")).max(axis=2) > 90
    # The square has 1.2 times 50 pixels: the cell takes 5/6 of its height and 4/6 of its width.
    assert bright.any(axis=1).sum() == pytest.approx(80, abs=2)
    assert bright.any(axis=0).sum() == pytest.approx(64, abs=2)
    assert bright[48, 48]


@pytest.mark.parametrize("level", [0, 120])
def test_the_thumb_of_a_picture_without_black_canvas_is_the_whole(level: int, files: RoomFiles) -> None:
    picture = np.full((60, 120, 3), level, np.uint8)

    write_cell_pictures(files, 3, 7, picture, kind="crop")

    thumb = np.asarray(Image.open(files.thumb(3, 7)).convert("L"))
    # As wide as the square, half as high, black above and below.
    assert np.abs(thumb[40:56].astype(int) - level).max() <= 3
    assert thumb[:18].max() <= 8
    assert thumb[-18:].max() <= 8


def test_pictures_that_were_deleted_are_made_anew_as_they_were(files: RoomFiles) -> None:
    pixels = made_up()
    write_flat(files.image("images/a.tif"), pixels)
    image = kept(files, "a.tif", pixels)
    cells = [cell(1, CellBox(100, 100, 150, 160)), cell(2, CellBox(0, 0, 40, 30))]
    with open_field(files.image("images/a.tif")) as field:
        for one in cells:
            write_cell_pictures(files, 3, one.id, surroundings(field, one.box), kind="slide")
    paths = [path(3, one.id) for one in cells for path in (files.thumb, files.view)]
    before = [path.read_bytes() for path in paths]

    assert ensure_cell_pictures(files, image, cells) == 0
    paths[0].unlink()
    paths[3].unlink()
    assert ensure_cell_pictures(files, image, cells) == 2

    assert [path.read_bytes() for path in paths] == before


def test_pictures_of_a_crop_are_made_anew(files: RoomFiles) -> None:
    crop = np.zeros((60, 60, 3), np.uint8)
    crop[20:40, 20:40] = made_up(20, 20) + 10
    write_png(files.image("images/a.png"), crop)
    image = kept(files, "a.png", crop, "crop")

    assert ensure_cell_pictures(files, image, [cell(1, CellBox(0, 0, 60, 60))]) == 1

    assert np.array_equal(np.asarray(Image.open(files.view(3, 1))), crop)
    first = files.thumb(3, 1).read_bytes()
    write_cell_pictures(files, 3, 1, crop, kind="crop")
    assert files.thumb(3, 1).read_bytes() == first


def test_an_image_that_is_gone_is_an_error_that_names_it(files: RoomFiles) -> None:
    image = replace(kept(files, "gone.tif", made_up()), kind="slide")
    with pytest.raises(UnreadableImageError, match=r"gone\.tif"):
        ensure_cell_pictures(files, image, [cell(1, CellBox(0, 0, 9, 9))])
    with pytest.raises(UnreadableImageError, match=r"gone\.tif"):
        tile_jpeg(files, image, 10, 0, 0)


def test_what_is_no_colour_image_is_refused(files: RoomFiles) -> None:
    with pytest.raises(ShapeError, match="cell 7"):
        write_cell_pictures(files, 3, 7, np.zeros((5, 5), np.uint8), kind="field")
    assert not files.view(3, 7).exists()
