"""A recipe's parts, where they mean something.

Recipes name parts of C-NMC 2019: the paper trained on `fold_0`. Data of one's own have no such parts, and
the name of a fold of other data is no reason to refuse them: all their labelled cells are then taken, and
whoever runs the recipe is told.

Start at `fit_parts`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from leuknet.data.published_counts import FOLDERS
from leuknet.types import CellImage, Recipe


def fit_parts(recipe: Recipe, cells: Iterable[CellImage]) -> Recipe:
    """Return the recipe without its parts if they are C-NMC's and no cell is of any of C-NMC's parts.

    Parts of other names, and C-NMC's where any of its parts is there, stay: that one of them lacks is then
    an error of `leuknet.data.split.make_split`.
    """
    are_published = bool(recipe.parts) and set(recipe.parts) <= FOLDERS.keys()
    if are_published and not any(cell.part in FOLDERS for cell in cells):
        return replace(recipe, parts=())
    return recipe
