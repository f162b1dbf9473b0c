"""On how many cells and people a model rests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RestsOn:
    """How many cells and people developed a model: of its training and validation sides, (normal, leukaemic).

    Attributes
    ----------
    people
        None if some cell names nobody.
    """

    cells: tuple[int, int]
    people: tuple[int, int] | None

    def in_words(self, class_names: tuple[str, str]) -> str:
        """Return both numbers of both classes, the leukaemic one first.

        Examples
        --------
        >>> RestsOn((420, 900), (1, 12)).in_words(("HEM", "ALL"))
        '900 ALL cells of 12 people and 420 HEM cells of 1 person'
        """
        said = []
        for label in (1, 0):
            n = None if self.people is None else self.people[label]
            of = "" if n is None else f" of {n} {'person' if n == 1 else 'people'}"
            said.append(f"{self.cells[label]:,} {class_names[label]} cells{of}")
        return " and ".join(said) + ("" if self.people else ", people not named")
