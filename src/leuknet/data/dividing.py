"""How the rules of `leuknet.data.protocols` divide cells: one function for each rule.

Each returns the sides of one round, or which cells each round tests. What a protocol needs and the data lack
becomes an error that names another protocol which would do.

Start at `hold_out`, `people_in_turn` and `images_in_turn`. Nothing here reads pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from leuknet.data.split import balance, by_image, by_subject, fingerprint
from leuknet.errors import NoSubjectsError, SplitError
from leuknet.types import CellImage, Label, Recipe, Split

if TYPE_CHECKING:
    from leuknet.data.protocols import Protocol


def cells_of(cells: Sequence[CellImage], parts: Iterable[str], protocol: Protocol) -> list[CellImage]:
    """Return the cells of some parts, all of which must be there.

    Raises
    ------
    SplitError
        If no cell is of one of the parts.
    """
    there = {cell.part for cell in cells}
    lacking = [part for part in parts if part not in there]
    if lacking:
        named = ", ".join(repr(part) for part in sorted(there - {""})) or "none"
        raise SplitError(
            f"cannot divide these cells by the protocol {protocol.name!r}",
            why=f"no labelled cell is of part {', '.join(map(repr, lacking))}; parts with labels: {named}",
            fix="use --protocol subject-kfold, which takes any cells that name people, or"
            " --protocol image-kfold, which takes any cells and is optimistic; for C-NMC 2019, add the parts"
            " as published, with --prelim-labels where labels lie elsewhere",
        )
    return [cell for cell in cells if cell.part in parts]


def hold_out(
    test: Sequence[CellImage], develop: Sequence[CellImage], protocol: Protocol, recipe: Recipe
) -> tuple[Split, tuple[CellImage, ...]]:
    """Return the split with this test side, and the development cells of people on it, which are left out.

    Raises
    ------
    NoSubjectsError
        If a cell names nobody, and the protocol holds out people.
    SplitError
        If a side would lack a class.
    """
    is_by_image = protocol.kind == "image-level"
    if not is_by_image:
        check_subjects([*test, *develop], protocol)
    _check_classes(test, protocol)
    tested = set() if is_by_image else {cell.subject for cell in test}
    kept: Sequence[CellImage] = [cell for cell in develop if cell.subject not in tested]
    excluded = tuple(cell for cell in develop if cell.subject in tested)
    if recipe.balance:
        kept = balance(kept, seed=recipe.seed)
    divide = by_image if is_by_image else by_subject
    inner = divide(kept, fractions=protocol.fractions, seed=recipe.seed)
    found = fingerprint(inner.train, inner.validation, tuple(test))
    return replace(inner, test=tuple(test), fingerprint=found), excluded


def people_in_turn(cells: Sequence[CellImage], protocol: Protocol) -> Iterator[NDArray[np.bool_]]:
    """Yield for each round which cells are tested: (N,) bool; no person is in two rounds.

    Raises
    ------
    NoSubjectsError
        If a cell names nobody.
    SplitError
        If a class has fewer people than there are rounds.
    """
    check_subjects(cells, protocol)
    for label in Label:
        n_people = len({cell.subject for cell in cells if cell.label is label})
        if n_people < protocol.rounds:
            raise _too_few(
                protocol, f"class {label.short} has {n_people} people for {protocol.rounds} rounds"
            )
    # Not shuffled: before its fix of October 2025 (issue 32478) scikit-learn then takes one person's cells
    # for another's and loses the strata; after it, only people with like numbers of cells change places. As
    # with the publisher's folds, a seed changes how a model is developed, and not who is tested when.
    folds = StratifiedGroupKFold(protocol.rounds)
    labels = [cell.label for cell in cells]
    for _, tested in folds.split(np.zeros(len(cells)), labels, groups=[cell.subject for cell in cells]):
        is_test = np.zeros(len(cells), dtype=np.bool_)
        is_test[tested] = True
        yield is_test


def images_in_turn(cells: Sequence[CellImage], protocol: Protocol) -> Iterator[NDArray[np.bool_]]:
    """Yield for each round which cells are tested: (N,) bool; each once, byte-identical ones together.

    The contents of each class are dealt to the rounds in the order of their hashes, which is as good as
    random, and hangs on neither the names of files, among which a person's images are neighbours, nor a
    recipe's seed.

    Raises
    ------
    SplitError
        If a class has fewer different images than there are rounds.
    """
    round_of: dict[str, int] = {}
    for label in Label:
        contents = sorted({cell.sha256 for cell in cells if cell.label is label} - round_of.keys())
        if len(contents) < protocol.rounds:
            why = f"class {label.short} has {len(contents)} different images for {protocol.rounds} rounds"
            raise _too_few(protocol, why, "add images of this class, or use --split image-level")
        for place, content in enumerate(contents, start=len(round_of)):
            round_of[content] = place % protocol.rounds
    own = np.array([round_of[cell.sha256] for cell in cells])
    for number in range(protocol.rounds):
        yield own == number


def check_subjects(cells: Sequence[CellImage], protocol: Protocol) -> None:
    """Raise `NoSubjectsError` if a cell names nobody."""
    unnamed = [cell for cell in cells if cell.subject is None]
    if unnamed:
        raise NoSubjectsError(
            f"cannot hold out people by the protocol {protocol.name!r}",
            why=f"{len(unnamed):,} of {len(cells):,} cells carry no subject id, the first of them"
            f" {unnamed[0].id!r}",
            fix="give subject ids (a column subject, or --subject-pattern where file names tell them; for"
            " C-NMC's preliminary set, --prelim-labels with the published file that has the column"
            " Patient_ID), or use --protocol image-kfold, whose scores are image-level and optimistic",
        )


def _check_classes(test: Sequence[CellImage], protocol: Protocol) -> None:
    classes = {cell.label for cell in test if cell.label is not None}
    if len(classes) < len(Label):
        found = " and ".join(label.short for label in classes) or "none"
        raise _too_few(protocol, f"a test side would be of one class: its {len(test):,} cells are {found}")


def _too_few(
    protocol: Protocol,
    why: str,
    fix: str = "add data of more people, or use --split subject-level, which divides once",
) -> SplitError:
    return SplitError(f"cannot divide these cells by the protocol {protocol.name!r}", why=why, fix=fix)
