"""Maps, their checks and `leuknet explain`, on networks whose reasons are known by construction."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import logit
from torch import Tensor, nn

from leuknet.errors import ModelError, SettingError, ShapeError
from leuknet.explain.grad_cam import grad_cam, last_convolution
from leuknet.explain.methods import METHODS
from leuknet.explain.occlusion import occlusion
from leuknet.explain.sanity import Deletion, Sanity, deletion_curve, randomisation_check
from leuknet.inference.model_folder import FolderPredictor
from leuknet.networks.predictor import TorchPredictor, load_model
from leuknet.types import Calibration, Pixels
from tests.conftest import REPOSITORY, run_cli

GOLDEN = REPOSITORY / "tests" / "golden" / "run" / "model"
SIZE = 16
SCALE = 0.01


class QuarterMean(nn.Module):
    """Log odds: 0.01 times the red of the upper left quarter, less 0.005 times the lower right, less 1.

    A convolution that passes red on, a ReLU, and one fully connected layer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1)
        self.relu = nn.ReLU()
        self.answer = nn.Linear(SIZE * SIZE, 2)
        weights = torch.zeros(2, SIZE, SIZE)
        weights[1, :8, :8] = SCALE
        weights[0, 8:, 8:] = SCALE / 2
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, 0.0, 0.0])[None, :, None, None])
            self.conv.bias = nn.Parameter(torch.zeros(1))
            self.answer.weight.copy_(weights.flatten(1))
            self.answer.bias.copy_(torch.tensor([1.0, 0.0]))

    def forward(self, pixels: Tensor) -> Tensor:
        values: Tensor = self.answer(self.relu(self.conv(pixels)).flatten(1))
        return values


def _predictor(network: nn.Module, *, temperature: float | None = None) -> TorchPredictor:
    card = replace(load_model(GOLDEN).card, calibration=None)
    if temperature is not None:
        card = replace(card, calibration=Calibration(temperature, (0.5, 0.5), 0.9, 9, 3, 0.1, 0.1))
    return TorchPredictor(network, card, "0" * 12, None)


def _red(seed: int = 0, n: int = 2) -> Pixels:
    """Images in which red differs from place to place."""
    return np.random.default_rng(seed).integers(20, 60, (n, SIZE, SIZE, 3)).astype(np.uint8)


def test_occlusion_is_the_fall_of_the_log_odds_under_the_square() -> None:
    inputs = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    inputs[0, 0, 0, 0], inputs[0, 12, 13, 0], inputs[0, 2, 12, 0] = 100, 50, 200

    maps = occlusion(_predictor(QuarterMean()), inputs, window_px=4, stride_px=4)

    # The first square takes 0.01 * 100 away, the one over row 12, column 13 gives 0.005 * 50 back; the upper
    # right quarter has no say.
    expected = np.zeros((SIZE, SIZE))
    expected[:4, :4], expected[12:, 12:] = 1.0, -0.25
    assert maps[0] == pytest.approx(expected, abs=1e-5)


def test_overlapping_squares_are_averaged() -> None:
    inputs = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    inputs[0, 0, 0, 0] = 100

    maps = occlusion(_predictor(QuarterMean()), inputs, window_px=4, stride_px=2)

    # Row 0, column 2 lies under the square at column 0, worth 1, and the one at column 2, worth nothing.
    assert maps[0, 0, :5] == pytest.approx([1, 1, 0.5, 0.5, 0], abs=1e-5)


def test_the_temperature_divides_the_maps() -> None:
    inputs = _red()
    plain, warm = _predictor(QuarterMean()), _predictor(QuarterMean(), temperature=2.0)

    for method in METHODS.values():
        assert method.explain(plain, inputs).any()
        assert method.explain(warm, inputs) == pytest.approx(method.explain(plain, inputs) / 2, rel=1e-4)
    whole = occlusion(warm, inputs, window_px=SIZE, stride_px=SIZE)[:, 0, 0]
    black = warm.score(np.zeros_like(inputs))
    assert whole == pytest.approx(logit(warm.score(inputs)) - logit(black), rel=1e-4)


def test_grad_cam_weights_a_channel_by_its_mean_gradient() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 2, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(512, 2, bias=False)
    )
    with torch.no_grad():
        # Channel 0 is red, channel 1 green; red speaks for leukaemic in row 0, green against.
        network[0].weight.copy_(torch.eye(3)[:2, :, None, None])  # type: ignore[operator]
        weights = torch.zeros(2, 2, SIZE, SIZE)
        weights[1, 0, 0], weights[0, 1] = 1.0, 1.0
        network[3].weight.copy_(weights.flatten(1))  # type: ignore[operator]
    inputs = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    inputs[0, 3, 4], inputs[0, 5, 6] = (160, 0, 0), (0, 7, 0)

    signed = grad_cam(_predictor(network), inputs, signed=True)[0]
    published = grad_cam(_predictor(network), inputs)[0]

    # Mean gradients: 16 of 256 places have 1 for red, so 1/16; -1 for green.
    assert signed[3, 4] == pytest.approx(10)
    assert signed[5, 6] == pytest.approx(-7)
    assert np.count_nonzero(signed) == 2
    assert np.array_equal(published, np.maximum(signed, 0))


def test_grad_cam_takes_the_activation_that_follows_the_last_convolution() -> None:
    gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1))
    body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    network = nn.Sequential(body, nn.MaxPool2d(2), gate, nn.Flatten(), nn.Linear(4, 2))

    # The gate's convolution sees one place: it is no map.
    assert last_convolution(_predictor(network)) is body[2]
    paper = load_model(GOLDEN)
    assert last_convolution(paper) is paper.network.get_submodule("relu3")


def test_a_network_without_convolution_is_refused_by_grad_cam_and_not_by_occlusion() -> None:
    flat = _predictor(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 2)))

    with pytest.raises(ModelError, match="no convolution") as caught:
        grad_cam(flat, _red())

    assert "occlusion" in caught.value.fix
    assert occlusion(flat, _red(), window_px=8, stride_px=8).shape == (2, SIZE, SIZE)


@pytest.mark.parametrize(("window_px", "stride_px"), [(17, 1), (4, 5), (4, 0)])
def test_squares_that_do_not_fit_are_refused(window_px: int, stride_px: int) -> None:
    with pytest.raises(SettingError, match=f"{window_px} px in steps of {stride_px} px"):
        occlusion(_predictor(QuarterMean()), _red(), window_px=window_px, stride_px=stride_px)


@pytest.mark.parametrize("inputs", [np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, SIZE, SIZE, 3))])
def test_inputs_of_another_size_or_kind_are_refused(inputs: Pixels) -> None:
    for method in METHODS.values():
        with pytest.raises(ShapeError, match="16, 16, 3"):
            method.explain(_predictor(QuarterMean()), inputs)


def test_no_inputs_give_no_maps() -> None:
    for method in METHODS.values():
        assert method.explain(_predictor(QuarterMean()), _red(n=0)).shape == (0, SIZE, SIZE)


def test_random_weights_change_maps_that_follow_the_weights() -> None:
    predictor = _predictor(QuarterMean())
    before = predictor.network.state_dict()["answer.weight"].clone()

    sanity = randomisation_check(predictor, _red(n=6), explain=METHODS["occlusion"].explain)

    assert sanity.layers == ("answer", "conv")
    assert sanity.passes
    assert sanity.rank_correlation[-1] < 0.4
    assert torch.equal(predictor.network.state_dict()["answer.weight"], before), (
        "the model itself was changed"
    )


def test_maps_that_only_repeat_the_image_are_found_out() -> None:
    def edges(_: FolderPredictor, inputs: Pixels) -> np.ndarray:
        return inputs[..., 0].astype(np.float32)

    sanity = randomisation_check(_predictor(QuarterMean()), _red(), explain=edges)

    assert sanity.rank_correlation == pytest.approx((1.0, 1.0))
    assert sanity.similarity == pytest.approx((1.0, 1.0))
    assert not sanity.passes


def test_a_map_turned_into_its_negative_counts_as_the_same() -> None:
    predictor, sign = _predictor(QuarterMean()), [1.0]

    def flipping(_: FolderPredictor, inputs: Pixels) -> np.ndarray:
        sign[0] = -sign[0]
        return sign[0] * inputs[..., 0].astype(np.float32)

    assert randomisation_check(predictor, _red(), explain=flipping).rank_correlation[0] == pytest.approx(1)


def test_constant_maps_are_left_out_and_refused_if_there_are_no_others() -> None:
    inputs = _red(n=3)
    inputs[1] = 0  # no cell

    assert randomisation_check(_predictor(QuarterMean()), inputs).cells == 2
    with pytest.raises(ModelError, match="none of 1 maps"):
        randomisation_check(_predictor(QuarterMean()), inputs[1:2])


def test_passing_needs_both_measures_once_all_is_random() -> None:
    assert Sanity(1, ("a", "b"), (0.9, 0.4), (0.9, 0.4)).passes
    assert not Sanity(1, ("a", "b"), (0.1, 0.6), (0.1, 0.4)).passes
    assert not Sanity(1, ("a", "b"), (0.1, 0.4), (0.1, 0.6)).passes


def test_deletion_in_the_order_of_a_true_map_takes_the_answer_away_first() -> None:
    # Only the upper left quarter speaks: 64 of 256 pixels of red 40 give log odds 0.01 * 64 * 40 - 1 = 24.6.
    inputs = np.full((1, SIZE, SIZE, 3), 40, np.uint8)
    network = QuarterMean()
    with torch.no_grad():
        network.answer.weight[0] = 0
    predictor = _predictor(network)

    found = deletion_curve(predictor, inputs, occlusion(predictor, inputs, window_px=4, stride_px=4), steps=4)

    # Without the quarter, log odds are -1: P = 0.2689, whatever else goes.
    assert found.shares == (0, 0.25, 0.5, 0.75, 1)
    assert found.most_first == pytest.approx([1, 0.2689, 0.2689, 0.2689, 0.2689], abs=1e-4)
    assert found.least_first == pytest.approx([1, 1, 1, 1, 0.2689], abs=1e-4)
    # Trapezia a quarter wide: 0.25 * (0.63445 + 3 * 0.2689) and 0.25 * (3 + 0.63445).
    most, chance, least = found.areas
    assert (most, least) == pytest.approx((0.3603, 0.9086), abs=1e-4)
    assert most < chance < least
    assert (found.faster, found.passes) == (1.0, True)


def test_deletion_of_a_normal_cell_starts_with_what_speaks_for_normal() -> None:
    # Red 40 in the lower right quarter alone: log odds -13.8; without it -1, so P(normal) falls to 0.7311.
    inputs = np.full((1, SIZE, SIZE, 3), 40, np.uint8)
    inputs[0, :8, :8, 0] = 0
    predictor = _predictor(QuarterMean())

    found = deletion_curve(predictor, inputs, occlusion(predictor, inputs, window_px=4, stride_px=4), steps=4)

    assert found.most_first == pytest.approx([1, 0.7311, 0.7311, 0.7311, 0.7311], abs=1e-4)


def test_black_pixels_are_not_spent_on_deletion() -> None:
    # The cell is the 8 x 8 quarter: half of its pixels is 32, log odds 0.01 * 32 * 10 - 1 = 2.2: P = 0.9002.
    inputs = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    inputs[0, :8, :8] = 10
    flat = np.zeros((1, SIZE, SIZE), np.float32)

    found = deletion_curve(_predictor(QuarterMean()), inputs, flat, steps=2)

    for curve in (found.most_first, found.random, found.least_first):
        assert curve[1] == pytest.approx(0.9002, abs=1e-4)
    assert not found.passes


def test_deletion_refuses_misfit_maps_and_no_steps() -> None:
    predictor = _predictor(QuarterMean())
    with pytest.raises(ShapeError, match="delete pixels"):
        deletion_curve(predictor, _red(), np.zeros((1, SIZE, SIZE), np.float32))
    with pytest.raises(SettingError, match="0 steps"):
        deletion_curve(predictor, _red(), np.zeros((2, SIZE, SIZE), np.float32), steps=0)


def test_curves_pass_only_in_their_order() -> None:
    flat = {"cells": 1, "shares": (0.0, 1.0), "faster": 1.0}

    assert Deletion(**flat, most_first=(1, 0), random=(1, 0.5), least_first=(1, 1)).passes  # type: ignore[arg-type]
    assert not Deletion(**flat, most_first=(1, 0), random=(1, 1), least_first=(1, 0.5)).passes  # type: ignore[arg-type]


def _write_cells(folder: Path, n: int) -> None:
    for number in range(n):
        cell = np.zeros((450, 450, 3), np.uint8)
        cell[150:300, 150 : 300 + number] = (120, 60, 140)
        Image.fromarray(cell).save(folder / f"cell-{number:02}.png")


def test_the_command_writes_sheets_of_twelve_and_a_line_for_each_image(tmp_path: Path) -> None:
    _write_cells(tmp_path, 13)
    (tmp_path / "cell-05.png").write_bytes(b"no image")

    ended = run_cli("explain", GOLDEN, tmp_path, "--out", tmp_path / "why", "--method", "grad-cam")

    assert ended.status == 2
    assert "cell-05.png" in ended.err
    assert "random weights" not in ended.out, "nobody asked for the check"
    with (tmp_path / "why" / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [bool(row["error"]) for row in rows] == [number == 5 for number in range(13)]
    # Twelve are left: one sheet.
    written = sorted(path.name for path in (tmp_path / "why").iterdir())
    assert written == [".leuknet-results", "explained-1.png", "explained-1.svg", "predictions.csv"]


def test_the_check_is_printed_for_each_method(tmp_path: Path) -> None:
    _write_cells(tmp_path, 1)

    ended = run_cli(
        "explain",
        GOLDEN,
        tmp_path / "cell-00.png",
        "--out",
        tmp_path / "why",
        "--method",
        "occlusion",
        "--check",
    )

    assert ended.status == 0, ended.err
    assert "occlusion: random weights" in ended.out
    assert "occlusion: deletion" in ended.out
    assert "Grad-CAM" not in ended.out
    assert "SIMULATED" in ended.err


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    ended = run_cli("explain", GOLDEN, tmp_path, "--out", tmp_path / "why")

    assert ended.status == 2
    assert "no image was found" in ended.err
