"""Whitening follows the covariance of Ledoit and Wolf, whether cells or features are more."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from leuknet.inference.whitening import whiten


@pytest.mark.parametrize(("n", "n_features"), [(40, 3), (6, 6), (7, 8), (5, 30)])
def test_whitening_is_a_root_of_the_inverse_covariance(n: int, n_features: int) -> None:
    generator = np.random.default_rng(n)
    mixed = generator.normal(0, 1, (n, n_features)) @ generator.normal(0, 3, (n_features, n_features))
    features = (mixed + 5).astype(np.float32)

    mean, whitening = whiten(features)

    covariance, _ = ledoit_wolf(features.astype(float))
    inverse = np.linalg.inv(covariance)
    assert mean == pytest.approx(features.astype(float).mean(axis=0))
    assert whitening.dtype == np.float32
    found = whitening.astype(float) @ whitening.T.astype(float)
    assert found == pytest.approx(inverse, rel=1e-4, abs=1e-6 * np.abs(inverse).max())


@pytest.mark.parametrize("n_features", [3, 30])
def test_features_that_are_dead_in_training_count_by_the_million(n_features: int) -> None:
    _, whitening = whiten(np.full((10, n_features), 4, np.float32))

    assert whitening == pytest.approx(1e6 * np.eye(n_features))
