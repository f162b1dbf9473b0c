"""Counts what came out of an archive or table, and what could not be used and why.

Start at `Tally`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TOLD = 20
"""Members or rows that could not be used and are named; the others are counted."""


@dataclass
class Tally:
    """A count that goes on while images are taken in.

    Attributes
    ----------
    n_images
        That are in the case now.
    n_unusable
        Members or rows that could not be used.
    n_passed_over
        Members that systems or programs left, and that are no images.
    told
        Why, of the first `TOLD` of them.
    """

    n_images: int = 0
    n_unusable: int = 0
    n_passed_over: int = 0
    told: list[str] = field(default_factory=list)

    def refuse(self, told: str) -> None:
        """Count one that cannot be used."""
        self.n_unusable += 1
        if self.n_unusable <= TOLD:
            self.told.append(told)

    @property
    def note(self) -> str | None:
        """What the user should know, None if all could be used."""
        lines = []
        if self.n_unusable:
            more = [f"and {self.n_unusable - TOLD:,} more"] if self.n_unusable > TOLD else []
            lines += [f"{self.n_unusable:,} could not be used:", *self.told, *more]
        if self.n_passed_over:
            lines.append(f"{self.n_passed_over:,} passed over, which systems or programs leave.")
        return "\n".join(lines) or None
