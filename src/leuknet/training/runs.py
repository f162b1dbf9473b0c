"""Gives the trained run that a folder holds, or should hold: whoever asks twice trains once.

Start at `trained_run`.
"""

from __future__ import annotations

from pathlib import Path

from leuknet.data.recipe_parts import fit_parts
from leuknet.data.split import make_split
from leuknet.errors import SettingError
from leuknet.images.survey import Survey
from leuknet.inference.model_folder import open_card
from leuknet.records.history import read_history
from leuknet.training.train import Precision, TrainedRun, train
from leuknet.types import Dataset, Recipe, Split


def trained_run(
    dataset: Dataset,
    recipe: Recipe,
    *,
    out: Path,
    split: Split | None = None,
    surveyed: Survey | None = None,
    precision: Precision = "no",
    progress: bool = False,
) -> TrainedRun:
    """Train, go on with a stopped run, or take a finished one if it is of this recipe and these cells.

    Parameters are those of `leuknet.training.train.train`.

    Raises
    ------
    SettingError
        If the folder holds a finished run of another recipe, seed, split or precision.
    LeukNetError
        As `train` does.
    """
    recipe = fit_parts(recipe, dataset.cells)
    split = split or make_split(dataset.cells, recipe)
    if not (out / "model").exists():
        return train(
            dataset,
            recipe,
            out=out,
            split=split,
            surveyed=surveyed,
            resume=True,
            precision=precision,
            progress=progress,
        )
    card = open_card(out / "model")
    if (card.recipe, card.split_fingerprint) != (recipe, split.fingerprint):
        raise SettingError(
            f"{out} holds a finished run of another recipe, seed or cells",
            why=f"it is {card.recipe.name!r} with seed {card.recipe.seed} on split "
            f"{card.split_fingerprint[:12]}, and now {recipe.name!r} with seed {recipe.seed} on split "
            f"{split.fingerprint[:12]} is asked for",
            fix="name another folder with --out, or remove this one",
        )
    if card.precision and card.precision != precision:  # an old model does not state its own
        raise SettingError(
            f"{out} holds a finished run of another precision",
            why=f"it was trained with precision {card.precision!r}, and now {precision!r} is asked for",
            fix="name another folder with --out, remove this one, or ask for the precision that it has",
        )
    history = read_history(out)
    return TrainedRun(out, split, history, history[-1].elapsed_s)
