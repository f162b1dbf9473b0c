"""`leuknet cells`, `leuknet smear` and `leuknet subject` on simulated fields, with a real, tiny model."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import leuknet
from leuknet.errors import ModelError, SettingError
from leuknet.evaluation.resampling import wilson
from leuknet.fields.slides import open_field
from leuknet.fields.tiles import find_cells
from leuknet.images.measures import Measures
from leuknet.images.reading import read_pixels
from leuknet.inference.model_folder import FolderPredictor
from leuknet.inference.predict import predict_files
from leuknet.simulation.draw_fields import FIELD_UM, draw_field, write_fields
from leuknet.smears.counts import OutcomeCount, count_outcomes, measure_shift
from leuknet.smears.smear import SmearCell, score_smear
from leuknet.types import CellBox, FieldScale, Prediction
from tests.conftest import run_cli

SCALE = FieldScale(FIELD_UM, "stated")


@pytest.fixture(scope="module")
def model(mini_reproduction: Path) -> Path:
    return mini_reproduction / "run" / "model"


@pytest.fixture(scope="module")
def predictor(model: Path) -> FolderPredictor:
    return leuknet.load(model)


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fields")
    write_fields(folder, 2, height_px=1000, width_px=1200, seed=8)
    return folder


@pytest.fixture(scope="module")
def smeared(fields: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one smear, scored by the command line."""
    out = tmp_path_factory.mktemp("smear") / "out"
    words = ("smear", fields / "field-01.png", "--model", model, "--scale", FIELD_UM, "--out", out)
    ended = run_cli(*words, drawn=True)
    assert ended.status == 0, ended.err
    assert "has not been validated on raw smears" in " ".join(ended.out.split())
    return out


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def _cell(
    probability: float, *, warnings: tuple[str, ...] = (), undecided: tuple[float, float] | None = None
) -> SmearCell:
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 0]])
    return SmearCell(
        id="r1",
        box=CellBox(0, 0, 1, 1),
        row_px=0,
        column_px=0,
        outline=square,
        nucleus=square,
        area_um2=100.0,
        nucleus_um2=60.0,
        sharpness=-3.0,
        flags=(),
        prediction=Prediction("a.png", probability, 0.5, "m", warnings=warnings, undecided=undecided),
        measures=Measures(1, 0.5, 0.7, 90, 60, 90, 20, 1),
    )


def test_an_unfamiliar_cell_is_called_so_whatever_its_probability() -> None:
    band = (0.4, 0.6)

    assert _cell(0.9).outcome == "positive"
    assert _cell(0.1).outcome == "negative"
    assert _cell(0.5, undecided=band).outcome == "uncertain"
    assert _cell(0.9, warnings=("blurred",), undecided=band).outcome == "unfamiliar"


def test_outcomes_are_counted_with_wilson_s_interval() -> None:
    counts = count_outcomes([_cell(0.9)] * 3 + [_cell(0.1)])

    # Wilson's 95% interval of 3 in 4.
    share = counts["positive"].share
    assert share is not None
    assert (counts["positive"].cells, share.estimate, share.cells) == (3, 0.75, 4)
    assert share.low == pytest.approx(0.3006, abs=1e-3)
    assert share.high == pytest.approx(0.9544, abs=1e-3)
    assert counts["unfamiliar"].cells == 0


def test_shares_are_of_familiar_cells_and_there_is_none_where_most_are_unfamiliar() -> None:
    foreign, certain = _cell(0.9, warnings=("blurred",)), _cell(0.9)
    half = count_outcomes([foreign] * 2 + [certain, _cell(0.1)])

    assert half["positive"].share == wilson(1, 2)
    assert half["unfamiliar"] == OutcomeCount(2, wilson(2, 4))
    most = count_outcomes([foreign] * 3 + [certain, _cell(0.1)])
    assert [most[name] for name in ("positive", "negative")] == [OutcomeCount(1, None)] * 2
    assert most["unfamiliar"] == OutcomeCount(3, wilson(3, 5))
    # What was noted when a file was read says nothing of its cell.
    assert _cell(0.9, warnings=("the alpha channel is opaque and was dropped",)).outcome == "positive"


def test_the_shift_names_reasons_by_frequency(predictor: FolderPredictor) -> None:
    cells = [_cell(0.9, warnings=("blurred", "dark")), _cell(0.9, warnings=("dark",)), _cell(0.9)]

    shift = measure_shift(cells, predictor.reference)

    assert shift.reasons == (("dark", 2), ("blurred", 1))
    assert shift.unfamiliar.estimate == pytest.approx(2 / 3)
    assert [name for name, _ in shift.deviations] == list(Measures._fields)


def test_a_smear_has_a_line_for_each_cell_with_score_outcome_and_place(smeared: Path, fields: Path) -> None:
    rows = _rows(smeared / "cells.csv")
    true = [row for row in _rows(fields / "fields_truth.csv") if row["field"] == "field-01.png"]

    assert len(rows) == len(true)
    for row in rows:
        assert 0 <= float(row["probability"]) <= 1
        assert row["outcome"] in ("ALL", "HEM", "uncertain", "unfamiliar")
        assert int(row["top_px"]) < int(row["bottom_px"]) <= 1000
        assert float(row["nucleus_um2"]) <= float(row["area_um2"])
        assert row["error"] == ""
    assert len({row["cell"] for row in rows}) == len(rows)


def test_the_score_of_a_cell_is_that_of_its_crop(
    smeared: Path, fields: Path, predictor: FolderPredictor, tmp_path: Path
) -> None:
    ended = run_cli("cells", fields / "field-01.png", "--scale", FIELD_UM, "--out", tmp_path)
    assert ended.status == 0, ended.err
    rows = _rows(smeared / "cells.csv")
    crops = [tmp_path / "field-01" / "crops" / f"{row['cell']}.png" for row in rows]

    scored = predict_files(predictor, crops, reference=predictor.reference)

    for row, prediction in zip(rows, scored, strict=True):
        assert prediction.probability == pytest.approx(float(row["probability"]), abs=1e-6)
        assert "; ".join(prediction.warnings) == row["warnings"]


def test_page_pictures_and_outlines_are_there_and_say_what_they_must(smeared: Path) -> None:
    page = (smeared / "report.html").read_text(encoding="utf-8")
    rows = _rows(smeared / "cells.csv")
    features = json.loads((smeared / "outlines.geojson").read_text())["features"]

    assert "has not been validated on raw smears" in page
    assert "SIMULATED CELLS" in page
    assert "not a medical device" in page.lower()
    assert "The model does not know its own scale" in page
    assert (smeared / "report.pdf").read_bytes().startswith(b"%PDF")
    assert [feature["properties"]["name"] for feature in features] == [row["cell"] for row in rows]
    assert {one["properties"]["classification"]["name"] for one in features} == {
        row["outcome"] for row in rows
    }
    for name in ("overlay.png", "gallery.png"):
        with Image.open(smeared / name) as picture:
            assert min(picture.size) > 500


def test_classes_that_a_person_gave_in_qupath_come_back_beside_the_scores(
    smeared: Path, fields: Path, model: Path, tmp_path: Path
) -> None:
    collection = json.loads((smeared / "outlines.geojson").read_text())
    kept = collection["features"][:3]
    for feature, name in zip(kept, ("blast", "lymphocyte", "blast"), strict=True):
        feature["properties"]["classification"] = {"name": name, "color": [1, 2, 3]}
    (tmp_path / "reviewed.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": kept}))

    ended = run_cli(
        *("smear", fields / "field-01.png", "--model", model, "--scale", FIELD_UM, "--no-pdf"),
        *("--outlines", tmp_path / "reviewed.geojson", "--out", tmp_path / "again", "--parquet"),
    )

    assert ended.status == 0, ended.err
    table = pl.read_parquet(tmp_path / "again" / "cells.parquet")
    first = _rows(smeared / "cells.csv")[:3]
    assert table["reviewed"].to_list() == ["blast", "lymphocyte", "blast"]
    assert table["cell"].to_list() == [row["cell"] for row in first]
    # A pixel at the outline may go either way.
    np.testing.assert_allclose(table["probability"], [float(row["probability"]) for row in first], atol=0.1)


def test_the_model_s_scale_decides_about_the_size_of_the_crops(
    fields: Path, predictor: FolderPredictor
) -> None:
    with open_field(fields / "field-01.png") as field:
        found = list(find_cells(field, SCALE))
    areas = [
        [
            seen.cell.measures.area_px
            for seen in score_smear(found, predictor, path="a", scale=SCALE, model_um=um)
        ]
        for um in (None, FIELD_UM, 2 * FIELD_UM)
    ]

    assert areas[0] == areas[1]
    np.testing.assert_allclose(np.array(areas[2]) * 4, areas[0], rtol=0.05)


@pytest.mark.parametrize("um", [0.0, -0.07, 7.0, float("nan")])
def test_a_model_s_scale_of_no_microscope_is_refused_at_once(um: float, predictor: FolderPredictor) -> None:
    with pytest.raises(SettingError, match="must be"):
        score_smear([], predictor, path="a", scale=SCALE, model_um=um)


def test_stain_normalisation_states_what_it_did(
    fields: Path, model: Path, mini_reproduction: Path, tmp_path: Path
) -> None:
    crops = sorted((mini_reproduction / "data").rglob("*_all.bmp"))[:4]
    targets = [option for crop in crops for option in ("--target", crop)]

    ended = run_cli(
        *("smear", fields / "field-01.png", "--model", model, "--scale", FIELD_UM, "--no-pdf"),
        *("--normalise", "reinhard", *targets, "--out", tmp_path),
    )

    assert ended.status == 0, ended.err
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Effect of the stain normalisation:" in page
    assert "Before normalisation" in page


@pytest.mark.parametrize("options", [("--normalise", "magic"), ("--normalise", "macenko")])
def test_normalisation_without_method_or_target_is_refused(
    fields: Path, model: Path, options: tuple[str, ...], tmp_path: Path
) -> None:
    ended = run_cli("smear", fields / "field-01.png", "--model", model, *options, "--out", tmp_path / "out")

    assert ended.status == 2
    assert "cannot change the stain" in ended.err
    assert not (tmp_path / "out").exists()


def test_a_field_without_leukocytes_gives_an_empty_table_and_says_so(model: Path, tmp_path: Path) -> None:
    pixels, _ = draw_field(700, 700, cells=0, seed=1)
    Image.fromarray(pixels).save(tmp_path / "empty.png")

    ended = run_cli("smear", tmp_path / "empty.png", "--model", model, "--scale", FIELD_UM)

    assert ended.status == 0, ended.err
    assert "no leukocyte was found" in ended.err
    assert _rows(tmp_path / "empty-smear" / "cells.csv") == []
    assert not (tmp_path / "empty-smear" / "report.html").exists()


def test_a_model_without_a_canvas_cannot_score_a_smear(predictor: FolderPredictor) -> None:
    class Whole(FolderPredictor):
        def run(self, inputs: object) -> object:  # type: ignore[override]
            raise AssertionError

    whole = Whole(replace(predictor.card, canvas_px=None), predictor.model_id, None)

    with pytest.raises(ModelError, match="without a common scale"):
        score_smear([], whole, path="a", scale=SCALE)


def test_a_broken_image_does_not_stop_the_others(fields: Path, tmp_path: Path) -> None:
    shutil.copy(fields / "field-01.png", tmp_path / "good.png")
    (tmp_path / "broken.png").write_bytes((fields / "field-02.png").read_bytes()[:5000])

    ended = run_cli("cells", tmp_path, "--scale", FIELD_UM, "--out", tmp_path / "out", "--no-crops")

    assert ended.status == 2
    assert "broken.png" in ended.err
    assert "1 of 2 images could not be used" in ended.err
    rows = _rows(tmp_path / "out" / "cells.csv")
    assert rows
    assert {Path(row["path"]).name for row in rows} == {"good.png"}
    assert not (tmp_path / "out" / "good" / "crops").exists()
    assert (tmp_path / "out" / "good" / "overlay.png").is_file()


def test_images_of_one_name_keep_their_folders_apart(fields: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(fields / f"field-0{1 if name == 'a' else 2}.png", tmp_path / name / "field.png")

    ended = run_cli(
        *("cells", tmp_path / "a" / "field.png", tmp_path / "b" / "field.png"),
        *("--scale", FIELD_UM, "--out", tmp_path / "out"),
    )

    assert ended.status == 0, ended.err
    crops = [len(list((tmp_path / "out" / name / "crops").iterdir())) for name in ("field", "field-2")]
    assert sum(crops) == len(_rows(tmp_path / "out" / "cells.csv"))
    assert min(crops) > 0


def test_the_table_of_a_smear_is_what_the_subject_command_reads(
    fields: Path, model: Path, tmp_path: Path
) -> None:
    done = run_cli(
        *("smear", fields / "field-02.png", "--model", model, "--scale", FIELD_UM, "--no-pdf"),
        *("--subject", "P7", "--out", tmp_path),
    )
    assert done.status == 0, done.err

    ended = run_cli("subject", tmp_path / "cells.csv", "--out", tmp_path / "share.json")

    assert ended.status == 0, ended.err
    assert "P7" in (tmp_path / "share.json").read_text()


def test_crops_come_at_the_scale_and_size_that_were_asked_for(fields: Path, tmp_path: Path) -> None:
    for folder, options in (("as", ()), ("half", ("--crop-scale", 2 * FIELD_UM, "--canvas", 200))):
        ended = run_cli(
            "cells", fields / "field-01.png", "--scale", FIELD_UM, *options, "--out", tmp_path / folder
        )
        assert ended.status == 0, ended.err
    crops = sorted((tmp_path / "as" / "field-01" / "crops").iterdir())

    for crop in crops:
        whole = read_pixels(crop).pixels
        half = read_pixels(tmp_path / "half" / "field-01" / "crops" / crop.name).pixels
        assert whole.shape == (450, 450, 3)
        assert half.shape == (200, 200, 3)
        assert half.any(axis=2).sum() * 4 == pytest.approx(whole.any(axis=2).sum(), rel=0.05)


def test_the_pdf_shows_the_result_on_its_first_sheet(smeared: Path) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed")
    done = subprocess.run(
        ["pdftotext", "-l", "1", smeared / "report.pdf", "-"], capture_output=True, check=True
    )

    text = done.stdout.decode()
    assert "Not validated on raw smears" in text
    assert "Cells by outcome" in text


def test_a_slide_needs_no_scale_and_gives_the_cells_of_the_field(
    smeared: Path, fields: Path, model: Path, tmp_path: Path
) -> None:
    tifffile = pytest.importorskip("tifffile", reason="the extra `slides` is not installed")
    tifffile.imwrite(
        tmp_path / "slide.ome.tif",
        np.asarray(Image.open(fields / "field-01.png")),
        tile=(256, 256),
        photometric="rgb",
        compression="deflate",
        metadata={
            "axes": "YXS",
            **{f"PhysicalSize{axis}": FIELD_UM for axis in "XY"},
            **{f"PhysicalSize{axis}Unit": "µm" for axis in "XY"},
        },
    )

    ended = run_cli(
        "smear", tmp_path / "slide.ome.tif", "--model", model, "--tile", 400, "--out", tmp_path / "out"
    )

    assert ended.status == 0, ended.err
    assert _rows(tmp_path / "out" / "cells.csv")[0]["path"].endswith("slide.ome.tif")
    drop = ("path", "subject")
    ours, whole = (
        sorted(
            (
                {name: value for name, value in row.items() if name not in drop}
                for row in _rows(folder / "cells.csv")
            ),
            key=lambda row: row["cell"],
        )
        for folder in (tmp_path / "out", smeared)
    )
    assert [row["cell"] for row in ours] == [row["cell"] for row in whole]
    for one, other in zip(ours, whole, strict=True):
        assert float(one.pop("probability")) == pytest.approx(float(other.pop("probability")), abs=1e-6)
        assert one == other
    assert "(file)" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
