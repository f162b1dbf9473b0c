"""What the store returns: frozen dataclasses, never rows; and what the API and its client tell of them.

A noun that stands for a row and holds more than programs are told extends the one that they are told: a
`User` is an `Account` with what is kept of it. Where programs are told of a field, `told` says what it means,
for the description of the API.

Start at `Case`. What is said of cells is in `cell_nouns`, reading studies are in `study_nouns`.

Times are UTC and carry their zone. No noun holds a password, a token or its hash. Nothing but the standard
library is needed here: the client of the API has no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, TypeVar, get_args
from uuid import UUID

Role = Literal["reader", "lead", "admin"]
"""What an account may do; each may do what those before it may."""
ROLES: tuple[Role, ...] = get_args(Role)

CaseState = Literal["open", "signed"]
CASE_STATES: tuple[CaseState, ...] = get_args(CaseState)

ImageKind = Literal["crop", "field", "slide"]
IMAGE_KINDS: tuple[ImageKind, ...] = get_args(ImageKind)

JobState = Literal["queued", "running", "done", "failed"]
JOB_STATES: tuple[JobState, ...] = get_args(JobState)

UploadState = Literal["receiving", "done", "failed"]
UPLOAD_STATES: tuple[UploadState, ...] = get_args(UploadState)

UploadKind = Literal["auto", "crop", "field", "slide", "archive", "table"]
"""What is sent: one image, a zip of images, a table of scored cells; `auto` lets the content decide."""
UPLOAD_KINDS: tuple[UploadKind, ...] = get_args(UploadKind)

ScoringState = Literal["scored", "failed"]
SCORING_STATES: tuple[ScoringState, ...] = get_args(ScoringState)

ReportForm = Literal["html", "pdf", "fhir", "dcm"]
"""Page, PDF, FHIR DiagnosticReport or DICOM SR."""

SYSTEM = "system"
"""The actor of what no account did."""


def told(description: str, **more: Any) -> dict[str, Any]:
    """Return the metadata of a field as pydantic reads it: what it means, its limits, `examples`."""
    return {"description": description, **more}


Noun = TypeVar("Noun")


def as_noun(kind: type[Noun], known: object, **more: Any) -> Noun:
    """Return a noun with what another one says of the same thing, and more; all else is left out.

    Examples
    --------
    >>> from datetime import UTC
    >>> as_noun(Account, User(7, "Ada", "lead", True, datetime.now(UTC)), name="A.")
    Account(id=7, name='A.', role='lead')
    """
    names = (field.name for field in fields(kind) if field.name not in more)  # type: ignore[arg-type]
    return kind(**{name: getattr(known, name) for name in names}, **more)


@dataclass(frozen=True)
class Account:
    """An account, as programs are told of it."""

    id: int
    name: str = field(metadata={"examples": ["Ada"]})
    role: Role = field(metadata=told("What the account may do; each may do what those before it may."))


@dataclass(frozen=True)
class User(Account):
    """An account. Accounts are switched off, never deleted: their decisions stay theirs."""

    active: bool
    created_at: datetime

    @property
    def actor(self) -> str:
        """How the audit log calls this user: a number, since the log cannot forget a name."""
        return f"user:{self.id}"


@dataclass(frozen=True)
class Case:
    """Images that are read together, usually of one person."""

    id: UUID
    title: str = field(metadata={"examples": ["Smear 17"]})
    created_by: int = field(metadata=told("Number of the account that made it."))
    created_at: datetime
    state: CaseState = field(metadata=told("A signed case takes no image, cell or review."))


@dataclass(frozen=True)
class DescribedImage:
    """A file that holds an image."""

    sha256: str = field(metadata=told("Of the file's bytes, in hexadecimal; a case holds each content once."))
    # It may name a person, and so goes into no log.
    name: str = field(metadata=told("As the user called it.", examples=["field-3.png"]))
    kind: ImageKind = field(metadata=told("The crop of one cell, a field, or a whole slide."))
    height_px: int
    width_px: int
    n_bytes: int = field(metadata=told("Of the file."))
    microns_per_pixel: float | None = field(metadata=told("µm a pixel side; null if not known."))


@dataclass(frozen=True)
class NewImage(DescribedImage):
    """An image as it is put into a case; `path` is the file's within the data folder, with `/`.

    `pixels_sha256` tells the same picture in files of other formats, see `room.upload_content.hash_pixels`.
    """

    path: str
    pixels_sha256: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class CaseImage(NewImage):
    """An image of a case."""

    id: int
    case_id: UUID
    created_at: datetime


@dataclass(frozen=True)
class Image(DescribedImage):
    """An image of a case, and what became of it."""

    id: int
    created_at: datetime
    scoring: ScoringState | None = field(metadata=told("Null while it waits."))
    scoring_error: str | None = field(metadata=told("Why it could not be scored."))


@dataclass(frozen=True)
class Scoring:
    """That a model has scored an image, or why it could not."""

    image_id: int
    state: ScoringState
    error: str | None
    model_id: str
    scored_at: datetime


@dataclass(frozen=True)
class Job:
    """Work on a case that the worker does."""

    id: int
    kind: str = field(
        metadata=told("`score`, `explain`, `archive`, `table` or `webhook`.", examples=["score"])
    )
    state: JobState
    progress: float = field(metadata=told("How much of it is done, 0 to 1.", ge=0, le=1))
    error: str | None = field(metadata=told("Why it failed."))
    attempts: int = field(metadata=told("How often a worker took it up."))
    created_at: datetime
    heartbeat_at: datetime | None = field(metadata=told("When its worker was last heard of."))


@dataclass(frozen=True)
class CaseJob(Job):
    """A job as its worker knows it.

    Whoever reports must name the attempt: a worker that was thought dead cannot report on what another has
    taken over. `detail` is what it needs to know beside its case, such as the cell to explain; JSON.
    """

    case_id: UUID
    detail: dict[str, Any]


@dataclass(frozen=True)
class CaseProgress(Case):
    """A case and how far it is."""

    images: int = field(metadata=told("Images in the case."))
    scored: int = field(metadata=told("Images whose cells a model has scored."))
    failed: int = field(metadata=told("Images that could not be scored."))
    waiting: int = field(metadata=told("Images that are not scored yet."))
    cells: int = field(metadata=told("Cells in the case."))
    reviewed: int = field(metadata=told("Cells of which this account says something now."))
    outcomes: Mapping[str, int] = field(
        metadata=told("Cells by what the model says of them.", examples=[{"positive": 12, "uncertain": 3}])
    )
    is_scored: bool = field(metadata=told("Whether no image waits, and no job that brings cells."))
    jobs: tuple[Job, ...] = field(metadata=told("Jobs that wait, run or failed; all are under `/jobs`."))
    notes: tuple[str, ...] = field(
        metadata=told(
            "What is to be known of archives and tables that were taken in: what could not be used."
        )
    )


@dataclass(frozen=True)
class Announcement:
    """A file that is to come.

    Attributes
    ----------
    name
        As the user calls it; what cannot be shown safely is taken out. It is no path.
    n_bytes
        Of the whole file.
    key
        1 to 100 characters, chosen by the client anew for each file: the same key of the same user is the
        same upload.
    kind
        What it is said to be.
    microns_per_pixel
        µm a pixel side, as the user states it; counts more than what the file says.
    """

    name: str
    n_bytes: int
    key: str
    kind: UploadKind = "auto"
    microns_per_pixel: float | None = None


@dataclass(frozen=True)
class AnnouncedUpload:
    """A file that comes in parts: what was announced of it (see `Announcement`), and what became of it."""

    id: UUID
    key: str
    name: str
    kind: UploadKind
    n_bytes: int = field(metadata=told("Of the whole file."))
    state: UploadState
    error: str | None = field(metadata=told("Why the file was refused."))
    image_id: int | None = field(
        metadata=told("What a single image became; null while it comes, and for archives and tables.")
    )
    created_at: datetime


@dataclass(frozen=True)
class CaseUpload(AnnouncedUpload):
    """A file that comes into a case."""

    case_id: UUID
    user_id: int
    microns_per_pixel: float | None


@dataclass(frozen=True)
class Upload(AnnouncedUpload):
    """A file that comes in parts."""

    received: int = field(metadata=told("Bytes that have come: where the next part begins."))


@dataclass(frozen=True)
class SignedVersion:
    """A signed version of a case's report."""

    version: int = field(metadata=told("From 1, without a gap; an amendment is a further version."))
    signed_by: int = field(metadata=told("Number of the account that signed it."))
    signed_at: datetime
    reason: str = field(
        metadata=told("Why cells were left unreviewed, or why it was amended; empty where neither is so.")
    )
    content_sha256: str = field(metadata=told("Of all that the report tells, in hexadecimal."))


@dataclass(frozen=True)
class Signature(SignedVersion):
    """A case as it was signed. It is never changed; `content` is all that the report tells, as JSON text."""

    id: int
    case_id: UUID
    content: str


@dataclass(frozen=True)
class Report(SignedVersion):
    """A signed version of a case's report, and where its files are."""

    files: Mapping[str, str] = field(metadata=told("Addresses of its forms: `html`, `pdf`, `fhir`, `dcm`."))
