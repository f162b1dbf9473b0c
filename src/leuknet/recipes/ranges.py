"""What may be tuned in each recipe, and within which bounds.

Bounds are wide: what is common for such networks, an order of magnitude about the recipe's own value for
rates. To let another setting be tuned, give it a line. `leuknet.training.tune` searches them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole numbers if both are.

    Attributes
    ----------
    log
        Search evenly in the logarithm.
    """

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of several values of any kind."""

    values: tuple[Any, ...]


_IMAGES: dict[str, Range | Choice] = {
    "crop_px": Choice((None, 250, 300, 350)),
    "rotate_deg": Choice((0.0, 15.0, 180.0)),
    "brightness": Range(0.0, 0.3),
    "stain": Range(0.0, 0.3),
}

_PAPER: dict[str, Range | Choice] = {
    "learning_rate": Range(1e-5, 1e-3, log=True),
    "weight_decay": Range(1e-6, 1e-2, log=True),
    "network_options.dropout": Range(0.0, 0.7),
    "network_options.fc1": Choice((64, 128, 256)),
}

_FINE_TUNED: dict[str, Range | Choice] = {
    "learning_rate": Range(1e-5, 3e-3, log=True),
    "weight_decay": Range(1e-4, 0.3, log=True),
    "network_options.dropout": Range(0.0, 0.5),
    "batch_size": Choice((16, 32, 64)),
}

_PROBE: dict[str, Range | Choice] = {
    "learning_rate": Range(1e-4, 3e-2, log=True),
    "weight_decay": Range(1e-4, 1.0, log=True),
    "network_options.dropout": Range(0.0, 0.7),
    "crop_px": _IMAGES["crop_px"],
}

_SMALL: dict[str, Range | Choice] = {
    "learning_rate": Range(1e-4, 1e-2, log=True),
    "weight_decay": Range(1e-6, 1e-2, log=True),
    "network_options.dropout": Range(0.0, 0.7),
    "batch_size": Choice((16, 32, 64, 128)),
}

_LARGE: dict[str, Range | Choice] = {
    "learning_rate": Range(1e-6, 1e-3, log=True),
    "weight_decay": Range(1e-6, 1e-2, log=True),
    "network_options.dropout": Range(0.0, 0.7),
    "batch_size": Choice((16, 32, 64)),
}

RANGES: dict[str, dict[str, Range | Choice]] = {
    "leuknet-paper": _PAPER,
    "leuknet-demo": _PAPER,
    "leuknet-plus": _PAPER | _IMAGES,
    "prellberg-2019": {"learning_rate": Range(1e-5, 1e-3, log=True), "shift": Range(0.0, 0.3), **_IMAGES},
    "effnet-lite0": _FINE_TUNED | _IMAGES,
    "strong": _FINE_TUNED | _IMAGES,
    "probe-dinobloom": _PROBE,
    "probe-lite0": _PROBE,
    "probe-stages": _PROBE,
    "goswami-2020": _FINE_TUNED | _IMAGES,
    "oliveira-2021": _LARGE | _IMAGES,
    "clinton-2020": _SMALL | _IMAGES,
    "bukhari-2022": _SMALL | _IMAGES,
    "shafique-2018": _LARGE | _IMAGES,
    "leufeatx-2022": _LARGE | _IMAGES,
}
"""Recipe to setting, as `--set` names it, to its bounds."""
