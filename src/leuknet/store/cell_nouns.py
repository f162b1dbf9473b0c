"""Cells as the store returns them, and what models and readers say of them. Start at `Review`.

A cell or review that holds more than programs are told extends the one that they are told: see `nouns`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from leuknet.store.nouns import told
from leuknet.types import CellBox

CellOrder = Literal["found", "probability", "uncertainty"]
"""As found; the most probable first; those nearest to 0.5 first. Cells without a score come last."""

GivenVerdict = Literal["leukaemic", "normal", "uncertain", "not_a_cell"]
"""What a reader can say of a cell."""
GIVEN_VERDICTS: tuple[GivenVerdict, ...] = get_args(GivenVerdict)

Verdict = Literal[GivenVerdict, "withdrawn"]
"""What is kept of it; `withdrawn` is an undo with nothing before it."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class DescribedCell:
    """Where a cell lies in its image, and what a model says of it.

    Tables of other programs may give a class as the outcome.
    """

    name: str = field(metadata=told("Of the cell within its image, as in the table of `leuknet cells`."))
    box: CellBox
    probability: float | None = field(
        metadata=told("Calibrated P(leukaemic), 0 to 1; null if it was not scored.", ge=0, le=1)
    )
    outcome: str = field(
        metadata=told(
            "`positive` (leukaemic), `negative` (normal), `uncertain` or `unfamiliar`.", examples=["positive"]
        )
    )
    flags: tuple[str, ...] = field(metadata=told("What is unusual about it."))
    warnings: tuple[str, ...]
    model_id: str = field(metadata=told("Of the model that scored it."))


@dataclass(frozen=True)
class NewCell(DescribedCell):
    """A cell as it is put into an image; `outline` as in `CellDetail`."""

    outline: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class CaseCell(NewCell):
    """A cell of a case."""

    id: int
    image_id: int


@dataclass(frozen=True)
class Decision:
    """What a person decided of a cell. It is never changed: a later one may supersede it."""

    id: int
    verdict: Verdict = field(metadata=told("`withdrawn` is an undo with nothing before it."))
    note: str
    decided_at: datetime
    supersedes: int | None = field(metadata=told("The earlier one, of which it took the place."))


@dataclass(frozen=True)
class NewReview:
    """What a reader says of a cell, before it is saved."""

    cell_id: int
    reader_id: int
    verdict: Verdict
    note: str


@dataclass(frozen=True)
class Review(Decision):
    """What a reader said of a cell."""

    cell_id: int
    restores: int | None = field(metadata=told("After an undo, the earlier review that holds again."))


@dataclass(frozen=True)
class ReaderReview(Review):
    """What this reader said of a cell."""

    reader_id: int


@dataclass(frozen=True)
class Word:
    """What a person says of a cell now."""

    user_id: int
    verdict: Verdict
    of_lead: bool = field(
        metadata=told("Whether the word is a lead's: of who is lead or admin today, or an adjudication.")
    )
    adjudicated: bool = field(metadata=told("Whether it was given on the disagreements of a closed study."))
    decided_at: datetime


@dataclass(frozen=True)
class ReviewedCell(DescribedCell):
    """A cell, what a model says of it, and what this account said of it."""

    id: int
    image_id: int
    review: Review | None = field(
        metadata=told("This account's newest review; its `id` is what saving another expects.")
    )


@dataclass(frozen=True)
class CellDetail(ReviewedCell):
    """A cell with its outline."""

    outline: tuple[tuple[float, float], ...] = field(
        metadata=told("Points (row, column) in pixels of the image; empty for a crop.")
    )
