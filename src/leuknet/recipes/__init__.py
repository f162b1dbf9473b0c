"""Recipes: all that decides how a network is trained, as data.

A recipe states its source and its claim; its module, named like it, also what it costs and the command that
repeats it. To add one, write such a module that holds one `Recipe` and give it a line in `RECIPES`.
`get_recipe` finds one by name, `about` gives its module's text; `changed` alters single settings, as `--set
image_size_px=64` on the command line does.
"""

from __future__ import annotations

import difflib
import importlib
import json
from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from typing import Any, get_args

from leuknet.errors import SettingError
from leuknet.recipes.bukhari_2022 import BUKHARI_2022
from leuknet.recipes.clinton_2020 import CLINTON_2020
from leuknet.recipes.effnet_lite0 import EFFNET_LITE0
from leuknet.recipes.goswami_2020 import GOSWAMI_2020
from leuknet.recipes.leufeatx_2022 import LEUFEATX_2022
from leuknet.recipes.leuknet_demo import LEUKNET_DEMO
from leuknet.recipes.leuknet_paper import LEUKNET_PAPER
from leuknet.recipes.leuknet_plus import LEUKNET_PLUS
from leuknet.recipes.oliveira_2021 import OLIVEIRA_2021
from leuknet.recipes.prellberg_2019 import PRELLBERG_2019
from leuknet.recipes.probe_dinobloom import PROBE_DINOBLOOM
from leuknet.recipes.probe_lite0 import PROBE_LITE0
from leuknet.recipes.probe_stages import PROBE_STAGES
from leuknet.recipes.shafique_2018 import SHAFIQUE_2018
from leuknet.recipes.strong import STRONG
from leuknet.recipes.typed import read_option, read_value
from leuknet.types import LossName, Recipe, Sampling, ThresholdRule

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        LEUKNET_PAPER,
        LEUKNET_DEMO,
        LEUKNET_PLUS,
        PRELLBERG_2019,
        EFFNET_LITE0,
        PROBE_DINOBLOOM,
        PROBE_LITE0,
        PROBE_STAGES,
        STRONG,
        GOSWAMI_2020,
        OLIVEIRA_2021,
        CLINTON_2020,
        BUKHARI_2022,
        SHAFIQUE_2018,
        LEUFEATX_2022,
    )
}


def get_recipe(name: str) -> Recipe:
    """Return the recipe of this name.

    Raises
    ------
    SettingError
        If there is none; the message names the nearest.
    """
    if name in RECIPES:
        return RECIPES[name]
    near = difflib.get_close_matches(name, RECIPES, n=1, cutoff=0.3)
    raise SettingError(
        f"no recipe is called {name!r}",
        why=f"the recipes are {', '.join(RECIPES)}",
        fix=f"use {near[0]!r}" if near else "run `leuknet recipes`",
    )


def about(name: str) -> str:
    """Return what a recipe's module says of it: claim, cost, command, and where its settings come from.

    Raises
    ------
    SettingError
        If there is no such recipe.
    """
    module = importlib.import_module(f"{__name__}.{get_recipe(name).name.replace('-', '_')}")
    return str(module.__doc__).strip()


def changed(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """Return the recipe with some settings changed and its name marked as changed.

    Parameters
    ----------
    recipe
        Where to start from.
    settings
        `field=value` strings. Values are read as people type them: `224`, `.001`, `true` or `yes`, `none`,
        `0.6,0.2,0.2`, `fold_1`, `[fold_0, fold_1]`, with quotation marks or without, see
        `leuknet.recipes.typed`. `network_options.fc1=64` reaches into the network's options,
        `rate_factors.head=10` into the factors on the rate. `network=...` takes another network with its
        own defaults, so its options come after it.

    Raises
    ------
    SettingError
        If a field does not exist, or the value is of another kind or out of range.

    Examples
    --------
    >>> changed(LEUKNET_PAPER, ["image_size_px=64"]).image_size_px
    64
    """
    settings = list(settings)
    values: dict[str, Any] = asdict(recipe)
    for setting in settings:
        key, equals, text = setting.partition("=")
        target, _, option = key.strip().partition(".")
        if not equals or target not in values or target in _FIXED or (option and target not in _TABLES):
            raise SettingError(
                f"cannot set {setting!r}",
                why="a setting is written field=value, and the fields are "
                + ", ".join(field.name for field in fields(Recipe) if field.name not in _FIXED),
                fix="for example --set image_size_px=64 --set network_options.fc1=64",
            )
        value = read_option(text) if option else read_value(target, text)
        if target == "network":
            values |= {table: {} for table in _TABLES}  # another network has other options and parameters
        if option:
            values[target] = {**values[target], option: value}
        else:
            values[target] = value
    if settings:
        values["name"] = f"{recipe.name} (changed: {', '.join(settings)})"
        values["claim"] = "none: settings differ from the recipe's"
    return checked(values)


def checked(values: dict[str, Any]) -> Recipe:
    """Make a recipe from plain values, such as JSON gives, after checking each.

    Raises
    ------
    SettingError
        If a field is missing, unknown, of another kind or out of range.
    """
    known = {field.name for field in fields(Recipe)}
    if set(values) != known:
        raise SettingError(
            "these settings are not a recipe",
            why=f"missing: {sorted(known - set(values))}; unknown: {sorted(set(values) - known)}",
            fix="take the fields of leuknet.types.Recipe, each once",
        )
    for name, (rule, holds) in _RULES.items():
        try:
            fine = holds(values[name])
        except (TypeError, ValueError):
            fine = False
        if not fine:
            raise SettingError(
                f"{name} cannot be {values[name]!r}",
                why=f"{name} must be {rule}",
                fix=f"for example {name}={json.dumps(asdict(LEUKNET_PAPER)[name])}",
            )
    return replace(Recipe(**values), parts=tuple(values["parts"]), fractions=tuple(values["fractions"]))


_FIXED = {"name", "source", "claim"}

_TABLES = ("network_options", "rate_factors")


def _is_whole(value: Any, low: int) -> bool:
    return type(value) is int and value >= low


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _either(kind: Any) -> str:
    *names, last = get_args(kind)
    return f"{', '.join(names)} or {last}"


_RULES: dict[str, tuple[str, Any]] = {
    "name": ("text", lambda v: isinstance(v, str)),
    "source": ("text", lambda v: isinstance(v, str)),
    "claim": ("text", lambda v: isinstance(v, str)),
    "network": ("a network's name", lambda v: isinstance(v, str)),
    "network_options": ("a table of options", lambda v: isinstance(v, dict)),
    "parts": (
        "a list of part names",
        lambda v: isinstance(v, (list, tuple)) and all(isinstance(part, str) for part in v),
    ),
    "balance": ("true or false", lambda v: isinstance(v, bool)),
    "split": (
        "image-level or subject-level",
        lambda v: v in ("image-level", "subject-level"),
    ),
    "fractions": (
        "three shares that sum to 1, of which only the last, the test side, may be 0",
        lambda v: len(v) == 3 and min(v[:2]) > 0 and v[2] >= 0 and abs(sum(v) - 1) < 1e-9,
    ),
    "image_size_px": ("a whole number from 8", lambda v: _is_whole(v, 8)),
    "epochs": ("a whole number from 1", lambda v: _is_whole(v, 1)),
    "batch_size": ("a whole number from 1", lambda v: _is_whole(v, 1)),
    "learning_rate": ("a positive number", lambda v: _is_number(v) and v > 0),
    "rate_drop_factor": ("a number above 0 and at most 1", lambda v: _is_number(v) and 0 < v <= 1),
    "rate_drop_epochs": ("a whole number from 1", lambda v: _is_whole(v, 1)),
    "weight_decay": ("a number from 0", lambda v: _is_number(v) and v >= 0),
    "shuffle": ("once or every-epoch", lambda v: v in ("once", "every-epoch")),
    "validate_every": ("a whole number from 1", lambda v: _is_whole(v, 1)),
    "standardise": ("true or false", lambda v: isinstance(v, bool)),
    "seed": ("a whole number from 0", lambda v: _is_whole(v, 0)),
    "threshold": ("half or youden", lambda v: v in get_args(ThresholdRule)),
    "crop_px": ("a whole number from 8, or null", lambda v: v is None or _is_whole(v, 8)),
    "rotate_deg": ("a number from 0 to 180", lambda v: _is_number(v) and 0 <= v <= 180),
    "flip": ("true or false", lambda v: isinstance(v, bool)),
    "shift": ("a number from 0 and below 1", lambda v: _is_number(v) and 0 <= v < 1),
    "brightness": ("a number from 0 and below 1", lambda v: _is_number(v) and 0 <= v < 1),
    "stain": ("a number from 0 to 1", lambda v: _is_number(v) and 0 <= v <= 1),
    "mixup": ("a number from 0", lambda v: _is_number(v) and v >= 0),
    "sampling": (_either(Sampling), lambda v: v in get_args(Sampling)),
    "loss": (_either(LossName), lambda v: v in get_args(LossName)),
    "optimizer": ("adam or adamw", lambda v: v in ("adam", "adamw")),
    "rate_factors": (
        "a table of numbers from 0",
        lambda v: isinstance(v, dict) and all(_is_number(factor) and factor >= 0 for factor in v.values()),
    ),
    "schedule": ("step or cosine", lambda v: v in ("step", "cosine")),
    "ema": ("a number from 0 and below 1", lambda v: _is_number(v) and 0 <= v < 1),
    "keep": ("last or best", lambda v: v in ("last", "best")),
    "rotations": ("a whole number from 1", lambda v: _is_whole(v, 1)),
    "draw": ("a whole number from 0", lambda v: _is_whole(v, 0)),
    "risk": ("a number from 0 and below 1", lambda v: _is_number(v) and 0 <= v < 1),
}
