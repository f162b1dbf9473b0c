"""The publisher's files, rebuilt from their pixels: against real ones, and against Pillow's own writer."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from leuknet.data.published_counts import FOLDERS
from leuknet.images.published_bmp import bmp_bytes, digest_as_published, holds_content
from leuknet.images.reading import read_pixels
from leuknet.types import Pixels


def pixels_of(seed: int = 0) -> Pixels:
    """9 high and 11 wide, so that rows are padded and a swap of axes shows."""
    return np.random.default_rng(seed).integers(0, 256, (9, 11, 3), dtype=np.uint8)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_real_files_are_rebuilt_byte_for_byte(shared_data: Path) -> None:
    base = shared_data / "cnmc2019" / "C-NMC_Leukemia"
    training = sorted((base / "training_data").rglob("*.bmp"))[::20]
    prelim = sorted((base / FOLDERS["prelim"]).glob("*.bmp"))
    assert len(training) > 5
    assert len(prelim) == 3

    for path in training:
        assert bmp_bytes(read_pixels(path).pixels, "short") == path.read_bytes()
        assert digest_as_published(path, "short")[:2] == (sha(path.read_bytes()), "as published")
    for path in prelim:
        assert bmp_bytes(read_pixels(path).pixels, "long") == path.read_bytes()


@pytest.mark.parametrize("header", ["short", "long"])
def test_what_is_rebuilt_is_a_bmp_of_these_pixels(tmp_path: Path, header: Any) -> None:
    path = tmp_path / "a.bmp"
    path.write_bytes(bmp_bytes(pixels_of(), header))

    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels_of())


def test_pillows_bmp_differs_in_nothing_but_the_resolution(tmp_path: Path) -> None:
    Image.fromarray(pixels_of()).save(tmp_path / "a.bmp")
    ours, pillows = bmp_bytes(pixels_of(), "short"), (tmp_path / "a.bmp").read_bytes()

    assert len(ours) == len(pillows) == 54 + 36 * 9
    assert {at for at in range(len(ours)) if ours[at] != pillows[at]} <= set(range(38, 46))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.webp", {"lossless": True}),
        ("a.tif", {}),
        ("a.tif", {"compression": "tiff_lzw"}),
        ("a.tif", {"compression": "tiff_deflate"}),
        ("a.tif", {"compression": "packbits"}),
        ("a.bmp", {"dpi": (300, 300)}),
    ],
)
def test_lossless_files_get_the_publishers_hash(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    Image.fromarray(pixels_of()).save(tmp_path / name, **options)

    found = digest_as_published(tmp_path / name, "long")

    assert (found.sha256, found.form) == (sha(bmp_bytes(pixels_of(), "long")), "lossless")
    assert holds_content(tmp_path / name, found.sha256)
    assert holds_content(tmp_path / name, sha((tmp_path / name).read_bytes()))
    assert not holds_content(tmp_path / name, sha(bmp_bytes(pixels_of(1), "long")))


@pytest.mark.parametrize(
    ("name", "options"), [("a.jpg", {}), ("a.webp", {"quality": 90}), ("a.tif", {"compression": "jpeg"})]
)
def test_lossy_files_keep_their_own_hash(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    Image.fromarray(pixels_of()).save(tmp_path / name, **options)

    found = digest_as_published(tmp_path / name, "short")

    assert (found.sha256, found.form) == (sha((tmp_path / name).read_bytes()), "lossy")


@pytest.mark.parametrize(
    "content", [b"", b"x", b"BM", b"BM" + bytes(60), b"\x89PNG\r\n\x1a\n", b"RIFF\1\0\0\0WEBP"]
)
def test_what_cannot_be_decoded_keeps_its_own_hash(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.bmp").write_bytes(content)

    assert digest_as_published(tmp_path / "a.bmp", "short")[:2] == (sha(content), "unknown")


def test_rows_from_the_top_are_the_same_picture(tmp_path: Path) -> None:
    content = bytearray(bmp_bytes(pixels_of()[::-1], "short"))
    content[22:26] = (-9).to_bytes(4, "little", signed=True)
    (tmp_path / "a.bmp").write_bytes(content)

    found = digest_as_published(tmp_path / "a.bmp", "short")

    assert (found.sha256, found.form) == (sha(bmp_bytes(pixels_of(), "short")), "lossless")
