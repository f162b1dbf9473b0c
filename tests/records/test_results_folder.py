"""A run's folder holds that run only, and nothing is overwritten unless it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from PIL import Image

from leuknet.cli import app
from leuknet.errors import SettingError
from leuknet.records.results_folder import MARK, begin_results, check_free
from leuknet.simulation.draw_fields import write_fields
from tests.conftest import run_cli

GOES_ON = {"reproduce", "audit", "benchmark", "tune"}
"""Commands that go on in the folder that an earlier call left."""

ONCE = {"train", "ensemble", "pull"}
"""Commands whose folder is written once, or resumed with an option of its own."""


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")} - {MARK}


def test_an_absent_an_empty_and_a_just_begun_folder_are_free(tmp_path: Path) -> None:
    check_free(tmp_path / "absent", tmp_path / "absent.html")
    (tmp_path / "empty").mkdir()
    check_free(tmp_path / "empty")

    begin_results(tmp_path / "empty")
    begin_results(tmp_path / "deep" / "absent")

    check_free(tmp_path / "empty")
    assert names(tmp_path) == {"empty", f"empty/{MARK}", "deep", "deep/absent", f"deep/absent/{MARK}"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_no_run_made_is_never_removed(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "mine.bmp").write_bytes(b"mine")

    for refuse in (check_free, begin_results):
        with pytest.raises(SettingError) as refused:
            refuse(tmp_path / "cells", overwrite=overwrite)
        assert "mine.bmp" in str(refused.value)
        assert ("--overwrite" in refused.value.fix) == (not overwrite), "what helps is advised, and no more"

    assert names(tmp_path) == {"cells", "cells/mine.bmp"}


def test_the_folder_of_a_run_is_emptied_when_asked_and_links_out_of_it_are_not_followed(
    tmp_path: Path,
) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    (outside / "mine.bmp").write_bytes(b"mine")
    begin_results(out)
    (out / "deep").mkdir()
    (out / "deep" / "old.csv").write_text("old")
    (out / "link").symlink_to(outside)
    with pytest.raises(SettingError, match="holds something already, such as deep"):
        begin_results(out)

    begin_results(out, overwrite=True)

    assert names(out) == set()
    assert (out / MARK).is_file()
    assert names(outside) == {"mine.bmp"}


def test_what_a_run_reads_is_not_removed_by_it(tmp_path: Path) -> None:
    begin_results(tmp_path / "out")
    image = tmp_path / "out" / "cell.png"
    image.write_bytes(b"image")

    with pytest.raises(SettingError, match=r"this run reads .*cell\.png"):
        check_free(tmp_path / "out", overwrite=True, reads=[tmp_path / "out" / ".." / "out" / "cell.png"])

    check_free(tmp_path / "out", overwrite=True, reads=[tmp_path / "outside.png"])


def test_a_file_may_be_replaced_when_asked(tmp_path: Path) -> None:
    page = tmp_path / "report.pdf"
    page.write_bytes(b"old")
    with pytest.raises(SettingError, match="exists already"):
        check_free(tmp_path / "report.html", page)

    check_free(tmp_path / "report.html", page, overwrite=True)


def test_each_command_that_writes_a_folder_or_several_files_has_the_option() -> None:
    root = typer.main.get_command(app)
    lacking: set[str] = set()
    having: set[str] = set()

    def look(command: object, name: str) -> None:
        for child, below in getattr(command, "commands", {}).items():
            look(below, f"{name} {child}".strip())
        for option in getattr(command, "params", []):
            if option.name == "out" and option.metavar in ("FOLDER", "STEM", "RUN", "OUT"):
                there = any(other.name == "overwrite" for other in command.params)  # type: ignore[attr-defined]
                (having if there else lacking).add(name)

    look(root, "")

    assert lacking == GOES_ON | ONCE | {"data simulate"}  # which replaces a simulated copy alone, and whole
    assert {"cells", "smear", "explain", "evaluate", "report", "plan interval", "data split"} <= having


def test_cells_of_two_images_do_not_mix(tmp_path: Path) -> None:
    for name in ("a", "b"):
        field = Image.new("RGB", (64, 64), (232, 226, 235))
        field.paste((190, 140, 150), (20, 20, 40, 40))
        field.save(tmp_path / f"{name}.png")
    out = tmp_path / "found"
    cells = ("cells", "--scale", "0.2", "--out", out)
    assert run_cli(*cells, tmp_path / "a.png").status == 0
    first = names(out)
    assert "a/overlay.png" in first

    refused = run_cli(*cells, tmp_path / "b.png")

    assert (refused.status, names(out)) == (2, first)
    assert "holds something already, such as a\n" in refused.err
    assert "--overwrite" in refused.err
    assert run_cli(*cells, tmp_path / "b.png", "--overwrite").status == 0
    assert {name.partition("/")[0] for name in names(out)} == {"cells.csv", "b"}
    with pytest.raises(SettingError, match="holds something already"):
        write_fields(out, 1, height_px=600, width_px=600)


def test_the_print_of_an_earlier_report_does_not_stay_beside_a_new_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_html(_: object, stem: Path, **__: object) -> tuple[Path, ...]:
        stem.with_suffix(".html").write_text("new")
        return (stem.with_suffix(".html"),)

    monkeypatch.setattr("leuknet.report.run_report.write_report", write_html)
    (tmp_path / "page.pdf").write_bytes(b"of an earlier run")
    report = ("report", tmp_path, "--out", tmp_path / "page", "--no-pdf")

    assert run_cli(*report).status == 2
    assert names(tmp_path) == {"page.pdf"}
    assert run_cli(*report, "--overwrite").status == 0
    assert names(tmp_path) == {"page.html"}
