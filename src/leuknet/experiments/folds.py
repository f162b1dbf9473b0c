"""Says which fold of C-NMC 2019 stands for the paper's cells, and why.

The paper names no fold, but its counts are those of fold_0. Where that is not complete, the experiment can
still be run on the fold that is most complete; whoever reads the result is told which, and why.

Start at `choose_fold`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from leuknet.data.c_nmc import read_simulation
from leuknet.data.published_counts import COUNTS
from leuknet.errors import SettingError
from leuknet.types import Dataset, Label, Recipe

PAPER_FOLD = "fold_0"
_FOLDS = ("fold_0", "fold_1", "fold_2")


@dataclass(frozen=True)
class Fold:
    """One part of the data set, and how much of it is at hand.

    Attributes
    ----------
    part
        `fold_0` and the like.
    leukaemic, normal
        Labelled cells that are here.
    stated
        Labelled cells that the publisher states (or the simulation drew); None for a part that neither has.
    why
        Why it was taken, in a sentence; empty for a fold that only might be.
    """

    part: str
    leukaemic: int
    normal: int
    stated: int | None
    why: str = ""

    @property
    def cells(self) -> int:
        """Labelled cells that are here."""
        return self.leukaemic + self.normal

    @property
    def share(self) -> float:
        """How much of it is here, in 0..1; 0 where it is not known how much there is."""
        return min(1.0, self.cells / self.stated) if self.stated else 0.0

    @property
    def counts(self) -> str:
        """How much of it is here, in words."""
        if self.stated is None:
            return f"{self.cells:,} labelled images are here"
        if self.share == 1:
            return f"all {self.stated:,} images are here"
        return f"{self.cells:,} of {self.stated:,} images are here"


def choose_fold(dataset: Dataset, recipe: Recipe, *, part: str | None = None) -> Fold:
    """Return the part to run the paper's experiment on.

    Parameters
    ----------
    dataset
        C-NMC 2019, whole or in part.
    recipe
        What will be trained; a part too small for one of its batches is refused.
    part
        The part that is asked for; None takes fold_0 if it is complete, else the most complete fold.

    Raises
    ------
    SettingError
        If the part is not there, or too small to train on. What is recommended is what the data allow.
    """
    folds = _folds_of(dataset)
    usable = [fold for fold in folds.values() if _trains(fold, recipe)]
    if part is not None and part not in folds:
        raise SettingError(
            f"there is no part {part!r} to run the experiment on",
            why=f"parts with labelled images here: {', '.join(folds) or 'none'}",
            fix=_advice(usable),
        )
    if part is None:
        candidates = [folds[name] for name in _FOLDS if name in folds]
        chosen = max(candidates, key=lambda fold: fold.share, default=None)
    else:
        chosen = folds[part]
    if chosen is None or chosen not in usable:
        raise _too_small(chosen, recipe, usable)
    return replace(chosen, why=_why(chosen, folds, is_asked=part is not None))


def _folds_of(dataset: Dataset) -> dict[str, Fold]:
    """Return each part that has a labelled cell, in the order of the publisher."""
    published = (read_simulation(dataset.root) or {}) if dataset.simulated else COUNTS
    found = {}
    for part in dict.fromkeys((*COUNTS, *(cell.part for cell in dataset.cells))):
        labels = [cell.label for cell in dataset.cells if cell.part == part and cell.label is not None]
        count = published.get(part)
        if labels:
            n_leukaemic = labels.count(Label.LEUKAEMIC)
            n_stated = None if count is None else count.images
            found[part] = Fold(part, n_leukaemic, len(labels) - n_leukaemic, n_stated)
    return found


def _trains(fold: Fold, recipe: Recipe) -> bool:
    return _n_train(fold, recipe) >= recipe.batch_size


def _n_train(fold: Fold, recipe: Recipe) -> int:
    """Return about how many cells train, after the larger class was cut down."""
    used = 2 * min(fold.leukaemic, fold.normal) if recipe.balance else fold.cells
    return round(recipe.fractions[0] * used)


def _why(chosen: Fold, folds: Mapping[str, Fold], *, is_asked: bool) -> str:
    asked = " It was asked for with --part." if is_asked else ""
    if chosen.part == PAPER_FOLD:
        return f"{chosen.part}, the paper's own by its counts: {chosen.counts}.{asked}"
    paper = folds.get(PAPER_FOLD)
    lacks = "is not here" if paper is None else f"is not complete: {paper.counts}"
    if paper is not None and paper.share == 1:
        lacks = "is complete too"
    most = "" if is_asked else ", the most complete fold"
    return (
        f"{chosen.part}{most}: {chosen.counts}.{asked} By their counts the paper's own cells are those of "
        f"{PAPER_FOLD}; that {lacks}. The people of {chosen.part} are others, so that paper and run tested "
        "different cells."
    )


def _advice(usable: list[Fold]) -> str:
    if usable:
        best = max(usable, key=lambda fold: fold.share)
        return f"use --part {best.part}, of which {best.counts}, or fetch the whole data set (docs/data.md)"
    return "fetch the whole data set (docs/data.md); without it: leuknet reproduce paper --demo"


def _too_small(chosen: Fold | None, recipe: Recipe, usable: list[Fold]) -> SettingError:
    if chosen is None:
        return SettingError(
            "cannot run the paper's experiment on these data",
            why=f"none of {', '.join(_FOLDS)} has a labelled image here",
            fix=_advice(usable),
        )
    return SettingError(
        f"there are too few cells of {chosen.part} for the paper's experiment",
        why=f"{chosen.counts}, {chosen.leukaemic:,} ALL and {chosen.normal:,} HEM; of equal numbers of both "
        f"{_n_train(chosen, recipe):,} would train, and one batch has {recipe.batch_size}",
        fix=_advice(usable),
    )
