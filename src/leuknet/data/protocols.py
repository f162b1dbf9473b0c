"""The protocols by which a recipe is judged, as data: which cells develop a model, which ones test it.

A score means what its protocol means. `paper` repeats the paper's division, image by image, and is
optimistic. The others hold out whole people, in different amounts: `official` as the challenge did, `folds`
along the publisher's folds, `subject-kfold` over all people. Each round of them tests cells of people none
of whose cells trained the model or chose its settings; development cells of a person who is on the test
side are left out and listed, since C-NMC's folds share people under different ids. `image-kfold` is for cells
that name nobody: it divides images, and its scores are as optimistic as those of `paper`.

Start at `PROTOCOLS` and `make_rounds`; `leuknet.data.dividing` holds what the rules do. Nothing here reads
pixels; `leuknet.data.overlap` proves the result.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from leuknet.data.dividing import cells_of, hold_out, images_in_turn, people_in_turn
from leuknet.data.split import make_split
from leuknet.errors import SettingError
from leuknet.types import CellImage, Recipe, Split, SplitKind

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
        `in turn`, or `k groups` of people or `k images` groups of images in turn.
    parts
        Parts of the data set whose labelled cells develop the model. But for `held out`, the test cells come
        from them too.
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
    rule: Literal["share", "held out", "in turn", "k groups", "k images"]
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
        Protocol(
            name="image-kfold",
            purpose="Leaves out a fifth of the images at a time, whoever they came from, for data that name"
            " nobody: its scores are optimistic.",
            kind="image-level",
            rule="k images",
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
        A key of `PROTOCOLS`. `subject-kfold` and `image-kfold` take all labelled cells of data without
        C-NMC's folds.
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
        If a part lacks, or people or images are too few for each side to have both classes.
    """
    chosen = _find(protocol)
    if recipe.seed < 0:
        raise SettingError(
            "cannot draw at random", why=f"the seed is {recipe.seed}", fix="use a seed of 0 or more"
        )
    labelled = [cell for cell in cells if cell.label is not None]
    return tuple(
        Round(replace(split, protocol=chosen.name, round=name), excluded)
        for name, split, excluded in _divide(labelled, chosen, recipe)
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


def _divide(
    cells: Sequence[CellImage], protocol: Protocol, recipe: Recipe
) -> Iterator[tuple[str, Split, tuple[CellImage, ...]]]:
    """Yield for each round its name, its split and the cells left out."""
    if protocol.rule == "share":
        cells_of(cells, protocol.parts, protocol)
        wanted = replace(
            recipe, parts=protocol.parts, split=protocol.kind, fractions=protocol.fractions, balance=True
        )
        yield "1 of 1", make_split(cells, wanted), ()
    elif protocol.rule == "held out":
        test = cells_of(cells, protocol.test_parts, protocol)
        yield "1 of 1", *hold_out(test, cells_of(cells, protocol.parts, protocol), protocol, recipe)
    elif protocol.rule == "in turn":
        for part in protocol.parts:
            others = [other for other in protocol.parts if other != part]
            test = cells_of(cells, (part,), protocol)
            yield part, *hold_out(test, cells_of(cells, others, protocol), protocol, recipe)
    else:
        has_parts = any(cell.part in protocol.parts for cell in cells)
        chosen = [cell for cell in cells if cell.part in protocol.parts or not has_parts]
        in_turn = people_in_turn if protocol.rule == "k groups" else images_in_turn
        for number, is_test in enumerate(in_turn(chosen, protocol), start=1):
            test = [cell for cell, own in zip(chosen, is_test, strict=True) if own]
            develop = [cell for cell, own in zip(chosen, is_test, strict=True) if not own]
            yield f"{number} of {protocol.rounds}", *hold_out(test, develop, protocol, recipe)
