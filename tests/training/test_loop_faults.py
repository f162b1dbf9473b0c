"""What a training says of its validation side is what its network says when it no longer trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import leuknet
from leuknet.data import open_dataset, read_pixels
from leuknet.recipes.leuknet_paper import LEUKNET_PAPER
from leuknet.training.train import train
from leuknet.types import Label

DROPPING = replace(
    LEUKNET_PAPER,
    network_options={"filters": [4, 6, 8], "fc1": 8, "dropout": 0.5},
    image_size_px=32,
    epochs=1,
    batch_size=16,
    learning_rate=2e-2,
)


@pytest.mark.parametrize("mean", [0.0, 0.5])
def test_validation_is_without_dropout(simulated_fold: Path, tmp_path: Path, mean: float) -> None:
    run = train(open_dataset(simulated_fold), replace(DROPPING, ema=mean), out=tmp_path / "run")

    cells = run.split.validation
    model = leuknet.load(run.folder / "model", engine="torch")
    assert model.card.calibration is not None
    probabilities = model.predict(np.stack([read_pixels(cell.path).pixels for cell in cells]))
    # Before the calibration, which came after the validation.
    log_odds = np.log(probabilities / (1 - probabilities)) * model.card.calibration.temperature
    is_leukaemic = np.array([cell.label == Label.LEUKAEMIC for cell in cells])
    loss = np.logaddexp(0, np.where(is_leukaemic, -log_odds, log_odds)).mean()
    assert run.history[-1].validation_loss == pytest.approx(loss, rel=1e-4)
    assert run.history[-1].validation_accuracy == pytest.approx(((log_odds > 0) == is_leukaemic).mean())
