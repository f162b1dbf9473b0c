"""Files and folders are seen whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from leuknet.records.whole import whole_file, whole_folder, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_the_old_one_until_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_whole(path, b"old")

    with whole_file(path) as part:
        part.write_bytes(b"new")
        assert path.read_bytes() == b"old"

    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["table.csv"]


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_whole(path, b"old")

    def stop() -> None:
        with whole_file(path) as part:
            part.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()

    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["table.csv"]


def test_two_writers_of_one_file_do_not_share_a_part(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a") as first, whole_file(tmp_path / "a") as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")

    assert (tmp_path / "a").read_bytes() == b"first"  # it ended last


def test_a_durable_file_is_on_the_disk_before_and_after_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []

    def note(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(("folder" if is_folder else "file", (tmp_path / "a").exists()))

    monkeypatch.setattr(os, "fsync", note)
    write_whole(tmp_path / "a", b"content", durable=True)
    write_whole(tmp_path / "b", b"content")

    assert synced == [("file", False), ("folder", True)]


def test_a_folder_takes_the_place_of_an_older_one_with_all_that_it_holds(tmp_path: Path) -> None:
    for number in (1, 2):
        with whole_folder(tmp_path / "deep" / "model") as part:
            (part / f"{number}.bin").write_bytes(b"content")

    assert names(tmp_path / "deep" / "model") == ["2.bin"]
    assert names(tmp_path / "deep") == ["model"]


def test_after_an_error_the_older_folder_is_there_and_nothing_else(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "model") as part:
        (part / "1.bin").write_bytes(b"content")

    def fail() -> None:
        with whole_folder(tmp_path / "model") as part:
            (part / "2.bin").write_bytes(b"content")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert names(tmp_path / "model") == ["1.bin"]
    assert names(tmp_path) == ["model"]
