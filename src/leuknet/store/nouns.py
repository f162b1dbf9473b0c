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
        A class, `uncertain` or `unfamiliar`.
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
