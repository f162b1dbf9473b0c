"""Occlusion maps without PyTorch: the numbers of captum, and drawn over the right place of a cell."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from numpy.typing import NDArray
from torch import Tensor, nn

from leuknet.errors import ShapeError
from leuknet.explain.occlusion import MAP_LEGEND, draw_map, occlusion_map
from leuknet.figures.evidence_plot import overlay_evidence
from leuknet.images.transform import prepare
from leuknet.inference.model_folder import FolderPredictor
from leuknet.inference.onnx_predictor import load_onnx_model
from leuknet.networks.predictor import TorchPredictor, channels_first, load_model
from leuknet.simulation.simulate import golden_cells
from leuknet.types import Calibration, Features, ModelCard, Pixels
from tests.conftest import REPOSITORY, without

GOLDEN = REPOSITORY / "tests" / "golden" / "run" / "model"


@pytest.fixture(scope="module")
def model(mini_reproduction: Path) -> Path:
    """A model folder with a graph. Read only."""
    return mini_reproduction / "run" / "model"


class Corner(FolderPredictor):
    """Log odds before calibration: a hundredth of the red in rows 14 to 20 and columns 7 to 13, together."""

    def __init__(self, card: ModelCard) -> None:
        super().__init__(card, "c" * 12, None)
        self.n_run = 0

    def run(self, inputs: Pixels) -> tuple[NDArray[np.float64], Features]:
        self.n_run += len(inputs)
        log_odds = inputs[:, 14:21, 7:14, 0].sum(axis=(1, 2)) / 100
        return log_odds, np.zeros((len(inputs), 1), np.float32)


def card(
    *, size: int, canvas: int | None, crop: int | None = None, temperature: float | None = None
) -> ModelCard:
    plain = load_model(GOLDEN).card
    recipe = replace(plain.recipe, image_size_px=size, crop_px=crop)
    calibration = None
    if temperature is not None:
        calibration = Calibration(temperature, (0.5, 0.5), 0.9, 9, 3, 0.1, 0.1)
    return replace(plain, recipe=recipe, canvas_px=canvas, calibration=calibration)


def by_captum(predictor: TorchPredictor, inputs: Pixels) -> NDArray[np.float32]:
    """The same maps by captum on the plain network: who wrote it knows nothing of ours."""
    size = predictor.card.recipe.image_size_px
    window = max(2, size // 7)
    calibration = predictor.card.calibration
    temperature = 1.0 if calibration is None else calibration.temperature

    def log_odds(images: Tensor) -> Tensor:
        logits: Tensor = predictor.network(images)
        return (logits[:, 1] - logits[:, 0]) / temperature

    with torch.no_grad():
        changes = Occlusion(log_odds).attribute(
            channels_first(torch.from_numpy(inputs)),
            sliding_window_shapes=(3, window, window),
            strides=(3, window // 2, window // 2),
            baselines=0.0,
            perturbations_per_eval=16,
        )
    return np.asarray(changes[:, 0].numpy())


def test_maps_are_those_of_captum(model: Path) -> None:
    by_torch, by_onnx = load_model(model), load_onnx_model(model)
    assert by_onnx.card.calibration is not None
    assert by_onnx.card.calibration.temperature != 1
    cells = list(golden_cells(3))
    inputs = np.stack([prepare(cell, by_onnx.card.input_form) for cell in cells])

    expected = by_captum(by_torch, inputs)

    assert np.ptp(expected) > 1e-2
    for cell, one in zip(cells, expected, strict=True):
        assert np.abs(occlusion_map(by_onnx, cell) - one).max() < 1e-3


@pytest.mark.parametrize("size", [49, 50, 53, 10])
def test_squares_that_do_not_fit_evenly_are_laid_as_captum_lays_them(size: int) -> None:
    # Only where the squares lie counts here, so both are asked of one that captum computes too.
    torch.manual_seed(0)
    answer = nn.Linear(3 * size * size, 2)
    nn.init.normal_(answer.weight, std=0.001)
    network = nn.Sequential(nn.Flatten(), answer)
    by_torch = TorchPredictor(network, card(size=size, canvas=None), "0" * 12, None)
    pixels = np.random.default_rng(0).integers(1, 255, (size, size, 3)).astype(np.uint8)

    expected = by_captum(by_torch, pixels[None])[0]

    assert np.ptp(expected) > 1e-2
    assert np.abs(occlusion_map(by_torch, pixels) - expected).max() < 1e-3


def test_the_map_is_highest_where_the_answer_lies_and_0_where_it_does_not() -> None:
    predictor = Corner(card(size=49, canvas=None, temperature=2.0))
    pixels = np.full((49, 49, 3), 10, np.uint8)

    made = occlusion_map(predictor, pixels)

    # The square has 7 pixels and moves by 3; 49 pixels of red 10 are worth 4.9, over the temperature 2.45. No
    # square covers all of rows 14 to 20: that at row 15 covers 6. In columns 7 to 13, that at 6 covers 6.
    assert made.dtype == np.float32
    row, column = np.unravel_index(made.argmax(), made.shape)
    assert 14 <= row <= 20
    assert 7 <= column <= 13
    assert 0 < made.max() <= 36 * 10 / 100 / 2
    far = made.copy()
    far[14 - 7 : 21 + 7, 0 : 14 + 7] = 0
    assert not far.any()
    assert (made >= 0).all()


def test_a_square_over_nothing_but_black_costs_no_pass() -> None:
    predictor = Corner(card(size=49, canvas=None))
    pixels = np.zeros((49, 49, 3), np.uint8)
    pixels[16, 9] = 200

    made = occlusion_map(predictor, pixels)

    # One for the whole; rows 12 and 15 reach it, and columns 3, 6 and 9.
    assert predictor.n_run == 1 + 2 * 3
    assert made[16, 9] == pytest.approx(2.0)  # under all of the squares that cover it
    assert not occlusion_map(predictor, np.zeros_like(pixels)).any()


def test_a_map_lies_over_the_crop_as_the_model_sees_it() -> None:
    crop = np.full((100, 100, 3), 100, np.uint8)
    values = np.zeros((10, 10), np.float32)
    values[0, 0], values[9, 9] = 2.0, -1.0

    whole = draw_map(crop, values, card=card(size=10, canvas=100)).astype(int)
    middle = draw_map(crop, values, card=card(size=10, canvas=100, crop=50)).astype(int)
    stretched = draw_map(crop[:50], values, card=card(size=10, canvas=None)).astype(int)
    cut = draw_map(crop[:50, :60], values, card=card(size=10, canvas=100)).astype(int)

    # Orange is red above blue, blue the other way round, grey neither.
    warmth = [np.sign(np.round((one[..., 0] - one[..., 2]) / 9)) for one in (whole, middle, stretched, cut)]
    expected = [np.zeros(one.shape) for one in warmth]
    expected[0][:10, :10], expected[0][90:, 90:] = 1, -1
    expected[1][25:30, 25:30], expected[1][70:75, 70:75] = 1, -1
    expected[2][:5, :10], expected[2][45:, 90:] = 1, -1
    for made, wanted in zip(warmth, expected, strict=True):
        assert np.array_equal(made, wanted)
    assert (whole[50, 50] == 100).all()


def test_the_strongest_value_is_nearly_opaque_and_a_weak_one_shows_the_cell() -> None:
    pixels = np.full((1, 3, 3), 100, np.uint8)
    values = np.array([[4.0, 0.4, 0.0]], np.float32)

    made = overlay_evidence(pixels, values)

    # #ff7a00 at 0.9 over grey 100; then 0.09 of a pale orange.
    assert made[0, 0] == pytest.approx([239.5, 119.8, 10], abs=1)
    assert np.abs(made[0, 1].astype(int) - 100).max() < 15
    assert made[0, 2].tolist() == [100, 100, 100]
    assert (overlay_evidence(pixels, np.zeros((1, 3), np.float32)) == 100).all()


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match="cannot draw the map"):
        overlay_evidence(np.zeros((2, 2, 3), np.uint8), np.zeros((3, 2), np.float32))


def test_the_legend_says_what_a_map_does_not_mean() -> None:
    for words in ("Orange", "blue", "leukaemic", "normal", "not whether the answer is right", "no evidence"):
        assert words in MAP_LEGEND


def test_maps_need_no_pytorch(model: Path) -> None:
    code = without("torch", "torchvision", "captum", "onnx") + (
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from leuknet.inference.onnx_predictor import load_onnx_model\n"
        "from leuknet.explain.occlusion import draw_map, occlusion_map\n"
        f"model = load_onnx_model(Path({str(model)!r}))\n"
        "crop = np.full((60, 60, 3), 90, np.uint8)\n"
        "print(draw_map(crop, occlusion_map(model, crop), card=model.card).shape)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (ended.stdout.strip(), ended.returncode) == ("(60, 60, 3)", 0), ended.stderr
