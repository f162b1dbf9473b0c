"""Chooses the cells that figures show.

The choice is by chance and says so: hand-picked cells would tell of the picker.

Start at `choose_samples` for figure 2 and `choose_examples` for figure 4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leuknet.errors import SettingError
from leuknet.figures.frame import check_lengths
from leuknet.types import CellImage, Label, Labels, Probabilities


def choose_samples(cells: Sequence[CellImage], *, n: int = 6, seed: int = 0) -> list[CellImage]:
    """Draw up to `n` labelled cells of each class by chance, of as many subjects as there are.

    Leukaemic cells come first. No subject gives a second cell before each has given one.
    """
    rng = np.random.default_rng(seed)
    chosen: list[CellImage] = []
    for label in (Label.LEUKAEMIC, Label.NORMAL):
        of_class = [cell for cell in cells if cell.label is label]
        given: Counter[str | None] = Counter()
        turns: list[tuple[int, CellImage]] = []
        for place in rng.permutation(len(of_class)):
            cell = of_class[place]
            given[cell.subject] += 1
            turns.append((given[cell.subject], cell))
        chosen += [cell for _, cell in sorted(turns, key=lambda turn: turn[0])[:n]]
    return chosen


@dataclass(frozen=True)
class Examples:
    """A few cells chosen to stand for all scored ones.

    Attributes
    ----------
    places
        Positions of the chosen cells: leukaemic ones first, right ones before wrong ones.
    groups
        For each group that has any cell: true class, whether called right, cells chosen, cells in all.
    seed
        What decided the choice.
    """

    places: tuple[int, ...]
    groups: tuple[tuple[Label, bool, int, int], ...]
    seed: int

    def caption(self, class_names: tuple[str, str]) -> str:
        """Return one sentence that says how the cells were chosen."""
        total = sum(group[3] for group in self.groups)
        parts = ", ".join(
            f"{chosen} of {cells:,} {class_names[label]} called {'right' if right else 'wrong'}"
            for label, right, chosen, cells in self.groups
        )
        drawn = f"drawn at random (seed {self.seed}) from each group"
        return f"{len(self.places)} of {total:,} test cells, {drawn}: {parts}."


def choose_examples(
    labels: Labels, probabilities: Probabilities, threshold: float, *, n: int = 12, seed: int = 0
) -> Examples:
    """Draw cells by chance so that right and wrong calls of both classes keep their proportion.

    Each of the four groups that has any cell gives at least one; the others are shared out by the largest
    remainder. With `n` at or above the number of cells, all are chosen.

    Parameters
    ----------
    labels : (N,) int64
        1 for leukaemic, 0 for normal.
    probabilities : (N,) float64
        P(leukaemic).
    threshold
        Cells at or above it are called leukaemic.
    n
        How many to choose.

    Raises
    ------
    ShapeError
        If the arrays are empty or of different lengths.
    SettingError
        If `n` is smaller than the number of groups that have a cell.

    Examples
    --------
    >>> choose_examples(np.array([1, 1, 0]), np.array([0.9, 0.2, 0.1]), 0.5, n=3).places
    (0, 1, 2)
    """
    check_lengths("example cells", len(labels), len(probabilities))
    right = (probabilities >= threshold) == (labels == Label.LEUKAEMIC)
    keys = [(kind, correct) for kind in (Label.LEUKAEMIC, Label.NORMAL) for correct in (True, False)]
    members = {key: np.flatnonzero((labels == key[0]) & (right == key[1])) for key in keys}
    members = {key: places for key, places in members.items() if places.size}
    if n < len(members):
        raise SettingError(
            f"cannot choose {n} example cells",
            why=f"right and wrong calls of both classes make {len(members)} groups, each shown at least once",
            fix=f"choose at least {len(members)}",
        )
    shares = _shared_out(np.array([places.size for places in members.values()]), n=min(n, len(labels)))
    chance = np.random.default_rng(seed)
    chosen = [
        np.sort(chance.choice(places, size=share, replace=False))
        for places, share in zip(members.values(), shares, strict=True)
    ]
    return Examples(
        places=tuple(int(place) for group in chosen for place in group),
        groups=tuple(
            (kind, correct, int(share), int(places.size))
            for ((kind, correct), places), share in zip(members.items(), shares, strict=True)
        ),
        seed=seed,
    )


def _shared_out(sizes: NDArray[np.int64], *, n: int) -> NDArray[np.int64]:
    """Share `n` places among groups by size (largest remainder), at least one each."""
    spare = n - sizes.size
    left = sizes - 1
    quotas = spare * left / max(left.sum(), 1)
    shares: NDArray[np.int64] = 1 + np.floor(quotas).astype(np.int64)
    largest = np.argsort(-(quotas % 1), kind="stable")[: n - shares.sum()]
    shares[largest] += 1
    return shares
