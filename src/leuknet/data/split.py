"""Divides cells into training, validation and test sides.

Cells of one person look alike. If they fall on several sides, the test score measures memory of the person as
well as knowledge of the disease, and flatters the model. `by_subject` therefore moves whole subjects.
`by_image` exists only to repeat figures that were measured that way, the paper's among them; it may even put
one picture, published under two ids, on two sides. Its splits say `image-level`, and so does every number
made from them.

A cell without a label is never in a split made here. Each side keeps the order of the cells given. A fraction
of 0 leaves its side empty, for a recipe that is tested on other data.

Start at `make_split`; `leuknet.data.split_file` keeps a split on disk. Nothing here reads pixels.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from leuknet.data.recipe_parts import fit_parts
from leuknet.errors import NoSubjectsError, SettingError, SplitError
from leuknet.types import CellImage, Label, Recipe, Split, SplitKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SIDES = ("train", "validation", "test")

# Each use of chance draws from a stream of its own: with one stream, a change to the balancing would also
# change which side a cell falls on.
_BALANCE_STREAM, _IMAGE_STREAM, _SUBJECT_STREAM = range(3)

_USE_IMAGE_LEVEL = "use --split image-level; the report will mark its scores as optimistic"


def make_split(cells: Sequence[CellImage], recipe: Recipe) -> Split:
    """Return the split that a recipe asks for.

    Takes the labelled cells of `recipe.parts`, as far as these apply (see `leuknet.data.recipe_parts`),
    balances them if asked, and divides them.

    Raises
    ------
    SettingError
        If a part is unknown, the kind of split is neither `image-level` nor `subject-level`, the fractions
        are not three shares of 1, or the seed is negative.
    SplitError
        If no cell has a label, or a side would lack a class.
    NoSubjectsError
        If a split by subject meets cells without subject id.
    """
    recipe = fit_parts(recipe, cells)
    known = sorted({cell.part for cell in cells})
    unknown = sorted(set(recipe.parts).difference(known))
    if unknown:
        raise SettingError(
            f"cannot take part {', '.join(map(repr, unknown))} of the data",
            why=f"the parts there are: {', '.join(map(repr, known)) or 'none'}",
            fix=f"name some of these, such as --set parts={known[0] if known else 'fold_0'}, or take all"
            " labelled cells with --set parts=all",
        )
    chosen = [cell for cell in cells if not recipe.parts or cell.part in recipe.parts]
    if recipe.balance:
        chosen = list(balance(chosen, seed=recipe.seed))
    if recipe.split == "image-level":
        return by_image(chosen, fractions=recipe.fractions, seed=recipe.seed)
    if recipe.split == "subject-level":
        return by_subject(chosen, fractions=recipe.fractions, seed=recipe.seed)
    why = f"the kind of split is {recipe.split!r}"
    raise SettingError("cannot divide the cells", why=why, fix="use image-level or subject-level")


def by_subject(cells: Sequence[CellImage], *, fractions: tuple[float, float, float], seed: int) -> Split:
    """Divide whole subjects, so that nobody's cells sit on two sides.

    Class by class, subjects in random order go each to the side that lacks most cells of that class. Where
    only as many subjects are left as sides still without the class, each of these sides gets one. A subject
    with cells of both classes goes first, and counts in both.

    Parameters
    ----------
    cells
        Labelled cells with subject ids; unlabelled ones are left out.
    fractions
        Wanted shares of training, validation and test cells, each class by itself; they sum to 1. They are
        met as nearly as the sizes of the subjects allow: a side may miss its share by a large subject.
    seed
        At least 0.

    Returns
    -------
    Split
        Of kind `subject-level`; each side with a fraction above 0 has both classes.

    Raises
    ------
    NoSubjectsError
        If a labelled cell carries no subject id.
    SplitError
        If a class is missing, or has fewer subjects than there are sides.
    SettingError
        If the fractions are not three shares of 1, or the seed is negative.
    """
    cells, labels = _labelled(cells)
    shares = _shares(fractions)
    n_unknown = sum(cell.subject is None for cell in cells)
    if n_unknown:
        raise NoSubjectsError(
            "cannot make a subject-disjoint split",
            why=f"{n_unknown} of {len(cells)} cells carry no subject id",
            fix=_USE_IMAGE_LEVEL,
        )
    subjects, subject_of_cell = np.unique([str(cell.subject) for cell in cells], return_inverse=True)
    counts = np.zeros((len(subjects), len(Label)), dtype=np.int64)
    np.add.at(counts, (subject_of_cell, labels), 1)
    _check_subject_numbers(counts, n_sides=int(np.count_nonzero(shares)))
    side_of_subject = _place_subjects(counts, shares=shares, generator=_generator(seed, _SUBJECT_STREAM))
    return _split(cells, side_of_subject[subject_of_cell], kind="subject-level", seed=seed)


def by_image(cells: Sequence[CellImage], *, fractions: tuple[float, float, float], seed: int) -> Split:
    """Divide cells at random, whoever they came from; for repeating published figures only.

    As MATLAB's `splitEachLabel(..., 'randomized')`: the cells of each class in random order are cut at the
    rounded cumulative fractions, a half rounded up.

    Parameters
    ----------
    cells
        Unlabelled ones are left out.
    fractions
        Shares of training, validation and test cells; they sum to 1.
    seed
        At least 0.

    Returns
    -------
    Split
        Of kind `image-level`; each side with a fraction above 0 has both classes.

    Raises
    ------
    SplitError
        If a class is missing, or a side would get none of it.
    SettingError
        If the fractions are not three shares of 1, or the seed is negative.
    """
    cells, labels = _labelled(cells)
    shares = _shares(fractions)
    generator = _generator(seed, _IMAGE_STREAM)
    sides = np.zeros(len(cells), dtype=np.int64)
    for label in Label:
        members = generator.permutation(np.flatnonzero(labels == label))
        # Rounded once more because 0.7 + 0.2 is a little less than 0.9.
        cuts = np.floor(np.round(np.cumsum(shares)[:-1] * len(members), 6) + 0.5).astype(np.int64)
        for side, part in enumerate(np.split(members, cuts)):
            if shares[side] > 0 and len(part) == 0:
                why = f"{len(members)} {label.short} cells leave none for the {SIDES[side]} side"
                raise SplitError("cannot divide the cells", why=why, fix="use more cells or other fractions")
            sides[part] = side
    return _split(cells, sides, kind="image-level", seed=seed)


def balance(cells: Sequence[CellImage], *, seed: int) -> tuple[CellImage, ...]:
    """Delete labelled cells of the larger class at random until both classes are equal.

    The cells kept stay in order; cells without a label are left out.

    Raises
    ------
    SplitError
        If there are no labelled cells, or only of one class.
    SettingError
        If the seed is negative.
    """
    cells, labels = _labelled(cells)
    generator = _generator(seed, _BALANCE_STREAM)
    n_kept = int(np.bincount(labels).min())
    kept = [generator.permutation(np.flatnonzero(labels == label))[:n_kept] for label in Label]
    return tuple(cells[index] for index in np.sort(np.concatenate(kept)))


def fingerprint(
    train: Sequence[CellImage], validation: Sequence[CellImage], test: Sequence[CellImage]
) -> str:
    """Return the sha256, in hex, of the ids, contents and labels on each side.

    It tells which cells play which role, whatever their order, their subjects or where their files lie.
    """
    roles = [
        sorted([cell.id, cell.sha256, -1 if cell.label is None else int(cell.label)] for cell in side)
        for side in (train, validation, test)
    ]
    return hashlib.sha256(json.dumps(roles).encode("ascii")).hexdigest()


def _labelled(cells: Sequence[CellImage]) -> tuple[list[CellImage], NDArray[np.int64]]:
    labelled = [cell for cell in cells if cell.label is not None]
    labels = np.array([cell.label for cell in labelled], dtype=np.int64)
    if not labelled:
        why = f"none of {len(cells)} cells carries a label"
        raise SplitError("cannot divide the cells", why=why, fix="use data with labels")
    classes = np.unique(labels)
    if len(classes) < len(Label):
        why = f"all {len(labelled)} labelled cells are {Label(classes[0]).short}"
        raise SplitError("cannot divide the cells", why=why, fix="use data with cells of both classes")
    return labelled, labels


def _shares(fractions: tuple[float, float, float]) -> NDArray[np.float64]:
    shares = np.array(fractions, dtype=np.float64)
    if shares.shape != (3,) or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise SettingError(
            "cannot divide the cells",
            why=f"the fractions are {fractions}",
            fix="give three shares that sum to 1, such as 0.7, 0.2 and 0.1",
        )
    return shares


def _generator(seed: int, stream: int) -> np.random.Generator:
    if seed < 0:
        raise SettingError("cannot draw at random", why=f"the seed is {seed}", fix="use a seed of 0 or more")
    return np.random.default_rng((seed, stream))


def _check_subject_numbers(counts: NDArray[np.int64], *, n_sides: int) -> None:
    for label in Label:
        n_subjects = np.count_nonzero(counts[:, label])
        if n_subjects < n_sides:
            raise SplitError(
                "cannot make a subject-disjoint split",
                why=f"class {label.short} has {n_subjects} subjects for {n_sides} sides",
                fix=f"add data of more subjects, or {_USE_IMAGE_LEVEL}",
            )


def _place_subjects(
    counts: NDArray[np.int64], *, shares: NDArray[np.float64], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return the side of each subject; `counts` is (subjects, classes) cells."""
    order = generator.permutation(len(counts))
    # Subjects of both classes first: as long as only they are placed, the same sides lack either class, and
    # one subject can serve both. Then one class after the other.
    rank = np.where((counts > 0).all(axis=1), 0, 1 + counts.argmax(axis=1))
    order = order[np.argsort(rank[order], kind="stable")]
    deficit = np.outer(shares, counts.sum(axis=0))
    is_empty = np.repeat(shares[:, None] > 0, counts.shape[1], axis=1)
    sides = np.full(len(counts), -1, dtype=np.int64)
    for subject in order:
        own = counts[subject] > 0
        allowed = shares > 0
        n_left = np.count_nonzero(counts[sides < 0] > 0, axis=0)
        for label in np.flatnonzero(own):
            if n_left[label] == np.count_nonzero(is_empty[:, label]):
                allowed &= is_empty[:, label]
        side = int(np.where(allowed, deficit[:, own].sum(axis=1), -np.inf).argmax())
        sides[subject] = side
        deficit[side] -= counts[subject]
        is_empty[side, own] = False
    return sides


def _split(cells: Sequence[CellImage], sides: NDArray[np.int64], *, kind: SplitKind, seed: int) -> Split:
    train, validation, test = (
        tuple(cell for cell, own in zip(cells, sides, strict=True) if own == side)
        for side in range(len(SIDES))
    )
    return Split(train, validation, test, kind, seed, fingerprint(train, validation, test))
