"""Each bad input has the outcome that `leuknet.images.reading` states, and no other."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile

from leuknet.errors import SettingError, UnreadableImageError
from leuknet.images.reading import MAX_SIDE_PX, hash_file, read_pixels

# 12 wide, 9 high, so that a swap of axes shows; every pixel another colour.
PIXELS = np.stack(
    [
        np.tile(np.arange(12, dtype=np.uint8) * 20, (9, 1)),
        np.tile(np.arange(9, dtype=np.uint8)[:, None] * 25, (1, 12)),
        np.full((9, 12), 77, dtype=np.uint8),
    ],
    axis=-1,
)
COLOUR = Image.fromarray(PIXELS)


def save(path: Path, image: Image.Image = COLOUR, **options: Any) -> Path:
    image.save(path, **options)
    return path


def encode(kind: str, image: Image.Image = COLOUR) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*, width: int, height: int, depth: int, colour_type: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def refusal(path: Path, *, root: Path | None = None) -> UnreadableImageError:
    with pytest.raises(UnreadableImageError) as caught:
        read_pixels(path, root=root)
    assert repr(str(path)) in caught.value.what
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize("name", ["a.bmp", "a.png", "a.tif"])
def test_lossless_formats_give_the_very_pixels(tmp_path: Path, name: str) -> None:
    read = read_pixels(save(tmp_path / name))

    assert np.array_equal(read.pixels, PIXELS)
    assert read.pixels.dtype == np.uint8
    assert read.warnings == ()


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_compressed_tiff_gives_the_very_pixels(tmp_path: Path, compression: str) -> None:
    assert np.array_equal(read_pixels(save(tmp_path / "a.tif", compression=compression)).pixels, PIXELS)


def test_jpeg_gives_nearly_the_pixels(tmp_path: Path) -> None:
    read = read_pixels(save(tmp_path / "a.JPG", quality=100, subsampling=0))

    assert np.abs(read.pixels.astype(int) - PIXELS).max() <= 4
    assert read.warnings == ()


def test_pixels_can_be_written_to(tmp_path: Path) -> None:
    # PyTorch warns of read-only arrays.
    assert read_pixels(save(tmp_path / "a.bmp")).pixels.flags.writeable


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.bmp").why == "No such file or directory"


def test_folder_is_refused(tmp_path: Path) -> None:
    assert "folder" in refusal(tmp_path).why


def test_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.bmp")

    assert "pipe" in refusal(tmp_path / "pipe.bmp").why


def test_file_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Raised by hand: tests may run as root, who may read everything.
    def not_permitted(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = save(tmp_path / "a.bmp")
    monkeypatch.setattr(Path, "open", not_permitted)

    assert refusal(path).why == "Permission denied"


def test_null_character_in_the_name_is_refused(tmp_path: Path) -> None:
    assert "null" in refusal(tmp_path / "a\0.bmp").why


def test_empty_file_is_refused(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "a.bmp", b"")).why == "the file has zero bytes"


def test_huge_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leuknet.images.reading.MAX_FILE_BYTES", 100)

    assert refusal(save(tmp_path / "a.bmp")).why == "it has more than 100 bytes"


@pytest.mark.parametrize("kind", ["BMP", "PNG", "JPEG", "TIFF"])
def test_truncated_file_is_refused_wherever_it_ends(tmp_path: Path, kind: str) -> None:
    content = encode(kind, COLOUR.resize((40, 40)))
    # The last two bytes of a JPEG are its end marker, without which no pixel is missing.
    for size in [*range(1, len(content) - 2, 17), len(content) - 3]:
        refusal(write(tmp_path / "a", content[:size]))


@pytest.mark.parametrize("content", [b"UID,label\nH3,0\n", b"GIF89a" + bytes(40), b"\0" * 64, b"B"])
def test_other_content_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "neither BMP, PNG, JPEG, TIFF nor WebP" in refusal(write(tmp_path / "a.bmp", content)).why


def test_header_alone_is_refused(tmp_path: Path) -> None:
    refusal(write(tmp_path / "a.bmp", b"BM" + bytes(60)))
    error = refusal(write(tmp_path / "a.png", b"\x89PNG\r\n\x1a\n" + bytes(60)))
    assert "begins like a PNG" in error.why


@pytest.mark.parametrize("name", ["a.bmp", "a", "a.tiff"])
def test_wrong_extension_is_accepted_with_a_warning(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, encode("PNG"))

    read = read_pixels(path)

    assert np.array_equal(read.pixels, PIXELS)
    assert read.warnings == (f"the content is PNG, the extension is {path.suffix!r}",)


def test_flipped_bit_in_png_data_is_refused(tmp_path: Path) -> None:
    content = bytearray(png(width=8, height=8, depth=8, colour_type=2, rows=bytes(range(25)) * 8))
    content[60] ^= 1

    assert "checksum" in refusal(write(tmp_path / "a.png", bytes(content))).why


def test_16_bit_colour_png_is_refused(tmp_path: Path) -> None:
    # One filter byte and 8 pixels of 3 x 2 bytes per row. Pillow would silently keep the high bytes.
    content = png(width=8, height=8, depth=16, colour_type=2, rows=bytes(49 * 8))

    assert Image.open(io.BytesIO(content)).mode == "RGB"
    assert "more than 8 bits per channel" in refusal(write(tmp_path / "a.png", content)).why


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_16_bit_colour_tiff_is_refused(tmp_path: Path, compression: str | None) -> None:
    array = np.zeros((9, 12, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", compression=compression)

    assert "more than 8 bits per channel" in refusal(tmp_path / "a.tif").why


def test_16_bit_grey_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.fromarray(np.zeros((9, 12), dtype=np.uint16)))

    assert "more than 8 bits" in refusal(path).why


@pytest.mark.parametrize("mode", ["I", "F"])
def test_integers_and_floats_of_32_bits_are_refused(tmp_path: Path, mode: str) -> None:
    assert "more than 8 bits" in refusal(save(tmp_path / "a.tif", Image.new(mode, (9, 9)))).why


@pytest.mark.parametrize(
    ("mode", "name"), [("1", "a.bmp"), ("L", "a.bmp"), ("L", "a.jpg"), ("LA", "a.png"), ("L", "a.tif")]
)
def test_grey_is_refused(tmp_path: Path, mode: str, name: str) -> None:
    assert "it is grey" in refusal(save(tmp_path / name, COLOUR.convert(mode))).why


def test_palette_of_greys_is_refused(tmp_path: Path) -> None:
    image = Image.new("P", (9, 9), 1)
    image.putpalette([0, 0, 0, 90, 90, 90])

    assert "palette is grey" in refusal(save(tmp_path / "a.png", image)).why


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_palette_with_colour_is_accepted(tmp_path: Path, name: str) -> None:
    image = Image.new("P", (9, 9), 1)
    image.putpalette([0, 0, 0, 90, 10, 200])

    read = read_pixels(save(tmp_path / name, image))

    assert read.pixels.shape == (9, 9, 3)
    assert (read.pixels == [90, 10, 200]).all()


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_opaque_alpha_is_dropped_with_a_warning(tmp_path: Path, name: str) -> None:
    image = COLOUR.copy()
    image.putalpha(255)

    read = read_pixels(save(tmp_path / name, image))

    assert np.array_equal(read.pixels, PIXELS)
    assert read.warnings == ("the alpha channel is opaque and was dropped",)


def test_transparent_pixels_are_laid_on_black_with_a_warning(tmp_path: Path) -> None:
    array = np.full((8, 8, 4), (200, 100, 50, 255), dtype=np.uint8)
    array[0, :, 3] = 0
    array[1, :, 3] = 51  # a fifth

    read = read_pixels(save(tmp_path / "a.png", Image.fromarray(array)))

    assert (read.pixels[0] == 0).all()
    assert (read.pixels[1] == [40, 20, 10]).all()
    assert (read.pixels[2:] == [200, 100, 50]).all()
    assert read.warnings == ("transparent pixels were laid on black",)


def test_a_colour_named_transparent_is_laid_on_black(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", transparency=(0, 0, 77))

    read = read_pixels(path)

    assert read.pixels[0, 0].tolist() == [0, 0, 0]
    assert np.array_equal(read.pixels[1:], PIXELS[1:])
    assert read.warnings == ("transparent pixels were laid on black",)


def test_palette_with_several_transparencies_is_laid_on_black(tmp_path: Path) -> None:
    image = Image.fromarray(np.repeat([[0, 1, 2]], 9, axis=0).repeat(3, axis=1).astype(np.uint8), "P")
    image.putpalette([200, 100, 50] * 3)

    read = read_pixels(save(tmp_path / "a.png", image, transparency=bytes([0, 51, 255])))

    assert read.pixels[0, [0, 3, 6]].tolist() == [[0, 0, 0], [40, 20, 10], [200, 100, 50]]


def test_wholly_transparent_image_is_refused(tmp_path: Path) -> None:
    image = COLOUR.copy()
    image.putalpha(0)

    assert "fully transparent" in refusal(save(tmp_path / "a.png", image)).why


@pytest.mark.parametrize(
    ("mode", "name"),
    [("CMYK", "a.jpg"), ("CMYK", "a.tif"), ("LAB", "a.tif"), ("YCbCr", "a.tif")],
)
def test_other_colour_models_are_refused(tmp_path: Path, mode: str, name: str) -> None:
    assert "not RGB" in refusal(save(tmp_path / name, Image.new(mode, (16, 16)))).why


def test_tiff_with_jpeg_inside_is_refused_for_its_ycbcr(tmp_path: Path) -> None:
    # Pillow calls such a file RGB.
    path = save(tmp_path / "a.tif", Image.new("YCbCr", (16, 16)), compression="jpeg")

    with Image.open(path) as image:
        assert image.mode == "RGB"
    assert "not RGB" in refusal(path).why


@pytest.mark.parametrize(("name", "why"), [("a.png", "several"), ("a.tif", "several"), ("a.mpo", "several")])
def test_several_pictures_in_one_file_are_refused(tmp_path: Path, name: str, why: str) -> None:
    path = save(tmp_path / name, save_all=True, append_images=[COLOUR.rotate(180)])

    assert why in refusal(path).why


def test_animation_declared_too_late_is_refused(tmp_path: Path) -> None:
    # Pillow sees this one only while it decodes, and warns.
    content = encode("PNG")
    control = chunk(b"acTL", struct.pack(">II", 0, 0))

    assert "animated" in refusal(write(tmp_path / "a.png", content[:-12] + control + content[-12:])).why


def test_tiff_with_a_missing_strip_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, photometric="rgb", rowsperstrip=3)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    tag = content.index(struct.pack("<HHI", 273, 4, 3)) + 4  # StripOffsets, 32 bits, three of them
    content[tag] = 2

    assert "strips are missing" in refusal(write(tmp_path / "b.tif", bytes(content))).why


def bomb(kind: str, side: int) -> bytes:
    """A file whose header claims `side` x `side` pixels; the rest is small."""
    if kind == "PNG":
        return png(width=side, height=side, depth=8, colour_type=2, rows=bytes(100))
    content = bytearray(encode(kind))
    if kind == "BMP":
        struct.pack_into("<ii", content, 18, side, side)
    elif kind == "JPEG":
        struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, side, side)
    else:
        for tag in (256, 257):
            at = content.index(struct.pack("<HHI", tag, 4, 1))
            struct.pack_into("<I", content, at + 8, side)
    return bytes(content)


@pytest.mark.parametrize(
    ("kind", "side"),
    # Pillow only warns from 9,500 to 13,300 a side, and raises above.
    [(kind, side) for kind in ("BMP", "PNG", "TIFF") for side in (MAX_SIDE_PX + 1, 10_000, 100_000)]
    + [("JPEG", 10_000), ("JPEG", 65_000)],
)
def test_header_that_claims_too_much_is_refused_before_decoding(
    tmp_path: Path, kind: str, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_pixels(*_: object) -> None:
        pytest.fail("memory for pixels was asked for")

    monkeypatch.setattr(ImageFile.ImageFile, "load", no_pixels)

    assert "too large" in refusal(write(tmp_path / "a", bomb(kind, side))).why


def test_smallest_and_largest_sides_are_accepted(tmp_path: Path) -> None:
    read = read_pixels(save(tmp_path / "a.png", Image.new("RGB", (MAX_SIDE_PX, 8))))

    assert read.pixels.shape == (8, MAX_SIDE_PX, 3)


def test_too_small_image_is_refused(tmp_path: Path) -> None:
    assert refusal(save(tmp_path / "a.png", Image.new("RGB", (8, 7)))).why.startswith("too small: 8 x 7")


def test_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    outside = save(tmp_path / "secret.bmp")
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.bmp").symlink_to(outside)
    (root / "folder").symlink_to(tmp_path)

    assert "outside of" in refusal(root / "a.bmp", root=root).why
    assert "outside of" in refusal(root / "folder" / "secret.bmp", root=root).why
    assert "outside of" in refusal(root / ".." / "secret.bmp", root=root).why
    assert read_pixels(root / "a.bmp").pixels.shape == (9, 12, 3)


def test_link_within_the_root_is_accepted(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    save(root / "real" / "a.bmp")
    (root / "link").symlink_to(root / "real")
    (tmp_path / "other name of root").symlink_to(root)

    assert read_pixels(root / "link" / "a.bmp", root=root).warnings == ()
    assert read_pixels(root / "real" / "a.bmp", root=tmp_path / "other name of root").warnings == ()


def test_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bmp").symlink_to(tmp_path / "b.bmp")
    (tmp_path / "b.bmp").symlink_to(tmp_path / "a.bmp")

    refusal(tmp_path / "a.bmp")


@pytest.mark.parametrize(
    "name",
    ["two words.bmp", 'it\'s "quoted".bmp', "line\nbreak.bmp", "Zelle_µ_細胞.bmp", "bad\udcffbyte.bmp"],
)
def test_odd_names_are_accepted_and_quoted_in_messages(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / "plain.bmp").rename(tmp_path / name)

    assert np.array_equal(read_pixels(path, root=tmp_path).pixels, PIXELS)
    path.write_bytes(b"")
    error = refusal(path)
    assert "\n" not in error.what
    str(error).encode("utf-8")  # can be printed


def test_made_up_pixels_are_not_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)

    with pytest.raises(SettingError, match="make up missing pixels"):
        read_pixels(save(tmp_path / "a.bmp"))


def test_lack_of_memory_is_not_called_a_bad_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", no_memory)

    with pytest.raises(MemoryError):
        read_pixels(save(tmp_path / "a.bmp"))


def test_what_pillow_warns_of_is_passed_on(tmp_path: Path) -> None:
    tiff = bytearray(encode("TIFF"))
    at = tiff.index(struct.pack("<HHI", 277, 3, 1))  # SamplesPerPixel, which Pillow wants once
    struct.pack_into("<I", tiff, at + 4, 2)
    read = read_pixels(write(tmp_path / "a.tif", bytes(tiff)))
    assert len(read.warnings) >= 1
    assert all("had too many entries" in warning for warning in read.warnings)


@pytest.mark.parametrize("kind", ["BMP", "PNG", "JPEG", "TIFF"])
def test_mangled_files_are_read_or_refused_and_nothing_else(tmp_path: Path, kind: str) -> None:
    generator = np.random.default_rng(3)
    sources = [encode(kind), encode(kind, COLOUR.convert("L"))]
    if kind != "JPEG":
        sources.append(encode(kind, COLOUR.quantize(16)))
    outcomes: Counter[bool] = Counter()
    for round_number in range(150):
        content = bytearray(sources[round_number % len(sources)])
        # Mostly in the header, where the harm is.
        reach = len(content) if round_number % 4 == 0 else min(len(content), 150)
        for _ in range(generator.integers(1, 5)):
            content[generator.integers(2, reach)] = generator.integers(256)
        if round_number % 5 == 0:
            del content[generator.integers(1, len(content)) :]
        path = write(tmp_path / "a", bytes(content))
        try:
            read_pixels(path)
        except UnreadableImageError:
            outcomes[False] += 1
        else:
            outcomes[True] += 1
    assert outcomes[False] > 0
    # Each byte of a PNG is under a checksum.
    assert (outcomes[True] > 0) == (kind != "PNG")


def test_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    assert hash_file(write(tmp_path / "a.bmp", b"abc")) == expected


def test_hash_of_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="No such file"):
        hash_file(tmp_path / "none.bmp")


def test_real_crops_of_both_headers_are_read(shared_data: Path) -> None:
    root = shared_data / "cnmc2019" / "C-NMC_Leukemia"
    offsets = Counter[int]()
    for path in sorted(root.rglob("*.bmp")):
        read = read_pixels(path, root=root)
        content = path.read_bytes()
        (offset,) = struct.unpack_from("<I", content, 10)
        offsets[offset] += 1
        # By hand: 450 rows of 450 x 3 bytes and 2 of padding, from the bottom up, blue first.
        rows = np.frombuffer(content, dtype=np.uint8, count=450 * 1352, offset=offset).reshape(450, 1352)
        assert np.array_equal(read.pixels, rows[::-1, :1350].reshape(450, 450, 3)[..., ::-1])
        assert read.warnings == ()
    assert offsets == {54: 126, 138: 3}


def webp_of(image: Image.Image = COLOUR, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": True, "exif": b"Exif\0\0II*\0"}])
def test_a_lossless_webp_is_read_as_it_is(tmp_path: Path, options: dict[str, Any]) -> None:
    image = read_pixels(write(tmp_path / "a.webp", webp_of(**options)))

    np.testing.assert_array_equal(image.pixels, PIXELS)
    assert image.warnings == ()


def test_a_lossy_webp_is_read_with_a_warning(tmp_path: Path) -> None:
    image = read_pixels(write(tmp_path / "a.webp", webp_of(quality=80)))

    assert image.pixels.shape == PIXELS.shape
    assert image.warnings == ("lossy WebP: its compression has changed pixels",)


def test_a_webp_with_alpha_is_laid_on_black_as_a_png_is(tmp_path: Path) -> None:
    clear = COLOUR.convert("RGBA")
    clear.putpixel((3, 2), (255, 255, 255, 0))

    image = read_pixels(write(tmp_path / "a.webp", webp_of(clear, lossless=True, exact=True)))

    assert image.pixels[2, 3].tolist() == [0, 0, 0]
    assert image.warnings == ("transparent pixels were laid on black",)


def test_an_animated_webp_is_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(255 - PIXELS)]
    content = webp_of(save_all=True, append_images=frames, lossless=True, duration=100)

    assert "animated WebP" in refusal(write(tmp_path / "a.webp", content)).why


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}])
def test_a_webp_that_was_cut_off_anywhere_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    content = webp_of(**options)

    for end in range(1, len(content)):
        why = refusal(write(tmp_path / "a.webp", content[:end])).why
        assert end < 12 or f"{len(content) - end} of {len(content)} bytes are missing" in why
    # A container that claims more than there is, or less than its picture.
    for size in (len(content), 12):
        mangled = content[:4] + struct.pack("<I", size) + content[8:]
        assert "damaged or cut off" in refusal(write(tmp_path / "a.webp", mangled)).why


def test_another_riff_is_no_image(tmp_path: Path) -> None:
    assert "nor WebP" in refusal(write(tmp_path / "a.webp", b"RIFF\4\0\0\0WAVEfmt ")).why
