"""Lets a training begin with the weights of another model, and remembers which cells that one had seen.

What a model has learnt stays in its weights, so the cells that trained the earlier model count as cells that
trained the new one: they may stand on no side that judges or calibrates it, and `split.json` keeps them, so
that `leuknet evaluate` refuses or leaves them out too.

Start at `begin_with`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from leuknet.data.overlap import HashedCell
from leuknet.data.unseen import people_in_both
from leuknet.errors import LeakError, SettingError
from leuknet.networks.predictor import load_model
from leuknet.types import CellImage, Dataset, Recipe, Split, SplitKind


@dataclass(frozen=True)
class Ancestor:
    """A model whose weights another one begins with.

    Attributes
    ----------
    name
        What a card says of it: its id, its recipe, and what it rests on.
    weights
        Its tensors by name.
    cells
        The cells that developed it, those of its own ancestors among them.
    """

    name: str
    weights: dict[str, Tensor]
    cells: tuple[HashedCell, ...]

    def put_into(self, network: nn.Module) -> None:
        """Give a network these weights.

        Raises
        ------
        SettingError
            If they do not fit, as those of another input size may not.
        """
        try:
            network.load_state_dict(self.weights)
        except RuntimeError as error:
            raise SettingError(
                "cannot begin with the weights of that model",
                why=str(error).splitlines()[-1].strip(),
                fix="train it with the input size that the recipe has, or set image_size_px to the model's",
            ) from error


def begin_with(folder: Path, recipe: Recipe, dataset: Dataset, split: Split) -> Ancestor:
    """Open the model that a training begins with.

    Parameters
    ----------
    folder
        Its model folder.
    recipe
        The new model's, with all options of its network.
    dataset, split
        The new model's cells.

    Raises
    ------
    ModelError
        If the folder cannot be opened.
    SettingError
        If its network is another one.
    LeakError
        If a cell that trained it is on the new validation or test side, or a person whose cells did is, where
        people are kept apart.
    """
    earlier = load_model(folder)
    card = earlier.card
    theirs = (card.recipe.network, dict(card.recipe.network_options))
    ours = (recipe.network, dict(recipe.network_options))
    if theirs != ours:
        raise SettingError(
            f"cannot begin with the weights of {folder}",
            why=f"its network is {theirs[0]} with {theirs[1]}, and the recipe's {ours[0]} with {ours[1]}",
            fix="train with the recipe of that model, or train a model of this recipe to begin with",
        )

    def of_this_world(cells: Sequence[HashedCell]) -> tuple[HashedCell, ...]:
        """Tell simulated people from real ones, who may bear the same ids."""
        if card.simulated == dataset.simulated:
            return tuple(cells)
        return tuple(
            cell if cell.subject is None else cell._replace(subject=f"{card.dataset}: {cell.subject}")
            for cell in cells
        )

    manifest = earlier.manifest
    in_weights = of_this_world((*manifest.sides["train"].hashed, *manifest.earlier))
    developed = of_this_world(manifest.developed_on)
    # Its validation side changed no weight: it may calibrate the new model too, but no test may hold it.
    _refuse_leaks(folder, in_weights, split.validation, split.kind)
    _refuse_leaks(folder, developed, split.test, split.kind)
    name = f"{earlier.model_id} ({card.recipe.name}, {card.origin})"
    return Ancestor(name, earlier.network.cpu().state_dict(), developed)


def _refuse_leaks(
    folder: Path, seen: Sequence[HashedCell], judging: Sequence[CellImage], kind: SplitKind
) -> None:
    contents = {cell.sha256 for cell in seen}
    people = () if kind == "image-level" else people_in_both(judging, seen)
    if known := [cell.id for cell in judging if cell.sha256 in contents or cell.subject in people]:
        raise LeakError(
            f"beginning with {folder} would judge the new model by cells that it has seen",
            why=f"{len(known)} of {len(judging)} validation or test cells, or their people, developed that "
            f"model; the first is {known[0]!r}",
            fix="divide the cells as for that model (same --seed, split and fractions), or begin with a "
            "model of other cells",
        )
