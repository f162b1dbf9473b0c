"""Turns trained weights into a model folder, calibrated, which notices cells unlike the trained ones.

The validation side gives the temperature, the threshold and the undecided band; the training side gives the
picture of what a familiar cell looks like. The test side gives nothing but the hashes of its images, for the
proof that sides do not overlap.

Start at `finish`.
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from leuknet.data.overlap import HashedCell
from leuknet.evaluation.calibrate import calibrate
from leuknet.evaluation.searches import find_search
from leuknet.images.inputs import MappedInputs
from leuknet.inference.familiar import Reference, fit_reference
from leuknet.inference.model_folder import mean_over_turns
from leuknet.networks.predictor import run_network, save_model
from leuknet.training.batches import Material
from leuknet.types import CellImage, Features, Label, ModelCard, Recipe, RestsOn, Searched

N_FAMILIAR = 2000
"""Training cells, at most, that show a model what is familiar; drawn by the recipe's seed."""


@dataclass(frozen=True)
class Taught:
    """What learns, and from what: a network from images, or the last layer of a linear probe from features.

    Attributes
    ----------
    module
        Shares its weights with the network.
    train, validation
        Of the cells of both sides, in their order.
    """

    module: nn.Module
    train: MappedInputs | Features
    validation: MappedInputs | Features


def finish(
    network: nn.Module,
    recipe: Recipe,
    material: Material,
    *,
    taught: Taught | None = None,
    statistics: tuple[tuple[float, float, float], tuple[float, float, float]],
    folder: Path,
    searched: Searched | None = None,
    name: str = "",
    precision: str = "",
    started_from: str = "",
    earlier: Sequence[HashedCell] = (),
) -> None:
    """Calibrate the network and write its model folder.

    Parameters
    ----------
    network
        With its final weights.
    recipe, material
        What trained it.
    taught
        Its last layer and features, where they are at hand; None computes the images of `material`.
    statistics
        Mean and standard deviation of each channel of the training images.
    folder
        The model folder to write.
    searched
        On whose labels the settings were chosen; None looks for a search that found the recipe's.
    name, precision, started_from
        As on the card.
    earlier
        Cells that developed the models from which this one began or of which it is made.
    """
    split, surveyed, dataset = material.split, material.surveyed, material.dataset
    if taught is None or recipe.rotations > 1:  # features cannot be turned
        taught = Taught(network, material.train, material.validation)
    log_odds, held_out = _scores(taught, taught.validation[:], recipe.rotations)
    threshold, calibration = calibrate(
        np.array([cell.label for cell in split.validation], dtype=np.int64),
        log_odds,
        rule=recipe.threshold,
        subjects=[cell.subject for cell in split.validation],
        risk=recipe.risk,
    )
    card = ModelCard(
        recipe=recipe,
        class_names=dataset.class_names,
        canvas_px=dataset.canvas_px,
        channel_mean=statistics[0],
        channel_std=statistics[1],
        threshold=threshold,
        dataset=dataset.name,
        simulated=dataset.simulated,
        split_kind=split.kind,
        split_fingerprint=split.fingerprint,
        leuknet_version=version("leuknet"),
        commit=commit_of_code(),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        protocol=split.protocol,
        round=split.round,
        calibration=calibration,
        microns_per_pixel=_common_scale(split.train),
        searched=searched or find_search(recipe),
        name=name,
        precision=precision,
        rests_on=_rests_on([*split.train, *split.validation]),
        started_from=started_from,
    )
    hashes = {cell.sha256: found for cell, found in zip(surveyed.cells, surveyed.hashes, strict=True)}
    reference = _reference(taught, recipe, material, held_out)
    save_model(network, card, split, folder, hashes=hashes, reference=reference, earlier=earlier)


def _scores(taught: Taught, inputs: Any, rotations: int) -> tuple[NDArray[np.float64], Features]:
    """Log odds (N,) and features (N, F) of images, or of features, which are never turned."""
    return mean_over_turns(functools.partial(run_network, taught.module), inputs, rotations)


def _reference(taught: Taught, recipe: Recipe, material: Material, held_out: Features) -> Reference:
    """Learn what is familiar from training cells, and from the features of the validation side."""
    split, surveyed = material.split, material.surveyed
    chosen = np.random.default_rng((recipe.seed, N_FAMILIAR)).permutation(len(split.train))[:N_FAMILIAR]
    return fit_reference(
        _scores(taught, taught.train[chosen], recipe.rotations)[1],
        surveyed.take([split.train[index] for index in chosen]).measures,
        held_out_features=held_out,
        held_out_measures=surveyed.take(split.validation).measures,
    )


def _rests_on(cells: Sequence[CellImage]) -> RestsOn:
    """Count the cells and people of each class."""
    by_class = [[cell.subject for cell in cells if cell.label is label] for label in Label]
    people = None if any(None in owners for owners in by_class) else [len(set(owners)) for owners in by_class]
    n_normal, n_leukaemic = map(len, by_class)
    return RestsOn((n_normal, n_leukaemic), None if people is None else (people[0], people[1]))


def _common_scale(cells: Sequence[CellImage]) -> float | None:
    """Return the scale of the cells' images, None if any does not state it or they differ."""
    scales = {cell.microns_per_pixel for cell in cells}
    return scales.pop() if len(scales) == 1 else None


def commit_of_code() -> str | None:
    """The commit of the checkout that the code runs from, None for an installed package."""
    try:
        answer = subprocess.run(  # noqa: S603
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
