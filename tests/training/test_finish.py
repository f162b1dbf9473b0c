"""What training leaves beside the weights: calibration, threshold and what is familiar."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit

import leuknet
from leuknet.data import open_dataset
from leuknet.data.split import fingerprint, make_split
from leuknet.data.split_file import read_manifest
from leuknet.evaluation.calibrate import calibrate
from leuknet.images.near_duplicates import perceptual_hash
from leuknet.images.transform import load_inputs
from leuknet.inference.model_folder import WEIGHTS
from leuknet.inference.predict import predict_files
from leuknet.networks.predictor import TorchPredictor
from leuknet.recipes.leuknet_demo import LEUKNET_DEMO
from leuknet.training.train import train
from leuknet.types import Dataset, Pixels, Recipe, Split

TINY = replace(
    LEUKNET_DEMO,
    network_options={"filters": [4, 6, 8], "fc1": 8},
    image_size_px=24,
    epochs=3,
    batch_size=16,
    learning_rate=1e-3,
    threshold="youden",
    fractions=(0.5, 0.3, 0.2),
)


@pytest.fixture(scope="module")
def dataset(simulated_fold: Path) -> Dataset:
    return open_dataset(simulated_fold)


@pytest.fixture(scope="module")
def split(dataset: Dataset) -> Split:
    return replace(make_split(dataset.cells, TINY), protocol="paper", round="1 of 1")


@pytest.fixture(scope="module")
def folder(dataset: Dataset, split: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(dataset, TINY, out=tmp_path_factory.mktemp("runs") / "one", split=split).folder / "model"


def model_of(folder: Path) -> TorchPredictor:
    model = leuknet.load(folder, engine="torch")
    assert isinstance(model, TorchPredictor)
    return model


def inputs_of(dataset: Dataset, split: Split) -> Pixels:
    return load_inputs(split.validation, TINY.input_form(dataset.canvas_px), root=dataset.root).inputs


def test_the_card_is_calibrated_on_the_validation_side(folder: Path, dataset: Dataset, split: Split) -> None:
    model = model_of(folder)
    labels = np.array([cell.label for cell in split.validation])
    assert model.card.calibration is not None
    # The network's own log odds: what it says, times its temperature.
    log_odds = logit(model.score(inputs_of(dataset, split))) * model.card.calibration.temperature
    subjects = [cell.subject for cell in split.validation]
    threshold, calibration = calibrate(labels, log_odds, rule="youden", subjects=subjects)

    assert model.card.threshold == pytest.approx(threshold, abs=1e-6)
    assert model.card.calibration.temperature == pytest.approx(calibration.temperature, rel=1e-4)
    assert model.card.calibration.undecided == pytest.approx(calibration.undecided, abs=1e-6)
    assert model.card.calibration.cells == len(split.validation)
    assert model.card.calibration.subjects == len({cell.subject for cell in split.validation})


def test_other_test_cells_change_nothing_that_was_learned(
    folder: Path, dataset: Dataset, split: Split, tmp_path: Path
) -> None:
    fewer = replace(
        split, test=split.test[:4], fingerprint=fingerprint(split.train, split.validation, split.test[:4])
    )
    other = model_of(train(dataset, TINY, out=tmp_path / "other", split=fewer).folder / "model")
    one = model_of(folder)

    weights = [(model.folder / WEIGHTS).read_bytes() for model in (one, other) if model.folder]
    assert weights[0] == weights[1]
    assert (one.card.threshold, one.card.calibration) == (other.card.threshold, other.card.calibration)
    assert one.card.split_fingerprint != other.card.split_fingerprint


def test_the_given_split_and_its_protocol_go_with_the_model(folder: Path, split: Split) -> None:
    card = model_of(folder).card
    manifest = read_manifest(folder / "split.json")

    assert (card.protocol, card.round, card.split_fingerprint) == ("paper", "1 of 1", split.fingerprint)
    assert (manifest.protocol, manifest.fingerprint) == ("paper", split.fingerprint)
    assert manifest.sides["test"].cells == len(split.test)


def test_each_cell_of_the_manifest_has_the_hash_of_its_picture(
    folder: Path, dataset: Dataset, split: Split
) -> None:
    from leuknet.data import read_pixels

    manifest = read_manifest(folder / "split.json")
    for name, cells in (("train", split.train), ("validation", split.validation), ("test", split.test)):
        hashed = manifest.sides[name].hashed
        assert [one.id for one in hashed] == [cell.id for cell in cells]
        pixels = read_pixels(cells[0].path, root=dataset.root).pixels
        assert hashed[0].hash == perceptual_hash(pixels)


def test_held_out_cells_are_mostly_familiar_and_noise_is_not(
    folder: Path, dataset: Dataset, split: Split, tmp_path: Path
) -> None:
    from PIL import Image

    model = model_of(folder)
    noise = tmp_path / "noise.png"
    pixels = np.random.default_rng(0).integers(0, 256, (450, 450, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(noise)
    paths = [*(cell.path for cell in split.validation), noise]
    *cells, last = predict_files(model, paths, reference=model.reference)

    # Three limits, each at the 99% of these very cells.
    assert sum(bool(one.warnings) for one in cells) <= 0.15 * len(cells)
    assert last.warnings
    assert {one.undecided for one in cells} == {model.card.calibration and model.card.calibration.undecided}


@pytest.mark.parametrize("rule", ["half", "youden"])
def test_the_recipe_decides_how_the_threshold_is_chosen(dataset: Dataset, tmp_path: Path, rule: str) -> None:
    recipe: Recipe = replace(TINY, threshold=rule, epochs=1)  # type: ignore[arg-type]
    card = model_of(train(dataset, recipe, out=tmp_path / "run").folder / "model").card

    assert (card.threshold == 0.5) == (rule == "half")
