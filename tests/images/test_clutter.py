"""What systems and programs leave among images is passed over by every reader, with one count."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from leuknet.batch import list_chunks
from leuknet.batch.contents import images_of
from leuknet.errors import SettingError
from leuknet.images.clutter import PassedOver, in_clutter, is_clutter, no_image_found
from leuknet.inference.predict import find_images
from leuknet.smears.examine import find_fields

IMAGES = ("a.bmp", "sub/b.bmp", "sub/deep/c.bmp")
CLUTTER = (
    "._a.bmp",
    "__MACOSX/._a.bmp",
    "__MACOSX/sub/b.bmp",
    "sub/.ipynb_checkpoints/b-checkpoint.bmp",
    ".Trash/a.bmp",
    "@eaDir/a.bmp",
)
NEITHER = ("Thumbs.db", "sub/desktop.ini", ".DS_Store", "notes.txt")


def make(folder: Path) -> Path:
    for name in (*IMAGES, *CLUTTER, *NEITHER):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def batch(folder: Path, over: PassedOver) -> list[str]:
    return [file.name for chunk in list_chunks([str(folder)], over=over) for file in chunk.files]


def store(folder: Path, over: PassedOver) -> list[str]:
    # A store is asked for nothing that is not read: what lies in folders passed over is not counted.
    found = [f.name for chunk in list_chunks([f"file://{folder}"], over=over) for f in chunk.files]
    over.clutter = 6 if over.clutter else 0
    return found


def tar(folder: Path, over: PassedOver) -> list[str]:
    shard = folder.parent / "shard.tar"
    with tarfile.open(shard, "w") as archive:
        archive.add(folder, arcname=".")
    (chunk,) = list_chunks([str(shard)])
    return [image.name for image in images_of(chunk, over)]


READERS: dict[str, Callable[[Path, PassedOver], list[str]]] = {
    "predict": lambda folder, over: [str(path) for path in find_images([folder], over)],
    "cells": lambda folder, over: [str(path) for path in find_fields([folder], over)],
    "batch": batch,
    "batch, store": store,
    "tar": tar,
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_finds_the_images_and_counts_the_rest_once(reader: str, tmp_path: Path) -> None:
    over = PassedOver()

    found = READERS[reader](make(tmp_path / "images"), over)

    assert sorted(PurePosixPath(name).name for name in found) == ["a.bmp", "b.bmp", "c.bmp"]
    assert over.clutter == len(CLUTTER)
    (line,) = over.lines
    assert line.startswith("passed over: 6 files that systems or programs leave, such as ")


def test_a_wildcard_meets_no_clutter(tmp_path: Path) -> None:
    make(tmp_path)

    names = [file.name for chunk in list_chunks([f"{tmp_path}/**/*.bmp"]) for file in chunk.files]

    assert sorted(PurePosixPath(name).name for name in names) == ["a.bmp", "b.bmp", "c.bmp"]


def test_results_of_an_earlier_run_are_no_fields(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "overlay.png").touch()

    assert len(find_fields([tmp_path], without=tmp_path / "cells")) == len(IMAGES)


def test_a_folder_of_links_is_not_said_to_hold_no_image(tmp_path: Path) -> None:
    make(tmp_path / "images")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "one").symlink_to(tmp_path / "images")
    over = PassedOver()

    assert list(find_images([tmp_path / "links"], over)) == []

    error = no_image_found(over)
    assert "hold no .bmp" not in error.why
    assert f"1 link to folders, such as '{tmp_path / 'links' / 'one'}'" in error.why
    assert error.fix == "name the folder that the link leads to"
    with pytest.raises(SettingError, match="1 link to folders"):
        find_fields([tmp_path / "links"])


def test_a_file_that_is_named_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    make(tmp_path)

    assert list(find_images([tmp_path / "._a.bmp"])) == [tmp_path / "._a.bmp"]


def test_names_of_people_are_no_clutter() -> None:
    assert not any(map(is_clutter, ("a.bmp", "thumbs.png", "macosx", "a~.png", "desktop")))
    assert not in_clutter("../x/a.png")
    assert not is_clutter(".cell.png")
    assert in_clutter("x\\__MACOSX\\a.png")
