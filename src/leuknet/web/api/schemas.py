"""What the API takes and gives, as its description tells programs. Start at `CellShape`.

Times are UTC, ISO 8601. What a program sends holds no field that is not named here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from leuknet.fields.scale import COARSEST_UM, FINEST_UM
from leuknet.room.labels import LabelState
from leuknet.store.nouns import (
    CaseState,
    ImageKind,
    JobState,
    Role,
    ScoringState,
    StudyMode,
    StudyState,
    UploadKind,
    UploadState,
    Verdict,
)

GivenVerdict = Literal["leukaemic", "normal", "uncertain", "not_a_cell"]
"""What a reader can say of a cell."""

LARGEST = 2**53 - 1
"""Of a number: the largest that every program's JSON holds exactly."""


def _whole(value: object) -> object:
    """Take 3.0 for 3, as JSON Schema does, but not "3"."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("the character NUL cannot be kept")
    return text


_NO_NUL = {"pattern": r"^[^\u0000]*$"}
Text = Annotated[str, AfterValidator(_storable), Field(json_schema_extra=_NO_NUL)]
Count = Annotated[int, Field(ge=1, le=LARGEST), BeforeValidator(_whole)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Given(BaseModel):
    model_config = ConfigDict(from_attributes=True)


Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """Some items of a list."""

    items: list[Item]
    next: str | None = Field(description="Cursor of the next page; null if this one is the last.")


class HealthShape(BaseModel):
    """That the reading room answers."""

    status: Literal["ok"]
    version: str = Field(description="Of LeukNet.", examples=["0.2.0"])


class MeShape(_Given):
    """The account that the token acts for."""

    id: int
    name: str = Field(examples=["Ada"])
    role: Role = Field(description="What the account may do; each may do what those before it may.")


class NewCase(_Sent):
    """A case to be made."""

    title: Annotated[str, AfterValidator(_storable)] = Field(
        min_length=1,
        max_length=200,
        description="1 to 200 characters, blanks around it not counted. Name no person.",
        json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"},
        examples=["Smear 17"],
    )


class CaseShape(_Given):
    """Images that are read together, usually of one person."""

    id: UUID
    title: str = Field(examples=["Smear 17"])
    state: CaseState = Field(description="A signed case takes no image, cell or review.")
    created_by: int = Field(description="Number of the account that made it.")
    created_at: datetime


class JobShape(_Given):
    """Work on a case that the worker does."""

    id: int
    kind: str = Field(description="`score`, `explain`, `archive`, `table` or `webhook`.", examples=["score"])
    state: JobState
    progress: Share = Field(description="How much of it is done.")
    error: str | None = Field(description="Why it failed.")
    attempts: int = Field(description="How often a worker took it up.")
    created_at: datetime
    heartbeat_at: datetime | None = Field(description="When its worker was last heard of.")


class CaseDetail(CaseShape):
    """A case and how far it is."""

    images: int = Field(description="Images in the case.")
    scored: int = Field(description="Images whose cells a model has scored.")
    failed: int = Field(description="Images that could not be scored.")
    waiting: int = Field(description="Images that are not scored yet.")
    cells: int = Field(description="Cells in the case.")
    reviewed: int = Field(description="Cells of which this account says something now.")
    outcomes: dict[str, int] = Field(
        description="Cells by what the model says of them.", examples=[{"positive": 12, "uncertain": 3}]
    )
    is_scored: bool = Field(description="Whether no image waits, and no job that brings cells.")
    jobs: list[JobShape] = Field(description="Jobs that wait, run or failed; all are under `/jobs`.")


class ImageShape(_Given):
    """An image of a case."""

    id: int
    sha256: str = Field(description="Of the file's bytes, in hexadecimal.")
    name: str = Field(description="As the user called it.", examples=["field-3.png"])
    kind: ImageKind = Field(description="The crop of one cell, a field, or a whole slide.")
    height_px: int
    width_px: int
    n_bytes: int = Field(description="Of the file.")
    microns_per_pixel: float | None = Field(description="µm a pixel side; null if not known.")
    created_at: datetime
    scoring: ScoringState | None = Field(description="Null while it waits.")
    scoring_error: str | None = Field(description="Why it could not be scored.")


class NewUpload(_Sent):
    """A file that is to come. Again with the same key it is the same upload."""

    name: Text = Field(
        min_length=1,
        max_length=1000,
        description="Of the file, to be shown; it is no path.",
        examples=["field-3.png"],
    )
    n_bytes: Count = Field(description="Of the whole file.", examples=[1048576])
    key: str = Field(
        pattern=r"^[A-Za-z0-9._:\-]{1,100}$",
        description="Chosen by the program: use the SHA-256 of the file, in hexadecimal.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    kind: UploadKind = Field(default="auto", description="What it is; `auto` lets the content decide.")
    microns_per_pixel: float | None = Field(
        default=None,
        ge=FINEST_UM,
        le=COARSEST_UM,
        description="µm a pixel side, where the file does not state it; fields and slides need it.",
        examples=[0.07],
    )


class UploadShape(_Given):
    """A file that comes in parts."""

    id: UUID
    name: str
    key: str
    kind: UploadKind
    n_bytes: int = Field(description="Of the whole file.")
    received: int = Field(description="Bytes that have come: where the next part begins.")
    state: UploadState
    error: str | None = Field(description="Why the file was refused.")
    image_id: int | None = Field(description="What a single image became.")
    created_at: datetime


class FinishedUpload(BaseModel):
    """An upload that is whole, and what it became."""

    upload: UploadShape
    images: list[ImageShape] = Field(
        description="The image; none for an archive or table, whose images come when the worker has read it."
    )


class BoxShape(_Given):
    """A rectangle of pixels; bottom and right are the first row and column outside."""

    top_px: int
    left_px: int
    bottom_px: int
    right_px: int


class ReviewShape(_Given):
    """What a reader said of a cell."""

    id: int
    cell_id: int
    verdict: Verdict = Field(description="`withdrawn` is an undo with nothing before it.")
    note: str
    decided_at: datetime
    supersedes: int | None = Field(description="The review of which it took the place.")
    restores: int | None = Field(description="After an undo, the earlier review that holds again.")


class CellShape(BaseModel):
    """A cell, what a model says of it, and what this account said of it."""

    id: int
    image_id: int
    name: str = Field(description="Of the cell within its image.")
    box: BoxShape
    probability: Share | None = Field(
        description="Calibrated P(leukaemic), 0 to 1; null if it was not scored."
    )
    outcome: str = Field(
        description="`positive` (leukaemic), `negative` (normal), `uncertain` or `unfamiliar`.",
        examples=["positive"],
    )
    flags: list[str] = Field(description="What is unusual about it.")
    warnings: list[str]
    model_id: str = Field(description="Of the model that scored it.")
    review: ReviewShape | None = Field(
        description="This account's newest review; its `id` is what saving another expects."
    )


class CellDetail(CellShape):
    """A cell with its outline."""

    outline: list[tuple[float, float]] = Field(
        description="Points (row, column) in pixels of the image; empty for a crop."
    )


class NewReviewShape(_Sent):
    """What a reader says of a cell."""

    verdict: GivenVerdict
    note: Text = Field(default="", max_length=10_000)
    expected_review_id: Count | None = Field(
        description="`id` of this account's newest review of the cell as the program saw it, null if there "
        "was none: if there is another by now, nothing is saved, and the status is 409."
    )


class Undo(_Sent):
    """A review to be taken back."""

    expected_review_id: Count = Field(description="`id` of the review that is to be taken back.")


class OwnReview(BaseModel):
    """What this account says of a cell."""

    review: ReviewShape | None = Field(description="The newest, a withdrawn one too; null if there is none.")


class WordShape(_Given):
    """What a person says of a cell now."""

    user_id: int
    verdict: Verdict
    of_lead: bool = Field(description="Whether the word is a lead's.")
    adjudicated: bool = Field(description="Whether it was given on the disagreements of a closed study.")
    decided_at: datetime


class LabelShape(_Given):
    """What follows from all that is said of a cell."""

    cell_id: int
    state: LabelState
    label: GivenVerdict | None = Field(description="Null while the cell is disputed or unreviewed.")
    words: list[WordShape]


class LabelList(BaseModel):
    """The labels of all cells of a case, as of one moment, in the order of the cells' numbers."""

    items: list[LabelShape]


class JobList(BaseModel):
    """All jobs of a case, the oldest first."""

    items: list[JobShape]


class ReportShape(BaseModel):
    """A signed version of a case's report."""

    version: int = Field(description="From 1; an amendment is a further version.")
    signed_by: int = Field(description="Number of the account that signed it.")
    signed_at: datetime
    reason: str = Field(description="Why cells were left unreviewed, or why it was amended.")
    content_sha256: str = Field(description="Of all that the report tells, in hexadecimal.")
    files: dict[str, str] = Field(description="Addresses of its forms: `html`, `pdf`, `fhir`, `dcm`.")


class ReportList(BaseModel):
    """All signed versions of a case's report, the first first."""

    items: list[ReportShape]


class StudyShape(_Given):
    """A reading study."""

    id: UUID
    title: str
    mode: StudyMode = Field(description="Whether readers see what the model says.")
    state: StudyState
    created_at: datetime
    opened_at: datetime | None
    closed_at: datetime | None
    read: int = Field(description="Items that this account has read, 0 if it is no reader of it.")
    total: int = Field(description="Items of this account.")


class StudyList(BaseModel):
    """The studies that an account may see, the newest first."""

    items: list[StudyShape]


class CaseEvent(BaseModel):
    """That something happened to a case, and nothing of its content: ask the API for that."""

    event: Literal["case.scored", "case.signed"]
    case: UUID = Field(description="Id of the case.")
    at: datetime
    delivery: int = Field(description="Number of the event: one that comes twice has the same.")


class CasePage(Page[CaseShape]):
    """Some cases."""


class ImagePage(Page[ImageShape]):
    """Some images of a case."""


class CellPage(Page[CellShape]):
    """Some cells of a case."""
