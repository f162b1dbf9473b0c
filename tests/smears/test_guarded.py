"""An image that crashes or hangs its process is an error of that image; the next one goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tqdm import tqdm

from leuknet.errors import DataError, UnreadableImageError
from leuknet.records.results_folder import MARK
from leuknet.simulation.draw_fields import draw_field
from leuknet.smears import extract
from leuknet.smears.extract import extract_cells
from leuknet.smears.guarded import Guarded, guarded_each
from tests.conftest import REPOSITORY, run_cli

pytestmark = pytest.mark.usefixtures("searched_apart")


def work(image: Path, *, allow: Callable[[float], None], how: Any = None) -> int:
    """Do what the name of the image says; return the number of the process."""
    list(tqdm([image], disable=True))  # as reading does: it makes a lock
    while image.name == "hangs at once":
        pass
    allow(20.0)
    if image.name == "hangs":
        allow(0.3)
        while True:
            pass
    if image.name.startswith("meets"):
        image.touch()
        while len(list(image.parent.iterdir())) < 2:
            time.sleep(0.01)
    if image.name == "crashes":
        os.abort()
    if image.name == "refused":
        raise DataError("cannot", why="so", fix="else")
    if image.name == "bug":
        raise ZeroDivisionError("one")
    return os.getpid()


def test_one_process_serves_many_images_and_each_end_is_an_error_of_one() -> None:
    with Guarded() as guarded:
        first = guarded.call(work, Path("fine"))
        assert first == guarded.call(work, Path("fine")) != os.getpid()
        with pytest.raises(DataError) as refused:
            guarded.call(work, Path("refused"))
        assert (refused.value.what, refused.value.why, refused.value.fix) == ("cannot", "so", "else")
        with pytest.raises(UnreadableImageError, match=r"bug.*ZeroDivisionError"):
            guarded.call(work, Path("bug"))
        assert guarded.call(work, Path("fine")) == first
        for name, why in (("hangs", "took longer than it may"), ("crashes", r"it ended the search \(-6\)")):
            with pytest.raises(UnreadableImageError, match=why):
                guarded.call(work, Path(name))
            assert guarded.call(work, Path("fine")) != first


def test_an_image_that_hangs_before_its_size_is_known_is_an_error_of_it() -> None:
    with (
        Guarded(opening_s=1.0) as guarded,
        pytest.raises(UnreadableImageError, match="took longer than it may"),
    ):
        guarded.call(work, Path("hangs at once"))


def test_several_images_at_once_come_back_in_order_each_with_its_own_end() -> None:
    names = ["fine", "refused", "fine", "crashes", "fine", "hangs", "fine"]

    ended = list(guarded_each(work, [(Path(name),) for name in names], processes=2))

    assert [type(one).__name__ for one in ended] == [
        "int", "DataError", "int", "UnreadableImageError", "int", "UnreadableImageError", "int",
    ]  # fmt: skip


def test_two_images_are_worked_on_at_once(tmp_path: Path) -> None:
    both = [(tmp_path / "meets 1",), (tmp_path / "meets 2",)]

    first, second = guarded_each(work, both, processes=2)

    assert first != second


def test_who_stops_early_waits_for_no_image() -> None:
    begun = time.monotonic()
    ended = guarded_each(work, [(Path(name),) for name in ("fine", "hangs at once", "fine")], processes=2)
    next(ended)
    ended.close()

    assert time.monotonic() - begun < 50  # an image of unknown size may take 60 s


def test_nothing_is_left_behind_that_python_would_warn_of() -> None:
    code = (
        "from pathlib import Path\n"
        "from leuknet.smears.guarded import Guarded\n"
        "from tests.smears.test_guarded import work\n"
        "with Guarded(opening_s=2.0) as guarded:\n"
        "    guarded.call(work, Path('fine'))\n"
        "    try: guarded.call(work, Path('hangs at once'))\n"
        "    except Exception: guarded.call(work, Path('fine'))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)

    assert (ended.returncode, ended.stderr) == (0, "")


def extract_or_hang(image: Path, folder: Path, *, allow: Callable[[float], None], **given: Any) -> Any:
    """As the command's own function, but for an image named `hangs.png`."""
    return (
        work(Path("hangs"), allow=allow) if image.stem == "hangs" else extract_cells(image, folder, **given)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pixels, _ = draw_field(600, 600, cells=1, seed=1)
    fields = tmp_path / "fields"
    fields.mkdir()
    for name in ("a", "hangs", "z"):
        Image.fromarray(pixels).save(fields / f"{name}.png")
    return fields


def test_an_image_that_hangs_stops_no_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract, "extract_cells", extract_or_hang)

    ended = run_cli("cells", folder, "--scale", "0.13", "--out", tmp_path / "found", "--no-crops")

    assert ended.status == 2
    assert "hangs.png" in ended.err
    assert "took longer than it may" in ended.err
    assert (tmp_path / "found" / "a" / "overlay.png").is_file()
    assert (tmp_path / "found" / "z" / "overlay.png").is_file()
    assert "1 of 3 images could not be used" in ended.err


def test_overwriting_empties_nothing_while_no_image_can_be_opened(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "found"
    shutil.copytree(folder, out)
    (out / MARK).write_text("")
    (tmp_path / "broken.png").write_bytes(b"no image")

    ended = run_cli("cells", tmp_path / "broken.png", "--scale", "0.13", "--out", out, "--overwrite")

    assert ended.status == 2
    assert "what is there stays" in ended.err
    assert sorted(path.name for path in out.iterdir()) == [MARK, "a.png", "hangs.png", "z.png"]

    both = run_cli(
        "cells", tmp_path / "broken.png", folder / "a.png", "--scale", "0.13", "--out", out, "--overwrite"
    )
    assert both.status == 2
    assert sorted(path.name for path in out.iterdir()) == [MARK, "a", "cells.csv"]
