"""What copies show is found out once, and a damaged line of the list is never believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leuknet.images import cache, digest_cache
from leuknet.images.digest_cache import NAME, DigestCache
from leuknet.images.published_bmp import Digest, digest_as_published
from tests.conftest import run_cli


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def refuse(path: Path, header: str) -> Digest:
    raise AssertionError(f"{path} was decoded again for the {header} header")


@pytest.mark.usefixtures("folder")
def test_a_copy_is_decoded_once_for_each_header(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = DigestCache()
    expected = {header: digest_as_published(copy, header) for header in ("short", "long")}
    assert {header: first.digest(copy, header) for header in ("short", "long")} == expected
    first.keep()
    copy.rename(copy.with_name("b.png"))  # the bytes count, not the name
    monkeypatch.setattr(digest_cache, "digest_as_published", refuse)

    second = DigestCache()

    assert {h: second.digest(copy.with_name("b.png"), h) for h in ("short", "long")} == expected


@pytest.mark.usefixtures("folder")
def test_other_bytes_are_looked_at(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = DigestCache()
    first.digest(copy, "short")
    first.keep()
    copy.write_bytes(copy.read_bytes() + b"\0")
    monkeypatch.setattr(digest_cache, "digest_as_published", refuse)

    with pytest.raises(AssertionError, match="decoded again"):
        DigestCache().digest(copy, "short")


def test_damaged_lines_are_passed_over_and_others_kept(folder: Path, copy: Path) -> None:
    first = DigestCache()
    found = first.digest(copy, "short")
    first.keep()
    whole = (folder / NAME).read_bytes()
    last = found.sha256[-1]
    wrong = whole.replace(found.sha256.encode(), (found.sha256[:-1] + ("0" if last != "0" else "1")).encode())
    assert wrong != whole
    for damaged in (wrong, whole[:-3], whole[: len(whole) // 2], b"\xff\t1\n\n\t\t", wrong + whole[:40]):
        (folder / NAME).write_bytes(damaged)
        again = DigestCache()
        assert again.digest(copy, "short") == found
        again.keep()
        assert DigestCache()._known == dict.fromkeys(again._new, found)


def test_a_folder_that_cannot_be_written_is_a_warning(folder: Path, copy: Path) -> None:
    folder.write_text("a file in its place")
    found = DigestCache()
    assert found.digest(copy, "short").form == "lossless"

    with pytest.warns(UserWarning, match="what copies show is not kept"):
        found.keep()


def test_clearing_the_cache_removes_it(folder: Path, copy: Path) -> None:
    first = DigestCache()
    first.digest(copy, "short")
    first.keep()
    assert (folder / NAME).stat().st_mode & 0o077 == 0

    assert run_cli("data", "cache", "--clear").status == 0

    assert not (folder / NAME).exists()
