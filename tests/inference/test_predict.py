"""Files to lines: order, bounded memory, broken files, odd names; and the card of a model folder."""

from __future__ import annotations

import csv
import json
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from leuknet.errors import DataError, ModelError, SettingError, ShapeError, StoppedError
from leuknet.images.measures import measure
from leuknet.images.reading import read_pixels
from leuknet.inference import predict
from leuknet.inference.familiar import Reference, fit_reference
from leuknet.inference.model_folder import open_card, write_card
from leuknet.inference.predict import find_images, predict_files
from leuknet.inference.prediction_table import COLUMNS, write_predictions
from leuknet.records import read_record, write_record
from leuknet.types import (
    Calibration,
    Features,
    Interval,
    IntervalMethod,
    ModelCard,
    Pixels,
    Prediction,
    Probabilities,
    Recipe,
)

NAMES = ("HEM", "ALL")

CARD = ModelCard(
    recipe=Recipe(
        name="tiny",
        source="tests",
        claim="none",
        image_size_px=8,
        network_options={"hidden": 4},
        parts=("fold_0", "fold_1"),
    ),
    class_names=NAMES,
    canvas_px=None,
    channel_mean=(1.5, 2.0, 3.0),
    channel_std=(1.0, 1.0, 1.0),
    threshold=0.5,
    dataset="c-nmc-2019",
    simulated=True,
    split_kind="image-level",
    split_fingerprint="f" * 64,
    leuknet_version="0.1.0",
    commit=None,
    created_at="2026-01-01T00:00:00+00:00",
)


@dataclass
class BrightnessPredictor:
    """A model that is easy to foresee: P(leukaemic) is the mean grey level over 255."""

    card: ModelCard = CARD
    model_id: str = "0123456789ab"
    batches: list[int] = field(default_factory=list)

    def predict(self, pixels: Pixels) -> Probabilities:
        raise NotImplementedError("these tests score prepared inputs only")

    def score(self, inputs: Pixels) -> Probabilities:
        raise NotImplementedError("features are taken in the same pass")

    def embed(self, inputs: Pixels) -> tuple[Probabilities, Features]:
        """The features are the mean red, green and blue."""
        self.batches.append(len(inputs))
        return inputs.mean(axis=(1, 2, 3)) / 255, inputs.mean(axis=(1, 2)).astype(np.float32)


def write_image(path: Path, grey: int, *, size: tuple[int, int] = (8, 8)) -> Path:
    """A plain picture: (height, width) pixels of one grey level, which its probability gives back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), grey, np.uint8)).save(path, "BMP")
    return path


def prediction(path: str, **changes: Any) -> Prediction:
    return replace(Prediction(path=path, probability=0.75, threshold=0.5, model_id="abc"), **changes)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# find_images


def test_folders_are_walked_in_sorted_order_for_images_only(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.bmp", "notes.txt", "z/c.TIFF", "z/.d.jpeg", "c/e.tif", "e.jpg.bak"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()

    found = [path.relative_to(tmp_path).as_posix() for path in find_images([tmp_path])]

    assert found == ["a.bmp", "b.PNG", "c/e.tif", "z/.d.jpeg", "z/c.TIFF"]


def test_named_files_and_missing_paths_are_yielded_as_they_are(tmp_path: Path) -> None:
    odd = tmp_path / "cell.data"
    odd.touch()

    assert list(find_images([tmp_path / "missing", odd])) == [tmp_path / "missing", odd]


def test_linked_folders_are_not_followed_unless_named(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.bmp").touch()
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to(tmp_path / "real")

    assert list(find_images([tmp_path / "top"])) == []
    assert list(find_images([tmp_path / "top" / "link"])) == [tmp_path / "top" / "link" / "a.bmp"]


def test_a_folder_that_cannot_be_listed_becomes_a_path_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.bmp").touch()
    (tmp_path / "sub").mkdir()
    found = find_images([tmp_path])
    first = next(found)
    shutil.rmtree(tmp_path / "sub")  # after the walk saw it, before it went in

    assert [first, *found] == [tmp_path / "a.bmp", tmp_path / "sub"]


# predict_files


def test_probability_and_label_follow_from_pixels_and_threshold(tmp_path: Path) -> None:
    paths = [write_image(tmp_path / "dark.bmp", 51), write_image(tmp_path / "light.bmp", 204)]

    dark, light = predict_files(BrightnessPredictor(), paths)

    assert (dark.probability, light.probability) == pytest.approx((0.2, 0.8))
    assert (dark.label, light.label) == (0, 1)
    assert (dark.path, dark.model_id, dark.threshold) == (str(paths[0]), "0123456789ab", 0.5)
    assert (dark.error, dark.warnings) == (None, ())


def test_a_broken_file_becomes_one_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = write_image(tmp_path / "good.bmp", 51)
    broken = tmp_path / "bro\nken.bmp"
    broken.write_bytes(good.read_bytes()[:60])
    paths = [good, broken, tmp_path / "missing.bmp", tmp_path, good]
    predictor = BrightnessPredictor()

    found = list(predict_files(predictor, paths))

    assert [one.path for one in found] == [str(path) for path in paths]
    assert [one.probability is None for one in found] == [False, True, True, True, False]
    assert [one.error is None for one in found] == [True, False, False, False, True]
    assert all("\n" not in (one.error or "") for one in found)
    assert "missing.bmp" in (found[2].error or "")
    assert predictor.batches == [2]


def test_only_broken_files_are_never_scored(tmp_path: Path) -> None:
    predictor = BrightnessPredictor()

    (found,) = predict_files(predictor, [tmp_path / "missing.bmp"])

    assert found.label is None
    assert predictor.batches == []


def test_three_thousand_files_keep_their_order_and_stay_within_the_look_ahead(tmp_path: Path) -> None:
    n, batch_size = 3000, 16
    paths = [tmp_path / f"{number}.bmp" for number in range(n)]
    contents = [write_image(tmp_path / "one.bmp", grey).read_bytes() for grey in range(256)]
    for number, path in enumerate(paths):
        path.write_bytes(contents[number % 256])
    taken = 0

    def count() -> Iterator[Path]:
        nonlocal taken
        for path in paths:
            taken += 1
            yield path

    predictor = BrightnessPredictor()
    most = 0
    for number, one in enumerate(predict_files(predictor, count(), batch_size=batch_size)):
        assert one.path == str(paths[number])
        assert one.probability == pytest.approx(number % 256 / 255)
        most = max(most, taken - number)

    assert number == n - 1
    assert most == 3 * batch_size
    assert set(predictor.batches) == {batch_size, n % batch_size}


def test_files_are_read_while_the_model_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [write_image(tmp_path / f"{number}.bmp", 9) for number in range(6)]
    later, scoring = threading.Event(), threading.Event()

    def read_slowly(path: Path, *, root: Path | None = None) -> Any:
        if path in paths[2:]:
            assert scoring.wait(10), "the model was not asked before later files were read"
            later.set()
        return read_pixels(path, root=root)

    class Waiting(BrightnessPredictor):
        def embed(self, inputs: Pixels) -> tuple[Probabilities, Features]:
            scoring.set()
            assert later.wait(10), "no later file was read while the model scored"
            return super().embed(inputs)

    monkeypatch.setattr(predict, "read_pixels", read_slowly)

    assert len(list(predict_files(Waiting(), paths, batch_size=2))) == 6


def test_a_stopped_consumer_leaves_no_reading_thread_behind(tmp_path: Path) -> None:
    stream = predict_files(BrightnessPredictor(), [write_image(tmp_path / "a.bmp", 9)] * 50, batch_size=2)
    next(stream)

    del stream

    assert not [one for one in threading.enumerate() if one.name.startswith("leuknet-read")]


def test_a_batch_size_of_zero_is_refused_before_any_work() -> None:
    with pytest.raises(SettingError, match="batch size 0"):
        predict_files(BrightnessPredictor(), [], batch_size=0)


@pytest.mark.parametrize("scores", [np.array([np.nan]), np.array([1.5]), np.array([[0.5]])])
def test_a_model_that_gives_no_probabilities_is_an_error(tmp_path: Path, scores: Probabilities) -> None:
    class Broken(BrightnessPredictor):
        def embed(self, inputs: Pixels) -> tuple[Probabilities, Features]:
            return scores, super().embed(inputs)[1]

    with pytest.raises(ModelError, match="does not give probabilities"):
        list(predict_files(Broken(), [write_image(tmp_path / "a.bmp", 9)]))


def on_canvas(tmp_path: Path, picture: Pixels, canvas_px: int | None = 40) -> tuple[str, ...]:
    Image.fromarray(picture).save(tmp_path / "picture.png")
    predictor = BrightnessPredictor(replace(CARD, canvas_px=canvas_px))
    (found,) = predict_files(predictor, [tmp_path / "picture.png"])
    return found.warnings


def test_a_cell_on_its_black_canvas_has_no_warning(tmp_path: Path) -> None:
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[:, 9:] = (120, 40, 140)  # 9/40 = 22.5% black

    assert on_canvas(tmp_path, picture) == ()


@pytest.mark.parametrize("colour", [(140, 0, 0), (0, 140, 0), (0, 0, 140)])
def test_a_picture_without_black_is_called_no_segmented_cell(
    tmp_path: Path, colour: tuple[int, int, int]
) -> None:
    picture = np.full((40, 40, 3), colour, np.uint8)  # dark in two channels is not black
    picture[:, :7] = 8  # 7/40 = 17.5% black

    (warning,) = on_canvas(tmp_path, picture)

    assert warning == "not a segmented cell on black: scores are not valid for raw smears"
    assert on_canvas(tmp_path, picture, canvas_px=None) == ()


@pytest.mark.parametrize(
    ("height", "width", "warning"),
    [
        (60, 60, "60 x 60 px, not 40 x 40: cropped at the centre"),
        (40, 20, "20 x 40 px, not 40 x 40: placed on black"),
        (60, 20, "20 x 60 px, not 40 x 40: cropped at the centre and placed on black"),
    ],
)
def test_a_picture_of_another_size_than_the_canvas_is_named(
    tmp_path: Path, height: int, width: int, warning: str
) -> None:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2] = 90

    assert on_canvas(tmp_path, picture) == (warning,)


def test_an_all_black_picture_is_named_with_and_without_canvas(tmp_path: Path) -> None:
    black = np.zeros((40, 40, 3), np.uint8)

    for canvas_px in (40, None):
        assert on_canvas(tmp_path, black, canvas_px) == ("the image is all black: there is no cell to score",)


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Of cells with a mean of about (120, 40, 140) on a canvas of 40 pixels."""
    generator = np.random.default_rng(0)
    cells = np.stack([purple_cell(20 + size % 5, generator.normal(0, 5)) for size in range(60)])
    _, features = BrightnessPredictor().embed(cells)
    measures = np.array([measure(cell) for cell in cells])
    return fit_reference(
        features[:40], measures[:40], held_out_features=features[40:], held_out_measures=measures[40:]
    )


def purple_cell(width: int, brighter: float = 0.0) -> Pixels:
    """A square of `width` pixels in the middle of 40, finely textured."""
    picture = np.zeros((40, 40, 3), np.uint8)
    cell = np.full((width, width, 3), (120, 40, 140)) + brighter
    cell[::2, ::2] += 30
    picture[20 - width // 2 :, 20 - width // 2 :][:width, :width] = cell
    return picture


def test_a_reference_adds_its_reasons_to_the_right_lines(tmp_path: Path, reference: Reference) -> None:
    broken = tmp_path / "missing.png"
    pictures = [purple_cell(22), purple_cell(10), np.zeros((40, 40, 3), np.uint8)]
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).save(path)
    predictor = BrightnessPredictor(
        replace(CARD, canvas_px=40, recipe=replace(CARD.recipe, image_size_px=40))
    )

    good, missing, small, black = predict_files(
        predictor, [paths[0], broken, *paths[1:]], reference=reference
    )

    assert (good.warnings, missing.warnings) == ((), ())
    assert small.warnings[0] == "the cell is smaller than the trained ones"
    assert black.warnings == ("the image is all black: there is no cell to score",)


def test_a_reference_judges_the_picture_on_the_canvas(tmp_path: Path, reference: Reference) -> None:
    # The same cell, cut out closely: on the canvas it has the black around it that it had in training.
    Image.fromarray(purple_cell(22)[8:32, 8:32]).save(tmp_path / "close.png")
    predictor = BrightnessPredictor(
        replace(CARD, canvas_px=40, recipe=replace(CARD.recipe, image_size_px=40))
    )

    (found,) = predict_files(predictor, [tmp_path / "close.png"], reference=reference)

    assert found.warnings == (
        "24 x 24 px, not 40 x 40: placed on black",
        "not a segmented cell on black: scores are not valid for raw smears",
    )


def test_features_that_are_not_the_reference_s_are_an_error(tmp_path: Path, reference: Reference) -> None:
    class Other(BrightnessPredictor):
        def embed(self, inputs: Pixels) -> tuple[Probabilities, Features]:
            probabilities, features = super().embed(inputs)
            return probabilities, features[:, :2]

    with pytest.raises(ShapeError, match=r"\(1, 2\)"):
        list(predict_files(Other(), [write_image(tmp_path / "a.bmp", 9)], reference=reference))


def test_the_undecided_range_of_the_card_reaches_each_line(tmp_path: Path) -> None:
    calibration = Calibration(1.0, (0.15, 0.3), 0.9, 100, 10, 0.1, 0.05)
    paths = [write_image(tmp_path / "dark.bmp", 51), write_image(tmp_path / "light.bmp", 204)]

    found = predict_files(BrightnessPredictor(replace(CARD, calibration=calibration)), paths)

    assert [one.is_uncertain for one in found] == [True, False]  # 0.2 and 0.8


def test_warnings_of_reading_pass_through(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(tmp_path / "a.bmp", "PNG")

    (found,) = predict_files(BrightnessPredictor(), [tmp_path / "a.bmp"])

    assert len(found.warnings) == 1
    assert "PNG" in found.warnings[0]


def test_the_subject_is_that_of_a_published_name(tmp_path: Path) -> None:
    names = ["UID_h3_1_2_hem.bmp", "UID_11_33_4_all.bmp", "1.bmp"]
    paths = [write_image(tmp_path / name, 9) for name in names]

    assert [one.subject for one in predict_files(BrightnessPredictor(), paths)] == ["H3", "11", None]


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    outside = write_image(tmp_path / "outside.bmp", 9)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link.bmp").symlink_to(outside)

    (refused,) = predict_files(
        BrightnessPredictor(), [tmp_path / "root" / "link.bmp"], root=tmp_path / "root"
    )
    (followed,) = predict_files(BrightnessPredictor(), [tmp_path / "root" / "link.bmp"])

    assert refused.error is not None
    assert followed.error is None


def test_the_real_crops_have_no_warning(shared_data: Path) -> None:
    training = shared_data / "cnmc2019" / "C-NMC_Leukemia" / "training_data"
    predictor = BrightnessPredictor(replace(CARD, canvas_px=450))

    found = list(predict_files(predictor, find_images([training])))

    assert len(found) == 126
    assert {(one.error, one.warnings) for one in found} == {(None, ())}
    assert len({one.subject for one in found}) == 15


# write_predictions

ODD_NAMES = [
    "a,b.bmp",
    'quo"te.bmp',
    "new\nline.bmp",
    "carriage\r\nreturn.bmp",
    "lone\rreturn.bmp",
    " spaces .bmp",
    "ünïcödé 細胞.bmp",
    "null",
    "007",
    "#comment",
]


@pytest.mark.parametrize("suffix", [".csv", ".CSV", ".parquet"])
def test_odd_names_and_unknown_values_come_back_as_they_went(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out [1]*{suffix}"
    notes = ("Pillow: one", "the content is two")
    lines = [prediction(name, warnings=notes) for name in ODD_NAMES] * 300
    lines.append(prediction("bad.bmp", probability=None, error="cannot read 'bad.bmp': empty"))
    lines.append(prediction("UID_H3_1_1_hem.bmp", probability=0.1 + 0.2, subject="H3"))

    summary = write_predictions(lines, target, class_names=NAMES)

    if suffix == ".parquet":
        rows = pl.read_parquet(target, glob=False).rows(named=True)
        typed: list[dict[str, Any]] = rows
    else:
        typed = [{key: value or None for key, value in row.items()} for row in read_csv(target)]
        for row in typed:
            row["threshold"] = float(row["threshold"])
            row["probability"] = row["probability"] and float(row["probability"])
    assert list(typed[0]) == list(COLUMNS)
    assert [row["path"] for row in typed] == [one.path for one in lines]
    assert typed[0] == {
        "path": "a,b.bmp",
        "probability": 0.75,
        "label": "ALL",
        "outcome": "ALL",
        "threshold": 0.5,
        "model_id": "abc",
        "subject": None,
        "warnings": "Pillow: one; the content is two",
        "error": None,
    }
    bad, known = typed[-2:]
    assert (bad["probability"], bad["label"], bad["outcome"], bad["warnings"]) == (None, None, None, None)
    assert bad["error"] == "cannot read 'bad.bmp': empty"
    assert (known["probability"], known["label"], known["subject"]) == (0.1 + 0.2, "HEM", "H3")
    assert (summary.written, summary.failed, summary.failed_paths) == (3002, 1, ("bad.bmp",))
    assert list(tmp_path.iterdir()) == [target]


def test_the_outcome_is_uncertain_where_the_model_should_not_decide(tmp_path: Path) -> None:
    # Half-open: 0.4 belongs to the undecided range and 0.6 does not; without a range nothing is uncertain.
    lines = [prediction("a", probability=p, undecided=(0.4, 0.6)) for p in (0.39, 0.4, 0.59, 0.6)]
    lines.append(prediction("a", probability=0.5))
    lines.append(prediction("a", probability=None, error="broken", undecided=(0.4, 0.6)))

    write_predictions(lines, tmp_path / "out.csv", class_names=NAMES)

    rows = read_csv(tmp_path / "out.csv")
    assert [row["outcome"] for row in rows] == ["HEM", "uncertain", "uncertain", "ALL", "ALL", ""]
    assert [row["label"] for row in rows] == ["HEM", "HEM", "ALL", "ALL", "ALL", ""]


def test_an_image_unlike_the_trained_ones_is_unfamiliar_and_counted(tmp_path: Path) -> None:
    # A whole field scored 0.99996 and was called ALL (issue 19).
    lines = [prediction("field.png", probability=0.99996, warnings=("blurred",)), prediction("cell.png")]
    lines.append(prediction("bad.bmp", probability=None, error="broken"))

    summary = write_predictions(lines, tmp_path / "out.csv", class_names=NAMES)

    rows = read_csv(tmp_path / "out.csv")
    assert [row["outcome"] for row in rows] == ["unfamiliar", "ALL", ""]
    assert [row["label"] for row in rows] == ["ALL", "ALL", ""]
    assert dict(summary.said.outcomes) == {"unfamiliar": 1, "ALL": 1}
    assert (summary.said.warned, dict(summary.said.warnings)) == (1, {"blurred": 1})


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_undecodable_bytes_of_a_name_are_written_as_escapes(tmp_path: Path, suffix: str) -> None:
    name = os.fsdecode(b"caf\xe9.bmp")

    write_predictions([prediction(name)], tmp_path / f"out{suffix}", class_names=NAMES)

    if suffix == ".csv":
        path = read_csv(tmp_path / "out.csv")[0]["path"]
    else:
        path = pl.read_parquet(tmp_path / "out.parquet")["path"][0]
    assert path == r"caf\udce9.bmp"


def test_no_predictions_make_a_file_with_a_header_only(tmp_path: Path) -> None:
    summary = write_predictions([], tmp_path / "out.csv", class_names=NAMES)
    write_predictions([], tmp_path / "out.parquet", class_names=NAMES)

    assert summary.written == 0
    assert read_csv(tmp_path / "out.csv") == []
    assert pl.read_parquet(tmp_path / "out.parquet").shape == (0, len(COLUMNS))


def test_the_summary_names_twenty_failures_and_counts_all(tmp_path: Path) -> None:
    lines = [prediction(str(number), probability=None, error="broken") for number in range(25)]

    summary = write_predictions(lines, tmp_path / "out.csv", class_names=NAMES)

    assert (summary.written, summary.failed) == (25, 25)
    assert summary.failed_paths == tuple(str(number) for number in range(20))


def test_ctrl_c_keeps_the_lines_so_far_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "out.parquet").write_text("an older result")

    def interrupted() -> Iterator[Prediction]:
        yield prediction("a.bmp")
        raise KeyboardInterrupt

    with pytest.raises(StoppedError) as caught:
        write_predictions(interrupted(), tmp_path / "out.parquet", class_names=NAMES)

    partial = tmp_path / "out.parquet.partial.csv"
    assert str(partial) in caught.value.fix
    assert caught.value.why == "Ctrl-C after 1 images"
    assert [row["path"] for row in read_csv(partial)] == ["a.bmp"]
    assert (tmp_path / "out.parquet").read_text() == "an older result"


def test_an_error_of_the_source_keeps_the_lines_so_far_and_goes_on_up(tmp_path: Path) -> None:
    def failing() -> Iterator[Prediction]:
        yield prediction("a.bmp")
        raise ModelError("no", why="no", fix="no")

    with pytest.raises(ModelError) as caught:
        write_predictions(failing(), tmp_path / "out.csv", class_names=NAMES)

    assert len(read_csv(tmp_path / "out.csv.partial.csv")) == 1
    assert not (tmp_path / "out.csv").exists()
    assert "out.csv.partial.csv" in caught.value.__notes__[0]


@pytest.mark.parametrize("name", ["out.xlsx", "out", "folder.csv", "missing/out.csv"])
def test_a_place_that_cannot_be_written_is_refused_before_scoring(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.csv").mkdir()

    def never() -> Iterator[Prediction]:
        pytest.fail("scoring began")
        yield

    with pytest.raises(SettingError, match=name):
        write_predictions(never(), tmp_path / name, class_names=NAMES)


# model.json


def test_a_card_comes_back_as_it_was_written(tmp_path: Path) -> None:
    for card in (CARD, replace(CARD, canvas_px=450, commit="abc")):
        write_card(card, tmp_path)
        assert open_card(tmp_path) == card
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


def change_card(folder: Path, place: str, value: Any) -> None:
    """Set (or, with None, drop) one field of model.json, by a dotted path."""
    write_card(CARD, folder)
    content = json.loads((folder / "model.json").read_text())
    *parents, last = place.split(".")
    inner = content
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    if value is None:
        del inner[last]
    (folder / "model.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        ("threshold", None, "field threshold is missing"),
        ("recipe.epochs", None, "field recipe.epochs is missing"),
        ("treshold", 0.5, "field treshold is unknown"),
        ("recipe.lr", 0.5, "field recipe.lr is unknown"),
        ("threshold", "0.5", "field threshold is '0.5', not float"),
        ("threshold", True, "field threshold is True, not float"),
        ("recipe.epochs", 1.5, "field recipe.epochs is 1.5, not int"),
        ("recipe.epochs", True, "field recipe.epochs is True, not int"),
        ("recipe.balance", 1, "field recipe.balance is 1, not bool"),
        ("recipe", [], "field recipe is [], not Recipe"),
        ("recipe.network_options", [], "field recipe.network_options is []"),
        ("canvas_px", "450", "field canvas_px is '450', not int"),
        ("channel_mean", [1.0, 2.0], "field channel_mean is [1.0, 2.0], not tuple[float, float, float]"),
        ("channel_mean", [1.0, 2.0, "3"], "field channel_mean is '3', not float"),
        ("recipe.parts", ["fold_0", 1], "field recipe.parts is 1, not str"),
        ("split_kind", "random", "field split_kind is 'random', not typing.Literal['image-level'"),
        ("channel_std", [1.0, 1.0, float("inf")], "field channel_std is inf, not float"),
        ("threshold", float("nan"), "field threshold is nan, not float"),
        ("threshold", 1.5, "threshold is 1.5, and must be from 0 to 1"),
        ("canvas_px", 0, "canvas_px is 0, and must be from 1 to 4096"),
        ("recipe.image_size_px", 0, "recipe.image_size_px is 0, and must be from 1 to 4096"),
        ("schema_version", 99, "schema_version is 99; this LeukNet reads 4"),
        ("schema_version", None, "schema_version is None"),
    ],
)
def test_a_card_that_is_amiss_names_file_and_field(tmp_path: Path, place: str, value: Any, why: str) -> None:
    change_card(tmp_path, place, value)

    with pytest.raises(ModelError) as caught:
        open_card(tmp_path)

    assert caught.value.why.startswith(why)
    assert str(tmp_path / "model.json") in caught.value.what


@pytest.mark.parametrize("content", [None, "", "[]", "{", "\xff"])
def test_a_card_that_is_no_json_object_is_a_model_error(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "model.json").write_text(content, encoding="latin-1")

    with pytest.raises(ModelError, match=r"model\.json"):
        open_card(tmp_path)


def test_a_record_with_nan_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_card(replace(CARD, threshold=float("nan")), tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_record_is_read_with_the_error_of_its_reader(tmp_path: Path) -> None:
    interval = Interval(0.5, 0.4, 1, 0.95, IntervalMethod.WILSON, 10, None, 0)
    write_record(interval, tmp_path / "deeper" / "interval.json")

    assert read_record(Interval, tmp_path / "deeper" / "interval.json", error=DataError, fix="") == interval
    with pytest.raises(DataError, match="field calibration is missing"):
        read_record(ModelCard, tmp_path / "deeper" / "interval.json", error=DataError, fix="")
