"""What the store returns: frozen dataclasses, never rows. Start at `Review`.

Times are UTC and carry their zone. No noun holds a password, a token or its hash.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from leuknet.types import CellBox

Role = Literal["reader", "lead", "admin"]
"""What an account may do; each may do what those before it may."""
ROLES: tuple[Role, ...] = get_args(Role)

CaseState = Literal["open", "signed"]
CASE_STATES: tuple[CaseState, ...] = get_args(CaseState)

ImageKind = Literal["crop", "field", "slide"]
IMAGE_KINDS: tuple[ImageKind, ...] = get_args(ImageKind)

Verdict = Literal["leukaemic", "normal", "uncertain", "not_a_cell", "withdrawn"]
"""What a reader says of a cell; `withdrawn` is an undo with nothing before it."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

JobState = Literal["queued", "running", "done", "failed"]
JOB_STATES: tuple[JobState, ...] = get_args(JobState)

UploadState = Literal["receiving", "done", "failed"]
UPLOAD_STATES: tuple[UploadState, ...] = get_args(UploadState)

UploadKind = Literal["auto", "crop", "field", "slide", "archive", "table"]
"""What is sent: one image, a zip of images, a table of scored cells; `auto` lets the content decide."""
UPLOAD_KINDS: tuple[UploadKind, ...] = get_args(UploadKind)

ScoringState = Literal["scored", "failed"]
SCORING_STATES: tuple[ScoringState, ...] = get_args(ScoringState)

StudyState = Literal["draft", "open", "closed"]
STUDY_STATES: tuple[StudyState, ...] = get_args(StudyState)

StudyMode = Literal["unaided", "assisted", "both"]
"""Whether readers see what the model says: never, always, or first not and then, anew, with it."""
STUDY_MODES: tuple[StudyMode, ...] = get_args(StudyMode)

Phase = Literal["unaided", "assisted"]
PHASES: tuple[Phase, ...] = get_args(Phase)

SYSTEM = "system"
"""The actor of what no account did."""


@dataclass(frozen=True)
class User:
    """An account. Accounts are switched off, never deleted: their decisions stay theirs."""

    id: int
    name: str
    role: Role
    active: bool
    created_at: datetime

    @property
    def actor(self) -> str:
        """How the audit log calls this user: a number, since the log cannot forget a name."""
        return f"user:{self.id}"


@dataclass(frozen=True)
class Session:
    """A browser that is signed in."""

    user: User
    created_at: datetime
    expires_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True)
class ApiToken:
    """A program that may act for a user, until it is revoked."""

    id: int
    user_id: int
    name: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True)
class Case:
    """Images that are read together, usually of one person."""

    id: UUID
    title: str
    created_by: int
    created_at: datetime
    state: CaseState


@dataclass(frozen=True)
class NewImage:
    """An image as it is put into a case.

    Attributes
    ----------
    sha256
        Of the file's bytes, in hexadecimal. A case holds each content once.
    name
        As the user called it. It may name a person, and so goes into no log.
    path
        Of the file within the data folder, with `/`.
    microns_per_pixel
        µm a pixel side, above 0, or None if not known.
    """

    sha256: str
    name: str
    kind: ImageKind
    height_px: int
    width_px: int
    n_bytes: int
    path: str
    microns_per_pixel: float | None


@dataclass(frozen=True)
class CaseImage(NewImage):
    """An image of a case."""

    id: int
    case_id: UUID
    created_at: datetime


@dataclass(frozen=True)
class NewCell:
    """A cell as it is put into an image.

    Attributes
    ----------
    name
        Of the cell within its image, as in the table of `leuknet cells`.
    outline
        Points (row, column) in pixels of the image, around the cell; empty for a crop.
    probability
        P(class 1), 0 to 1, or None if it could not be scored.
    outcome
        `positive`, `negative`, `uncertain` or `unfamiliar`; tables of other programs may name a class.
    """

    name: str
    box: CellBox
    outline: tuple[tuple[float, float], ...]
    probability: float | None
    outcome: str
    flags: tuple[str, ...]
    warnings: tuple[str, ...]
    model_id: str


@dataclass(frozen=True)
class CaseCell(NewCell):
    """A cell of a case."""

    id: int
    image_id: int


@dataclass(frozen=True)
class NewReview:
    """What a reader says of a cell, before it is saved."""

    cell_id: int
    reader_id: int
    verdict: Verdict
    note: str


@dataclass(frozen=True)
class Review(NewReview):
    """What a reader said of a cell. It is never changed: a later one may supersede it.

    Attributes
    ----------
    supersedes
        The review that this one took the place of.
    restores
        After an undo, the earlier review that holds again.
    """

    id: int
    decided_at: datetime
    supersedes: int | None
    restores: int | None


@dataclass(frozen=True)
class Job:
    """Work on a case that a process of its own does.

    Attributes
    ----------
    attempts
        How often it was taken up. Whoever reports must name the attempt: a worker that was thought dead
        cannot report on what another has taken over.
    heartbeat_at
        When its worker was last heard of.
    progress
        0 to 1.
    detail
        What it needs to know beside its case, such as the cell to explain; JSON.
    """

    id: int
    case_id: UUID
    kind: str
    state: JobState
    attempts: int
    created_at: datetime
    heartbeat_at: datetime | None
    error: str | None
    progress: float
    detail: dict[str, Any]


@dataclass(frozen=True)
class AuditLine:
    """One write, as the log keeps it; `at` is ISO 8601 and `detail` JSON, to the byte as they were hashed."""

    seq: int
    at: str
    actor: str
    action: str
    object: str
    detail: str
    previous_hash: str
    hash: str


@dataclass(frozen=True)
class AuditReport:
    """What a check of the log found.

    Attributes
    ----------
    lines
        How many were read.
    head_seq, head_hash
        The last line's, 0 and 64 zeros for an empty log. Who keeps them elsewhere can later show that no line
        was cut off and that the whole was not written anew.
    broken_at
        Number of the first line that was changed, removed, inserted or moved; None if the log is whole.
    why
        What is wrong there, "" if nothing.
    """

    lines: int
    head_seq: int
    head_hash: str
    broken_at: int | None
    why: str


@dataclass(frozen=True)
class CaseNote:
    """What somebody wrote about a case as a whole. It is never changed."""

    id: int
    case_id: UUID
    user_id: int
    text: str
    written_at: datetime


@dataclass(frozen=True)
class Signature:
    """A case as it was signed. It is never changed; an amendment is a further version.

    Attributes
    ----------
    version
        From 1, without a gap.
    reason
        Why cells were left unreviewed, or why an earlier version was amended; "" where neither is so.
    content
        All that the report tells, as JSON text.
    content_sha256
        Of that text in UTF-8, in hexadecimal.
    """

    id: int
    case_id: UUID
    version: int
    signed_by: int
    signed_at: datetime
    reason: str
    content: str
    content_sha256: str


@dataclass(frozen=True)
class Upload:
    """A file that comes in parts into a case.

    Attributes
    ----------
    key
        Chosen by the client: the same key of the same user is the same upload.
    name
        As the user called it, made safe to show. It is no path.
    kind
        What the user said it is.
    n_bytes
        Of the whole file.
    error
        Why it was refused.
    microns_per_pixel
        As the user stated it.
    image_id
        What a single image became; None while it comes, and for archives and tables.
    """

    id: UUID
    case_id: UUID
    user_id: int
    key: str
    name: str
    kind: UploadKind
    n_bytes: int
    state: UploadState
    error: str | None
    microns_per_pixel: float | None
    image_id: int | None
    created_at: datetime


@dataclass(frozen=True)
class Scoring:
    """That a model has scored an image, or why it could not."""

    image_id: int
    state: ScoringState
    error: str | None
    model_id: str
    scored_at: datetime


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
class StudyRead(NewStudyRead):
    """What a reader said of an item. It is never changed: a later one may supersede it."""

    id: int
    decided_at: datetime
    supersedes: int | None


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
        return sum(one.read for one in self.phases)

    @property
    def total(self) -> int:
        """Items, in all phases."""
        return sum(one.total for one in self.phases)


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
class Adjudication(NewAdjudication):
    """What a lead decided of a disputed cell. It is never changed: a later one may supersede it."""

    id: int
    decided_at: datetime
    supersedes: int | None


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
