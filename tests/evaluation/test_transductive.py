"""Tested cells that vote: means worked out by hand, and a label that cannot be overlooked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from leuknet.evaluation.evaluate import read_evaluation
from leuknet.evaluation.transductive import mean_of_neighbours
from tests.conftest import run_cli


def test_each_cell_takes_the_mean_with_its_nearest() -> None:
    angles = np.deg2rad([0, 10, 25, 90, 95])
    features = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    # Length does not count, only the angle.
    features *= np.array([1, 50, 1, 3, 1], np.float32)[:, None]
    probabilities = np.array([0.9, 0.6, 0.3, 0.0, 0.2])

    one = mean_of_neighbours(probabilities, features, neighbours=1)
    two = mean_of_neighbours(probabilities, features, neighbours=2)

    np.testing.assert_allclose(one, [0.75, 0.75, 0.45, 0.1, 0.1])
    np.testing.assert_allclose(two, [0.6, 0.6, 0.6, 0.5 / 3, 0.5 / 3])


def test_a_transductive_score_says_so_wherever_it_appears(mini_reproduction: Path, tmp_path: Path) -> None:
    model, data = mini_reproduction / "run" / "model", mini_reproduction / "data"
    out = tmp_path / "run" / "evaluation"

    ended = run_cli("evaluate", model, "--data", data, "--transductive", 3, "--out", out)

    assert ended.status == 0, ended.err
    assert "transductive" in ended.out
    evaluation = read_evaluation(out / "evaluation.json")
    alone = read_evaluation(mini_reproduction / "run" / "evaluation" / "evaluation.json")
    assert evaluation.neighbours == 3
    assert alone.neighbours == 0
    assert evaluation.recipe == f"{alone.recipe} + vote of 3 (transductive)"
    assert evaluation.paths == alone.paths
    assert evaluation.probabilities != alone.probabilities
    # Voting is a mean of what the model said.
    assert np.ptp(evaluation.probabilities) <= np.ptp(alone.probabilities) + 1e-6


def test_by_default_nobody_votes(mini_reproduction: Path) -> None:
    text = (mini_reproduction / "run" / "evaluation" / "evaluation.json").read_text(encoding="utf-8")

    assert json.loads(text)["neighbours"] == 0
    assert "transductive" not in text


def test_more_neighbours_than_cells_are_refused(mini_reproduction: Path, tmp_path: Path) -> None:
    model, data = mini_reproduction / "run" / "model", mini_reproduction / "data"

    ended = run_cli("evaluate", model, "--data", data, "--transductive", 5000, "--out", tmp_path / "out")

    assert ended.status == 2
    assert "5000 neighbours of" in ended.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("neighbours", [1, 4])
def test_alike_probabilities_stay_as_they_are(neighbours: int) -> None:
    features = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)

    np.testing.assert_allclose(mean_of_neighbours(np.full(6, 0.3), features, neighbours=neighbours), 0.3)
