"""Turns trained weights into a model folder that can be trusted with new cells.

The validation side gives the temperature, the threshold and the undecided band; the training side gives the
picture of what a familiar cell looks like. The test side gives nothing but the hashes of its images, for the
proof that sides do not overlap.

Start at `finish`.
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from torch import nn

from leuknet.evaluation.calibrate import calibrate
from leuknet.images.cache import MappedInputs
from leuknet.images.survey import Survey
from leuknet.inference.familiar import fit_reference
from leuknet.inference.model_folder import mean_over_turns
from leuknet.networks.predictor import run_network, save_model
from leuknet.types import CellImage, Dataset, ModelCard, Recipe, Split

N_FAMILIAR = 2000
"""Training cells, at most, that show a model what is familiar; drawn by the recipe's seed."""


def finish(
    network: nn.Module,
    recipe: Recipe,
    dataset: Dataset,
    split: Split,
    *,
    train_inputs: MappedInputs,
    validation_inputs: MappedInputs,
    statistics: tuple[tuple[float, float, float], tuple[float, float, float]],
    surveyed: Survey,
    folder: Path,
) -> None:
    """Calibrate the network and write its model folder.

    Parameters
    ----------
    network
        With its final weights.
    recipe, dataset, split
        What trained it.
    train_inputs, validation_inputs : (N, S, S, 3) uint8
        The images of these sides, in the order of the split.
    statistics
        Mean and standard deviation of each channel of the training images.
    surveyed
        Of all cells of the split.
    folder
        The model folder to write.
    """
    run = functools.partial(run_network, network)
    log_odds, held_out = mean_over_turns(run, validation_inputs[:], recipe.rotations)
    threshold, calibration = calibrate(
        np.array([cell.label for cell in split.validation], dtype=np.int64),
        log_odds,
        rule=recipe.threshold,
        subjects=[cell.subject for cell in split.validation],
    )
    chosen = np.random.default_rng((recipe.seed, N_FAMILIAR)).permutation(len(split.train))[:N_FAMILIAR]
    reference = fit_reference(
        mean_over_turns(run, train_inputs[chosen], recipe.rotations)[1],
        surveyed.take([split.train[index] for index in chosen]).measures,
        held_out_features=held_out,
        held_out_measures=surveyed.take(split.validation).measures,
    )
    mean, std = statistics
    card = ModelCard(
        recipe=recipe,
        class_names=dataset.class_names,
        canvas_px=dataset.canvas_px,
        channel_mean=mean,
        channel_std=std,
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
    )
    hashes = {cell.sha256: found for cell, found in zip(surveyed.cells, surveyed.hashes, strict=True)}
    save_model(network, card, split, folder, hashes=hashes, reference=reference)


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
