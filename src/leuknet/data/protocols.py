"""The protocols by which a recipe is judged, as data: which cells develop a model, which ones test it.

A score means what its protocol means. `paper` repeats the paper's division, image by image, and is
optimistic. The others hold out whole people, in different amounts: `official` as the challenge did, `folds`
along the publisher's folds, `subject-kfold` over all people. Each round of them tests cells of people none
of whose cells trained the model or chose its settings; development cells of a person who is on the test
side are left out and listed, since C-NMC's folds share people under different ids.

Start at `PROTOCOLS` and `make_rounds`. Nothing here reads pixels; `leuknet.data.overlap` proves the result.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from leuknet.data.split import balance, by_subject, fingerprint, make_split
from leuknet.errors import NoSubjectsError, SettingError, SplitError
from leuknet.types import CellImage, Label, Recipe, Split, SplitKind

_FOLDS = ("fold_0", "fold_1", "fold_2")


@dataclass(frozen=True)
class Protocol:
    """One way to divide cells, once or in several rounds.

    Attributes
    ----------
    purpose
        What its scores are good for, in one sentence.
    kind
        Of all its splits.
    rule
        Where the test side comes from: a `share` of the cells, parts that are `held out`, each part
        `in turn`, or `k groups` of people in turn.
    parts
        Parts of the data set whose labelled cells develop the model. For `share`, `in turn` and `k groups`
        the test cells come from them too.
    test_parts
        For `held out`: parts whose labelled cells are the test side.
    rounds
        Number of splits.
    fractions
        Shares of training, validation and test cells; where the rule decides about the test side, shares of
        training and validation among the development cells.
    """

    name: str
    purpose: str
    kind: SplitKind
    rule: Literal["share", "held out", "in turn", "k groups"]
    parts: tuple[str, ...]
    test_parts: tuple[str, ...] = ()
    rounds: int = 1
    fractions: tuple[float, float, float] = (0.8, 0.2, 0.0)


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="paper",
            purpose="Repeats the paper's division of single images, for comparison with its scores only:"
            " they are optimistic.",
            kind="image-level",
            rule="share",
            parts=("fold_0",),
            fractions=(0.7, 0.2, 0.1),
        ),
        Protocol(
            name="official",
            purpose="Develops on the training folds and tests on the preliminary set, as the challenge did.",
            kind="subject-level",
            rule="held out",
            parts=_FOLDS,
            test_parts=("prelim",),
        ),
        Protocol(
            name="folds",
            purpose="Leaves out one of the publisher's folds at a time, so that each training cell is tested"
            " once.",
            kind="subject-level",
            rule="in turn",
            parts=_FOLDS,
            rounds=len(_FOLDS),
        ),
        Protocol(
            name="subject-kfold",
            purpose="Leaves out a fifth of the people at a time, classes alike in each, for any data that"
            " name people.",
            kind="subject-level",
            rule="k groups",
            parts=_FOLDS,
            rounds=5,
        ),
    )
}
"""Name to protocol."""


@dataclass(frozen=True)
class Round:
    """One split of a protocol.

    Attributes
    ----------
    excluded
        Development cells of people who are on the test side; on no side, in the order given.
    """

    split: Split
    excluded: tuple[CellImage, ...]


def make_rounds(cells: Sequence[CellImage], protocol: str, recipe: Recipe) -> tuple[Round, ...]:
    """Divide cells as a protocol says.

    Parameters
    ----------
    cells
        Of one data set; those without a label are left out.
    protocol
        A key of `PROTOCOLS`. `subject-kfold` takes all labelled cells of data without C-NMC's folds.
    recipe
        Its seed decides all chance: the sides of `paper`, elsewhere balancing and the validation side, so
        that the same people are tested for every seed. Its `balance` is applied to development cells, never
        to the test side; `paper` balances always, before it divides. Its parts, kind of split and fractions
        do not count here: these are the protocol's.

    Returns
    -------
    tuple of Round
        Each split carries the protocol's name and its own: the part left out (`fold_1`), or its number
        (`2 of 5`).

    Raises
    ------
    SettingError
        If there is no such protocol, or the seed is negative.
    NoSubjectsError
        If a protocol that holds out people meets cells that name nobody.
    SplitError
        If a part lacks, or people are too few for each side to have both classes.
    """
    chosen = _find(protocol)
    if recipe.seed < 0:
        raise SettingError(
            "cannot draw at random", why=f"the seed is {recipe.seed}", fix="use a seed of 0 or more"
        )
    labelled = [cell for cell in cells if cell.label is not None]
    return tuple(
        replace(made, split=replace(made.split, protocol=chosen.name, round=name))
        for name, made in _divide(labelled, chosen, recipe)
    )


def choose_round(rounds: Sequence[Round], name: str | None) -> Round:
    """Return the round of this name; None stands for the only one.

    Raises
    ------
    SettingError
        If there is none of that name, or there are several and none is named.
    """
    by_name = {made.split.round: made for made in rounds}
    if name is None and len(rounds) == 1:
        return rounds[0]
    if name not in by_name:
        raise SettingError(
            "cannot tell which round is meant" if name is None else f"no round is called {name!r}",
            why=f"the rounds of {rounds[0].split.protocol} are {', '.join(map(repr, by_name))}",
            fix=f"name one of them, for example --round {rounds[0].split.round!r}",
        )
    return by_name[name]


def _find(name: str) -> Protocol:
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    near = difflib.get_close_matches(name, PROTOCOLS, n=1, cutoff=0.3)
    raise SettingError(
        f"no protocol is called {name!r}",
        why=f"the protocols are {', '.join(PROTOCOLS)}",
        fix=f"use {near[0]!r}" if near else "use one of these",
    )


def _divide(cells: Sequence[CellImage], protocol: Protocol, recipe: Recipe) -> Iterator[tuple[str, Round]]:
    """Yield the name and the round of each division."""
    if protocol.rule == "share":
        _of_parts(cells, protocol.parts, protocol)
        wanted = replace(
            recipe, parts=protocol.parts, split=protocol.kind, fractions=protocol.fractions, balance=True
        )
        yield "1 of 1", Round(make_split(cells, wanted), ())
    elif protocol.rule == "held out":
        test = _of_parts(cells, protocol.test_parts, protocol)
        yield "1 of 1", _hold_out(test, _of_parts(cells, protocol.parts, protocol), protocol, recipe)
    elif protocol.rule == "in turn":
        for part in protocol.parts:
            others = [other for other in protocol.parts if other != part]
            test = _of_parts(cells, (part,), protocol)
            yield part, _hold_out(test, _of_parts(cells, others, protocol), protocol, recipe)
    else:
        has_parts = any(cell.part in protocol.parts for cell in cells)
        chosen = [cell for cell in cells if cell.part in protocol.parts or not has_parts]
        for number, is_test in enumerate(_groups(chosen, protocol), start=1):
            test = [cell for cell, own in zip(chosen, is_test, strict=True) if own]
            develop = [cell for cell, own in zip(chosen, is_test, strict=True) if not own]
            yield f"{number} of {protocol.rounds}", _hold_out(test, develop, protocol, recipe)


def _of_parts(cells: Sequence[CellImage], parts: Iterable[str], protocol: Protocol) -> list[CellImage]:
    there = {cell.part for cell in cells}
    lacking = [part for part in parts if part not in there]
    if lacking:
        named = ", ".join(repr(part) for part in sorted(there - {""})) or "none"
        raise SplitError(
            f"cannot divide these cells by the protocol {protocol.name!r}",
            why=f"no labelled cell is of part {', '.join(map(repr, lacking))}; parts with labels: {named}",
            fix="add the parts as published, with --prelim-labels where labels lie elsewhere, or use"
            " --protocol subject-kfold, which takes any cells that name people",
        )
    return [cell for cell in cells if cell.part in parts]


def _hold_out(
    test: Sequence[CellImage], develop: Sequence[CellImage], protocol: Protocol, recipe: Recipe
) -> Round:
    """Return the round with this test side; people on it are taken out of the development cells."""
    _check_subjects([*test, *develop], protocol)
    _check_classes(test, protocol)
    tested = {cell.subject for cell in test}
    kept: Sequence[CellImage] = [cell for cell in develop if cell.subject not in tested]
    if recipe.balance:
        kept = balance(kept, seed=recipe.seed)
    inner = by_subject(kept, fractions=protocol.fractions, seed=recipe.seed)
    split = replace(
        inner, test=tuple(test), fingerprint=fingerprint(inner.train, inner.validation, tuple(test))
    )
    return Round(split, tuple(cell for cell in develop if cell.subject in tested))


def _groups(cells: Sequence[CellImage], protocol: Protocol) -> Iterator[np.ndarray]:
    """Yield for each round which cells are tested: (N,) bool; no person is in two rounds."""
    _check_subjects(cells, protocol)
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


def _check_subjects(cells: Sequence[CellImage], protocol: Protocol) -> None:
    unnamed = [cell for cell in cells if cell.subject is None]
    if unnamed:
        raise NoSubjectsError(
            f"cannot hold out people by the protocol {protocol.name!r}",
            why=f"{len(unnamed):,} of {len(cells):,} cells carry no subject id, the first of them"
            f" {unnamed[0].id!r}",
            fix="give subject ids (for C-NMC's preliminary set, --prelim-labels with the published file that"
            " has the column Patient_ID), or train with --split image-level, which is optimistic",
        )


def _check_classes(test: Sequence[CellImage], protocol: Protocol) -> None:
    classes = {cell.label for cell in test if cell.label is not None}
    if len(classes) < len(Label):
        found = " and ".join(label.short for label in classes) or "none"
        raise _too_few(protocol, f"a test side would be of one class: its {len(test):,} cells are {found}")


def _too_few(protocol: Protocol, why: str) -> SplitError:
    return SplitError(
        f"cannot divide these cells by the protocol {protocol.name!r}",
        why=why,
        fix="add data of more people, or use --split subject-level, which divides once",
    )
