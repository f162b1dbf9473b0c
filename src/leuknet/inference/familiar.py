"""Tells whether an image is of the kind that a model was trained on, and why not.

A network answers for any picture: a photograph too gets a probability of leukaemia. A reference is what a
model keeps of its training cells to notice this. It looks in three ways, each with a limit of its own that
about 1% of the held-out cells that set it exceed; of new people's cells as a rule more do:

- what the network sees: the Mahalanobis distance of its features from those of the training cells;
- size and stain: how many standard deviations the measures of `leuknet.images.measures` lie from training;
- sharpness: the same for this one measure, whose few outliers would drown in those of the stain.

The network's features know nothing of blur, and the measures know nothing of what a cell looks like
inside. A reference keeps means and spreads, and no cell of any patient.

Start at `fit_reference`, then `Reference.check`; `is_unfamiliar` reads the warnings of a scored image.
`write_reference` and `read_reference` keep a reference as .npz.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import ModelError, ShapeError
from leuknet.images.measures import Measures
from leuknet.inference.whitening import whiten
from leuknet.records import write_whole
from leuknet.types import Features

FLAGGED_SHARE = 0.01
"""Share of held-out cells beyond each of the three limits."""

ALL_BLACK = "the image is all black: there is no cell to score"
UNLIKE = "unlike the trained cells, as the network sees it"
_STAIN = "stain outside the trained range"

REASONS: dict[str, tuple[str, str]] = {
    "area_px": ("the cell is smaller than the trained ones", "the cell is larger than the trained ones"),
    "black_share": (
        "less black around the cell than in training",
        "more black around the cell than in training",
    ),
    "fill": ("the outline is ragged or in pieces", "the outline is no cell's: cut out as a rectangle?"),
    "red": (_STAIN, _STAIN),
    "green": (_STAIN, _STAIN),
    "blue": (_STAIN, _STAIN),
    "contrast": ("less contrast than in training", "more contrast than in training"),
    "sharpness": ("blurred", "noisy, or sharper than in training"),
}
"""What a person is told where a measure is too low, or too high, for the training cells."""

# How a file was read and placed, which is not how its cell looks: see `leuknet.images.reading` and `predict`.
_NOTE = re.compile(
    r"the content is |Pillow: |the alpha channel is opaque|transparent pixels were laid on black"
    r"|\d+ x \d+ px, not \d+ x \d+: placed on black$"
)

_LOGARITHMIC = np.isin(Measures._fields, ("area_px", "red", "green", "blue", "contrast"))
_SHARPNESS = Measures._fields.index("sharpness")
# Spreads below 1% of an area or a brightness, or one percentage point, are taken as this: training pictures
# that are all equal in something say little about how far a good one may stray.
_LEAST_SPREAD = 0.01


@dataclass(frozen=True, eq=False)
class Reference:
    """What a model keeps of its training cells; made by `fit_reference`.

    Attributes
    ----------
    feature_mean : (F,) float64
    whitening : (F, F) float32
        Features less their mean, times this, are uncorrelated with variance 1 in training.
    measure_mean, measure_spread : (M,) float64
        Mean and standard deviation of each measure; of its logarithm where it is an area or a brightness.
    limits : (3,) float64
        Of the network's distance, of size and stain, and of sharpness.
    """

    feature_mean: NDArray[np.float64]
    whitening: NDArray[np.float32]
    measure_mean: NDArray[np.float64]
    measure_spread: NDArray[np.float64]
    limits: NDArray[np.float64]

    def distances(self, features: Features, measures: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far each image is from the training cells, in three ways.

        Parameters
        ----------
        features : (N, F) float32
            Of `Predictor.embed`.
        measures : (N, M) float64
            One row of `Measures` for each image, as it stands on the model's canvas.

        Returns
        -------
        (N, 3) float64
            By the network's features, by size and stain, by sharpness: each over its limit, so that above
            1 is unfamiliar.

        Raises
        ------
        ShapeError
            If the arrays do not fit each other or the reference.
        """
        _check_shapes(features, measures, len(self.feature_mean))
        centred = features.astype(np.float64) - self.feature_mean
        deviations = np.abs(self.deviations(measures))
        found = np.column_stack(
            [
                np.linalg.norm(centred @ self.whitening, axis=1),
                np.delete(deviations, _SHARPNESS, axis=1).max(axis=1),
                deviations[:, _SHARPNESS],
            ]
        )
        return np.asarray(found / self.limits)

    def distance(self, features: Features, measures: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the largest of the three `distances` for each image: (N,), above 1 is unfamiliar."""
        return np.asarray(self.distances(features, measures).max(axis=1))

    def check(self, features: Features, measures: NDArray[np.float64]) -> tuple[tuple[str, ...], ...]:
        """Return for each image the reasons why it is unfamiliar, in words; none where it is not.

        Parameters are those of `distances`. An image that is all black has this one reason.
        """
        is_unlike = self.distances(features, measures)[:, 0] > 1
        limits = np.full(len(Measures._fields), self.limits[1])
        limits[_SHARPNESS] = self.limits[2]
        beyond = self.deviations(measures) / limits
        found = []
        for area, row, unlike in zip(measures[:, 0], beyond, is_unlike, strict=True):
            named = zip(Measures._fields, row, strict=True)
            reasons = [REASONS[name][int(value > 0)] for name, value in named if abs(value) > 1]
            reasons += [UNLIKE] if unlike else []
            found.append((ALL_BLACK,) if area == 0 else tuple(dict.fromkeys(reasons)))
        return tuple(found)

    def deviations(self, measures: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each measure less its mean in training, in standard deviations of training: (N, M)."""
        return (_on_scale(measures) - self.measure_mean) / self.measure_spread


def fit_reference(
    features: Features,
    measures: NDArray[np.float64],
    *,
    held_out_features: Features,
    held_out_measures: NDArray[np.float64],
) -> Reference:
    """Learn what is familiar from training cells, and how far good cells stray from held-out ones.

    Parameters
    ----------
    features : (N, F) float32
        Of training cells, from `Predictor.embed`; N >= 2.
    measures : (N, M) float64
        Of the same cells: one row of `Measures` each.
    held_out_features, held_out_measures
        The same of cells that did not train the network, at least 1. Each limit is their 99% quantile; with
        fewer than 100 it is the largest value among them, and as a rule more than 1% of new cells exceed it.

    Raises
    ------
    ShapeError
        If there are too few cells or the arrays do not fit.

    References
    ----------
    Lee et al. (2018), "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
    Attacks", NeurIPS, for the Mahalanobis distance of features; here without their means by class. Ledoit &
    Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices", J. Multivariate
    Analysis 88, which lets F exceed N. Why not the distance to the nearest training cells (Sun et al. 2022):
    it told no more apart, and would keep features of each patient's cells in the model folder.
    """
    _check_shapes(features, measures, features.shape[-1])
    if len(features) < 2 or not len(held_out_features):
        raise ShapeError(
            "cannot tell what is familiar",
            why=f"there are {len(features)} training cells and {len(held_out_features)} held-out cells",
            fix="give at least 2 training cells and 1 held-out cell",
        )
    feature_mean, whitening = whiten(features)
    scaled = _on_scale(measures)
    unlimited = Reference(
        feature_mean=feature_mean,
        whitening=whitening,
        measure_mean=scaled.mean(axis=0),
        measure_spread=np.maximum(scaled.std(axis=0), _LEAST_SPREAD),
        limits=np.ones(3),
    )
    strays = unlimited.distances(held_out_features, held_out_measures)
    limits = np.quantile(strays, 1 - FLAGGED_SHARE, axis=0, method="higher")
    # A limit within one standard deviation of training is an accident of few held-out cells.
    return replace(unlimited, limits=np.maximum(limits, 1.0))


def is_unfamiliar(warnings: Iterable[str]) -> bool:
    """Return whether an image's warnings say that it is unlike the trained cells, and its score no guide.

    Notes on how a file was read do not: a wrong extension, an alpha channel, a picture smaller than the
    canvas. Any other warning does, that of another program too.

    Examples
    --------
    >>> is_unfamiliar(["the content is PNG, the extension is '.bmp'"]), is_unfamiliar(["blurred"])
    (False, True)
    >>> size = "600 x 600 px, not 450 x 450:"
    >>> is_unfamiliar([f"{size} placed on black"]), is_unfamiliar([f"{size} cropped at the centre"])
    (False, True)
    """
    return any(_NOTE.match(warning) is None for warning in warnings)


def read_arrays(path: Path, *names: str) -> list[NDArray[Any]]:
    """Read arrays of a .npz, never a pickle; a ValueError if any or the file is missing or damaged."""
    try:
        # Opened here: NumPy leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return [stored[name] for name in names]
    except (OSError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(str(error)) from error


def write_reference(reference: Reference, path: Path) -> None:
    """Write a reference as .npz, whole or not at all."""
    arrays = {part.name: getattr(reference, part.name) for part in fields(Reference)}
    content = io.BytesIO()
    np.savez(content, measures=np.array(Measures._fields), **arrays)
    write_whole(path, content.getvalue())


def read_reference(path: Path) -> Reference:
    """Read what `write_reference` wrote; no pickle is read.

    Raises
    ------
    ModelError
        If the file is missing or damaged, or its measures are not those of this LeukNet.
    """
    names = [part.name for part in fields(Reference)]
    try:
        measures, *arrays = read_arrays(path, "measures", *names)
        reference = Reference(*arrays)
        _check_stored(reference, tuple(measures.tolist()))
    except (ValueError, TypeError) as error:
        fix = "copy the whole model folder again"
        raise ModelError(f"cannot read {path}", why=str(error), fix=fix) from error
    return reference


def _check_stored(reference: Reference, names: tuple[str, ...]) -> None:
    if names != Measures._fields:
        raise ValueError(f"it holds the measures {', '.join(map(str, names))}; this LeukNet has others")
    n_features, n_measures = reference.feature_mean.size, len(Measures._fields)
    shapes = {
        "feature_mean": (n_features,),
        "whitening": (n_features, n_features),
        "measure_mean": (n_measures,),
        "measure_spread": (n_measures,),
        "limits": (3,),
    }
    for name, shape in shapes.items():
        array = getattr(reference, name)
        if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(f"{name} is {array.shape} {array.dtype}, not {shape} finite numbers")
    if not (reference.measure_spread > 0).all() or not (reference.limits > 0).all():
        raise ValueError("a spread or a limit is not above 0")


def _on_scale(measures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return measures with the logarithm of areas and brightnesses, in which half and double are as far."""
    return np.where(_LOGARITHMIC, np.log1p(np.where(_LOGARITHMIC, measures, 0)), measures)


def _check_shapes(features: Features, measures: NDArray[np.float64], n_features: int) -> None:
    found = features.shape, measures.shape
    expected = (len(features), n_features), (len(features), len(Measures._fields))
    if found != expected:
        raise ShapeError(
            "cannot compare these images with the training cells",
            why=f"the shapes of features and measures are {found}, not {expected}",
            fix="give the features of this very model, and one row of measures for each image",
        )
