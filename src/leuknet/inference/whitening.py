"""Turns features so that they are uncorrelated with variance 1, however few cells there are to learn it from.

Start at `whiten`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leuknet.types import Features

_LEAST_VARIANCE = 1e-12  # of a feature: of a unit that is dead in all training cells, too


def whiten(features: Features) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return the mean of features, and the matrix that whitens them.

    Parameters
    ----------
    features : (N, F) float32
        Of training cells; N >= 2.

    Returns
    -------
    mean : (F,) float64
    whitening : (F, F) float32
        Features less their mean, times this, have the unit matrix as their covariance, which is estimated as
        Ledoit and Wolf (2004) shrink it.
    """
    from sklearn.covariance import LedoitWolf  # takes a second to load, which predicting need not spend

    # Its inverse, which nobody asks for, would be a second decomposition of as many rows as features.
    estimate = LedoitWolf(store_precision=False).fit(features.astype(np.float64))
    n, n_features = features.shape
    if n >= n_features:
        variances, axes = np.linalg.eigh(estimate.covariance_)
        return estimate.location_, (axes * _scale(variances)).astype(np.float32)
    # A few cells span a few axes; along all others the shrunk covariance has one and the same variance. With
    # the 4,096 features of an AlexNet this takes a second, and all axes of the covariance half a minute.
    share = estimate.shrinkage_
    rest = share * np.trace(estimate.covariance_) / n_features
    _, spreads, rows = np.linalg.svd(features - estimate.location_, full_matrices=False)
    within, beyond = _scale((1 - share) * np.square(spreads) / n + rest), _scale(rest)
    whitening = beyond * np.eye(n_features) + (rows.T * (within - beyond)) @ rows
    return estimate.location_, whitening.astype(np.float32)


def _scale(variances: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(1 / np.sqrt(np.maximum(variances, _LEAST_VARIANCE)))
