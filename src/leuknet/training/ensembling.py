"""Makes one model of several that were trained on the same cells.

The mean of networks that differ by chance alone, or by recipe, is as a rule better than any of them. The
members must share one split, so that the ensemble has honest validation and test sides: the validation side
calibrates it, and the test side stays unseen. `--set draw=1`, 2 and so on trains more networks on one
split.

Start at `combine`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from leuknet.errors import SettingError
from leuknet.evaluation.searches import joined
from leuknet.networks.ensemble import join
from leuknet.networks.predictor import load_model
from leuknet.records.results_folder import check_free
from leuknet.training.batches import read_material
from leuknet.training.finish import finish
from leuknet.types import Dataset, InputForm, ModelCard


def combine(
    models: Sequence[Path], dataset: Dataset, *, out: Path, name: str = "", progress: bool = False
) -> Path:
    """Write a model folder that is the mean of others.

    Parameters
    ----------
    models
        Two or more model folders that were trained on one split, with one input size, crop and number of
        turns.
    dataset
        What they were trained on: its validation side calibrates the ensemble.
    out
        The run folder to write; the model lies in `out / "model"`.
    name
        What to call it in tables, legends and reports; empty leaves it to the members' recipes.
    progress
        Show bars on standard error.

    Raises
    ------
    SettingError
        If the members do not fit together, or `out` holds something.
    SplitError
        If the data set does not hold the cells of the split.
    ModelError
        If a folder cannot be opened.
    """
    check_free(out, fix="name another folder with --out, or remove this one")
    predictors = [load_model(folder) for folder in models]
    cards = [predictor.card for predictor in predictors]
    _check_members(models, cards)
    split = predictors[0].manifest.find_in(dataset)
    members = [
        {"network": card.recipe.network, "network_options": dict(card.recipe.network_options)}
        for card in cards
    ]
    often = Counter(card.recipe.name for card in cards)
    recipe = replace(
        cards[0].recipe,
        name=f"ensemble of {', '.join(name if n == 1 else f'{n} x {name}' for name, n in often.items())}",
        source="; ".join(dict.fromkeys(card.recipe.source for card in cards)),
        claim="none",
        network="ensemble",
        network_options={"members": members},
        rate_factors={},
    )
    material = read_material(split, dataset, recipe, progress=progress)
    statistics = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    searched = joined(card.searched for card in cards)
    folder = out / "model"
    earlier = dict.fromkeys(cell for predictor in predictors for cell in predictor.manifest.earlier)
    finish(
        join(predictors), recipe, material, statistics=statistics, folder=folder, searched=searched,
        name=name, earlier=tuple(earlier),
    )  # fmt: skip
    return folder


_FORM = tuple(field.name for field in fields(InputForm))


def _check_members(models: Sequence[Path], cards: Sequence[ModelCard]) -> None:
    if len(cards) < 2:
        raise SettingError(
            "one model is no ensemble", why=f"{len(cards)} named", fix="name two or more model folders"
        )
    # What must be equal in all members, by a name that a user knows.
    shared: dict[str, list[Any]] = {
        "split": [card.split_fingerprint[:12] for card in cards],
        **{name: [getattr(card.input_form, name) for card in cards] for name in _FORM},
        "rotations": [card.recipe.rotations for card in cards],
        "class_names": [card.class_names for card in cards],
    }
    for name, values in shared.items():
        odd = [index for index, value in enumerate(values) if value != values[0]]
        if odd:
            raise SettingError(
                "these models cannot be one ensemble",
                why=f"{name} is {values[0]} in {models[0]} and {values[odd[0]]} in {models[odd[0]]}",
                fix="train the members with the same --seed and cells, and --set draw=1, 2, ... for others",
            )
