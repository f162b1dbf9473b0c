"""What the report of a signed case tells, as plain values: what is hashed, signed and kept.

All files of a signed version, page, PDF, FHIR and DICOM, are made from this alone, its pictures included, so
that they can be made anew when images, thumbnails or accounts are gone.

Start at `CaseRecord`. `leuknet.room.record` fills it, `leuknet.room.case_page` shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leuknet.store.nouns import DescribedImage

RESEARCH_ONLY = "Research use only. Not a medical device. Not for diagnosis or treatment."

LIMITS = (
    "A count of labelled cells is not a diagnosis: acute lymphoblastic leukaemia is diagnosed from the whole "
    "picture, with flow cytometry and genetics.",
    "The counts are of the cells that were found and shown. Cells that were missed or lie outside of the "
    "images are not in them.",
    "The interval says how the share varies by chance among so many cells, taken as independent. It holds no "
    "error of the readers, nor of how the cells were chosen.",
    "What the model says has not been validated on raw smears. Readers who saw it before they decided may "
    "have followed it, so that their agreement with it does not measure it.",
)


@dataclass(frozen=True)
class Person:
    """An account; its number is what the audit log and exchanged files call it."""

    number: int
    name: str
    role: str


@dataclass(frozen=True)
class ReaderCount:
    """How many cells a person has spoken on, and on how many of these as a lead of a closed study."""

    person: Person
    verdicts: int
    adjudications: int


@dataclass(frozen=True)
class ImageFacts(DescribedImage):
    """An image of the case. `scored` is `scored`, `failed`, or `not scored`."""

    cells: int
    scored: str


@dataclass(frozen=True)
class CardFacts:
    """What a model's card says that a reader of the report needs; `dataset` is `ModelCard.origin`."""

    recipe: str
    class_names: tuple[str, str]
    dataset: str
    simulated: bool
    split_kind: str
    threshold: float
    temperature: float | None
    undecided: tuple[float, float] | None
    trained_at: str
    leuknet_version: str


@dataclass(frozen=True)
class ModelFacts:
    """A model that scored cells of the case.

    Attributes
    ----------
    card
        None if the model is not on this server.
    outcomes
        How many cells it called leukaemic, normal, uncertain, unfamiliar or other.
    agreement
        Label of the readers (leukaemic, normal) to what the model says (leukaemic, normal, uncertain,
        unfamiliar, other) to number of cells.
    """

    model_id: str
    card: CardFacts | None
    outcomes: Mapping[str, int]
    agreement: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Share:
    """Leukaemic cells among those labelled leukaemic or normal, with Wilson's interval."""

    leukaemic: int
    labelled: int
    estimate: float
    low: float
    high: float
    level: float


@dataclass(frozen=True)
class CellFacts:
    """One cell: its label, what the model says of it, and whether the two differ."""

    image: str
    name: str
    label: str
    decided_by_lead: bool
    said: str
    probability: float | None
    differs: bool


@dataclass(frozen=True)
class ExampleCell:
    """A cell that the page shows; `picture` is a data URI."""

    cell: CellFacts
    picture: str


@dataclass(frozen=True)
class NoteFacts:
    """A note on the case."""

    person: Person
    written_at: str
    text: str


@dataclass(frozen=True)
class EarlierVersion:
    """A version that this one amends."""

    version: int
    signed_at: str
    person: Person
    reason: str
    content_sha256: str


@dataclass(frozen=True)
class CaseRecord:
    """A case as it is signed. Times are UTC, ISO 8601.

    Attributes
    ----------
    reason
        Why cells were left unreviewed, or an earlier version was amended; "" where neither is so.
    counts
        Cells by label (leukaemic, normal, uncertain, not_a_cell) and without one (disputed, unreviewed).
    decided_by_lead
        Cells whose label is a lead's word against that of a reader.
    share
        None if no cell is labelled leukaemic or normal.
    differing, n_differing
        Cells where label and model name different classes, the surest calls first: some, and how many in all.
    log_head
        Number and hash of the audit log's last line before signing, `SEQ:HASH`.
    """

    case_id: str
    title: str
    created_at: str
    version: int
    signed_at: str
    signer: Person
    reason: str
    images: tuple[ImageFacts, ...]
    cells: int
    counts: Mapping[str, int]
    decided_by_lead: int
    share: Share | None
    readers: tuple[ReaderCount, ...]
    models: tuple[ModelFacts, ...]
    differing: tuple[CellFacts, ...]
    n_differing: int
    examples: tuple[ExampleCell, ...]
    notes: tuple[NoteFacts, ...]
    earlier: tuple[EarlierVersion, ...]
    log_head: str
    leuknet_version: str
    research_only: str = RESEARCH_ONLY
    limits: tuple[str, ...] = LIMITS

    @property
    def reviewed(self) -> int:
        """Cells on which somebody has spoken."""
        return self.cells - self.counts["unreviewed"]
