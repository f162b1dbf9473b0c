"""What the numbers of a model card may be; a card with any other is refused.

`leuknet.records` has seen to it that each is a finite number of its kind. Bounds are wide: they refuse what
no training gives, and what would make any model answer nonsense or fill the memory.

Start at `check_card`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from leuknet.errors import ModelError
from leuknet.images.reading import MAX_SIDE_PX
from leuknet.types import Calibration, ModelCard, Recipe, RiskBound

MOST = 10**9
"""Of anything that is counted."""

_Bounded = tuple[str, float | None, float, float]
"""Name, value, least and largest; a value of None is not known, and fine."""

_SMALLEST = 1e-12
_LARGEST_SEED = 2.0**128
_LARGEST_OPTION = 1e5
_SCALES_UM = (0.001, 100.0)
_TEMPERATURES = (0.001, 1000.0)
_PAST_ALL = 1 + 1e-9  # a band that ends just above 1 holds every probability


def check_card(card: ModelCard, path: Path) -> None:
    """Raise ModelError if a number of a card is out of its bounds; it names number and bounds."""
    for name, value, least, largest in chain(_of_card(card), _of_recipe(card.recipe)):
        if value is not None and not least <= value <= largest:
            raise ModelError(
                f"cannot read {path}",
                why=f"{name} is {value!r:.40}, and must be from {least:.6g} to {largest:.6g}",
                fix="use the folder as `leuknet train` wrote it, or train the model again",
            )


def _of_card(card: ModelCard) -> Iterator[_Bounded]:
    yield "threshold", card.threshold, 0, 1
    yield "canvas_px", card.canvas_px, 1, MAX_SIDE_PX
    yield "microns_per_pixel", card.microns_per_pixel, *_SCALES_UM
    divides = card.recipe.standardise
    for mean, deviation in zip(card.channel_mean, card.channel_std, strict=True):
        yield "channel_mean", mean, 0, 255
        yield "channel_std", deviation, _SMALLEST if divides else 0, 255
    if card.rests_on is not None:
        for count in (*card.rests_on.cells, *(card.rests_on.people or ())):
            yield "rests_on", count, 0, MOST
    if card.calibration is not None:
        yield from _of_calibration(card.calibration)


def _of_calibration(found: Calibration) -> Iterator[_Bounded]:
    low, high = found.undecided
    yield "calibration.temperature", found.temperature, *_TEMPERATURES
    yield "calibration.undecided", low, 0, 1
    yield "calibration.undecided", high, low, _PAST_ALL
    for name in ("coverage", "ece_before", "ece_after", "quantile"):
        yield f"calibration.{name}", getattr(found, name), 0, 1
    yield "calibration.cells", found.cells, 1, MOST
    yield "calibration.subjects", found.subjects, 1, found.cells
    yield "calibration.subject_loss", found.subject_loss, 0, MOST
    for chosen in found.thresholds:
        for name in ("target", "threshold", "reached"):
            yield f"calibration.thresholds.{name}", getattr(chosen, name), 0, 1
        yield "calibration.thresholds.cells", chosen.cells, 0, found.cells
    if found.bound is not None:
        yield from _of_bound(found.bound)


def _of_bound(bound: RiskBound) -> Iterator[_Bounded]:
    for name in ("asked", "called", "risk"):
        yield f"calibration.bound.{name}", getattr(bound, name), 0, 1
    yield "calibration.bound.people", bound.people, 0, MOST
    yield "calibration.bound.silent", bound.silent, 0, bound.people


def _of_recipe(recipe: Recipe) -> Iterator[_Bounded]:
    yield "recipe.image_size_px", recipe.image_size_px, 1, MAX_SIDE_PX
    yield "recipe.crop_px", recipe.crop_px, 1, MAX_SIDE_PX
    yield "recipe.rotations", recipe.rotations, 1, 360
    for name in ("epochs", "batch_size", "rate_drop_epochs", "validate_every"):
        yield f"recipe.{name}", getattr(recipe, name), 1, MOST
    for name in ("learning_rate", "weight_decay", "mixup"):
        yield f"recipe.{name}", getattr(recipe, name), 0, MOST
    for name in ("rate_drop_factor", "shift", "brightness", "stain", "ema", "risk"):
        yield f"recipe.{name}", getattr(recipe, name), 0, 1
    yield "recipe.rotate_deg", recipe.rotate_deg, 0, 180
    for share in recipe.fractions:
        yield "recipe.fractions", share, 0, 1
    for factor in recipe.rate_factors.values():
        yield "recipe.rate_factors", factor, 0, MOST
    for name in ("seed", "draw"):
        yield f"recipe.{name}", getattr(recipe, name), 0, _LARGEST_SEED
    for name, option in recipe.network_options.items():
        for number in _numbers_in(option):
            yield f"recipe.network_options.{name}", number, -_LARGEST_OPTION, _LARGEST_OPTION


def _numbers_in(option: Any) -> Iterator[float]:
    if isinstance(option, int | float):
        yield option
    elif isinstance(option, list | dict):
        for inner in option.values() if isinstance(option, dict) else option:
            yield from _numbers_in(inner)
