"""What the API takes, and the lists that it gives; what is in these are the nouns of the store.

Times are UTC, ISO 8601. What a program sends holds no field that is not named here. Start at `SentReview`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from leuknet.fields.scale import COARSEST_UM, FINEST_UM
from leuknet.room.labels import CellLabel
from leuknet.store.cell_nouns import GivenVerdict, Review, ReviewedCell
from leuknet.store.nouns import Case, Image, Job, Report, Upload, UploadKind
from leuknet.store.study_nouns import StudyMode, StudyState

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


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """Some items of a list."""

    items: list[Item]
    next: str | None = Field(description="Cursor of the next page; null if this one is the last.")


class Health(BaseModel):
    """That the reading room answers."""

    status: Literal["ok"]
    version: str = Field(description="Of LeukNet.", examples=["0.2.0"])


class NewCase(_Sent):
    """A case to be made."""

    title: Annotated[str, AfterValidator(_storable)] = Field(
        min_length=1,
        max_length=200,
        description="1 to 200 characters, blanks around it not counted. Name no person.",
        json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"},
        examples=["Smear 17"],
    )


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


class FinishedUpload(BaseModel):
    """An upload that is whole, and what it became."""

    upload: Upload
    images: list[Image] = Field(
        description="The image; none for an archive or table, whose images come when the worker has read it."
    )


class SentReview(_Sent):
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

    review: Review | None = Field(description="The newest, a withdrawn one too; null if there is none.")


class LabelList(BaseModel):
    """The labels of all cells of a case, as of one moment, in the order of the cells' numbers."""

    items: list[CellLabel]


class JobList(BaseModel):
    """All jobs of a case, the oldest first."""

    items: list[Job]


class ReportList(BaseModel):
    """All signed versions of a case's report, the first first."""

    items: list[Report]


class OwnStudy(BaseModel):
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

    items: list[OwnStudy]


class CaseEvent(BaseModel):
    """That something happened to a case, and nothing of its content: ask the API for that."""

    event: Literal["case.scored", "case.signed"]
    case: UUID = Field(description="Id of the case.")
    at: datetime
    delivery: int = Field(description="Number of the event: one that comes twice has the same.")


class CasePage(Page[Case]):
    """Some cases."""


class ImagePage(Page[Image]):
    """Some images of a case."""


class CellPage(Page[ReviewedCell]):
    """Some cells of a case."""
