"""What the client gives back: frozen dataclasses. Start at `Cell`.

Times carry their zone. A newer reading room may tell more than is named here; that is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from leuknet.types import CellBox

Verdict = Literal["leukaemic", "normal", "uncertain", "not_a_cell", "withdrawn"]
UploadKind = Literal["auto", "crop", "field", "slide", "archive", "table"]
CellOrder = Literal["found", "probability", "uncertainty"]
Picture = Literal["thumb", "view", "crop"]
ReportForm = Literal["html", "pdf", "fhir", "dcm"]


@dataclass(frozen=True)
class Account:
    """The account that the token acts for."""

    id: int
    name: str
    role: Literal["reader", "lead", "admin"]


@dataclass(frozen=True)
class Case:
    """Images that are read together, usually of one person."""

    id: UUID
    title: str
    state: Literal["open", "signed"]
    created_by: int
    created_at: datetime


@dataclass(frozen=True)
class CaseProgress(Case):
    """A case and how far it is.

    Attributes
    ----------
    images, scored, failed, waiting
        Images in the case, and what became of them.
    cells, reviewed
        Cells in the case, and those of which this account says something now.
    outcomes
        Cells by what the model says of them.
    is_scored
        Whether no image waits, and no job that brings cells.
    """

    images: int
    scored: int
    failed: int
    waiting: int
    cells: int
    reviewed: int
    outcomes: Mapping[str, int]
    is_scored: bool


@dataclass(frozen=True)
class Image:
    """An image of a case; `scoring` is None while it waits."""

    id: int
    sha256: str
    name: str
    kind: Literal["crop", "field", "slide"]
    height_px: int
    width_px: int
    n_bytes: int
    microns_per_pixel: float | None
    created_at: datetime
    scoring: Literal["scored", "failed"] | None
    scoring_error: str | None


@dataclass(frozen=True)
class Upload:
    """A file that was sent. `image_id` is what a single image became."""

    id: UUID
    name: str
    kind: UploadKind
    n_bytes: int
    received: int
    state: Literal["receiving", "done", "failed"]
    error: str | None
    image_id: int | None
    created_at: datetime


@dataclass(frozen=True)
class Review:
    """What this account said of a cell; `withdrawn` is an undo with nothing before it."""

    id: int
    cell_id: int
    verdict: Verdict
    note: str
    decided_at: datetime
    supersedes: int | None
    restores: int | None


@dataclass(frozen=True)
class Cell:
    """A cell of a case.

    Attributes
    ----------
    probability
        Calibrated P(leukaemic), 0 to 1; None if it was not scored.
    outcome
        `positive`, `negative`, `uncertain` or `unfamiliar`.
    review
        This account's newest review of it when it was asked for; what saving another expects.
    """

    case_id: UUID
    id: int
    image_id: int
    name: str
    box: CellBox
    probability: float | None
    outcome: str
    flags: tuple[str, ...]
    warnings: tuple[str, ...]
    model_id: str
    review: Review | None


Noun = TypeVar("Noun")


def read(kind: type[Noun], found: Mapping[str, Any]) -> Noun:
    """Return what an answer states as one of these nouns."""
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: _value(name, found[name]) for name in names})


def read_cell(case_id: UUID, found: Mapping[str, Any]) -> Cell:
    """Return a cell of a case that an answer states."""
    review = None if found["review"] is None else read(Review, found["review"])
    box = CellBox(**found["box"])
    lists = {name: tuple(found[name]) for name in ("flags", "warnings")}
    return read(Cell, {**found, **lists, "case_id": case_id, "box": box, "review": review})


def _value(name: str, value: Any) -> Any:
    if name.endswith("_at") and isinstance(value, str):
        return datetime.fromisoformat(value)
    if name == "id" and isinstance(value, str):
        return UUID(value)
    return value
