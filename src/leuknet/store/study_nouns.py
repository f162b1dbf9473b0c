"""What the store returns of reading studies: frozen dataclasses, never rows. Start at `Study`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from leuknet.store.cell_nouns import Decision, Verdict

StudyState = Literal["draft", "open", "closed"]
STUDY_STATES: tuple[StudyState, ...] = get_args(StudyState)

StudyMode = Literal["unaided", "assisted", "both"]
"""Whether readers see what the model says: never, always, or first not and then, anew, with it."""
STUDY_MODES: tuple[StudyMode, ...] = get_args(StudyMode)

Phase = Literal["unaided", "assisted"]
PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True)
class NewStudy:
    """A reading study as it is planned.

    Attributes
    ----------
    repeat_share
        Share of the cells that each reader is shown twice without being told, 0 to 0.5.
    washout_days
        Days between the last unaided and the first assisted read of a reader; counts in mode `both` only.
    seed
        Of the orders that are drawn, 0 to 2**31 - 1.
    """

    title: str
    instructions: str
    mode: StudyMode
    repeat_share: float
    washout_days: int
    seed: int

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases that each reader goes through, in order."""
        return PHASES if self.mode == "both" else (self.mode,)


@dataclass(frozen=True)
class Study(NewStudy):
    """Cells of some cases that some readers read blinded. Cases and readers are fixed once it is open."""

    id: UUID
    created_by: int
    created_at: datetime
    state: StudyState
    opened_at: datetime | None
    closed_at: datetime | None


@dataclass(frozen=True)
class NewStudyRead:
    """What a reader says of an item of a study, before it is saved.

    Attributes
    ----------
    seconds
        How long the cell was in view with the window in front.
    """

    item_id: int
    verdict: Verdict
    note: str
    seconds: float


@dataclass(frozen=True)
class StudyRead(Decision):
    """What a reader said of an item; `seconds` as in `NewStudyRead`."""

    item_id: int
    seconds: float


@dataclass(frozen=True)
class StudyItem:
    """One showing of a cell to one reader. Whether it is a repeat is not told: the reader's pages have this.

    Attributes
    ----------
    position
        In the order of this reader and phase, from 1.
    read
        The newest read, a withdrawn one too; None if there never was one. Its id is what saving expects.
    """

    id: int
    study_id: UUID
    reader_id: int
    phase: Phase
    position: int
    cell_id: int
    image_id: int
    read: StudyRead | None


@dataclass(frozen=True)
class PhaseProgress:
    """How far a reader is in a phase.

    Attributes
    ----------
    next_position
        Of the first item without a read; None if all are read.
    last_at
        When the last of the reads that count was made.
    """

    phase: Phase
    read: int
    total: int
    next_position: int | None
    last_at: datetime | None


@dataclass(frozen=True)
class StudyProgress:
    """How far a reader is in a study.

    Attributes
    ----------
    phase
        The phase in which the reader reads now; None if all is read, or the next may not start yet.
    starts_at
        When the assisted phase may start, once all unaided items are read; else None.
    """

    phases: tuple[PhaseProgress, ...]
    phase: Phase | None
    starts_at: datetime | None

    @property
    def read(self) -> int:
        """Items read, in all phases."""
        return sum(phase.read for phase in self.phases)

    @property
    def total(self) -> int:
        """Items, in all phases."""
        return sum(phase.total for phase in self.phases)


@dataclass(frozen=True)
class StudyLine:
    """An item of a study with its current read, for whoever may see all of it.

    Attributes
    ----------
    verdict, seconds, decided_at
        Of the read; None if there is none, or it was withdrawn.
    outcome, probability, model_id
        What the model says of the cell, as in `NewCell`.
    """

    item_id: int
    reader_id: int
    phase: Phase
    position: int
    cell_id: int
    case_id: UUID
    is_repeat: bool
    verdict: Verdict | None
    seconds: float | None
    decided_at: datetime | None
    outcome: str
    probability: float | None
    model_id: str


@dataclass(frozen=True)
class NewAdjudication:
    """What a lead says of a cell on which readers of a study differ, before it is saved."""

    study_id: UUID
    cell_id: int
    lead_id: int
    verdict: Verdict
    note: str


@dataclass(frozen=True)
class Adjudication(Decision):
    """What a lead decided of a disputed cell."""

    study_id: UUID
    cell_id: int
    lead_id: int


@dataclass(frozen=True)
class Dispute:
    """A cell on which readers of a study differ.

    Attributes
    ----------
    verdicts
        Pairs of a reader's id and verdict, by id.
    adjudication
        The newest, None if nothing is decided yet.
    """

    cell_id: int
    verdicts: tuple[tuple[int, Verdict], ...]
    adjudication: Adjudication | None
