"""Gathers all that the report of a case tells.

Start at `case_record`; `leuknet.room.signing` signs what it returns.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np

from leuknet.data.folder import CLASS_NAMES
from leuknet.evaluation.resampling import wilson
from leuknet.room.cards import meaning_of
from leuknet.room.case_record import (
    CardFacts,
    CaseRecord,
    CellFacts,
    EarlierVersion,
    ExampleCell,
    ImageFacts,
    ModelFacts,
    NoteFacts,
    Person,
    ReaderCount,
    Share,
)
from leuknet.room.labels import CellLabel, case_labels, count_labels
from leuknet.room.pictures import ensure_cell_pictures
from leuknet.room.room_files import RoomFiles
from leuknet.store.accounts import list_users
from leuknet.store.audit_log import NO_HASH, recent_lines
from leuknet.store.cases import images_of
from leuknet.store.cell_nouns import CaseCell
from leuknet.store.cells import cells_of
from leuknet.store.database import Store
from leuknet.store.notes import notes_of
from leuknet.store.nouns import Case, CaseImage, SignedVersion, User, as_noun
from leuknet.store.scorings import scorings_of
from leuknet.store.signatures import signatures_of
from leuknet.types import ModelCard

N_EXAMPLES = 36
"""Cells that the report shows, at most."""

N_DIFFERING = 200
"""Cells that the record lists of those where label and model differ; it counts all."""

ALL_CELLS = 10**9

_Rows = list[tuple[CaseCell, CellFacts]]


def case_record(
    store: Store,
    files: RoomFiles,
    case: Case,
    *,
    signer: User,
    reason: str,
    now: datetime,
    models: Mapping[str, ModelCard],
) -> CaseRecord:
    """Return what the next version of a case's report tells, as the case is now.

    Parameters
    ----------
    store, files, case
        Of the reading room. Thumbnails that are shown and missing are made anew.
    signer, reason, now
        Who signs it, why it is incomplete or amended ("" if neither), and when.
    models
        The cards of the models that this server has, by model id.

    Raises
    ------
    UnreadableImageError
        If a cell is to be shown, and neither its thumbnail nor its image can be read.
    """
    labels = case_labels(store, case.id)
    people = {user.id: Person(user.id, user.name, user.role) for user in list_users(store)}
    images = {image.id: image for image in images_of(store, case.id)}
    cells = cells_of(store, case.id, limit=ALL_CELLS)
    pairs = zip(cells, labels, strict=True)
    rows = [(cell, _cell(cell, label, images[cell.image_id], models)) for cell, label in pairs]
    earlier = signatures_of(store, case.id)
    counts = count_labels(labels)
    differing = sorted((row for row in rows if row[1].differs), key=lambda row: -_sureness(row[0]))
    return CaseRecord(
        case_id=str(case.id),
        title=case.title,
        created_at=_time(case.created_at),
        version=len(earlier) + 1,
        signed_at=_time(now),
        signer=people[signer.id],
        reason=reason,
        images=_images(store, case, tuple(images.values()), cells),
        cells=len(cells),
        counts={str(name): number for name, number in counts.items()},
        decided_by_lead=sum(label.state == "decided" for label in labels),
        share=_share(counts["leukaemic"], counts["normal"]),
        readers=_readers(labels, people),
        models=_models(rows, models),
        differing=tuple(facts for _, facts in differing[:N_DIFFERING]),
        n_differing=len(differing),
        examples=_examples(files, images, _chosen(rows, differing)),
        notes=_notes(store, case, people),
        earlier=tuple(_earlier(signed, people) for signed in earlier),
        log_head=_log_head(store),
        leuknet_version=version("leuknet"),
    )


def _cell(cell: CaseCell, label: CellLabel, image: CaseImage, models: Mapping[str, ModelCard]) -> CellFacts:
    card = models.get(cell.model_id)
    said = meaning_of(cell.outcome, CLASS_NAMES if card is None else card.class_names)
    return CellFacts(
        image=image.name,
        name=cell.name,
        label=label.outcome,
        decided_by_lead=label.state == "decided",
        said=said,
        probability=cell.probability,
        differs={said, label.outcome} == {"leukaemic", "normal"},
    )


def _share(leukaemic: int, normal: int) -> Share | None:
    if not leukaemic + normal:
        return None
    interval = wilson(leukaemic, leukaemic + normal)
    return Share(
        leukaemic, leukaemic + normal, interval.estimate, interval.low, interval.high, interval.level
    )


def _images(
    store: Store, case: Case, images: Sequence[CaseImage], cells: Sequence[CaseCell]
) -> tuple[ImageFacts, ...]:
    n_cells = Counter(cell.image_id for cell in cells)
    states = {scoring.image_id: str(scoring.state) for scoring in scorings_of(store, case.id)}
    return tuple(
        as_noun(ImageFacts, image, cells=n_cells[image.id], scored=states.get(image.id, "not scored"))
        for image in images
    )


def _readers(labels: Sequence[CellLabel], people: Mapping[int, Person]) -> tuple[ReaderCount, ...]:
    words = Counter(word.user_id for label in labels for word in label.words)
    as_lead = Counter(word.user_id for label in labels for word in label.words if word.adjudicated)
    return tuple(ReaderCount(people[number], words[number], as_lead[number]) for number in sorted(words))


def _notes(store: Store, case: Case, people: Mapping[int, Person]) -> tuple[NoteFacts, ...]:
    notes = notes_of(store, case.id)
    return tuple(NoteFacts(people[note.user_id], _time(note.written_at), note.text) for note in notes)


def _earlier(signed: SignedVersion, people: Mapping[int, Person]) -> EarlierVersion:
    at, signer = _time(signed.signed_at), people[signed.signed_by]
    return EarlierVersion(signed.version, at, signer, signed.reason, signed.content_sha256)


def _models(rows: _Rows, cards: Mapping[str, ModelCard]) -> tuple[ModelFacts, ...]:
    model_ids = sorted({cell.model_id for cell, _ in rows})
    return tuple(_model(model_id, rows, cards.get(model_id)) for model_id in model_ids)


def _model(model_id: str, rows: _Rows, card: ModelCard | None) -> ModelFacts:
    own = [(cell, facts) for cell, facts in rows if cell.model_id == model_id]
    agreement = {
        label: dict.fromkeys(("leukaemic", "normal", "uncertain", "unfamiliar", "other"), 0)
        for label in ("leukaemic", "normal")
    }
    for _, facts in own:
        if facts.label in agreement:
            agreement[facts.label][facts.said] += 1
    outcomes = Counter(facts.said for _, facts in own)
    return ModelFacts(model_id, None if card is None else _card(card), dict(outcomes), agreement)


def _card(card: ModelCard) -> CardFacts:
    calibration = card.calibration
    return as_noun(
        CardFacts,
        card,
        recipe=card.recipe.name,
        dataset=card.origin,
        temperature=None if calibration is None else calibration.temperature,
        undecided=None if calibration is None else calibration.undecided,
        trained_at=card.created_at,
    )


def _chosen(rows: _Rows, differing: _Rows) -> _Rows:
    """Half of the places for cells where label and model differ, the others evenly by probability."""
    first = differing[: max(N_EXAMPLES // 2, N_EXAMPLES - (len(rows) - len(differing)))]
    taken = {cell.id for cell, _ in first}
    others = sorted(
        (row for row in rows if row[0].id not in taken), key=lambda row: -(row[0].probability or 0)
    )
    places = np.linspace(0, len(others) - 1, min(N_EXAMPLES - len(first), len(others)))
    return [*first, *(others[round(place)] for place in places)]


def _examples(files: RoomFiles, images: Mapping[int, CaseImage], chosen: _Rows) -> tuple[ExampleCell, ...]:
    for image_id in sorted({cell.image_id for cell, _ in chosen}):
        here = [cell for cell, _ in chosen if cell.image_id == image_id]
        ensure_cell_pictures(files, images[image_id], here)
    return tuple(
        ExampleCell(facts, _embedded(files.thumb(cell.image_id, cell.id).read_bytes()))
        for cell, facts in chosen
    )


def _embedded(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode('ascii')}"


def _sureness(cell: CaseCell) -> float:
    return abs((0.5 if cell.probability is None else cell.probability) - 0.5)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _log_head(store: Store) -> str:
    lines = recent_lines(store, limit=1)
    return f"{lines[0].seq}:{lines[0].hash}" if lines else f"0:{NO_HASH}"
