"""The cache of prepared images: right pixels after a kill, beside another builder, and on a full disk."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest

from leuknet.data import open_dataset
from leuknet.images import cache, inputs, survey
from leuknet.images.cache import clear_cache, list_cache
from leuknet.images.inputs import MappedInputs, cached_inputs
from leuknet.images.survey import Survey, cached_survey
from leuknet.images.transform import LoadedInputs, load_inputs
from leuknet.types import CellImage, Dataset, InputForm, Pixels
from tests.conftest import run_cli


@pytest.fixture(scope="module")
def dataset(simulated_fold: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Thirty cells, to be read only."""
    root = tmp_path_factory.mktemp("dataset") / "few"
    shutil.copytree(simulated_fold, root)
    for cell in open_dataset(root).cells[30:]:
        cell.path.unlink()
    return open_dataset(root)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def read(dataset: Dataset, cells: Sequence[CellImage] | None = None, *, side: int = 32) -> MappedInputs:
    form = InputForm(dataset.canvas_px, side)
    return cached_inputs(
        dataset.cells if cells is None else cells, form, pool=dataset.cells, root=dataset.root
    )


def decoded(dataset: Dataset, cells: Sequence[CellImage] | None = None, *, side: int = 32) -> Pixels:
    form = InputForm(dataset.canvas_px, side)
    return load_inputs(dataset.cells if cells is None else cells, form, root=dataset.root).inputs


def look(dataset: Dataset, cells: Sequence[CellImage]) -> Survey:
    return cached_survey(cells, dataset)


def refuse_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an image was decoded")

    monkeypatch.setattr(inputs, "load_inputs", refuse)
    monkeypatch.setattr(survey, "survey", refuse)


def test_the_second_reading_decodes_nothing_and_gives_the_same_pixels(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read(dataset)
    refuse_decoding(monkeypatch)
    second = read(dataset, dataset.cells[::-2])

    assert (first[:] == decoded(dataset)).all()
    assert (second[:] == decoded(dataset, dataset.cells[::-2])).all()
    assert second.cells == dataset.cells[::-2]
    assert (second[3] == first[:][::-2][3]).all()
    assert len(list(second)) == len(second) == second.shape[0]


def test_other_sizes_and_versions_are_other_files(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(dataset).shape[1:] == (32, 32, 3)
    assert (read(dataset, side=24)[:] == decoded(dataset, side=24)).all()
    assert len(list_cache()) == 2
    monkeypatch.setattr(inputs, "TRANSFORM_VERSION", 99)
    read(dataset)
    assert len(list_cache()) == 3


def test_each_canvas_has_its_own_pixels(dataset: Dataset) -> None:
    # The cells fill more of a smaller canvas, so that pixels of the one cannot stand for the other.
    for canvas_px in (450, 300, None):
        asked = replace(dataset, canvas_px=canvas_px)
        for _ in range(2):
            assert (read(asked)[:] == decoded(asked)).all()
    assert (decoded(replace(dataset, canvas_px=300)) != decoded(dataset)).any()


def test_a_file_of_another_form_is_never_taken(dataset: Dataset, folder: Path) -> None:
    # Of one size all, so that rows of a file whose name forgets a part of the form would fit, and be wrong.
    plain = InputForm(canvas_px=450, image_size_px=32, crop_px=300)
    others = {
        "canvas_px": replace(plain, canvas_px=320),
        "image_size_px": replace(plain, image_size_px=24),
        "crop_px": replace(plain, crop_px=None),
    }
    assert list(others) == [part.name for part in fields(InputForm)], "each part of the form has its turn"

    for form in (plain, *others.values()):
        found = cached_inputs(dataset.cells, form, pool=dataset.cells, root=dataset.root)[:]
        assert (found == load_inputs(dataset.cells, form, root=dataset.root).inputs).all()

    assert len(list(folder.iterdir())) == 4


def test_a_file_keeps_its_name(monkeypatch: pytest.MonkeyPatch, folder: Path, dataset: Dataset) -> None:
    # Of the key as it was before forms had a name: what was prepared then is found again.
    monkeypatch.setattr(PIL, "__version__", "1")
    cell = replace(dataset.cells[0], sha256="0" * 64)
    form = InputForm(canvas_px=450, image_size_px=32, crop_px=300)

    cached_inputs([cell], form, pool=(), root=dataset.root)

    key = json.dumps([["0" * 64], ["inputs", 450, 32, 300, 1, "1"]])
    assert [path.stem for path in folder.iterdir()] == [hashlib.sha256(key.encode()).hexdigest()[:32]]


def test_no_cells_are_no_error(dataset: Dataset) -> None:
    assert len(read(replace(dataset, cells=()))) == 0
    assert len(read(dataset, ())) == 0
    assert look(dataset, ()).measures.shape == (0, 8)


def test_a_survey_is_kept_to_the_last_bit(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = dataset.cells[:12]
    fresh = survey.survey(cells, root=dataset.root, canvas_px=dataset.canvas_px)
    look(dataset, cells)
    refuse_decoding(monkeypatch)

    kept = look(dataset, cells[::-1])

    assert kept.cells == cells[::-1]
    assert kept.hashes == fresh.hashes[::-1]
    assert (kept.measures == fresh.measures[::-1]).all()
    assert (kept.thumbnails == fresh.thumbnails[::-1]).all()
    assert kept.unreadable == ()


def test_a_survey_names_a_broken_image_each_time(dataset: Dataset, tmp_path: Path) -> None:
    root = Path(shutil.copytree(dataset.root, tmp_path / "copy"))
    broken = open_dataset(root).cells[2].path
    broken.write_bytes(broken.read_bytes()[:3000])
    opened = open_dataset(root)
    for _ in range(2):
        found = look(opened, opened.cells[:5])
        assert [cell.path for cell, _ in found.unreadable] == [broken]
        assert len(found.hashes) == len(found.cells) == 4


def test_a_survey_of_another_version_is_made_anew(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    look(dataset, dataset.cells[:3])
    monkeypatch.setattr(survey, "SURVEY_VERSION", 99)
    refuse_decoding(monkeypatch)
    with pytest.raises(AssertionError, match="decoded"):
        look(dataset, dataset.cells[:3])


def test_only_the_owner_may_look(dataset: Dataset, folder: Path) -> None:
    read(dataset)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path, _ in list_cache()} == {0o600}


def test_a_changed_image_is_read_anew(dataset: Dataset, tmp_path: Path) -> None:
    root = Path(shutil.copytree(dataset.root, tmp_path / "copy"))
    before = open_dataset(root)
    read(before)
    changed, other = before.cells[0].path, before.cells[1].path
    status = changed.stat()
    changed.write_bytes(other.read_bytes())
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))  # not even the clock shows it

    after = open_dataset(root)

    assert (read(after)[0] == decoded(after)[1]).all()


def test_an_image_that_changes_under_our_hands_is_not_kept(dataset: Dataset, tmp_path: Path) -> None:
    root = Path(shutil.copytree(dataset.root, tmp_path / "copy"))
    opened = open_dataset(root)
    opened.cells[0].path.write_bytes(opened.cells[1].path.read_bytes())

    found = read(opened)

    ((cell, error),) = found.unreadable
    assert cell == opened.cells[0]
    assert "changed while" in error.why
    assert found.cells == opened.cells[1:]


def test_an_image_that_vanishes_under_our_hands_is_reported(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_dataset(Path(shutil.copytree(dataset.root, tmp_path / "copy")))
    monkeypatch.setattr(inputs, "load_inputs", lambda *a, **k: _then_remove(opened.cells[0], *a, **k))

    found = read(opened)

    assert [cell for cell, _ in found.unreadable] == [opened.cells[0]]
    assert found.cells == opened.cells[1:]


def _then_remove(cell: CellImage, *arguments: Any, **options: Any) -> LoadedInputs:
    loaded = load_inputs(*arguments, **options)
    cell.path.unlink(missing_ok=True)
    return loaded


def test_a_copy_is_served_where_its_twin_has_changed(dataset: Dataset, tmp_path: Path) -> None:
    root = Path(shutil.copytree(dataset.root, tmp_path / "copy"))
    cells = open_dataset(root).cells
    cells[1].path.write_bytes(cells[0].path.read_bytes())
    opened = open_dataset(root)
    assert opened.cells[0].sha256 == opened.cells[1].sha256
    opened.cells[0].path.write_bytes(cells[2].path.read_bytes())

    found = read(opened, opened.cells[:2])

    assert found.cells == (opened.cells[1],)
    assert (found[0] == decoded(dataset)[0]).all()


def test_a_broken_image_is_reported_and_the_others_are_kept(dataset: Dataset, tmp_path: Path) -> None:
    root = Path(shutil.copytree(dataset.root, tmp_path / "copy"))
    broken = open_dataset(root).cells[2].path
    broken.write_bytes(broken.read_bytes()[:3000])
    opened = open_dataset(root)
    for _ in range(2):
        found = read(opened)
        assert [cell.path for cell, _ in found.unreadable] == [
            cell.path for cell in opened.cells if cell.path == broken
        ]
        assert (found[:] == decoded(opened)).all()


BUILD = (
    "import sys, time; from pathlib import Path; from leuknet.data import open_dataset;"
    "from leuknet.images import cache, inputs; from leuknet.types import InputForm;"
    "dataset = open_dataset(Path(sys.argv[1])); write = cache._File.write;"
    "cache._BLOCK = 4;"
    "cache._File.write = lambda *a: (write(*a), time.sleep(float(sys.argv[2])));"
    "inputs.cached_inputs(dataset.cells, InputForm(dataset.canvas_px, 32),"
    " pool=dataset.cells, root=dataset.root)"
)


def test_builders_that_are_killed_leave_a_cache_that_can_be_trusted(dataset: Dataset, folder: Path) -> None:
    for _ in range(3):
        builder = subprocess.Popen([sys.executable, "-c", BUILD, str(dataset.root), "0.02"])
        deadline, before = time.monotonic() + 60, _filled(folder)
        while _filled(folder) < before + 5:
            assert builder.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        builder.send_signal(signal.SIGKILL)
        builder.wait()
    assert 15 <= _filled(folder) < len(dataset.cells)

    assert (read(dataset)[:] == decoded(dataset)).all()
    assert _filled(folder) == len(dataset.cells)


def _filled(folder: Path) -> int:
    """Rows that the file says are filled."""
    files = list(folder.glob("*.rows"))
    if not files or files[0].stat().st_size < 4096:
        return 0
    n = (files[0].stat().st_size - 4096) // (32 * 32 * 3)
    return int((np.fromfile(files[0], np.uint32, count=2 * n)[::2] == 1).sum())


def test_two_builders_at_once_make_one_good_file(dataset: Dataset) -> None:
    command = [sys.executable, "-c", BUILD, str(dataset.root), "0.02"]
    builders = [subprocess.Popen(command) for _ in range(2)]
    assert [builder.wait() for builder in builders] == [0, 0]

    assert len(list_cache()) == 1
    assert (read(dataset)[:] == decoded(dataset)).all()


@pytest.mark.parametrize("damage", ["cut", "flipped", "nonsense", "index without rows"])
def test_a_damaged_file_is_mended_with_a_warning_and_never_served(dataset: Dataset, damage: str) -> None:
    read(dataset)
    ((path, _),) = list_cache()
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[4096 + 5 * 3072 + 100] ^= 1
    elif damage == "nonsense":
        content = bytearray(np.random.default_rng(0).bytes(len(content)))
    else:  # what a power cut may leave
        content[4096:] = bytes(len(content) - 4096)
    path.write_bytes(content)

    with pytest.warns(UserWarning, match="cut off or damaged"):
        found = read(dataset)
    assert (found[:] == decoded(dataset)).all()
    assert (read(dataset)[:] == decoded(dataset)).all()  # mended: no second warning


def test_a_good_file_under_a_wrong_name_is_never_served(dataset: Dataset) -> None:
    # Of equal size and with right checksums, but of other images.
    sides = [replace(dataset, cells=dataset.cells[:10]), replace(dataset, cells=dataset.cells[10:20])]
    read(sides[0])
    ((path, _),) = list_cache()
    read(sides[1])
    (other,) = {found for found, _ in list_cache()} - {path}
    shutil.copy(path, other)

    with pytest.warns(UserWarning, match="cut off or damaged"):
        found = read(sides[1])
    assert (found[:] == decoded(sides[1])).all()


@pytest.mark.parametrize(
    ("call", "number"), [("open", errno.EROFS), ("ftruncate", errno.ENOSPC), ("pwrite", errno.ENOSPC)]
)
def test_a_full_or_read_only_disk_is_a_warning_and_all_images_are_there(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.warns(UserWarning, match=f"{os.strerror(number)}.*LEUKNET_CACHE"):
            found = read(dataset)
    assert (found[:] == decoded(dataset)).all()
    assert found.cells == dataset.cells


def test_what_could_not_be_kept_gives_its_space_back(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, n_left = os.pwrite, 20

    def until_full(*arguments: Any) -> int:
        nonlocal n_left
        n_left -= 1
        if n_left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(*arguments)

    monkeypatch.setattr(os, "pwrite", until_full)
    with pytest.warns(UserWarning, match="not kept"):
        read(dataset)
    assert list_cache() == ()


def test_nothing_is_kept_that_leaves_no_room_for_checkpoints(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(dataset.cells) * 32 * 32 * 3
    usage = shutil.disk_usage("/")._replace(free=cache.LEFT_FREE_BYTES + size - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.warns(UserWarning, match="No space left"):
        found = read(dataset)
    assert (found[:] == decoded(dataset)).all()
    assert sum(taken for _, taken in list_cache()) < size

    usage = usage._replace(free=usage.free + 1)
    read(dataset)  # one byte more is enough


def test_a_folder_that_cannot_be_made_is_a_warning(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="prepared images are not kept"):
        assert len(read(dataset)) == len(dataset.cells)


def test_the_files_used_longest_ago_make_room(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    old, middle = read(dataset, side=30), read(dataset, side=31)
    (second, _), (first, size) = list_cache()
    os.utime(first, (1, 1))
    os.utime(second, (2, 2))
    monkeypatch.setattr(cache, "MAX_BYTES", 2.5 * size)
    read(dataset, side=32)

    assert not first.exists()
    assert second.exists()
    assert (old[:] == decoded(dataset, side=30)).all()  # who has it open can go on
    assert len(middle) == len(dataset.cells)


def test_a_file_that_is_read_counts_as_used(dataset: Dataset) -> None:
    for side in (30, 31):
        read(dataset, side=side)
    (_, _), (first, _) = list_cache()
    os.utime(first, (1, 1))
    read(dataset, side=30)
    assert list_cache()[0][0] == first


def test_the_file_in_hand_stays_however_large(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 0)
    read(dataset)
    refuse_decoding(monkeypatch)
    assert len(read(dataset)) == len(dataset.cells)


def test_the_command_shows_and_clears(dataset: Dataset, folder: Path) -> None:
    read(dataset)
    shown = run_cli("data", "cache")
    assert str(folder) in shown.out
    assert "1 file" in shown.out

    cleared = run_cli("data", "cache", "--clear")

    assert cleared.status == 0
    assert "removed 1 file" in cleared.out
    assert list_cache() == ()
    assert clear_cache() == 0
