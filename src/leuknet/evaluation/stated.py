"""Probabilities in the form of a classifier, as scikit-learn's friends take them. Start at `Stated`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin


class Stated(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier whose one feature is P(leukaemic): the form in which MAPIE takes probabilities."""

    classes_ = np.array([0, 1])

    def fit(self, _features: Any, _labels: Any) -> Stated:
        """Nothing is left to learn."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict_proba(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 1) P(leukaemic) to (N, 2) probabilities of both classes."""
        return np.column_stack([1 - features[:, 0], features[:, 0]])

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.int64]:
        """(N, 1) to (N,) the more likely class."""
        return (features[:, 0] >= 0.5).astype(np.int64)
